import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const PROGRAM = join(import.meta.dirname, '..', '..', 'bin', 'kvdeploy.js');

/** How long the demo may be silent: a CI log that stands still is taken for a hang. */
const SILENCE_MS = 12_000;

describe('the demo, played by the built program in a pipe', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kvdeploy-demo-test-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('ends every scene of the tour as it must, is never silent for long, and leaves nothing', { timeout: 120_000 }, async () => {
    const played = await play(['demo', 'tour'], folder);
    expect(played.exitCode, played.output).toBe(0);
    for (const scene of ['wrong-env', 'good', 'bad', 'sso-down']) expect(played.output).toContain(`── ${scene}`);
    expect(played.output).toMatch(/✔ tour ended as it must/);
    expect(played.output).not.toContain('\u001b');
    expect(played.longestSilenceMs).toBeLessThan(SILENCE_MS);
    expect(readdirSync(folder)).toEqual([]);
    expect(leftRunning(folder)).toEqual([]);
  });

  it('ends with 1, and still cleans up, when the program lets a staging build in', { timeout: 60_000 }, async () => {
    const obliging = join(folder, 'obliging.mjs');
    // Real where it serves; everything else it only claims to have done.
    writeFileSync(
      obliging,
      `if (process.argv.includes('serve') || process.argv.includes('demo')) await import(${JSON.stringify(PROGRAM)});\nelse process.exit(0);\n`,
    );
    const played = await play(['demo', 'wrong-env'], folder, obliging);
    expect(played.output).toMatch(/promote ended with 0 instead of 3/);
    expect(played.exitCode).toBe(1);
    expect(readdirSync(folder)).toEqual(['obliging.mjs']);
    expect(leftRunning(folder)).toEqual([]);
  });

  it('stops and cleans up when it is interrupted', { timeout: 60_000 }, async () => {
    const played = await play(['demo', 'good'], folder, PROGRAM, { interruptAt: /\$ kvdeploy adopt/ });
    expect(played.exitCode, played.output).toBe(130);
    expect(readdirSync(folder)).toEqual([]);
    expect(leftRunning(folder)).toEqual([]);
  });
});

interface Played {
  readonly exitCode: number | null;
  readonly output: string;
  readonly longestSilenceMs: number;
}

/** Plays it with `folder` as the place for temporary files. */
function play(
  args: readonly string[],
  folder: string,
  program = PROGRAM,
  { interruptAt }: { readonly interruptAt?: RegExp } = {},
): Promise<Played> {
  return new Promise((resolve, reject) => {
    const env = { PATH: process.env['PATH'] ?? '', HOME: folder, TMPDIR: folder };
    const child = spawn(process.execPath, [program, ...args], { cwd: tmpdir(), env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let longestSilenceMs = 0;
    let interrupted = false;
    let heardAt = performance.now();
    const hear = (chunk: Buffer) => {
      output += chunk;
      longestSilenceMs = Math.max(longestSilenceMs, performance.now() - heardAt);
      heardAt = performance.now();
      if (interrupted || interruptAt?.test(output) !== true) return;
      interrupted = true;
      child.kill('SIGTERM');
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('error', reject).on('close', (exitCode) => resolve({ exitCode, output, longestSilenceMs }));
  });
}

/** Processes whose environment names the folder: the demo gives its own to everything that it starts. */
function leftRunning(folder: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(folder);
      } catch {
        return false;
      }
    });
}
