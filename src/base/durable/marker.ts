/**
 * The marker next to what a router itself keeps: it names the one state that drives this target. Must not believe a stranger's, and
 * must never stop break-glass.
 */
import type { Stats } from 'node:fs';
import { dirname } from 'node:path';
import { NAME } from '../scope.ts';
import { canonical, oneOf, type Shaped, shape, text, whole } from '../shape.ts';
import { createForAll, replaceFile } from './durable-file.ts';
import type { Fs } from './fs.ts';
import { look, quietly } from './open-file.ts';
import { readOurs, whyOf } from './state-dir.ts';

const name = text(63, NAME);

const markFields = {
  formatVersion: oneOf(1),
  /** Random; the state has the same one. */
  stateId: text(64, /^[0-9a-f]{24,64}$/),
  stateDir: text(4096, /^\/[^\p{Cc}]*$/u),
  scope: shape({ tenant: name, environment: name, service: name }),
  /** Who wrote it, for people: `deploy`, or `#1001` where there is no name. */
  account: text(256, /^[^\p{Cc}]+$/u),
  uid: whole(0, 0xffffffff),
};

const markReader = shape(markFields);

/** Which state drives a target. */
export type Mark = Shaped<typeof markFields>;

/** What is at the marker's place. */
export type MarkSeen =
  | { readonly kind: 'none'; readonly file: string }
  | { readonly kind: 'mark'; readonly file: string; readonly mark: Mark }
  /** A sticky folder has a file of someone who has no say here: it is named and ignored. */
  | { readonly kind: 'stranger'; readonly file: string; readonly uid: number }
  /** Someone who has a say here wrote it, and it cannot be read as a marker. */
  | { readonly kind: 'damaged'; readonly file: string; readonly why: string }
  /** Whether there is one cannot be seen from here. */
  | { readonly kind: 'unseen'; readonly file: string; readonly why: string };

const MAX_MARK_BYTES = 16 * 1024;

/** Reads a marker. `owners` are accounts whose marker counts besides root's, this user's and that of the folder's owner. Never throws. */
export function readMark(file: string, owners: readonly number[], fs: Fs): MarkSeen {
  let folder: Stats;
  let stat: Stats | undefined;
  try {
    folder = fs.statSync(dirname(file));
    stat = look(file, fs);
  } catch (error) {
    return { kind: 'unseen', file, why: (error as Error).message };
  }
  if (stat === undefined) return { kind: 'none', file };
  if (isStrangers(stat, folder, owners)) return { kind: 'stranger', file, uid: stat.uid };
  try {
    const content = readOurs(file, MAX_MARK_BYTES, fs, () => undefined).toString('utf8');
    return { kind: 'mark', file, mark: markReader(JSON.parse(content), 'marker') };
  } catch (error) {
    return { kind: 'damaged', file, why: whyOf(error) };
  }
}

/** Where a folder is not sticky, whoever may write there may also replace what the router reads: then the file counts. */
function isStrangers(file: Stats, folder: Stats, owners: readonly number[]): boolean {
  const sticky = (folder.mode & 0o1000) !== 0;
  return sticky && ![0, process.geteuid?.(), folder.uid, ...owners].includes(file.uid);
}

export interface Marked {
  /** Another state's marker, or one that cannot be read: nothing may be moved. */
  readonly other: MarkSeen | null;
  /** Markers that could not be written, and why. */
  readonly unmarked: readonly string[];
}

/**
 * Puts `mark` at each of `files`, durably; of two states that do it at once exactly one wins. A marker of the same state is brought up to
 * date; of another one, only if `gives` says that it may be replaced. Never throws.
 */
export function placeMarks(
  files: readonly string[],
  mark: Mark,
  { owners, gives }: { readonly owners: readonly number[]; readonly gives: (seen: MarkSeen) => boolean },
  fs: Fs,
): Marked {
  const bytes = Buffer.from(`${canonical(mark)}\n`);
  const made: string[] = [];
  const unmarked: string[] = [];
  // In one order for everyone, so that two states with the same files cannot each get one of them.
  for (const file of [...files].sort()) {
    try {
      if (createForAll(file, bytes, fs)) {
        made.push(file);
        continue;
      }
      const seen = readMark(file, owners, fs);
      if (seen.kind === 'stranger') unmarked.push(`${file} belongs to user ${seen.uid}`);
      else if (isOurs(seen, mark) || gives(seen)) replaceFile(file, bytes, fs);
      else {
        for (const own of made) quietly(() => fs.unlinkSync(own));
        return { other: seen, unmarked };
      }
    } catch (error) {
      unmarked.push((error as Error).message);
    }
  }
  return { other: null, unmarked };
}

function isOurs(seen: MarkSeen, { stateId }: Mark): boolean {
  return seen.kind === 'mark' && seen.mark.stateId === stateId;
}
