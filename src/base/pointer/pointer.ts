/**
 * The durable known-good pointer: immutable generations `ptr.<12 digits>`, published by link(2). Must never acknowledge a write
 * that a power cut could still lose, and never delete a generation that does not verify.
 */
import { basename, join } from 'node:path';
import { createWhole, flushDirOrDoubt, type Modes, replaceFile, sweepTemporaries } from '../durable/durable-file.ts';
import type { Fs } from '../durable/fs.ts';
import { codeOf, quietly } from '../durable/open-file.ts';
import { readRegular, whyOf } from '../durable/state-dir.ts';
import { type FolderJudged, judgeFolder, linkBelow } from '../owners/owner-rule.ts';
import type { Stranger } from '../owners/path-owners.ts';
import type { Scope } from '../scope.ts';
import { canonical } from '../shape.ts';
import { decodePointer, encodePointer, MAX_POINTER_BYTES, type Pointer, scopeReader } from './pointer-format.ts';

const KEPT_GENERATIONS = 10;

/** The longest step from one generation to the next: copies may lag behind, but never by this much. */
const LONGEST_STEP = 100_000;

const LAST_USUAL = 900_000_000_000;

const AHEAD = 'its number jumps far ahead of every other generation, so it is not used';

const POINTER = 'pointer';

/** tenant/environment/service/pointer, below the root of a state. */
const LEVELS = 4;

/** The file name of the rescue program next to each pointer. */
export const RESCUE_FILE = 'break-glass.mjs';

/** The folder of a scope below a state directory. Throws on names that could leave it. */
export function scopeDir(stateDir: string, scope: Scope): string {
  const { tenant, environment, service } = scopeReader(scope, 'scope');
  return join(stateDir, tenant, environment, service);
}

/** The folder of a scope's pointer, hold and break-glass.mjs, in a state directory or in a copy: one copy serves many scopes. */
export function pointerDir(stateDir: string, scope: Scope): string {
  return join(scopeDir(stateDir, scope), POINTER);
}

/** A generation that does not verify. It is reported, never deleted. */
export interface DamagedPointer {
  readonly file: string;
  readonly why: string;
}

export interface PointersRead {
  /** The highest generation that verifies. */
  readonly newest: Pointer | null;
  /** Every generation that verifies, newest first. */
  readonly all: readonly Pointer[];
  readonly damaged: readonly DamagedPointer[];
  /** False if the folder could not be listed or is not safe to read: then an empty result does not mean that there is no pointer. */
  readonly readable: boolean;
  /** False if the folder does not exist. */
  readonly exists: boolean;
  /** Why nothing here is believed, if that is so: someone else could have written it. */
  readonly stranger?: Stranger;
  /** Everyone besides root and this user who could have written what was read. */
  readonly others: readonly string[];
}

/**
 * Reads every generation in `dir`, without any write, lock or temporary file. With `scope`, a generation of any other scope
 * counts as damaged; without it, the scope of the newest one applies to all. Never throws.
 */
export function readPointers(dir: string, fs: Fs, scope?: Scope): PointersRead {
  const nothing = { newest: null, all: [], readable: false, others: [] };
  let numbers: Numbers;
  let folder: FolderJudged;
  try {
    numbers = generationNumbers([dir], fs);
    folder = judgeFolder(dir, fs);
    const stranger = linkBelow(dir, basename(dir) === POINTER ? LEVELS : 1, fs) ?? folder.stranger;
    if (stranger !== undefined)
      return { ...nothing, damaged: [{ file: stranger.at, why: stranger.why }], exists: true, stranger };
  } catch (error) {
    const exists = codeOf(error) !== 'ENOENT';
    const damaged = exists ? [{ file: dir, why: (error as Error).message }] : [];
    return { ...nothing, damaged, exists };
  }
  const all: Pointer[] = [];
  const damaged: DamagedPointer[] = numbers.ahead.map((generation) => ({ file: join(dir, fileName(generation)), why: AHEAD }));
  for (const name of numbers.usual.map(fileName)) {
    try {
      all.push(readGeneration(dir, name, fs, folder, scope ?? all[0]?.scope));
    } catch (error) {
      damaged.push({ file: join(dir, name), why: whyOf(error) });
    }
  }
  return { newest: all[0] ?? null, all, damaged, readable: true, exists: true, others: folder.others };
}

