import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { onMachineWith } from '../crash/machine.ts';
import { mayMount } from '../crash/mounts.ts';
import { BLUE, GREEN, PRODUCTION, SURE, VIOLET } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';

let site: LocalSite;
const promote = (guid: string, ...more: readonly string[]) => ['promote', ...PRODUCTION, '--build', guid, ...SURE, ...more];
const below = 'acme/production/kv-gateway/pointer';

async function result(args: readonly string[]) {
  return resultOf(await site.run([...args, '--json']));
}

beforeAll(async () => {
  site = await openLocalSite(['production']);
  site.keep('empty');
  site.writeConfig({ copies: [join(site.folder, 'copy')] });
  expect(await result(['adopt', ...PRODUCTION, ...SURE])).toMatchObject({ ok: true });
  site.keep('adopted');
  expect(await result(promote(GREEN.guid))).toMatchObject({ ok: true });
  site.keep('promoted');
});
afterAll(() => site.close());
beforeEach(async () => {
  site.writeConfig({ copies: [join(site.folder, 'copy')] });
  await site.restore('promoted');
});

/** From an empty folder, without config and checkout. */
function elsewhere(script: string) {
  const cwd = join(site.folder, 'elsewhere');
  mkdirSync(cwd, { recursive: true });
  return site.shell(script, { cwd });
}

describe('copies of the pointer', () => {
  test('the copies of a pointer hold every generation and the program that reads them', () => {
    const names = (root: string) =>
      readdirSync(join(root, below)).filter((name) => name.startsWith('ptr.') || name === 'break-glass.mjs');
    const copy = join(site.folder, 'copy');
    expect(names(copy)).toEqual(names(site.stateDir));
    expect(names(copy)).toContain('break-glass.mjs');
    for (const name of names(copy))
      expect(readFileSync(join(copy, below, name))).toEqual(readFileSync(join(site.stateDir, below, name)));
  });

  test('one copy of the pointer is enough, from any folder, when the whole state is gone', async () => {
    rmSync(site.stateDir, { recursive: true });
    const program = join(site.folder, 'copy', below, 'break-glass.mjs');
    const answer = await elsewhere(
      `node ${program} --env production --to ${BLUE.guid.slice(0, 8)} --reason 'the state is gone' --confirm production`,
    );
    expect(answer).toMatchObject({ exitCode: 0 });
    expect(await site.percent('production', 'blue')).toBe(100);
    expect(existsSync(join(site.folder, 'copy', below, 'hold'))).toBe(true);
  });

  test('a copy of the pointer that cannot be written is a loud warning, and no failure', async () => {
    await site.restore('adopted');
    const blocked = join(site.folder, 'blocked');
    writeFileSync(blocked, 'a file where a folder should be');
    site.writeConfig({ copies: [blocked] });
    const answer = await site.run(promote(GREEN.guid));
    expect(answer).toMatchObject({
      exitCode: 0,
      stderr: expect.stringMatching(/warning {2}THE COPY of the known-good pointer in \S*blocked was not written/),
    });
    expect(await result(['pointer', 'verify', ...PRODUCTION])).toMatchObject({ ok: false, exitCode: 3 });
  });
});

describe('the state directory', () => {
  test('a named state directory is found by break-glass from any folder, without config or option', async () => {
    await site.restore('empty');
    const other = join(site.folder, 'other-state');
    expect(await result(['adopt', ...PRODUCTION, ...SURE, '--state-dir', other])).toMatchObject({ ok: true });
    expect(readFileSync(join(site.home, '.local/state/kvdeploy/places'), 'utf8').split('\n')).toContain(other);
    rmSync(site.stateDir, { recursive: true, force: true });
    rmSync(join(site.folder, 'copy'), { recursive: true, force: true });
    const rescue = `kvdeploy rollback --break-glass --env production --tenant acme --reason 'the login is down' --confirm production`;
    expect(await elsewhere(rescue)).toMatchObject({ exitCode: 0, stderr: expect.stringContaining(other) });
    rmSync(other, { recursive: true });
  });

  test('the state directory belongs to its owner alone, or to the group that the config names', async () => {
    const modes = (root: string) =>
      [
        ...new Set(
          readdirSync(root, { recursive: true, encoding: 'utf8' })
            .map((name) => lstatSync(join(root, name)))
            .filter((stat) => !stat.isSymbolicLink())
            .map((stat) => `${stat.isDirectory() ? 'folder' : 'file'} ${(stat.mode & 0o777).toString(8)}`),
        ),
      ].sort();
    expect(modes(site.stateDir).filter((mode) => !/^(?:folder 700|file 600|file 700)$/.test(mode))).toEqual([]);
    await site.restore('empty');
    const group = /^games:[^:]*:(\d+)/m.exec(readFileSync('/etc/group', 'utf8'));
    site.writeConfig({ stateGroup: 'games', copies: [join(site.folder, 'copy')] });
    const refused = await result(['adopt', ...PRODUCTION, ...SURE]);
    expect(refused).toMatchObject({ code: 'TARGET_NOT_ALLOWED' });
    if (!mayMount('the machine file')) return;
    const machine = /Add to \S+: (\{.*\})$/.exec(refused.hint ?? '')?.[1] ?? '';
    expect(await site.shell(onMachineWith(machine, ['adopt', ...PRODUCTION, ...SURE]))).toMatchObject({ exitCode: 0 });
    const shared = modes(site.stateDir);
    expect(shared.filter((mode) => !/^(?:folder 770|file 660|file 770)$/.test(mode))).toEqual([]);
    expect(lstatSync(join(site.stateDir, below)).gid).toBe(Number(group?.[1]));
    expect(await site.shell(onMachineWith(machine, promote(GREEN.guid)))).toMatchObject({ exitCode: 0 });
    chmodSync(site.stateDir, 0o700);
  });
});

