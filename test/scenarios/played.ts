/** Plays the demo or a replay with the built program in a pipe, and looks at what it leaves. Must pass on nothing of the surroundings. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const PROGRAM = join(import.meta.dirname, '../..', 'bin', 'kvdeploy.js');

/** A program that is real where it serves and plays; everything else it only claims to have done. */
export function obligingProgram(folder: string): string {
  const file = join(folder, 'obliging.mjs');
  const real = `['serve', 'demo', 'replay'].some((word) => process.argv.includes(word))`;
  writeFileSync(file, `if (${real}) await import(${JSON.stringify(PROGRAM)});\nelse process.exit(0);\n`);
  return file;
}

export interface Played {
  readonly exitCode: number | null;
  readonly output: string;
  readonly longestSilenceMs: number;
}

/** Plays it with `folder` as the place for temporary files. */
export function play(
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
export function leftRunning(folder: string): string[] {
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
