import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli, runInTerminal } from '../cli/run-cli.ts';

const HIDE = '\u001b[?25l';
const SHOW = '\u001b[?25h';
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape bytes are what it looks for
const ERASE = /\u001b\[[0-2]?[JK]/;
const folder = mkdtempSync(join(tmpdir(), 'kvdeploy-terminal-'));
const program = join(folder, 'program.mjs');

beforeAll(async () => {
  await build({
    entryPoints: [new URL('./terminal-program.ts', import.meta.url).pathname],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    logLevel: 'error',
    banner: { js: "import{createRequire as r}from'node:module';const require=r(import.meta.url);" },
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('on a terminal', () => {
  test('a terminal repaints one block, keeps what matters above it, and gives the cursor back', async () => {
    const { screen, exitCode } = await runInTerminal(['close'], { program });
    expect(exitCode).toBe(0);
    expect(screen).toContain(HIDE);
    expect(screen.lastIndexOf(SHOW)).toBeGreaterThan(screen.lastIndexOf(HIDE));
    expect(screen).toContain('someone else looked at it');
    expect(screen.slice(screen.indexOf('promoted 9f1c2b7e'))).not.toMatch(ERASE);
    expect(screen).toContain('promoted 9f1c2b7e');
  });

  test('a terminal paints the whole block at the new width when it gets narrower and wider', async () => {
    const tmux = (...args: readonly string[]) =>
      execFileSync('tmux', ['-L', `kvdeploy-${process.pid}`, ...args], { encoding: 'utf8' });
    const shown = () => tmux('capture-pane', '-p', '-t', 'live');
    const until = async (isThere: (screen: string) => boolean) => {
      const deadline = Date.now() + 20_000;
      while (!isThere(shown())) {
        if (Date.now() > deadline) throw new Error(`never looked as it should:\n${shown()}`);
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
    };
    const lastBlock = (screen: string) => screen.slice(screen.lastIndexOf('promote r-7f3k'));
    const barWidth = (screen: string) => /stable\s+([█░]+)/.exec(lastBlock(screen))?.[1]?.length;
    tmux(
      '-f',
      '/dev/null',
      'new-session',
      '-d',
      '-s',
      'live',
      '-x',
      '120',
      '-y',
      '40',
      // With CI set nothing is painted.
      `env -u CI LANG=C.UTF-8 '${process.execPath}' '${program}' long`,
    );
    try {
      await until((screen) => screen.includes('waiting for'));
      for (const [columns, width] of [
        ['70', 12],
        ['110', 40],
        ['50', 4],
        ['120', 40],
      ] as const) {
        tmux('resize-window', '-t', 'live', '-x', columns, '-y', '40');
        await until(
          (screen) => barWidth(screen) === width && /1\/2.*\n(?: +waiting for .*\n)?.*2\/2.*\n.*baking\n/.test(lastBlock(screen)),
        );
      }
    } finally {
      tmux('kill-server');
    }
  });

  test('a terminal repaints at most about five times a second', async () => {
    const began = performance.now();
    const { screen } = await runInTerminal(['close'], { program });
    const seconds = (performance.now() - began) / 1000;
    const paints = screen.split('waiting for 112').length - 1;
    expect(paints).toBeGreaterThan(1);
    // A line that is printed above the block repaints it once more: the first ones and the note.
    expect(paints).toBeLessThanOrEqual(Math.ceil(seconds * 5) + 3);
  });

  test.each(['exit', 'signal', 'throw'])('a terminal gives the cursor back when the program ends by %s', async (end) => {
    const { screen } = await runInTerminal([end], { program });
    expect(screen).toContain(HIDE);
    expect(screen.lastIndexOf(SHOW)).toBeGreaterThan(screen.lastIndexOf(HIDE));
  });

  test.each([{ NO_COLOR: '1' }, { FORCE_COLOR: '0' }])('a terminal shows no colour with %o', async (env) => {
    const { screen } = await runInTerminal(['close'], { program, env });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape bytes are what it looks for
    expect(screen).not.toMatch(/\u001b\[[0-9;]*m/);
  });

  test.each([{ TERM: 'dumb' }, { CI: 'true' }])('a terminal is not repainted with %o', async (env) => {
    const { screen } = await runInTerminal(['close'], { program, env });
    expect(screen).not.toContain(HIDE);
    expect(screen).toContain('watched');
  });

  test.each([
    ['Enter is a no', 'yes', /Move production/, '\r', false],
    ['y is a yes', 'yes', /Move production/, 'y\r', true],
    ['Ctrl-C is a no', 'yes', /Move production/, '\u0003', false],
    ['another name is a no', 'name', /Type the environment/, 'staging\r', false],
    ['the name is a yes', 'name', /Type the environment/, 'production\r', true],
    ['Ctrl-C instead of the name is a no', 'name', /Type the environment/, 'production\u0003', false],
  ] as const)('a question at a terminal: %s', async (_name, what, waitFor, type, answer) => {
    const { screen } = await runInTerminal([what], { program, keys: [{ waitFor, type }], env: { NO_COLOR: '1' } });
    expect(screen).toContain(`answer ${answer}`);
  });
});

describe('without a terminal', () => {
  test('a pipe gets no escape byte, whatever the environment', async () => {
    for (const env of [{}, { TERM: 'xterm-256color', COLORTERM: 'truecolor' }, { GITHUB_ACTIONS: 'true', CI: 'true' }]) {
      const { stdout, stderr } = await runCli(['close'], { program, env });
      expect(stdout + stderr).not.toContain('\u001b');
      expect(stderr).toContain('watched');
    }
  });

  test.each(['y\n', 'yes\n', `${'y\n'.repeat(1000)}`, ''])('an answer from a pipe is never a yes', async (input) => {
    expect((await runCli(['yes'], { program, input })).stdout).toBe('answer false\n');
    expect((await runCli(['name'], { program, input: `production\n${input}` })).stdout).toBe('answer false\n');
  });
});
