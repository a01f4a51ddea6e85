/** Owning a scope's newest segment: taking it, appending to it, and noticing that it is lost. Must never answer for another's. */
import { createWhole, InDoubt, sweepTemporaries } from '../base/durable/durable-file.ts';
import type { Fs } from '../base/durable/fs.ts';
import { flush, look, READ_ONLY, readAll, withFile, writeAll } from '../base/durable/open-file.ts';
import { openStateDir } from '../base/durable/state-dir.ts';
import type { Scope } from '../base/scope.ts';
import {
  type Accepted,
  type Entry,
  encodeLine,
  FORMAT_VERSION,
  type Head,
  leaderOf,
  lineHash,
  type NewEntry,
} from '../core/ledger/ledger.ts';
import type { Io } from '../io.ts';
import { type Loaded, ledgerNames, listSegments, pathOf, type StateRoot } from './segments.ts';

/** A claim that this process holds. */
export interface Held {
  readonly dir: string;
  readonly segment: number;
  readonly fd: number;
  readonly inode: number;
  readonly head: Head;
  /** Its length after the last accepted entry. */
  readonly bytes: number;
  /** Set by a write of which nobody knows whether it lasts: this process appends nothing more here. */
  readonly doubt: InDoubt | undefined;
}

/**
 * True while the segment is still there, is the newest, and is not fenced. Throws where that cannot be seen. A fence is made
 * before its maker reads how far the segment is accepted; so an append that finds none after its fsync is accepted.
 */
export function stands(fs: Fs, held: Held): boolean {
  if (look(pathOf(held.dir, held.segment, 'jsonl'), fs)?.ino !== held.inode) return false;
  if (look(pathOf(held.dir, held.segment, 'fenced'), fs) !== undefined) return false;
  return look(pathOf(held.dir, held.segment + 1, 'jsonl'), fs) === undefined;
}

/**
 * Links the next segment, which begins with this claim. Undefined when somebody else was faster, or when the present owner
 * was neither fenced nor gave its claim back. `load` reads the ledger; it is called at the right moment.
 */
export function claimNext(
  io: Io,
  root: StateRoot,
  scope: Scope,
  load: () => Loaded,
  seq: number,
  entry: NewEntry,
): Held | undefined {
  const { fs } = io;
  const dir = openStateDir(root.dir, ledgerNames(scope), fs, root.modes);
  const newest = listSegments(fs, dir).at(-1) ?? 0;
  // The fence first, then the length: the other way round an append could be acknowledged in between and be cut off.
  const fenced = newest > 0 && look(pathOf(dir, newest, 'fenced'), fs) !== undefined;
  const ledger = load();
  if (seq !== ledger.head.seq + 1 || (ledger.newest?.number ?? 0) !== newest) return undefined;
  if (leaderOf(ledger.entries) !== undefined && !fenced) return undefined;
  const after = newest === 0 ? null : accept(fs, root, dir, newest, ledger);
  return link(io, root, dir, newest + 1, { ...entry, seq, prev: ledger.head.hash, after, formatVersion: FORMAT_VERSION });
}

/** Makes durable what the claim is about to accept, and puts a torn tail aside. */
function accept(fs: Fs, root: StateRoot, dir: string, segment: number, ledger: Loaded): Accepted {
  const path = pathOf(dir, segment, 'jsonl');
  withFile(path, READ_ONLY, fs, (fd) => flush(fd, path, fs));
  const torn = ledger.newest?.bytes.subarray(ledger.acceptedBytes) ?? Buffer.alloc(0);
  if (torn.length > 0) createWhole(pathOf(dir, segment, 'torn'), torn, root.modes, fs);
  return { segment, bytes: ledger.acceptedBytes, sha256: ledger.head.hash, torn: torn.length };
}

function link(io: Io, root: StateRoot, dir: string, segment: number, entry: Entry): Held | undefined {
  const { fs } = io;
  const line = encodeLine(entry);
  const path = pathOf(dir, segment, 'jsonl');
  if (!createWhole(path, line, root.modes, fs)) return undefined;
  sweepTemporaries(dir, io.now(), fs);
  const fd = openOwn(path, fs);
  return { dir, segment, fd, inode: fs.fstatSync(fd).ino, head: headOf(entry, line), bytes: line.length, doubt: undefined };
}

/** The claim stands already: where it cannot be opened, this process leads and yet cannot write. */
function openOwn(path: string, fs: Fs): number {
  const { O_RDWR, O_APPEND, O_NOFOLLOW } = fs.constants;
  try {
    return fs.openSync(path, O_RDWR | O_APPEND | O_NOFOLLOW);
  } catch (error) {
    throw new InDoubt(error as Error);
  }
}

function headOf(entry: Entry, line: Buffer): Head {
  return { seq: entry.seq, hash: lineHash(line.subarray(0, -1)) };
}

/**
 * Appends one entry to the held segment; says what is held then, and whether the entry is accepted for certain. Where it is
 * not, whoever took over may still have accepted it: reading again tells. Throws where nothing at all was written.
 */
export function appendOwn(fs: Fs, held: Held, seq: number, entry: NewEntry): { held: Held; accepted: boolean } {
  if (held.doubt !== undefined) throw held.doubt;
  if (seq !== held.head.seq + 1 || !stands(fs, held)) return { held, accepted: false };
  const next: Entry = { ...entry, seq, prev: held.head.hash };
  const line = encodeLine(next);
  const path = pathOf(held.dir, held.segment, 'jsonl');
  try {
    writeAll(held.fd, line, fs);
    flush(held.fd, path, fs);
    if (!readAll(held.fd, line.length + 1, fs, held.bytes).equals(line)) throw takenBack(held, path, fs);
    return { held: { ...held, head: headOf(next, line), bytes: held.bytes + line.length }, accepted: stands(fs, held) };
  } catch (error) {
    if (fs.fstatSync(held.fd).size === held.bytes) throw error;
    return { held: { ...held, doubt: new InDoubt(error as Error) }, accepted: false };
  }
}

/** A disk that lies keeps something that is no entry, and whoever reads it next would call the ledger damaged. */
function takenBack(held: Held, path: string, fs: Fs): Error {
  fs.ftruncateSync(held.fd, held.bytes);
  flush(held.fd, path, fs);
  return new Error(`${path} does not contain what was written to it`);
}
