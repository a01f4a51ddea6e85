/** The machine file through the command line, on a machine with an /etc of its own. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { etcWith, onMachine } from '../crash/machine.ts';
import { mayMount } from '../crash/mounts.ts';
import { freshFolder } from '../fresh-folder.ts';
import { BIN } from './run-cli.ts';

/** Runs kvdeploy from an empty folder, where `/etc/kvdeploy/machine.json` is this. */
function run(machine: object | string, args: readonly string[], mode?: number) {
  const folder = freshFolder();
  mkdirSync(join(folder, '.git'));
  const [program = '', ...words] = [...onMachine(etcWith(machine, mode)), process.execPath, BIN, ...args];
  return spawnSync(program, words, { cwd: folder, encoding: 'utf8', env: { PATH: process.env.PATH, HOME: folder } });
}

const may = mayMount('the machine file');

describe('a broken machine file', () => {
  const broken = '{"stateOwner": ["kvdeploy"]}';

  test('a broken machine file refuses everyday commands with place, reason and fix', () => {
    if (!may) return;
    for (const args of [
      ['abort', '--env', 'production'],
      ['adopt', '--env', 'production'],
      ['rollback', '--env', 'production'],
    ]) {
      const { status, stderr } = run(broken, args);
      expect(stderr).toMatch(/MACHINE_FILE_INVALID .*unknown field stateOwner/);
      expect(stderr).toContain('/etc/kvdeploy/machine.json');
      expect(stderr).toMatch(/try +Correct it/);
      expect(status).toBe(2);
    }
  });

  test('a machine file that others can write refuses everyday commands', () => {
    if (!may) return;
    const { status, stderr } = run({}, ['abort', '--env', 'production'], 0o666);
    expect(stderr).toMatch(/MACHINE_FILE_INVALID .*any user can write to it/);
    expect(stderr).toContain('As root: chown root: /etc/kvdeploy/machine.json && chmod 0644 /etc/kvdeploy/machine.json');
    expect(status).toBe(2);
  });

  test('a broken machine file is a failure in doctor, and stops neither validate nor explain', () => {
    if (!may) return;
    expect(run(broken, ['doctor'])).toMatchObject({
      status: 3,
      stdout: expect.stringMatching(/FAIL +machine file .*unknown field stateOwner/),
    });
    expect(run(broken, ['explain', 'MACHINE_FILE_INVALID'])).toMatchObject({ status: 0 });
    expect(run(broken, ['validate']).stderr).not.toContain('MACHINE_FILE_INVALID');
  });

  test('what only looks goes on without a broken machine file, and says so', () => {
    if (!may) return;
    for (const command of ['status', 'history']) {
      const { status, stderr } = run(broken, [command, '--env', 'production']);
      expect(stderr).toMatch(/warning .*unknown field stateOwner.* Continuing without it/);
      expect([command, status, /CONFIG_MISSING/.test(stderr)]).toEqual([command, 2, true]);
    }
  });

  test('break-glass goes on without a broken machine file, and says so', () => {
    if (!may) return;
    const { stderr } = run(broken, ['rollback', '--break-glass', '--env', 'production', '--reason', 'sign-in is down']);
    expect(stderr).toContain(
      '! The machine file /etc/kvdeploy/machine.json does not count: machine has an unknown field stateOwner. Continuing without it.',
    );
    expect(stderr).toContain('NO_STATE');
  });

  test('an account in the machine file that this machine does not know is named by doctor', () => {
    if (!may) return;
    expect(run({ stateOwners: ['nobody-knows'] }, ['doctor']).stdout).toMatch(/warn +machine file +it names nobody-knows/);
  });

  test('a whole machine file changes nothing for a state that needs none', () => {
    if (!may) return;
    const { stdout } = run({ stateOwners: ['root'] }, ['doctor']);
    expect(stdout).toMatch(/ok +machine file +\/etc\/kvdeploy\/machine.json/);
  });
});

test('the mounts of these tests stay in their own namespace', () => {
  expect(execFileSync('cat', ['/proc/self/mounts'], { encoding: 'utf8' })).not.toMatch(/ \/etc /);
});
