/** Bad marks through the command line: who may call a build bad, what never does, and how a mark goes away again. */
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { BLUE, GREEN, PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';

let site: LocalSite;
const GREEN_BAD = { code: 'BAD_BUILD', exitCode: 3 };
const promote = (guid: string) => ['promote', ...PRODUCTION, '--build', guid, ...SURE];
const rollback = (...more: readonly string[]) => ['rollback', ...PRODUCTION, ...SURE, '--reason', 'errors in Paris', ...more];
const toBlue = ['--to', BLUE.guid];
const result = async (args: readonly string[]) => resultOf(await site.run([...args, '--json']));

beforeAll(async () => {
  site = await openLocalSite(['production']);
  expect(await result(['adopt', ...PRODUCTION, ...SURE])).toMatchObject({ ok: true });
  site.keep('adopted');
  expect(await result(promote(GREEN.guid))).toMatchObject({ ok: true });
  site.keep('promoted');
});
afterAll(() => site.close());
beforeEach(() => site.restore('promoted'));

describe('a rollback', () => {
  test('a rollback without --bad and --not-bad marks nothing, says so, and refuses nothing', async () => {
    const back = await result(rollback(...toBlue));
    expect(back).toMatchObject({ ok: true, message: expect.stringMatching(/7c9e6679 is not marked bad, since neither --bad/) });
    expect(await result(['rollback', ...PRODUCTION, ...SURE, '--to', GREEN.guid])).toMatchObject({ ok: true });
  });

  test('a rollback with --bad marks the build that it leaves, with the reason', async () => {
    expect(await result(rollback(...toBlue, '--bad'))).toMatchObject({
      ok: true,
      message: expect.stringMatching(/is marked bad/),
    });
    const again = await result(promote(GREEN.guid));
    expect(again).toMatchObject({ ...GREEN_BAD, message: expect.stringContaining('rolled back from: errors in Paris') });
  });

  test('a rollback with --not-bad lets the build be promoted again behind its gates', async () => {
    expect(await result(rollback(...toBlue, '--not-bad'))).toMatchObject({ ok: true });
    expect(await result(promote(GREEN.guid))).toMatchObject({ ok: true });
  });

  test('a rollback at a terminal asks whether the build is bad, and only after traffic is back', async () => {
    const keys = [
      { waitFor: /Type production/, type: 'production\r' },
      { waitFor: /Rolled back|Is 7c9e6679 bad\?/, type: 'y\r' },
    ];
    const { exitCode, screen } = await site.atTerminal(['rollback', ...PRODUCTION, ...toBlue], { keys });
    expect({ exitCode, screen }).toMatchObject({ exitCode: 0, screen: expect.stringContaining('7c9e6679 is marked bad') });
    expect(screen.indexOf('Is 7c9e6679 bad?')).toBeGreaterThan(screen.indexOf('blue 100 %'));
    expect(await result(['rollback', ...PRODUCTION, ...SURE, '--to', GREEN.guid])).toMatchObject(GREEN_BAD);
  });

  test('a rollback that is told both --bad and --not-bad refuses before it changes anything', async () => {
    expect(await result(rollback(...toBlue, '--bad', '--not-bad'))).toMatchObject({ code: 'USAGE', exitCode: 2 });
    expect(await site.percent('production', 'green')).toBe(100);
  });

  test('a rollback of an open rollout marks its candidate with --bad, and nothing without', async () => {
    for (const [flag, code] of [
      ['--bad', 'BAD_BUILD'],
      ['--not-bad', null],
    ] as const) {
      await site.restore('adopted');
      site.writeConfig({ bakeMs: 600_000 });
      const running = site.start([...promote(GREEN.guid), '--json']);
      await running.waitFor(/"type":"poll"/);
      expect(await result(rollback(flag))).toMatchObject({ ok: true });
      await running.ended;
      site.writeConfig();
      expect((await result(promote(GREEN.guid))).code).toBe(code);
    }
  });

  test('a rollback that puts moved traffic back marks nothing, with --bad either', async () => {
    await site.moveTraffic('production', 'blue');
    const back = await result(rollback('--bad'));
    expect(back).toMatchObject({ ok: true, message: expect.stringContaining('Nothing is marked bad') });
    expect(await site.percent('production', 'green')).toBe(100);
    expect(await result(rollback(...toBlue))).toMatchObject({ ok: true });
  });
});

describe('break-glass', () => {
  const glass = (...more: readonly string[]) =>
    site.run(['rollback', '--break-glass', '--env', 'production', ...SURE, '--reason', 'login is down', ...toBlue, ...more], {
      env: { KVDEPLOY_STATE_DIR: site.stateDir },
    });
  const reconcile = (...more: readonly string[]) =>
    result(['reconcile', ...PRODUCTION, ...SURE, '--reason', 'reviewed', ...more]);
  const backToGreen = () => result(['rollback', ...PRODUCTION, ...SURE, '--to', GREEN.guid]);

  test.each([
    [[], [], null],
    [['--bad'], [], 'BAD_BUILD'],
    [['--not-bad'], [], null],
    [[], ['--bad'], 'BAD_BUILD'],
    [['--bad'], ['--not-bad'], null],
  ] as const)(
    'break-glass with %j, reconciled with %j, ends with the code %j for the build that was left',
    async (said, later, code) => {
      expect(await glass(...said)).toMatchObject({ exitCode: 0 });
      expect(await reconcile(...later)).toMatchObject({ ok: true });
      expect((await backToGreen()).code).toBe(code);
    },
  );

  test('break-glass says that nothing is marked where neither flag was given, and does not ask', async () => {
    expect((await glass()).stderr).toContain('neither --bad nor --not-bad was given');
    expect(await glass('--bad', '--not-bad')).toMatchObject({ exitCode: 2 });
  });
});

describe('a pardon', () => {
  const pardon = (guid: string, ...more: readonly string[]) => ['builds', 'pardon', guid, ...PRODUCTION, ...more];
  const why = ['--reason', 'the disk was full'];

  test('a pardon takes the mark and its OLD_SEQUENCE away, so that the build can be promoted again', async () => {
    expect(await result(rollback(...toBlue, '--bad'))).toMatchObject({ ok: true });
    expect(await result(promote(GREEN.guid))).toMatchObject({ ...GREEN_BAD, hint: expect.stringContaining('builds pardon') });
    expect(await result(pardon(GREEN.guid.slice(0, 8), ...why, ...SURE))).toMatchObject({ ok: true });
    expect(await result(promote(GREEN.guid))).toMatchObject({ ok: true });
  });

  test('a pardon is shown ever after, with who, why, and the mark that it took away', async () => {
    expect(await result(rollback(...toBlue, '--bad'))).toMatchObject({ ok: true });
    expect(await result(pardon(GREEN.guid, ...why, ...SURE))).toMatchObject({ ok: true });
    for (const command of ['status', 'history', 'builds']) {
      const { stdout } = await site.run([command, ...PRODUCTION]);
      expect(stdout, command).toMatch(/pardoned.*the disk was full/i);
    }
    const status = (await site.run(['status', ...PRODUCTION, '--json'])).json.find((line) => line.type === 'document');
    expect(status?.data).toMatchObject({
      bad: [],
      pardons: [{ guid: GREEN.guid, reason: 'the disk was full', was: 'rolled back from: errors in Paris' }],
    });
  });

  test('a pardon wants the name of a protected environment and a reason, and changes nothing without them', async () => {
    expect(await result(rollback(...toBlue, '--bad'))).toMatchObject({ ok: true });
    expect(await result(pardon(GREEN.guid, ...why))).toMatchObject({ code: 'NO_TERMINAL', exitCode: 2 });
    expect(await result(pardon(GREEN.guid, ...SURE))).toMatchObject({
      exitCode: 2,
      hint: expect.stringContaining('--reason'),
    });
    expect(await result(pardon(BLUE.guid, ...why, ...SURE))).toMatchObject({ code: 'NOTHING_TO_DO', exitCode: 2 });
    expect(await result(promote(GREEN.guid))).toMatchObject(GREEN_BAD);
  });

  test('a pardon lets break-glass go to the build too, at once, also while the router does not answer', async () => {
    expect(await result(rollback(...toBlue, '--bad'))).toMatchObject({ ok: true });
    const rescue = (guid: string) =>
      site.shell(
        `node ${join(site.stateDir, 'acme/production/kv-gateway/pointer/break-glass.mjs')} --env production --to ${guid} --rehearse`,
      );
    expect((await rescue(GREEN.guid)).stderr).toContain('BAD_BUILD');
    await site.stopServe('production');
    const unseen = await result(pardon(GREEN.guid, ...why, ...SURE));
    await site.startServe('production');
    expect(unseen).toMatchObject({ ok: true });
    expect((await rescue(GREEN.guid)).stderr).not.toContain('BAD_BUILD');
  });
});
