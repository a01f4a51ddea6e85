/** What the operating system refuses ends as what it is, with a fix: never as a bug of kvdeploy, and never as a crash of Node. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { BIN, runCli } from './run-cli.ts';

const LIMITS = [19, 20, 22, 24, 28, 31, 32, 33, 34, 35, 36, 37, 38, 40];

describe('errors of the operating system', () => {
  it('a limit of open files that is too low is named with its fix, wherever it strikes', { timeout: 60_000 }, () => {
    let named = 0;
    for (const limit of LIMITS) {
      const line = `ulimit -n ${limit}; exec "${process.execPath}" "${BIN}" status --env production`;
      const ran = spawnSync('/bin/sh', ['-c', line], {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], HOME: '/nonexistent' },
      });
      expect([limit, ran.status === 1], ran.stderr).toEqual([limit, false]);
      expect(ran.stderr).not.toMatch(/bug in kvdeploy|node:internal/);
      if (!/EMFILE/.test(ran.stderr)) continue;
      named += 1;
      expect([ran.status, ran.stderr]).toEqual([
        7,
        expect.stringMatching(/SYSTEM_ERROR[\s\S]*ulimit -n[\s\S]*traffic {2}unchanged/),
      ]);
    }
    expect(named).toBeGreaterThan(2);
  });

  it('a config that a failing disk cannot read is named with the error of the disk', async () => {
    const ran = await runCli(['validate', '-c', '/proc/self/mem']);
    expect(ran.exitCode, ran.stderr).not.toBe(1);
    expect(`${ran.stdout}${ran.stderr}`).toMatch(/EIO/);
  });
});