describe('stuck', () => {
  test('a rollback whose build turns out to be another one stays, and prints the command that needs nothing', async () => {
    const blue = site.backend('production', 'blue');
    // Asked for its GUID so slowly that it can change between admission and read-back.
    blue.setDelayMs(1000);
    const running = site.start(['rollback', ...PRODUCTION, '--to', BLUE.guid, ...SURE, '--json']);
    await running.waitFor(/"phase":"converging"/);
    blue.setGuid(VIOLET.guid);
    const stuck = resultOf(await running.ended);
    blue.setGuid(BLUE.guid);
    blue.setDelayMs(0);
    expect(stuck).toMatchObject({ exitCode: 5, code: 'STUCK', message: expect.stringContaining('nother build answers at blue') });
    const command = (stuck.next[0] ?? '').replace('"…"', '"the rollback is stuck"');
    expect(await elsewhere(`${command} --confirm production`)).toMatchObject({ exitCode: 0 });
    // To the rollback's target, never back to the build that it leaves.
    expect(await site.percent('production', 'blue')).toBe(100);
  });

  test('a stuck rollout prints the break-glass command, which works as it stands once a reason is filled in', async () => {
    site.writeConfig({ bakeMs: 60_000 });
    const running = site.start([...promote(VIOLET.guid), '--json']);
    await running.waitFor(/"phase":"baking"/);
    const text = readFileSync(site.routes('production'), 'utf8').replace(/(75|25)\b/g, (percent) =>
      percent === '75' ? '40' : '60',
    );
    writeFileSync(site.routes('production'), text);
    const stuck = resultOf(await running.ended);
    expect(stuck).toMatchObject({ exitCode: 5, code: 'DRIFT' });
    const command = (stuck.next[0] ?? '').replace('"…"', '"somebody moved the traffic"');
    const answer = await elsewhere(`${command} --confirm production`);
    expect(answer).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('next     kvdeploy reconcile') });
    expect(await site.percent('production', 'green')).toBe(100);
    expect(await result(promote(VIOLET.guid))).toMatchObject({ code: 'HELD', exitCode: 6 });
    const reconcile = /next {5}kvdeploy (reconcile .*)$/m.exec(answer.stderr)?.[1] ?? '';
    expect(await result([...reconcile.replace('"…"', 'reviewed').split(' '), ...SURE])).toMatchObject({ ok: true });
    expect(await result(['status', ...PRODUCTION])).toMatchObject({
      ok: true,
      traffic: { split: [{ build: GREEN.guid, percent: 100 }] },
    });
  });
});

describe('a ledger whose end was cut off', () => {
  test('a ledger whose end was cut off is noticed by the pointer, refuses to promote, and needs a decision to go on', async () => {
    const ledger = join(site.stateDir, 'acme/production/kv-gateway/ledger');
    // The chain that is left is whole: it alone could not show that the promotion is missing.
    for (const name of readdirSync(ledger).sort().slice(1)) rmSync(join(ledger, name));
    expect(await result(promote(VIOLET.guid))).toMatchObject({ code: 'LEDGER_CUT', exitCode: 3 });
    expect(await result(['pointer', 'verify', ...PRODUCTION, '--renew'])).toMatchObject({ ok: true });
    expect(await result(promote(VIOLET.guid))).not.toMatchObject({ code: 'LEDGER_CUT' });
  });
});
