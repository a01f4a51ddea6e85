/** `kvdeploy demo --router` with the HAProxy and the nginx of this machine: the same scenes, as root and as anyone, and nothing is left. */
import { chmodSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { copyProgram } from '../../src/scenarios/edge/installed.ts';
import { BIN, runCli, runInTerminal } from '../cli/run-cli.ts';
import { freshFolder } from '../fresh-folder.ts';
import { leftRunning } from './played.ts';

const ROUTERS = [
  ['haproxy', ['--router', 'haproxy'], 60],
  ['nginx', ['--router', 'nginx'], 120],
] as const;

/** As /tmp is. Nothing may be left in it. */
let folder: string;
beforeEach(() => {
  folder = freshFolder();
  chmodSync(folder, 0o1777);
});

const demo = (args: readonly string[], options: Parameters<typeof runCli>[1] = {}) =>
  runCli(['demo', ...args], { timeoutMs: 120_000, ...options, env: { TMPDIR: folder, HOME: undefined, ...options.env } });

function expectNothingLeft(): void {
  expect(readdirSync(folder)).toEqual([]);
  expect(leftRunning(folder)).toEqual([]);
}

describe.each(ROUTERS)('the demo with the %s of this machine', (kind, router, columns) => {
  it(`every scene ends behind a real ${kind} as it does behind the router that kvdeploy brings`, {
    timeout: 150_000,
  }, async () => {
    const { exitCode, stdout, stderr } = await demo(['tour', ...router], { env: { CI: '1' } });
    expect(exitCode, stdout + stderr).toBe(0);
    expect(stdout).toMatch(new RegExp(`Router: ${kind} \\d+\\.\\d+\\S* \\(/.*${kind}\\)`));
    for (const scene of ['wrong-env', 'good', 'bad', 'sso-down']) expect(stdout).toContain(`── ${scene}`);
    expect(stdout).toMatch(/router: \d+ requests sent to amber/);
    expect(stdout + stderr).not.toContain('\u001b');
    expectNothingLeft();
  });

  it(`Ctrl-C in the middle ends ${kind} with the demo, at ${columns} columns`, { timeout: 90_000 }, async () => {
    const keys = [
      { waitFor: /kvdeploy adopt/, type: '' },
      { waitFor: /── good/, type: '' },
      { waitFor: /step 1|baking/, type: '\u0003' },
    ];
    const env = { TMPDIR: folder, HOME: undefined };
    const { exitCode, screen } = await runInTerminal(['demo', 'good', ...router], { columns, env, keys, timeoutMs: 60_000 });
    expect(screen).toContain('The demo was interrupted');
    expect(exitCode, screen).toBe(130);
    expectNothingLeft();
  });

  it(`a machine without ${kind} is told what to install, and nothing begins`, async () => {
    const via = ['unshare', '-m', 'sh', '-c', 'mount -t tmpfs none /usr/sbin && exec "$@"', 'sh'];
    const { exitCode, stdout, stderr } = await demo(['good', ...router], { via });
    expect(stderr).toMatch(new RegExp(`SYSTEM_ERROR +There is no ${kind} on this machine`));
    expect(stderr).toContain(`apt install ${kind}`);
    expect(stdout).toBe('');
    expect(exitCode).toBe(7);
    expectNothingLeft();
  });
});

it('a user without rights and without a home needs nothing more, nor /usr/sbin in PATH', { timeout: 90_000 }, async () => {
  const forAll = freshFolder();
  chmodSync(forAll, 0o755);
  const program = copyProgram(BIN, forAll);
  const env = { PATH: '/usr/bin:/bin' };
  const { exitCode, stdout, stderr } = await demo(['bad', '--router', 'nginx'], { uid: 1234, cwd: '/', program, env });
  expect(exitCode, stdout + stderr).toBe(0);
  expect(stdout).not.toContain('You are root');
  expectNothingLeft();
});

describe('a router that does not start', () => {
  /** A program of this name, first in PATH. */
  function withNginx(lines: readonly string[]) {
    const bin = freshFolder();
    writeFileSync(join(bin, 'nginx'), ['#!/bin/sh', ...lines, ''].join('\n'), { mode: 0o755 });
    chmodSync(bin, 0o755);
    return { env: { PATH: `${bin}:${process.env['PATH']}` } };
  }

  it('root starts the router as a uid without an account, and its own words say why it ends', async () => {
    const own = withNginx([
      'test "$1" = -v && exec echo nginx version: nginx/1.99.0',
      'echo "boom of uid $(id -u) in $HOME"',
      'exit 1',
    ]);
    const { exitCode, stderr } = await demo(['good', '--router', 'nginx'], own);
    expect(stderr).toMatch(/SYSTEM_ERROR +\S*nginx did not start: boom of uid 6\d{4} in /);
    expect(exitCode).toBe(7);
    expectNothingLeft();
  });

  it('a program that is only called nginx is refused before anything is started', async () => {
    const { exitCode, stderr } = await demo(['good', '--router', 'nginx'], withNginx(['echo hello']));
    expect(stderr).toMatch(/says no version of nginx: hello/);
    expect(exitCode).toBe(7);
    expectNothingLeft();
  });

  it('a temporary folder that only root may enter is named, with the way out', async () => {
    chmodSync(folder, 0o700);
    const { exitCode, stderr } = await demo(['good', '--router', 'haproxy']);
    expect(stderr).toMatch(/who cannot run .*TMPDIR=\/var\/tmp/s);
    expect(exitCode).toBe(7);
    expectNothingLeft();
  });

  it('a kind of router that the demo does not have is a mistake of the caller', async () => {
    const { exitCode, stderr } = await demo(['good', '--router', 'envoy']);
    expect(stderr).toMatch(/Allowed choices are local, haproxy, nginx/);
    expect(exitCode).toBe(2);
  });
});
