import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { AMBER, GREEN, IN_STAGING, PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';

let site: LocalSite;
let second: string;
const promote = (guid: string, ...more: readonly string[]) => ['promote', ...PRODUCTION, '--build', guid, ...SURE, ...more];
const adopt = ['adopt', ...PRODUCTION, ...SURE];
/** The emergency in one of the two states. */
const rescueIn = (stateDir: string) => {
  const reason = ['--reason', 'login is down at night'];
  return ['rollback', '--break-glass', ...PRODUCTION, ...reason, ...SURE, '--state-dir', stateDir];
};
const service = 'acme/production/kv-gateway';
const marker = () => `${site.routes('production')}.kvdeploy-state`;

/** As a second operator: with a HOME and a state of its own. */
const asSecond = (args: readonly string[]) =>
  result([...args, '--state-dir', second], { HOME: join(site.folder, 'second-home') });

async function result(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return resultOf(await site.run([...args, '--json'], { env }));
}

beforeAll(async () => {
  site = await openLocalSite(['production']);
  mkdirSync(join(site.folder, 'second-home'));
  site.keep('empty');
  expect(await result(adopt)).toMatchObject({ ok: true });
  site.keep('adopted');
});
afterAll(() => site.close());
beforeEach(async () => {
  second = join(site.folder, `second-${Date.now()}`);
  await site.restore('adopted');
});

describe('a second state of one target', () => {
  test.each([
    ['adopt', adopt],
    ['plan', ['plan', ...PRODUCTION, '--build', GREEN.guid]],
    ['promote', promote(GREEN.guid)],
    ['rollback', ['rollback', ...PRODUCTION, ...SURE]],
    ['reconcile', ['reconcile', ...PRODUCTION, '--reason', 'seen', ...SURE]],
    ['status', ['status', ...PRODUCTION]],
  ])('%s from a second state directory is refused, and names the first one and who wrote it', async (_name, args) => {
    const refused = await asSecond(args);
    expect(refused).toMatchObject({ code: 'OTHER_STATE', exitCode: 6 });
    expect(refused.message).toContain(site.stateDir);
    expect(refused.message).toMatch(/account \S+/);
    expect(refused.hint).toContain(`--state-dir ${site.stateDir}`);
    expect(refused.hint).not.toContain('adopt');
    expect(existsSync(second)).toBe(false);
  });

  test('a bad mark and a hold of the first state bind a second operator on the same host', async () => {
    site.backend('production', 'green').setStatus(500);
    expect(await result(promote(GREEN.guid))).toMatchObject({ code: 'REVERTED' });
    site.backend('production', 'green').setStatus(200);
    const rescued = await site.run(rescueIn(site.stateDir));
    expect(rescued.exitCode, rescued.stderr).toBe(0);
    const refused = await asSecond(adopt);
    expect(refused).toMatchObject({ code: 'OTHER_STATE', exitCode: 6, message: expect.stringContaining('it is held') });
    expect(await asSecond(promote(GREEN.guid))).toMatchObject({ exitCode: 6 });
    expect(await site.percent('production', 'green')).toBe(0);
  });

  test('doctor says in a second state that another one drives the target', async () => {
    const { stdout, exitCode } = await site.run(['doctor', ...PRODUCTION, '--state-dir', second]);
    expect(exitCode).not.toBe(0);
    expect(stdout).toMatch(new RegExp(`FAIL +other state +The state ${site.stateDir}`));
  });

  test('exactly one of two states that adopt at once becomes the state of the target', async () => {
    await site.restore('empty');
    const both = await Promise.all([asSecond(adopt), result(adopt)]);
    expect(both.map(({ code }) => code).toSorted()).toEqual(['OTHER_STATE', null]);
  });

  test('break-glass from a second state is never refused for a marker', async () => {
    cpSync(site.stateDir, second, { recursive: true });
    rmSync(join(second, service, 'state-id'));
    const rescued = await site.run(rescueIn(second));
    expect(rescued.exitCode, rescued.stderr).toBe(0);
  });
});

describe('the same state in another place', () => {
  test('a state that was moved is the same state, and the marker follows it', async () => {
    renameSync(site.stateDir, second);
    expect(await asSecond(promote(GREEN.guid))).toMatchObject({ ok: true });
    expect(JSON.parse(readFileSync(marker(), 'utf8'))).toMatchObject({ stateDir: second });
  });

  test('a copy of a state goes on as that state, and leaves the one it was copied from behind', async () => {
    cpSync(site.stateDir, second, { recursive: true });
    expect(await asSecond(promote(GREEN.guid))).toMatchObject({ ok: true });
    const behind = await result(promote(AMBER.guid));
    expect(behind).toMatchObject({ code: 'OTHER_STATE', exitCode: 6, hint: expect.stringContaining(`--state-dir ${second}`) });
  });

  test('a hold of the state that was copied stops the copy too', async () => {
    cpSync(site.stateDir, second, { recursive: true });
    writeFileSync(join(site.stateDir, service, 'pointer/hold'), '');
    expect(await asSecond(promote(GREEN.guid))).toMatchObject({ code: 'HELD', exitCode: 6 });
    expect(await site.percent('production', 'green')).toBe(0);
  });
});

test('a marker that a service left behind at an old target is refused, and the way to free that target is said', async () => {
  const left = `${site.routes('staging')}.kvdeploy-state`;
  cpSync(marker(), left);
  const refused = await result(['adopt', ...IN_STAGING, '--yes']);
  rmSync(left);
  expect(refused).toMatchObject({ code: 'OTHER_STATE', exitCode: 6, hint: expect.stringContaining(`remove ${left}`) });
  expect(refused.message).toContain('acme/production/kv-gateway');
});

describe('a state without a marker', () => {
  test('a state of an earlier version is found by the places of this machine, and gets its marker at its next promotion', async () => {
    rmSync(marker());
    rmSync(join(site.stateDir, service, 'state-id'));
    const refused = await result([...adopt, '--state-dir', second]);
    expect(refused).toMatchObject({ code: 'OTHER_STATE', hint: expect.stringContaining(`--state-dir ${site.stateDir}`) });
    expect(await result(promote(GREEN.guid))).toMatchObject({ ok: true });
    expect(JSON.parse(readFileSync(marker(), 'utf8'))).toMatchObject({ stateDir: site.stateDir, scope: { tenant: 'acme' } });
  });

  test('a marker that cannot be read refuses, and names the file', async () => {
    writeFileSync(marker(), 'half a mark');
    const refused = await result(promote(GREEN.guid));
    expect(refused).toMatchObject({ code: 'OTHER_STATE', exitCode: 6, hint: expect.stringContaining(`remove ${marker()}`) });
  });

  test('a marker whose state is gone refuses, and says what to do where it is lost for good', async () => {
    rmSync(site.stateDir, { recursive: true });
    const refused = await asSecond(promote(GREEN.guid));
    expect(refused).toMatchObject({ code: 'OTHER_STATE', exitCode: 6 });
    expect(refused.hint).toMatch(/Bring it back.*kvdeploy adopt .*--to GUID/);
  });
});

describe('while a rollout runs', () => {
  test('a rollout whose target another state has come to drive makes no further change', async () => {
    site.writeConfig({ bakeMs: 60_000 });
    const running = site.start(promote(GREEN.guid));
    await running.waitFor(/baking/);
    const mark = JSON.parse(readFileSync(marker(), 'utf8')) as object;
    const other = JSON.stringify({ ...mark, stateId: 'f'.repeat(24), stateDir: '/var/lib/another' });
    writeFileSync(`${marker()}.new`, `${other}\n`);
    renameSync(`${marker()}.new`, marker());
    const { exitCode, stderr } = await running.ended;
    expect(exitCode, stderr).toBe(6);
    expect(stderr).toContain('OTHER_STATE');
    site.writeConfig();
  });
});
