/** Owning a scope's newest segment: taking it, appending to it, and noticing that it is lost. Must never answer for another's. */
import type { Fs } from '../break-glass/changes.ts';
import type { KvdeployError } from '../core/errors.ts';
import { type Accepted, type Entry, encodeLine, type Head, leaderOf, lineHash, type NewEntry } from '../core/ledger.ts';
import type { Scope } from '../core/scope.ts';
import type { Io } from '../io.ts';
import { type Loaded, ledgerNames, listSegments, litter, pathOf } from './segments.ts';
import { ensureDir } from './state-dirs.ts';
import { createWhole, inDoubt, look, removeQuietly, type StateRoot, syncDir, withFd, writeAll } from './state-files.ts';

/** A claim that this process holds. */
export interface Held {
  readonly dir: string;
  readonly segment: number;
  readonly fd: number;
  readonly inode: number;
  readonly head: Head;
  /** Its length after the last accepted entry. */
  readonly bytes: number;
  /** Set by a write of which nobody knows whether it lasts: this process appends nothing more here (R34). */
  readonly doubt: KvdeployError | undefined;
}

/**
 * True while the segment is still there, is the newest, and is not fenced. Throws where that cannot be seen. A fence is made
 * before its maker reads how far the segment is accepted; so an append that finds none after its fsync is accepted.
 */
export function stands(fs: Fs, held: Held): boolean {
  if (look(fs, pathOf(held.dir, held.segment, 'jsonl'))?.ino !== held.inode) return false;
  if (look(fs, pathOf(held.dir, held.segment, 'fenced')) !== undefined) return false;
  return look(fs, pathOf(held.dir, held.segment + 1, 'jsonl')) === undefined;
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
  const dir = ensureDir(fs, root, ledgerNames(scope));
  const newest = listSegments(fs, dir).at(-1) ?? 0;
  // The fence first, then the length: the other way round an append could be acknowledged in between and be cut off.
  const fenced = newest > 0 && look(fs, pathOf(dir, newest, 'fenced')) !== undefined;
  const ledger = load();
  if (seq !== ledger.head.seq + 1 || (ledger.newest?.number ?? 0) !== newest) return undefined;
  if (leaderOf(ledger.entries) !== undefined && !fenced) return undefined;
  const after = newest === 0 ? null : accept(io, root, dir, newest, ledger);
  return link(io, root, dir, newest + 1, {
    ...entry,
    seq,
    prev: ledger.head.hash,
    after,
  });
}

/** Makes durable what the claim is about to accept, and puts a torn tail aside (R67). */
function accept(io: Io, root: StateRoot, dir: string, segment: number, ledger: Loaded): Accepted {
  const { fs } = io;
  withFd(fs, pathOf(dir, segment, 'jsonl'), fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW, (fd) => fs.fsyncSync(fd));
  const torn = ledger.newest?.bytes.subarray(ledger.acceptedBytes) ?? Buffer.alloc(0);
  if (torn.length > 0) createWhole(fs, root, pathOf(dir, segment, 'torn'), temporary(io, dir, segment, 'torn'), torn);
  return { segment, bytes: ledger.acceptedBytes, sha256: ledger.head.hash, torn: torn.length };
}

function link(io: Io, root: StateRoot, dir: string, segment: number, entry: Entry): Held | undefined {
  const { fs } = io;
  const line = encodeLine(entry);
  let held: Held | undefined;
  createWhole(fs, root, pathOf(dir, segment, 'jsonl'), temporary(io, dir, segment, 'jsonl'), line, (fd) => {
    held = {
      dir,
      segment,
      fd,
      inode: fs.fstatSync(fd).ino,
      head: headOf(entry, line),
      bytes: line.length,
      doubt: undefined,
    };
  });
  if (held !== undefined) for (const name of litter(fs, dir, segment - 1)) removeQuietly(fs, `${dir}/${name}`);
  return held;
}

function headOf(entry: Entry, line: Buffer): Head {
  return { seq: entry.seq, hash: lineHash(line.subarray(0, -1)) };
}

export function temporary(io: Io, dir: string, segment: number, kind: 'jsonl' | 'abort' | 'torn'): string {
  return `${pathOf(dir, segment, kind)}.${io.randomId()}.tmp`;
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
  try {
    writeAll(fs, held.fd, line);
    fs.fsyncSync(held.fd);
    return {
      held: {
        ...held,
        head: headOf(next, line),
        bytes: held.bytes + line.length,
      },
      accepted: stands(fs, held),
    };
  } catch (error) {
    if (fs.fstatSync(held.fd).size === held.bytes) throw error;
    return {
      held: {
        ...held,
        doubt: inDoubt(pathOf(held.dir, held.segment, 'jsonl'), error),
      },
      accepted: false,
    };
  }
}

/** Ends the ownership of a segment. A fence that is there is as good; it is synced again, since its maker may have been killed. */
export function raiseFence(fs: Fs, dir: string, segment: number): void {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;
  const path = pathOf(dir, segment, 'fenced');
  try {
    fs.closeSync(fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600));
  } catch (error) {
    if (look(fs, path) === undefined) throw error;
  }
  syncDir(fs, dir);
}
