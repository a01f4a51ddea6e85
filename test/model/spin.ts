/** Runs spin on a model with some guards taken away, over every order of steps. Must not call an unfinished search a proof. */
import { spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { freshFolder } from '../fresh-folder.ts';

export interface Searched {
  /** What was broken first, or null when every order of steps kept every promise. */
  readonly broken: string | null;
  readonly states: number;
  readonly seconds: number;
}

/** `flags` are those that claim.pml names. Throws when the search did not end by itself. */
export function search(...flags: readonly string[]): Searched {
  return searchIn('claim.pml', flags);
}

/** The same in another model of this folder. */
export function searchIn(model: string, flags: readonly string[]): Searched {
  const folder = freshFolder();
  const run = (program: string, args: readonly string[]) => {
    const { status, stdout, stderr, error } = spawnSync(program, args, { cwd: folder, encoding: 'utf8', timeout: 300_000 });
    if (status !== 0) throw new Error(`${program} ended with ${status}: ${error?.message ?? ''}${stdout}${stderr}`);
    return stdout;
  };
  copyFileSync(join(import.meta.dirname, model), join(folder, model));
  const began = performance.now();
  run('spin', ['-a', ...flags, model]);
  // Processes that are ended in the middle make partial-order reduction unsound here, and are no deadlock (-E).
  run('gcc', [flags.includes('-DSHORT') ? '-O2' : '-O0', '-w', '-DSAFETY', '-DNOREDUCE', '-DCOLLAPSE', '-o', 'pan', 'pan.c']);
  const said = run('./pan', ['-E', '-m100000']);
  const seconds = (performance.now() - began) / 1000;
  const states = Number(/^\s*(\d+) states, stored/m.exec(said)?.[1]);
  const errors = /errors: (\d+)$/m.exec(said)?.[1];
  const broken = /assertion violated (.*) \(at depth/.exec(said)?.[1]?.trim() ?? null;
  const isWhole = errors === '0' && broken === null && !/max search depth too small|out of memory|not completed/i.test(said);
  if (!Number.isFinite(states) || (!isWhole && broken === null)) throw new Error(`the search did not end by itself:\n${said}`);
  return { broken, states, seconds };
}

export function spinVersion(): string {
  return spawnSync('spin', ['-V'], { encoding: 'utf8' }).stdout.trim();
}
