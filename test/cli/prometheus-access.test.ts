// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are placeholders of kvdeploy's queries
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FakePrometheus, GUIDS, openPrometheusSite, type PrometheusSite, startFakePrometheus } from './prometheus-site.ts';

const SECRET = 'hunter2hunter2';
const QUERY = `interval: 1s, compare: { traffic: false }, status: code, requests: 'req_total{build="\${build}"}'`;
const PLAN = `plan --env production --build ${GUIDS.green}`;

let site: PrometheusSite;
let server: FakePrometheus;

beforeAll(async () => {
  site = await openPrometheusSite();
  server = await startFakePrometheus({
    answer: ({ headers }, _request, response) => {
      const known = headers.authorization === `Bearer ${SECRET}` && headers['x-scope-orgid'] === 'team-a';
      if (!known) response.writeHead(401).end(`not for ${headers.authorization}`);
      return !known;
    },
  });
}, 60_000);
afterAll(() => Promise.all([site.close(), server.close()]));

/** Everything that a person or a log could see of it. */
async function said(words: string, env: Record<string, string> = {}): Promise<{ exitCode: number; text: string }> {
  const { exitCode, stdout, stderr } = await site.run(words, { env });
  return { exitCode, text: `${stdout}\n${stderr}` };
}

describe('a secret is nowhere in the config, and nowhere in what is said', () => {
  it.each([
    [
      'a user and password in the address',
      `url: "https://deploy:${SECRET}@127.0.0.1:9", ${QUERY}`,
      /user or password.*basic: \{ username/,
    ],
    ['a password with blanks in the address', `url: "https://deploy:my ${SECRET}@127.0.0.1:9", ${QUERY}`, /user or password/],
    [
      'a token as a header',
      `headers: { X-Scope-OrgID: a, Authorization: "Bearer ${SECRET}" }, url: http://127.0.0.1:9, ${QUERY}`,
      /bearer: \{ file/,
    ],
    ['a key as a header', `url: http://127.0.0.1:9, headers: { x-api-key: ${SECRET} }, ${QUERY}`, /\{ env: NAME \}/],
    ['a token as bearer', `url: http://127.0.0.1:9, bearer: ${SECRET}, ${QUERY}`, /does not stand in the config: \{ file/],
    [
      'a password as basic',
      `url: http://127.0.0.1:9, basic: { username: a, password: ${SECRET} }, ${QUERY}`,
      /does not stand in the config/,
    ],
    [
      'a key that does not exist',
      `url: http://127.0.0.1:9, basic_auth: { username: a, password: ${SECRET} }, ${QUERY}`,
      /Did you mean .{1,2}basic/,
    ],
    [
      'a token under a key of another name',
      `url: http://127.0.0.1:9, bearer: { value: ${SECRET} }, ${QUERY}`,
      /name one of file|has 2 errors/i,
    ],
    ['a token in a list', `url: http://127.0.0.1:9, bearer: [${SECRET}], ${QUERY}`, /this is a list/],
    ['a token in place of its file', `url: http://127.0.0.1:9, bearer: { file: ${SECRET} }, ${QUERY}`, /whole path of a file/],
    [
      'a header under a key',
      `url: http://127.0.0.1:9, headers: { X-A: { value: ${SECRET} } }, ${QUERY}`,
      /name one of file|has 2 errors/i,
    ],
    [
      'a misspelled password',
      `url: http://127.0.0.1:9, basic: { user: a, pasword: ${SECRET} }, nonsense: 1, ${QUERY}`,
      /Did you mean .{1,2}password|has 3 errors/,
    ],
    [
      'a token on a line of its own',
      `url: http://127.0.0.1:9, bearer:\n                  ${SECRET}\n                , ${QUERY}`,
      /does not stand in the config/,
    ],
  ])(
    '%s is refused with the fix, and shown by no format of validate',
    async (_what, gate, why) => {
      site.writeGate(gate);
      for (const words of [
        'validate',
        'validate --format json',
        'validate --format github',
        `${PLAN} --json`,
        'doctor --env production',
      ]) {
        const { exitCode, text } = await said(words);
        expect(exitCode).not.toBe(0);
        expect(text).toMatch(why);
        expect(text).not.toContain(SECRET);
      }
    },
    30_000,
  );

  it('parameters in the address are refused with the key that takes them', async () => {
    site.writeGate(`url: "http://127.0.0.1:9/good?tenant=a", ${QUERY}`);
    expect(await said('validate')).toMatchObject({
      exitCode: 2,
      text: expect.stringMatching(/write them as query: \{ NAME: VALUE \}/),
    });
    site.writeGate(`url: "http://127.0.0.1:9/good", query: { tenant: a }, ${QUERY}`);
    expect(await said('validate')).toMatchObject({ exitCode: 0 });
  });

  it('backtest refuses an address with a password without printing it', async () => {
    site.writeGate(`url: ${server.url}, ${QUERY}`);
    const range = '--start 2026-11-22T10:00:00Z --end 2026-11-22T11:00:00Z --build a --stable b';
    const { exitCode, text } = await said(`backtest --env production --from-prometheus http://me:${SECRET}@127.0.0.1:9 ${range}`);
    expect(exitCode).toBe(2);
    expect(text).toMatch(/contains a user or password/);
    expect(text).not.toContain(SECRET);
  });
});

describe('a backtest of builds that are named by their version', () => {
  it('backtest takes from the manifests what the queries name of a build, and refuses one that none lists', async () => {
    site.writeGate(`url: ${server.url}, interval: 1s, status: code, requests: 'req_total{version="\${version}"}'`);
    const range = '--start 2026-11-22T10:00:00Z --end 2026-11-22T10:01:00Z';
    const asked = (build: string) =>
      said(`backtest --env production --from-prometheus ${server.url} ${range} --build ${build} --stable ${GUIDS.blue}`);
    const unknown = await asked('33333333-0000-4000-8000-000000000003');
    expect(unknown).toMatchObject({ exitCode: 2, text: expect.stringMatching(/has no version, which the query names/) });
    server.asked.length = 0;
    await asked(GUIDS.green);
    expect(server.asked[0]?.query).toContain('req_total{version="1.2.0"}');
    expect(server.asked[0]?.query).toContain('req_total{version="1.1.0"}');
  });
});

describe('a Prometheus that wants a header and a token', () => {
  it('it is asked with both by adopt, plan and promote, and the token is kept nowhere', async () => {
    const token = join(site.folder, 'token');
    writeFileSync(token, `${SECRET}\n`);
    chmodSync(token, 0o600);
    const headers = 'headers: { X-Scope-OrgID: team-a }';
    site.writeGate(`url: "${server.url}", ${headers}, bearer: { file: ${token} }, ${QUERY}`);
    expect(await site.adopt()).toMatchObject({ exitCode: 0 });
    const planned = await said(`${PLAN} --json --out plan.json`);
    expect(planned).toMatchObject({ exitCode: 0, text: expect.stringContaining(`bearer from ${token}`) });
    const doctor = await said('doctor --env production');
    expect(doctor.text).toMatch(/gate errors .*requests failed/);
    const promoted = await said(`promote --env production --build ${GUIDS.green} -y --max-wait 3s --json`);
    for (const { text } of [
      planned,
      doctor,
      promoted,
      await said('history --env production --json'),
      await said('status --env production --json'),
    ])
      expect(text).not.toContain(SECRET);
    expect(site.kept()).toContain('team-a');
    expect(site.kept()).not.toContain(SECRET);
    expect(promoted).toMatchObject({ exitCode: 75 });
    expect(await said('abort --env production')).toMatchObject({ exitCode: 0 });
    site.writeGate(`url: "${server.url}", ${headers}, ${QUERY}`);
    const refused = await said(PLAN);
    expect(refused.text).toMatch(
      /GATE_NOT_READY.*answered 401: it does not accept these headers; bearer or basic may be missing/,
    );
  }, 60_000);

  it('a program that prints the token is run by plan only where that is allowed', async () => {
    const program = join(site.folder, 'print-token');
    writeFileSync(program, `#!/bin/sh\necho ${SECRET}\n`, { mode: 0o700 });
    site.writeGate(`url: "${server.url}", headers: { X-Scope-OrgID: team-a }, bearer: { program: [${program}] }, ${QUERY}`);
    const before = server.asked.length;
    const withheld = await said(PLAN);
    expect(withheld.text).toMatch(/runs a program that the config names; without --run-programs it is not asked here/);
    expect(server.asked.length).toBe(before);
    const allowed = await said(`${PLAN} --run-programs`);
    expect(allowed).toMatchObject({ exitCode: 0, text: expect.stringContaining(`bearer from ${program}`) });
    expect(allowed.text).not.toContain(SECRET);
  }, 30_000);
});
