/** Drift through the command line: who reports it, what puts it right, and that no build is blamed for it. */
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { BLUE, GREEN, PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, pasted, resultOf } from './local-site.ts';

let site: LocalSite;
const ATTENTION = { ok: false, code: 'NEEDS_ATTENTION', exitCode: 9 };
const promote = (guid: string) => ['promote', ...PRODUCTION, '--build', guid, ...SURE];
const converge = (...more: readonly string[]) => ['converge', ...PRODUCTION, ...more];
const result = async (args: readonly string[]) => resultOf(await site.run([...args, '--json']));
const documentOf = async (args: readonly string[]) =>
  (await site.run([...args, '--json'])).json.find((line) => line.type === 'document')?.data;

beforeAll(async () => {
  site = await openLocalSite(['production']);
  expect(await result(['adopt', ...PRODUCTION, ...SURE])).toMatchObject({ ok: true });
  expect(await result(promote(GREEN.guid))).toMatchObject({ ok: true });
  site.keep('promoted');
});
afterAll(() => site.close());
beforeEach(() => site.restore('promoted'));

describe('status', () => {
  test('status exits 0 while nothing differs from what the ledger says', async () => {
    expect(await result(['status', ...PRODUCTION])).toMatchObject({ ok: true, exitCode: 0 });
  });

  test('status reports drift with exit 9, what each place answers, and the command that puts it right', async () => {
    await site.moveTraffic('production', 'blue');
    const said = await result(['status', ...PRODUCTION]);
    expect(said).toMatchObject({ ...ATTENTION, message: expect.stringContaining('the router reports blue 100 %') });
    expect(said.next[0]).toMatch(/^kvdeploy converge --env production/);
    expect(await documentOf(['status', ...PRODUCTION])).toMatchObject({
      drift: expect.stringContaining('the ledger expects green 100 %'),
      places: expect.arrayContaining([
        {
          place: 'blue',
          percent: 100,
          answers: [expect.objectContaining({ answer: expect.objectContaining({ guid: BLUE.guid }) })],
        },
      ]),
    });
    expect((await site.run(['status', ...PRODUCTION])).stdout).toMatch(/^ {2}answers {5}blue {2}0b9f1c2d-/m);
    const next = await result([...pasted(said.next[0] ?? ''), ...SURE]);
    expect(next).toMatchObject({ ok: true });
    expect(await site.percent('production', 'green')).toBe(100);
  });

  test.each([
    ['another build answers', () => site.backend('production', 'green').setGuid(BLUE.guid)],
    ['the build is silent', () => site.backend('production', 'green').setDelayMs(3000)],
  ])('status and converge report with exit 9 that %s where all traffic goes, and change nothing', async (_what, make) => {
    const green = site.backend('production', 'green');
    make();
    const said = await result(['status', ...PRODUCTION]);
    const tried = await result(converge(...SURE));
    green.setGuid(GREEN.guid);
    green.setDelayMs(0);
    expect(said).toMatchObject({ ...ATTENTION, message: expect.stringContaining('at green') });
    expect(tried).toMatchObject({ ok: false, code: 'BUILD_GONE', exitCode: 3 });
  });

  test('status reports with exit 9 a router that does not answer, and a break-glass run that waits', async () => {
    await site.stopServe('production');
    const unread = await result(['status', ...PRODUCTION]);
    await site.startServe('production');
    expect(unread).toMatchObject({ ...ATTENTION, message: expect.stringContaining('does not say where traffic goes') });
    const rescue = ['rollback', '--break-glass', '--env', 'production', ...SURE, '--reason', 'login is down'];
    expect(await site.run(rescue, { env: { KVDEPLOY_STATE_DIR: site.stateDir } })).toMatchObject({ exitCode: 0 });
    const held = await result(['status', ...PRODUCTION]);
    expect(held).toMatchObject({ ...ATTENTION, next: [expect.stringContaining('kvdeploy reconcile'), expect.anything()] });
    expect(await result(['doctor', ...PRODUCTION])).toMatchObject(ATTENTION);
  });

  test('status exits 0 while someone leads an open rollout', async () => {
    site.writeConfig({ bakeMs: 600_000 });
    await site.restore('promoted');
    const running = site.start(['rollback', ...PRODUCTION, '--to', BLUE.guid, ...SURE]);
    await running.ended;
    const next = site.start([...promote('abad1dea-3333-4aaa-8bbb-000000000042'), '--json']);
    await next.waitFor(/"type":"poll"/);
    const led = await result(['status', ...PRODUCTION]);
    const tried = await result(converge(...SURE));
    next.signal('SIGTERM');
    await next.ended;
    site.writeConfig();
    expect(led).toMatchObject({ ok: true, exitCode: 0 });
    expect(tried).toMatchObject({ code: 'BUSY', exitCode: 6 });
    expect(await result(converge(...SURE))).toMatchObject({ code: 'UNFINISHED', exitCode: 6 });
  });
});

