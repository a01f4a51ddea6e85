import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { runCli, runInTerminal, startCli } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvdeploy-run-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function programOf(text: string): string {
  const path = join(folder, `${Buffer.from(text).toString('hex').slice(0, 40)}-${text.length}.mjs`);
  writeFileSync(path, text);
  return path;
}

describe('the harness that runs kvdeploy', () => {
  test('the harness gives kvdeploy a clean environment and no standard input', async () => {
    const program = programOf(
      "console.log(JSON.stringify(Object.keys(process.env).sort())); process.stdin.on('end', () => console.log('end')).resume();",
    );
    const { stdout } = await runCli([], { program, env: { CI: '1', TZ: undefined } });
    expect(stdout).toBe('["CI","HOME","LANG","PATH","TERM"]\nend\n');
  });

  test('the harness waits for what is said, sends signals, and tells how it ended', async () => {
    const program = programOf(
      "setInterval(() => {}, 1000); process.on('SIGTERM', () => process.exit(130)); console.log('ready');",
    );
    const running = startCli([], { program });
    await running.waitFor(/ready/);
    running.signal('SIGTERM');
    expect((await running.ended).exitCode).toBe(130);
  });

  test('the harness says what a program said that ended before what was waited for', async () => {
    const running = startCli([], { program: programOf("console.log('other')") });
    await expect(running.waitFor(/ready/)).rejects.toThrow(/never said \/ready\/; stdout:\nother/);
  });

  test('the harness kills what does not end', async () => {
    const { exitCode } = await runCli([], { program: programOf('setInterval(() => {}, 1000)'), timeoutMs: 300 });
    expect(exitCode).toBe(137);
  });

  test('the harness checks every line of --json against the schema', async () => {
    const good = programOf('console.log(\'{"type":"note","level":"info","message":"x"}\')');
    expect((await runCli(['--json'], { program: good })).json).toEqual([{ type: 'note', level: 'info', message: 'x' }]);
    const bad = programOf('console.log(\'{"type":"note","level":"loud","message":"x"}\')');
    await expect(runCli(['--json'], { program: bad })).rejects.toThrow();
  });

  test('the harness is a real terminal, of the wanted width, that can be typed at', async () => {
    const program = programOf(
      "process.on('SIGINT', () => process.exit(7)); console.log([process.stdin.isTTY, process.stderr.isTTY, process.stdout.columns].join(' ')); setInterval(() => {}, 1000);",
    );
    const { exitCode, screen } = await runInTerminal([], { program, columns: 72, keys: [{ waitFor: /72/, type: '\u0003' }] });
    expect(screen).toContain('true true 72');
    expect(exitCode).toBe(7);
  });
});
