/** A socket path that leads to the HAProxy of another environment, in the middle of a rollout on real HAProxy: nothing is written there. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCli } from '../cli/run-cli.ts';
import { type Haproxy, startHaproxy } from '../servers/haproxy.ts';
import { openSite, PLACES, PRODUCTION, type Site } from './site.ts';

let site: Site;
let staging: Haproxy;
let folder: string;
let socket: string;
let before: string;

const RESCUE = [...'rollback --break-glass --env production --confirm production'.split(' '), '--reason', 'green answers 401'];

function leadsTo(haproxy: Haproxy): void {
  rmSync(socket, { force: true });
  symlinkSync(haproxy.sockets[0] ?? '', socket);
}

/** Weights and states as staging's own people left them. */
const stagingNow = async () => (await staging.command('show servers state gw')).replace(/ \d+ \d+ \d+$/gm, '');

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kvdeploy-other-'));
  mkdirSync(join(folder, 'run'));
  socket = join(folder, 'run/prod.sock');
  site = await openSite({
    steps: '[{ percent: 50, bake: 10m }, { percent: 100, bake: 400ms }]',
    configSockets: ([real = '']) => {
      rmSync(socket, { force: true });
      symlinkSync(real, socket);
      return [socket];
    },
  });
  staging = await startHaproxy({
    servers: PLACES.map((name) => ({ name, port: site.builds[name].backend.port })),
    description: 'gateway environment=staging',
  });
  before = await stagingNow();
  const running = site.start(`promote --build ${site.builds.green.guid} ${PRODUCTION}`);
  await running.waitFor(/"type":"poll"/);
  running.signal('SIGKILL');
  await running.ended;
}, 60_000);
afterAll(async () => {
  await staging.stop();
  await site.close();
  unlinkSync(socket);
  rmSync(folder, { recursive: true });
});

const weightsOf = (text: string) => text.split('\n').map((line) => line.split(' ').slice(1, 9).join(' '));

it('break-glass changes nothing at the HAProxy of another environment, and works once the path leads home', async () => {
  leadsTo(staging);
  const refused = await runCli(RESCUE, { env: site.env, cwd: '/' });
  expect([refused.exitCode, refused.stderr]).toEqual([3, expect.stringContaining('✖ WRONG_TARGET')]);
  expect(refused.stderr).toContain('says that it is staging (gateway environment=staging), not production');
  expect(weightsOf(await stagingNow())).toEqual(weightsOf(before));
  expect(await site.split()).toEqual({ blue: 50, green: 50 });
});

it('an abort writes nothing to the HAProxy of another environment, and says why traffic is where it is', {
  timeout: 60_000,
}, async () => {
  leadsTo(staging);
  const stuck = await site.run(`abort ${PRODUCTION}`);
  expect([stuck.exitCode, stuck.result.code], stuck.stderr).toEqual([5, 'STUCK']);
  expect(stuck.result.message).toMatch(/nothing was changed there: .* says that it is staging/);
  expect(weightsOf(await stagingNow())).toEqual(weightsOf(before));
  expect(await site.split()).toEqual({ blue: 50, green: 50 });
  leadsTo(site.haproxy);
  const rescued = await runCli(RESCUE, { env: site.env, cwd: '/' });
  expect(rescued.exitCode, rescued.stderr).toBe(0);
  expect(await site.split()).toEqual({ blue: 100 });
});
