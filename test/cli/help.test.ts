import { describe, expect, test } from 'vitest';
import { runCli } from './run-cli.ts';

describe('help <command>', () => {
  test.each([
    ['help', 'kvdeploy [options] [command]'],
    ['help promote', 'kvdeploy promote [options]'],
    ['help promote --json', 'kvdeploy promote [options]'],
    ['help rollback --break-glass', 'kvdeploy rollback [options]'],
    ['help pointer', 'kvdeploy pointer [options] [command]'],
    ['help pointer show', 'kvdeploy pointer show [options]'],
    ['pointer help show', 'kvdeploy pointer show [options]'],
  ])('kvdeploy %s prints the help alone, and succeeds', async (words, usage) => {
    const { exitCode, stdout, stderr } = await runCli(words.split(' '));
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toContain(`Usage: ${usage}\n`);
  });

  test.each([
    ['help promot', 'promot', 'Did you mean promote?'],
    ['help pointer sho', 'sho', 'Did you mean show?'],
    ['help nonsense', 'nonsense', 'kvdeploy --help'],
  ])('kvdeploy %s is refused, with the nearest name', async (words, unknown, hint) => {
    const { exitCode, stdout, stderr } = await runCli(words.split(' '));
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toBe(`✖ USAGE  Unknown command '${unknown}'.\n  try      ${hint}\n  traffic  unchanged\n`);
  });
});
