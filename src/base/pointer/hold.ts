/** The hold: a file that stops every rollout of a scope after break-glass. It counts even if it cannot be read. */
import { join } from 'node:path';
import { placeMark } from '../durable/durable-file.ts';
import type { Fs } from '../durable/fs.ts';
import { codeOf, flushDir, look } from '../durable/open-file.ts';
import { readRegular, whyOf } from '../durable/state-dir.ts';
import { canonical, oneOf, shape, text } from '../shape.ts';
import { safeLine } from '../text.ts';
import { deedFields } from './records.ts';

/** `recordId` names the break-glass record with all details. */
const noteReader = shape({ ...deedFields, formatVersion: oneOf(1), recordId: text(64) });

/** What break-glass writes into the hold, for whoever finds it. */
export type HoldNote = ReturnType<typeof noteReader>;

export interface Hold {
  readonly file: string;
  /** One sentence for people. */
  readonly text: string;
  /** Null if the file cannot be read as a note. */
  readonly note: HoldNote | null;
  /** False if whether there is a hold cannot be seen: then nothing may begin. */
  readonly seen: boolean;
}

const MAX_HOLD_BYTES = 16 * 1024;

/** The hold in the first of `dirs` that has one. A missing folder has none; a folder that cannot be checked counts as held. */
export function readHold(dirs: readonly string[], fs: Fs): Hold | undefined {
  return dirs.map((dir) => holdIn(dir, fs)).find((hold) => hold !== undefined);
}

function holdIn(dir: string, fs: Fs): Hold | undefined {
  const file = join(dir, 'hold');
  try {
    if (look(file, fs) === undefined) return undefined;
  } catch (error) {
    if (isAbsence(error)) return undefined;
    return { file, text: `cannot check for a hold in ${dir} (${(error as Error).message})`, note: null, seen: false };
  }
  try {
    const note = noteReader(JSON.parse(readRegular(dir, 'hold', MAX_HOLD_BYTES, fs)), 'hold');
    const said = `${note.actor} on ${note.host} ran break-glass at ${note.at} and rolled back to ${note.toGuid}: ${note.reason}`;
    return { file, text: safeLine(said), note, seen: true };
  } catch (error) {
    return { file, text: `${file} exists but cannot be read (${safeLine(whyOf(error))})`, note: null, seen: true };
  }
}

function isAbsence(error: unknown): boolean {
  return codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR';
}

export interface HoldWritten {
  /** Folders that now have a hold, including an earlier one. */
  readonly written: readonly string[];
  readonly failed: readonly { readonly dir: string; readonly why: string }[];
}

/** Sets the hold in each of `dirs`, durably. An existing one is not changed. Never throws. */
export function writeHold(dirs: readonly string[], note: HoldNote, fs: Fs): HoldWritten {
  const written: string[] = [];
  const failed: { dir: string; why: string }[] = [];
  for (const dir of dirs) {
    try {
      placeMark(join(dir, 'hold'), `${canonical(note)}\n`, fs);
      written.push(dir);
    } catch (error) {
      failed.push({ dir, why: (error as Error).message });
    }
  }
  return { written, failed };
}

/** Removes the hold from each of `dirs`, durably. Tries all, then throws if one could not be removed. */
export function liftHold(dirs: readonly string[], fs: Fs): void {
  const problems: string[] = [];
  for (const dir of dirs) {
    try {
      fs.unlinkSync(join(dir, 'hold'));
      flushDir(dir, fs);
    } catch (error) {
      if (!isAbsence(error)) problems.push((error as Error).message);
    }
  }
  if (problems.length > 0) throw new Error(`the hold could not be lifted everywhere: ${problems.join('; ')}`);
}
