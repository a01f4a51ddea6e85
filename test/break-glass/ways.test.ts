/** The program as it is shipped reaches members as their router does, and settles on what answers again and again. */
import fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Check } from '../../src/base/changes/change.ts';
import type { IdentityCheck } from '../../src/base/changes/identity.ts';
import { freshFolder } from '../fresh-folder.ts';
import { certificate } from '../servers/certificates.ts';
import { type Proxied, proxied } from '../servers/proxied.ts';
import { bundle, GREEN, pointerOf, REASON, restoreOf, routesTo, runToEnd, stateWith } from './scene.ts';

const COMMIT = '0123456789abcdef0123456789abcdef01234567';
const folder = freshFolder();
const routes = join(folder, 'routes.json');
let program: string;
let member: Proxied;
/** What the member says, one answer after the other; the last one for ever. */
let commits: string[] = [];
let heard: unknown[] = [];

beforeAll(async () => {
  program = await bundle('src/break-glass/main.ts', folder);
  certificate(folder, 'ca');
  certificate(folder, 'member', { by: 'ca', names: 'DNS:green.internal' });
  const [key, cert] = ['member.key', 'member.pem'].map((name) => fs.readFileSync(join(folder, name)));
  member = await proxied(
    (request, response) => {
      heard.push(request.headers['x-probe']);
      response.writeHead(200, { 'x-git-sha': (commits.length > 1 ? commits.shift() : commits[0]) ?? '', 'x-env': 'production' });
      response.end();
    },
    { ...(key && { key }), ...(cert && { cert }) },
  );
});
afterAll(() => member.close());

async function rescue(checks: Pick<Check & { kind: 'http' }, 'times' | 'settleMs'> = {}, ca = 'ca.pem') {
  heard = [];
  fs.writeFileSync(routes, '{"serve":"bad"}\n');
  const way = {
    kind: 'http',
    url: `https://127.0.0.1:${member.port}/`,
    header: 'x-git-sha',
    equals: COMMIT,
    ca: join(folder, ca),
    serverName: 'green.internal',
    proxyProtocol: 2,
    secret: { name: 'PROBE_TOKEN', header: 'x-probe', scheme: 'v1' },
    timeoutMs: 5000,
  } as const;
  const identity: IdentityCheck = { ...way, exact: true, environment: { header: 'x-env', equals: 'production' } };
  const restore = routesTo(routes, 'green');
  const state = fs.mkdtempSync(join(folder, 'state-'));
  const knownGood = restoreOf(GREEN, { ...restore, checks: [...restore.checks, { ...way, ...checks }], identity: [identity] });
  stateWith(state, [pointerOf({ knownGood })]);
  const words = ['--state-dir', state, '--env', 'production', '--reason', REASON, '--confirm', 'production'];
  return runToEnd([process.execPath, program, ...words], { env: { PROBE_TOKEN: 's3cret' } });
}

it('break-glass asks a member over TLS behind a PROXY header for its commit, with a secret that it does not print', async () => {
  commits = [COMMIT];
  const { code, stdout, stderr } = await rescue({ times: 3, settleMs: 30 });
  expect(stderr).toContain('read back: 3 of 3 checks passed');
  expect([code, fs.readFileSync(routes, 'utf8').trim()]).toEqual([0, '{"serve":"green"}']);
  expect(heard).toEqual(new Array(heard.length).fill('v1 s3cret'));
  expect(heard.length).toBeGreaterThanOrEqual(5);
  expect(stdout + stderr).not.toContain('s3cret');
});

it('break-glass changes nothing where a member behind a PROXY header runs another commit', async () => {
  commits = [COMMIT.replace('0', 'f')];
  const { code, stderr } = await rescue();
  expect(stderr).toContain('BUILD_GONE');
  expect([code, fs.readFileSync(routes, 'utf8').trim()]).toEqual([3, '{"serve":"bad"}']);
});

it('break-glass is not satisfied while an old answer still comes in between', async () => {
  commits = [COMMIT, COMMIT, 'old', COMMIT];
  const { code, stderr } = await rescue({ times: 3 });
  expect(stderr).toContain('read back: 3 of 3 checks passed');
  expect(code).toBe(0);
  // One before the changes; two of which the second was old, and the member; then three, and the member.
  expect(heard.length).toBeGreaterThanOrEqual(8);
});

it('break-glass restores traffic while the CA file of its questions is gone, names the file, and verifies nothing', async () => {
  commits = [COMMIT];
  const { code, stderr } = await rescue({}, 'no-such-ca.pem');
  expect([code, fs.readFileSync(routes, 'utf8').trim()]).toEqual([5, '{"serve":"green"}']);
  expect(stderr).toMatch(/NOT_VERIFIED.*no-such-ca\.pem/);
});

it('a CA file may hold all that a system believes', async () => {
  const own = fs.readFileSync(join(folder, 'ca.pem'), 'utf8');
  fs.writeFileSync(join(folder, 'all.pem'), own + own.repeat(Math.ceil(250_000 / own.length)));
  commits = [COMMIT];
  const { code, stderr } = await rescue({}, 'all.pem');
  expect([code, stderr]).toEqual([0, expect.stringContaining('read back: 3 of 3 checks passed')]);
});
