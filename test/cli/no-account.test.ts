/** A user without account entry, HOME, USER or /proc: a container, `sudo -u '#54321'`, a directory service that is down. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { mayMount } from '../crash/mounts.ts';
import { BLUE, GREEN, PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';
import { BIN, runCli } from './run-cli.ts';

const NO_ONE = 54_321;
const BARE = { uid: NO_ONE, env: { HOME: undefined, USER: undefined, LANG: undefined, TZ: undefined, TERM: undefined } };

let site: LocalSite;
const pointerDir = () => join(site.stateDir, 'acme/production/kv-gateway/pointer');
const RESCUE = ['--env', 'production', '--tenant', 'acme', '--reason', 'sign-in is down', '--confirm', 'production', '--json'];

beforeAll(async () => {
  site = await openLocalSite(['production']);
  chmodSync(site.folder, 0o755);
  execFileSync('chown', ['-R', `${NO_ONE}:${NO_ONE}`, site.folder]);
  site.keep('nothing');
  for (const args of [
    ['adopt', ...PRODUCTION, ...SURE],
    ['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE],
  ])
    expect(resultOf(await site.run([...args, '--json'], BARE))).toMatchObject({ ok: true });
  site.keep('promoted');
});
afterAll(() => site.close());
beforeEach(async () => {
  await site.restore('promoted');
  execFileSync('chown', ['-R', `${NO_ONE}:${NO_ONE}`, site.folder]);
});

describe('a user without an account entry and without HOME', () => {
  test('every command works for a user without account entry where the config says where the state is', async () => {
    for (const args of [
      ['validate', '--format', 'text'],
      ['builds', ...PRODUCTION],
      ['status', ...PRODUCTION],
      ['history', ...PRODUCTION],
    ]) {
      const answer = await site.run(args, BARE);
      expect(answer, `${args[0]}: ${answer.stderr}`).toMatchObject({ exitCode: 0 });
    }
    const doctor = await site.run(['doctor', ...PRODUCTION, '--json'], BARE);
    expect(resultOf(doctor).code ?? '').not.toBe('BUG');
  });

  test('a command that has nowhere to look for the state says so, and is no bug', async () => {
    const cwd = join(site.folder, 'empty');
    mkdirSync(cwd, { recursive: true });
    for (const env of [BARE.env, { ...BARE.env, HOME: '' }, { ...BARE.env, HOME: 'relative' }]) {
      const answer = await runCli(['status', ...PRODUCTION, '--json'], { uid: NO_ONE, env, cwd });
      expect(resultOf(answer)).toMatchObject({ code: expect.stringMatching(/^(?:USAGE|CONFIG_MISSING)$/), exitCode: 2 });
      expect(resultOf(answer).hint).toContain('--state-dir');
      expect(readdirSync(cwd)).toEqual([]);
    }
  });

  test('break-glass works for a user without account entry where a state directory is given', async () => {
    const answer = await runCli(['rollback', '--break-glass', ...RESCUE, '--to', BLUE.guid, '--state-dir', site.stateDir], BARE);
    expect(resultOf(answer), answer.stderr).toMatchObject({ ok: true, exitCode: 0 });
    expect(await site.percent('production', 'blue')).toBe(100);
  });

  test('the program next to the pointer works for a user without account entry, and with a HOME that is empty', async () => {
    for (const HOME of [undefined, '', 'relative']) {
      const options = { uid: NO_ONE, env: { ...BARE.env, HOME }, program: join(pointerDir(), 'break-glass.mjs') };
      const answer = await runCli([...RESCUE, '--to', BLUE.guid], options);
      expect(resultOf(answer), answer.stderr).toMatchObject({ ok: true, exitCode: 0 });
    }
    expect(await site.percent('production', 'blue')).toBe(100);
  });

  test('break-glass that finds nothing without a home folder says where it looked', async () => {
    const answer = await runCli(['rollback', '--break-glass', ...RESCUE], BARE);
    expect(resultOf(answer)).toMatchObject({ code: 'NO_STATE', exitCode: 3, message: expect.stringContaining('no home folder') });
  });
});

describe('a machine with less', () => {
  test('an empty HOME makes no folder in the checkout, and names the option that helps', async () => {
    await site.restore('nothing');
    rmSync(`${site.routes('production')}.kvdeploy-state`, { force: true });
    const before = readdirSync(site.checkout);
    const answer = await site.run(['adopt', ...PRODUCTION, ...SURE, '--json', '--state-dir', join(site.folder, 'other')], {
      uid: NO_ONE,
      env: { ...BARE.env, HOME: '' },
    });
    expect(resultOf(answer).code ?? '').not.toBe('BUG');
    expect(answer.stdout).toContain('could not be recorded for break-glass');
    expect(readdirSync(site.checkout)).toEqual(before);
  });

  test('break-glass rolls back on a machine without /proc', async () => {
    if (!mayMount('a machine without /proc')) return;
    execFileSync('chown', ['-R', '0:0', site.folder]);
    const words = [
      process.execPath,
      BIN,
      'rollback',
      '--break-glass',
      ...RESCUE,
      '--to',
      BLUE.guid,
      '--state-dir',
      site.stateDir,
    ];
    const said = await site.shell(
      `unshare -m sh -c 'mount -t tmpfs none /proc && exec "$0" "$@"' ${words.map((word) => `'${word}'`).join(' ')}`,
    );
    expect(said, said.stderr).toMatchObject({ exitCode: 0 });
    expect(await site.percent('production', 'blue')).toBe(100);
  });

  test('a current folder that is gone is named, and does not stop break-glass', async () => {
    const gone = join(site.folder, 'gone');
    const script = (args: string) => `mkdir -p ${gone}; cd ${gone}; rmdir ${gone}; kvdeploy ${args} --json`;
    const status = await site.shell(script(`status ${PRODUCTION.join(' ')}`));
    expect(status.stdout).toContain('The current folder no longer exists');
    expect(status.exitCode).toBe(2);
    execFileSync('chown', ['-R', '0:0', site.folder]);
    const words = RESCUE.map((word) => `'${word}'`).join(' ');
    const rescue = await site.shell(script(`rollback --break-glass ${words} --to ${BLUE.guid} --state-dir ${site.stateDir}`));
    expect(rescue, rescue.stderr).toMatchObject({ exitCode: 0 });
    if (existsSync(gone)) rmdirSync(gone);
  });
});