describe('doctor', () => {
  test('doctor reports drift with exit 9 and names the command that puts it right', async () => {
    await site.moveTraffic('production', 'blue');
    const said = await result(['doctor', ...PRODUCTION]);
    expect(said).toMatchObject({ ...ATTENTION, next: [expect.stringMatching(/^kvdeploy converge --env production/)] });
  });
});

describe('converge', () => {
  test('converge puts moved traffic back, writes it down, and marks nothing', async () => {
    await site.moveTraffic('production', 'blue');
    expect(await result(converge(...SURE, '--reason', 'weights were set by hand'))).toMatchObject({
      ok: true,
      message: expect.stringContaining('Nothing was marked bad'),
      traffic: { split: [{ build: GREEN.guid, percent: 100 }] },
    });
    expect((await site.run(['history', ...PRODUCTION])).stdout).toMatch(/planned r-\S+: converge 7c9e6679/);
    expect(await result(['rollback', ...PRODUCTION, '--to', BLUE.guid, ...SURE])).toMatchObject({ ok: true });
  });

  test('converge leaves since when the build has been known-good, in ledger and pointer', async () => {
    const known = async () => ((await documentOf(['status', ...PRODUCTION])) as { knownGood: object }).knownGood;
    const before = await known();
    await site.moveTraffic('production', 'blue');
    expect(await result(converge(...SURE))).toMatchObject({ ok: true });
    expect(await known()).toEqual(before);
    expect(await result(['pointer', 'verify', ...PRODUCTION])).toMatchObject({ ok: true });
  });

  test('converge does nothing where nothing drifted, asks nothing, and says so', async () => {
    const history = (await site.run(['history', ...PRODUCTION])).stdout;
    expect(await result(converge())).toMatchObject({ ok: true, message: expect.stringContaining('Nothing has drifted') });
    expect((await site.run(['history', ...PRODUCTION])).stdout).toBe(history);
  });

  test('converge wants the name of a protected environment, and refuses under a hold', async () => {
    await site.moveTraffic('production', 'blue');
    expect(await result(converge())).toMatchObject({ code: 'NO_TERMINAL', exitCode: 2 });
    const program = join(site.stateDir, 'acme/production/kv-gateway/pointer/break-glass.mjs');
    const glass = `node ${program} --env production --confirm production --reason 'login is down' --to ${BLUE.guid}`;
    expect(await site.shell(glass)).toMatchObject({ exitCode: 0 });
    expect(await result(converge(...SURE))).toMatchObject({ code: 'HELD', exitCode: 6 });
    expect(await site.percent('production', 'blue')).toBe(100);
  });

  test('converge never leads to a build of another place, nor to one that a person called bad', async () => {
    site.backend('production', 'green').setGuid(BLUE.guid);
    await site.moveTraffic('production', 'blue');
    const gone = await result(converge(...SURE));
    site.backend('production', 'green').setGuid(GREEN.guid);
    expect(gone).toMatchObject({ code: 'BUILD_GONE', exitCode: 3 });
    expect(await site.percent('production', 'blue')).toBe(100);
  });

  test('converge refuses after a rollback that ended stuck, and names the command that finishes it', async () => {
    const blue = site.backend('production', 'blue');
    blue.setDelayMs(1000);
    const running = site.start(['rollback', ...PRODUCTION, '--to', BLUE.guid, ...SURE, '--json']);
    await running.waitFor(/"phase":"converging"/);
    blue.setGuid(GREEN.guid);
    expect(resultOf(await running.ended)).toMatchObject({ exitCode: 5 });
    blue.setGuid(BLUE.guid);
    blue.setDelayMs(0);
    const status = await result(['status', ...PRODUCTION]);
    expect(status).toMatchObject({ ...ATTENTION, next: [expect.stringContaining(`--to ${BLUE.guid}`), expect.anything()] });
    expect(status.message.match(/last rollout is stuck/gi)).toHaveLength(1);
    const tried = await result(converge(...SURE));
    expect(tried).toMatchObject({ code: 'UNFINISHED', exitCode: 6, hint: expect.stringContaining(`--to ${BLUE.guid}`) });
  });
});
