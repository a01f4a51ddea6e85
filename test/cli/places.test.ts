/** `places`: what is at each place, and which one CI may start the next build at. Through the command line, on the local router. */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { routesText } from '../../src/routers/local/local-routes.ts';
import { until } from '../servers/program.ts';
import { BLUE, GREEN, PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';

let site: LocalSite;
const idle = (...more: readonly string[]) => site.run(['places', '--idle', ...PRODUCTION, ...more]);

beforeAll(async () => {
  site = await openLocalSite(['production']);
  expect(resultOf(await site.run(['adopt', ...PRODUCTION, ...SURE, '--json']))).toMatchObject({ ok: true });
  site.keep('adopted');
});
afterAll(() => site.close());
beforeEach(() => site.restore('adopted'));

async function documentOf(...args: readonly string[]) {
  const { json } = await site.run(['places', ...PRODUCTION, '--json', ...args]);
  const line = json.find(({ type }) => type === 'document');
  return (line?.type === 'document' ? line.data : undefined) as { readonly places: readonly Record<string, unknown>[] };
}

test('places shows each place with its members, what each answered, its build, its percent and why it is not idle', async () => {
  const { places } = await documentOf();
  expect(places.find(({ place }) => place === 'blue')).toMatchObject({
    percent: 100,
    realPercent: 100,
    knownGood: true,
    idle: false,
    why: expect.stringContaining('the known-good build 0b9f1c2d is there'),
    build: { guid: BLUE.guid, version: BLUE.version },
    members: [{ name: 'blue', location: 'main', up: true, draining: false, build: BLUE.guid, answer: BLUE.guid }],
  });
  expect(places.find(({ place }) => place === 'green')).toMatchObject({
    percent: 0,
    idle: true,
    why: null,
    build: { guid: GREEN.guid },
  });
  const { exitCode, stdout } = await site.run(['places', ...PRODUCTION]);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/blue +100 % +0b9f1c2d {2}1\.40\.0 +known-good/);
});

test('a member that is silent is shown as such, and its place has no known build', async () => {
  await site.backend('production', 'violet').close();
  const violet = (await documentOf()).places.find(({ place }) => place === 'violet');
  expect(violet).toMatchObject({
    build: null,
    idle: true,
    members: [{ build: null, answer: expect.stringContaining('ECONNREFUSED') }],
  });
});

test('places --idle prints exactly one name, and nothing else on stdout', async () => {
  expect(await idle()).toMatchObject({ exitCode: 0, stdout: 'amber\n', stderr: '' });
});

test('places --idle --json ends with a result line that is ok and holds the name', async () => {
  expect(resultOf(await idle('--json'))).toMatchObject({ ok: true, message: 'amber' });
});

test('places --idle never names the place of the known-good build, although traffic was moved away from it by hand', async () => {
  await site.moveTraffic('production', 'amber');
  const { stdout } = await idle();
  expect(stdout).toBe('green\n');
});

test('places --idle exits 6 while a rollout is open, led or not, and under a hold', async () => {
  site.writeConfig({ bakeMs: 600_000 });
  const running = site.start(['promote', ...PRODUCTION, ...SURE, '--build', GREEN.guid, '--json']);
  await running.waitFor(/"type":"poll"/);
  expect(resultOf(await idle('--json'))).toMatchObject({ code: 'BUSY', exitCode: 6 });
  running.signal('SIGTERM');
  await running.ended;
  const left = await idle();
  expect(left).toMatchObject({ exitCode: 6, stdout: '', stderr: expect.stringContaining('UNFINISHED') });
  const rescue = ['rollback', '--break-glass', ...PRODUCTION, ...SURE, '--reason', 'a rehearsal for the tests'];
  expect((await site.run(rescue)).exitCode).toBe(0);
  expect(await idle()).toMatchObject({ exitCode: 6, stdout: '', stderr: expect.stringContaining('HELD') });
  site.writeConfig();
});

test('places --idle exits 7 where the router does not answer: what was not seen is not idle', async () => {
  await site.stopServe('production');
  expect(await idle()).toMatchObject({ exitCode: 7, stdout: '' });
  await site.startServe('production');
});

test('builds counts the shares of one build at two places together', async () => {
  site.backend('production', 'green').setGuid(BLUE.guid);
  const shares = ['blue', 'green', 'amber', 'violet'].map((place, at) => ({ place, build: null, percent: [70, 30][at] ?? 0 }));
  writeFileSync(site.routes('production'), routesText(shares));
  await until('the new split', async () => (await site.percent('production', 'green')) === 30 || undefined);
  const { json } = await site.run(['builds', ...PRODUCTION, '--json']);
  const text = await site.run(['builds', ...PRODUCTION]);
  site.backend('production', 'green').setGuid(GREEN.guid);
  const listed = json.find(({ type }) => type === 'document');
  expect(listed).toMatchObject({
    data: { builds: expect.arrayContaining([expect.objectContaining({ guid: BLUE.guid, percent: 100 })]) },
  });
  expect(text.stdout).toMatch(/0b9f1c2d .* live 100 %$/m);
});

test('places --idle refuses where this machine has no state but the target serves', async () => {
  const elsewhere = await idle('--state-dir', `${site.folder}/another-state`);
  expect(elsewhere).toMatchObject({ exitCode: expect.any(Number), stdout: '' });
  expect([3, 6]).toContain(elsewhere.exitCode);
});
