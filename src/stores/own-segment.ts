/** The segment that this process's claim opened: appending to it, and whether it still stands. Must never answer for another's. */
import { InDoubt } from '../base/durable/durable-file.ts';
import type { Fs } from '../base/durable/fs.ts';
import { FsyncFailed, flush, look, quietly, readAll, writeAll } from '../base/durable/open-file.ts';
import { isDiskFull } from '../base/durable/reserve.ts';
import { type Entry, encodeLine, type Head, lineHash, type NewEntry } from '../core/ledger/ledger.ts';
import { pathOf } from './segments.ts';
import type { Standing } from './store.ts';

/** The segment that this process's claim opened. */
export class OwnSegment {
  readonly #fs: Fs;
  readonly #dir: string;
  readonly #segment: number;
  readonly #fd: number;
  /** The folder, kept open: it shows where the folder is when it is moved. */
  readonly #folder: number;
  readonly #inode: number;
  /** The first entry of the ledger, and the claim. */
  readonly first: Pick<Entry, 'event'>;
  readonly claim: Pick<Entry, 'seq' | 'event'>;
  /** The end of the last accepted entry. */
  #head: Head;
  #bytes: number;
  /** Set by a write that may or may not last: this process appends nothing more here. */
  #doubt: InDoubt | undefined;

  /** Throws InDoubt where the segment cannot be opened: then this process leads, and yet cannot write. */
  constructor(
    fs: Fs,
    dir: string,
    segment: number,
    head: Head,
    bytes: number,
    first: OwnSegment['first'],
    claim: OwnSegment['claim'],
  ) {
    this.first = first;
    this.claim = claim;
    this.#fs = fs;
    this.#dir = dir;
    this.#segment = segment;
    this.#head = head;
    this.#bytes = bytes;
    const { O_RDONLY, O_DIRECTORY, O_RDWR, O_APPEND, O_NOFOLLOW } = fs.constants;
    try {
      this.#folder = fs.openSync(dir, O_RDONLY | O_DIRECTORY);
      this.#fd = fs.openSync(pathOf(dir, segment, 'jsonl'), O_RDWR | O_APPEND | O_NOFOLLOW);
    } catch (error) {
      throw new InDoubt(error as Error);
    }
    this.#inode = fs.fstatSync(this.#fd).ino;
  }

  /**
   * True while the segment is still there, is the newest, and is not fenced. Throws where that cannot be seen. A fence is made
   * before its maker reads how far the segment is accepted; so an append that finds none after its fsync is accepted.
   */
  #stands(dir = this.#dir): boolean {
    const [fs, segment] = [this.#fs, this.#segment];
    if (look(pathOf(dir, segment, 'jsonl'), fs)?.ino !== this.#inode) return false;
    if (look(pathOf(dir, segment, 'fenced'), fs) !== undefined) return false;
    return look(pathOf(dir, segment + 1, 'jsonl'), fs) === undefined;
  }

  /** Whoever cannot see that the claim stands does not hold it. */
  standing(): Standing {
    const where = this.#whereabouts();
    if ('lost' in where) return where;
    try {
      if (!this.#stands(where.dir)) return 'taken';
    } catch (error) {
      return { lost: (error as Error).message };
    }
    if (this.#doubt !== undefined) return { lost: this.#doubt.message };
    return where.dir === this.#dir ? 'ours' : { lost: `${this.#dir} was moved to ${where.dir}`, movedTo: where.dir };
  }

  /** The folder in which this segment lies by now. */
  #whereabouts(): { readonly dir: string } | { readonly lost: string } {
    const [fs, dir] = [this.#fs, this.#dir];
    let lost = `${pathOf(dir, this.#segment, 'jsonl')} is gone`;
    try {
      if (look(pathOf(dir, this.#segment, 'jsonl'), fs)?.ino === this.#inode) return { dir };
    } catch (error) {
      lost = (error as Error).message;
    }
    try {
      const moved = fs.realpathSync(`/proc/self/fd/${this.#folder}`);
      if (look(pathOf(moved, this.#segment, 'jsonl'), fs)?.ino === this.#inode) return { dir: moved };
    } catch {
      // It was removed, or there is no /proc: then it is lost.
    }
    return { lost };
  }

  /**
   * Appends one entry. False where it is not accepted for certain: whoever took over may still have accepted it, which reading again
   * tells. Throws InDoubt where it may last all the same, and something else where nothing at all was written.
   */
  append(seq: number, entry: NewEntry): boolean {
    const fs = this.#fs;
    if (this.#doubt !== undefined) throw this.#doubt;
    if (seq !== this.#head.seq + 1) return false;
    const where = this.#whereabouts();
    // Where the folder was moved the ledger goes on there, for whoever finds it.
    if ('lost' in where || !this.#stands(where.dir)) return false;
    const next = { ...entry, seq, prev: this.#head.hash };
    const line = encodeLine(next);
    const path = pathOf(this.#dir, this.#segment, 'jsonl');
    try {
      writeAll(this.#fd, line, fs);
      flush(this.#fd, path, fs);
      if (!readAll(this.#fd, line.length + 1, fs, this.#bytes).equals(line)) throw this.#rolledBack(path);
      const accepted = this.#stands(where.dir);
      this.#head = headOf(next, line);
      this.#bytes += line.length;
      return accepted;
    } catch (error) {
      // A full disk took a part of the line. Without it nothing was written, and this process can write again once there is space.
      if (isDiskFull(error) && !(error instanceof FsyncFailed)) quietly(() => fs.ftruncateSync(this.#fd, this.#bytes));
      if (fs.fstatSync(this.#fd).size === this.#bytes) throw error;
      this.#doubt = new InDoubt(error as Error);
      throw this.#doubt;
    }
  }

  /** A disk that lies keeps something that is no entry, and whoever reads it next would call the ledger damaged. */
  #rolledBack(path: string): Error {
    this.#fs.ftruncateSync(this.#fd, this.#bytes);
    flush(this.#fd, path, this.#fs);
    return new Error(`${path} does not contain what was written to it`);
  }

  beat(seconds: number): void {
    this.#fs.futimesSync(this.#fd, seconds, seconds);
  }

  /** All that was acknowledged is synced, so nothing hangs on this. */
  close(): void {
    this.#fs.closeSync(this.#folder);
    this.#fs.closeSync(this.#fd);
  }
}

/** Where the chain ends after this entry. */
export function headOf(entry: Entry, line: Buffer): Head {
  return { seq: entry.seq, hash: lineHash(line.subarray(0, -1)) };
}
