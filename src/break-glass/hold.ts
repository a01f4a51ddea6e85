/** The hold: a file that stops every rollout of a scope after break-glass. Must count whatever is there, readable or not. */
import { constants } from 'node:fs';
import { join } from 'node:path';
import type { Scope } from '../core/scope.ts';
import type { Fs } from './changes.ts';
import { flush, flushDir, handOver, quietly, writeAll } from './durable-file.ts';
import { guidReader, scopeReader, timeReader } from './pointer-format.ts';
import { canonical, oneOf, type Reader, shape, text, whole } from './shape.ts';
import { readRegular } from './state-dir.ts';
import { visible } from './wording.ts';

/** What break-glass writes into the hold, for whoever meets it. */
export interface HoldNote {
  readonly formatVersion: 1;
  readonly scope: Scope;
  readonly at: string;
  readonly actor: string;
  readonly host: string;
  readonly pid: number;
  readonly reason: string;
  readonly toGuid: string;
  /** Of the break-glass record with the whole story. */
  readonly recordId: string;
}

export interface Hold {
  readonly file: string;
  /** One sentence for people. */
  readonly text: string;
  /** Null when the file does not say, or not readably. */
  readonly note: HoldNote | null;
}

const MAX_HOLD_BYTES = 16 * 1024;

const noteReader: Reader<HoldNote> = shape(
  {
    formatVersion: oneOf(1),
    scope: scopeReader,
    at: timeReader,
    actor: text(256),
    host: text(256),
    pid: whole(0, Number.MAX_SAFE_INTEGER),
    reason: text(1000),
    toGuid: guidReader,
    recordId: text(64),
  },
  {},
);

/** The hold in the first of `dirs` that has one. A folder that is not there has none; one that cannot be looked into counts as held. */
export function readHold(dirs: readonly string[], fs: Fs): Hold | undefined {
  for (const dir of dirs) {
    const hold = holdIn(dir, fs);
    if (hold !== undefined) return hold;
  }
  return undefined;
}

function holdIn(dir: string, fs: Fs): Hold | undefined {
  const file = join(dir, 'hold');
  try {
    fs.lstatSync(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    return {
      file,
      text: `whether there is a hold in ${dir} cannot be seen (${message})`,
      note: null,
    };
  }
  try {
    const note = noteReader(JSON.parse(readRegular(dir, 'hold', MAX_HOLD_BYTES, fs)), 'hold');
    const said = `${note.actor} on ${note.host} broke the glass at ${note.at} and went to ${note.toGuid}: ${note.reason}`;
    return { file, text: visible(said), note };
  } catch (error) {
    return {
      file,
      text: `${file} is there, but cannot be read (${visible((error as Error).message)})`,
      note: null,
    };
  }
}

export interface HoldWritten {
  /** Folders in which a hold lies now, an earlier one included. */
  readonly written: readonly string[];
  readonly failed: readonly { readonly dir: string; readonly why: string }[];
}

/** Sets the hold in every one of `dirs`, durably. One that lies there already stays as it is. Never throws. */
export function writeHold(dirs: readonly string[], note: HoldNote, fs: Fs): HoldWritten {
  const written: string[] = [];
  const failed: { dir: string; why: string }[] = [];
  for (const dir of dirs) {
    try {
      placeHold(dir, note, fs);
      written.push(dir);
    } catch (error) {
      failed.push({ dir, why: (error as Error).message });
    }
  }
  return { written, failed };
}

function placeHold(dir: string, note: HoldNote, fs: Fs): void {
  const file = join(dir, 'hold');
  let fd: number;
  try {
    fd = fs.openSync(file, constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW | constants.O_WRONLY, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    flushDir(dir, fs);
    return;
  }
  try {
    handOver(fd, dir, fs);
    // On a full disk the name alone is there, and a name alone holds: the text is for people.
    quietly(() => writeAll(fd, Buffer.from(`${canonical(note)}\n`), fs));
    flush(fd, file, fs);
  } finally {
    fs.closeSync(fd);
  }
  flushDir(dir, fs);
}

/** Removes the hold from every one of `dirs`, durably. Tries all, then throws when one could not be removed. */
export function liftHold(dirs: readonly string[], fs: Fs): void {
  const problems: string[] = [];
  for (const dir of dirs) {
    try {
      fs.unlinkSync(join(dir, 'hold'));
      flushDir(dir, fs);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'ENOTDIR') problems.push(message);
    }
  }
  if (problems.length > 0) throw new Error(`the hold could not be lifted everywhere: ${problems.join('; ')}`);
}
