/** Judges a pointer directory: does it verify, does it lead back, does the rescue program lie beside it. Reads only. */
import { join } from 'node:path';
import { RESCUE_FILE, readPointers } from '../break-glass/pointer.ts';
import type { Scope } from '../core/scope.ts';
import { type PointerDraft, staleness } from '../engine/render.ts';
import type { Io } from '../io.ts';
import { rescueSource } from './state-dir.ts';

export interface PointerProblem {
  readonly dir: string;
  readonly why: string;
  readonly damaged: boolean;
}

/** What is wrong with the pointer in `dir`; `fresh` is what would be written now, or null where that cannot be known. */
export function pointerProblems(dir: string, fresh: PointerDraft | null, scope: Scope, io: Io): PointerProblem[] {
  const { newest, damaged } = readPointers(dir, io.fs, scope);
  if (newest === null)
    return [{ dir, why: damaged[0] === undefined ? 'there is none' : `${damaged[0].file}: ${damaged[0].why}`, damaged: true }];
  const stale = fresh === null ? null : staleness(newest, fresh);
  const newer = damaged.filter((entry) => entry.file > `${dir}/ptr.${String(newest.generation).padStart(12, '0')}`);
  return [
    ...(stale === null ? [] : [{ dir, why: stale, damaged: false }]),
    ...newer.map((entry) => ({ dir, why: `a newer generation is damaged: ${entry.file}: ${entry.why}`, damaged: true })),
  ];
}

/** Why the rescue program beside the pointer is not the one that is installed, or undefined. */
export function rescueProblem(dir: string, { fs }: Io): string | undefined {
  const file = join(dir, RESCUE_FILE);
  try {
    if (fs.readFileSync(file).equals(fs.readFileSync(rescueSource()))) return undefined;
    return `${file} is of another version than this kvdeploy`;
  } catch (error) {
    return `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}