function readGeneration(dir: string, name: string, fs: Fs, folder: FolderJudged, scope: Scope | undefined): Pointer {
  const pointer = decodePointer(readRegular(dir, name, MAX_POINTER_BYTES, fs, folder));
  if (fileName(pointer.generation) !== name) throw new Error(`its content says generation ${pointer.generation}`);
  const { tenant, environment, service } = pointer.scope;
  if (scope === undefined || canonical(scope) === canonical(pointer.scope)) return pointer;
  throw new Error(`it belongs to ${tenant}/${environment}/${service}`);
}

function fileName(generation: number): string {
  return `ptr.${String(generation).padStart(12, '0')}`;
}

/** The numbers of generations, newest first, and apart from them those that jump ahead. */
interface Numbers {
  readonly usual: readonly number[];
  readonly ahead: readonly number[];
}

/**
 * A number so far above the one before it was not written by kvdeploy: it would outrank every later generation, and leave none. It is
 * named and not used. A missing folder counts as empty.
 */
function generationNumbers(dirs: readonly string[], fs: Fs): Numbers {
  const names = dirs.flatMap((dir) => fs.readdirSync(dir)).filter((name) => /^ptr\.\d{12}$/.test(name));
  const sorted = [...new Set(names.map((name) => Number(name.slice(4))))].sort((a, b) => a - b);
  const jump = sorted.findIndex((number, index) => number > LAST_USUAL || number - (sorted[index - 1] ?? number) > LONGEST_STEP);
  const usual = jump === -1 ? sorted : sorted.slice(0, jump);
  return { usual: usual.reverse(), ahead: jump === -1 ? [] : sorted.slice(jump) };
}

/** The highest usual number in any of these folders, including damaged generations. */
function highestGeneration(dirs: readonly string[], fs: Fs): number {
  const there = dirs.filter((dir) => fs.existsSync(dir));
  return generationNumbers(there, fs).usual[0] ?? 0;
}

/**
 * Writes the next generation by temporary file, fsync and link, and returns its number once it is durable. The number is higher
 * than every generation in `dir` and in `alsoAbove` (the copies, where the highest wins too). Throws InDoubt if a second new
 * file, or the folder, could not be flushed; any other error means that nothing was published.
 */
export function writePointer(
  dir: string,
  pointer: Omit<Pointer, 'generation'>,
  fs: Fs,
  modes: Modes,
  alsoAbove: readonly string[] = [],
): number {
  for (;;) {
    const generation = highestGeneration([dir, ...alsoAbove], fs) + 1;
    if (publish(dir, { ...pointer, generation }, fs, modes, 'only-as-newest')) return generation;
  }
}

/** Writes exactly this generation into a copy. Throws if a different one with its number is already there. */
export function copyPointer(dir: string, pointer: Pointer, fs: Fs, modes: Modes): void {
  if (publish(dir, pointer, fs, modes, 'as-numbered')) return;
  const there = readRegular(dir, fileName(pointer.generation), MAX_POINTER_BYTES, fs);
  if (there !== encodePointer(pointer))
    throw new Error(`${join(dir, fileName(pointer.generation))} contains a different pointer`);
  flushDirOrDoubt(dir, fs);
}

/**
 * False if the number is taken. A number below the newest may also have been used, and pruned, while this process slept between
 * listing and linking. Such a generation would be acknowledged but superseded, so it is withdrawn.
 */
function publish(dir: string, pointer: Pointer, fs: Fs, modes: Modes, where: 'only-as-newest' | 'as-numbered'): boolean {
  const stands = () => where === 'as-numbered' || highestGeneration([dir], fs) === pointer.generation;
  const file = join(dir, fileName(pointer.generation));
  if (!createWhole(file, Buffer.from(encodePointer(pointer)), modes, fs, stands)) return false;
  quietly(() => prune(dir, fs));
  return true;
}

/** Called only after a newer generation is durable. Deletes only generations that verify: a damaged one is evidence. */
function prune(dir: string, fs: Fs): void {
  const names = generationNumbers([dir], fs).usual.map(fileName);
  const folder = judgeFolder(dir, fs);
  for (const name of names.slice(KEPT_GENERATIONS)) {
    quietly(() => {
      readGeneration(dir, name, fs, folder, undefined);
      fs.unlinkSync(join(dir, name));
    });
  }
  // The newest generation was written just now, so its date is the current time of the clock that dates the files.
  sweepTemporaries(dir, fs.lstatSync(join(dir, names[0] ?? '')).mtimeMs, fs);
}

/** Writes break-glass.mjs next to the pointer, durably, unless it is already there. Returns its path. */
export function placeRescue(dir: string, sourceFile: string, fs: Fs, modes: Modes): string {
  const path = join(dir, RESCUE_FILE);
  replaceFile(path, fs.readFileSync(sourceFile), fs, { state: modes });
  return path;
}
