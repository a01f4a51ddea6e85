/** Files that survive a power cut once a function here has returned. All synchronous; must never swallow an error of a write. */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Fs } from './changes.ts';

/** Modes of what kvdeploy writes; with a group, its members can come to the rescue. */
export interface Modes {
  readonly dir: number;
  readonly file: number;
  readonly gid: number | undefined;
}

export const OWNER_ONLY: Modes = { dir: 0o700, file: 0o600, gid: undefined };

export function groupModes(gid: number): Modes {
  return { dir: 0o770, file: 0o660, gid };
}

/** The modes that fit what already lies in a folder: shared with its group where that may write there. */
export function modesOf(dir: string, fs: Fs): Modes {
  const stat = fs.statSync(dir);
  return (stat.mode & 0o020) === 0 ? OWNER_ONLY : groupModes(stat.gid);
}

/** Hands a new file to whoever its folder belongs to, so that a rescue by root can be reviewed by the usual user. */
export function handOver(fd: number, dir: string, fs: Fs): void {
  const { file, gid } = modesOf(dir, fs);
  if (process.geteuid?.() === 0) quietly(() => fs.fchownSync(fd, fs.statSync(dir).uid, fs.statSync(dir).gid));
  else if (gid !== undefined) quietly(() => fs.fchownSync(fd, process.geteuid?.() ?? 0, gid));
  if (file !== 0o600) quietly(() => fs.fchmodSync(fd, file));
}

/** An fsync failed: the kernel may have dropped the pages, so only a new file can be trusted (R34). */
export class FsyncFailed extends Error {}

/** It may or may not be on disk, and nobody can know before the next start: neither acknowledged nor undone. */
export class InDoubt extends Error {}

const NEW_FILE = constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW | constants.O_RDWR;

/** A name beside `path` that nobody else uses. */
export function temporaryName(dir: string): string {
  return join(dir, `.tmp.${process.pid}.${randomBytes(6).toString('hex')}`);
}

/** Creates `path` (it must not exist) with exactly `bytes`, flushed and read back. The directory is not flushed yet. */
export function createFile(path: string, bytes: Uint8Array, modes: Pick<Modes, 'file' | 'gid'>, fs: Fs, uid?: number): void {
  const fd = fs.openSync(path, NEW_FILE, 0o600);
  let closed = false;
  try {
    if (modes.gid !== undefined) own(fd, uid, modes.gid, fs);
    if (modes.file !== 0o600) fs.fchmodSync(fd, modes.file);
    writeAll(fd, bytes, fs);
    flush(fd, path, fs);
    readBack(fd, path, bytes, fs);
    closed = true;
    fs.closeSync(fd);
  } catch (error) {
    if (!closed) quietly(() => fs.closeSync(fd));
    quietly(() => fs.unlinkSync(path));
    throw error;
  }
}

function own(fd: number, uid: number | undefined, gid: number, fs: Fs): void {
  if (uid === undefined) fs.fchownSync(fd, process.geteuid?.() ?? 0, gid);
  else quietly(() => fs.fchownSync(fd, uid, gid));
}

/** Writes every byte: a short count is not an error to write(2), so it is asked again until nothing is left. */
export function writeAll(fd: number, bytes: Uint8Array, fs: Fs): void {
  let done = 0;
  while (done < bytes.length) {
    const count = fs.writeSync(fd, bytes, done, bytes.length - done);
    if (count <= 0) throw new Error('the disk took no more bytes');
    done += count;
  }
}

/** fsync, once. */
export function flush(fd: number, path: string, fs: Fs): void {
  try {
    fs.fsyncSync(fd);
  } catch (error) {
    throw new FsyncFailed(`${path} could not be flushed to disk: ${(error as Error).message}`);
  }
}

function readBack(fd: number, path: string, bytes: Uint8Array, fs: Fs): void {
  const seen = readAll(fd, bytes.length + 1, fs);
  if (!seen.equals(bytes)) throw new Error(`${path} does not hold what was written to it`);
}

/** At most `limit` bytes from the start of an open file. */
export function readAll(fd: number, limit: number, fs: Fs): Buffer {
  const buffer = Buffer.alloc(limit);
  let length = 0;
  while (length < limit) {
    const count = fs.readSync(fd, buffer, length, limit - length, length);
    if (count === 0) break;
    length += count;
  }
  return buffer.subarray(0, length);
}

/** Makes names in a directory durable. */
export function flushDir(dir: string, fs: Fs): void {
  const fd = fs.openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    flush(fd, dir, fs);
  } finally {
    fs.closeSync(fd);
  }
}

/** Tries `attempt`, and once more (it must use a new file) after a failed fsync; a second one is in doubt. */
export function onceMoreAfterFsync(attempt: () => void): void {
  try {
    attempt();
  } catch (first) {
    if (!(first instanceof FsyncFailed)) throw first;
    try {
      attempt();
    } catch (second) {
      throw second instanceof FsyncFailed ? new InDoubt(`IN DOUBT: ${second.message}`) : second;
    }
  }
}

/**
 * Puts `content` at `path`: a new file beside it, flushed and read back, renamed over, the directory flushed. Keeps the mode and,
 * where it may, the owner of what was there; else `modes`, by default 0644. `permit` throws to stop it just before the
 * rename. Equal content is not written again, only flushed. A symlink there is replaced, never followed.
 */
export function replaceFile(
  path: string,
  content: string | Uint8Array,
  fs: Fs,
  options: { readonly permit?: () => void; readonly modes?: Modes } = {},
): void {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const permit = options.permit ?? (() => {});
  const before = existing(path, bytes.length, fs);
  if (before?.content?.equals(bytes) === true && flushed(path, fs)) {
    permit();
    flushDirOrDoubt(dirname(path), fs);
    return;
  }
  const modes = before ?? options.modes ?? { file: 0o644, gid: undefined };
  const temporary = { name: '' };
  onceMoreAfterFsync(() => {
    temporary.name = temporaryName(dirname(path));
    createFile(temporary.name, bytes, modes, fs, before?.uid);
  });
  try {
    permit();
    fs.renameSync(temporary.name, path);
  } catch (error) {
    quietly(() => fs.unlinkSync(temporary.name));
    throw error;
  }
  flushDirOrDoubt(dirname(path), fs);
}

/** Flushes a directory after its names changed: the change is visible already, so a failure is in doubt. */
export function flushDirOrDoubt(dir: string, fs: Fs): void {
  try {
    flushDir(dir, fs);
  } catch (error) {
    throw new InDoubt(`IN DOUBT: ${(error as Error).message}`);
  }
}

interface Existing {
  readonly file: number;
  readonly uid: number;
  readonly gid: number;
  readonly content?: Buffer;
}

function existing(path: string, size: number, fs: Fs): Existing | undefined {
  const stat = fs.lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined || stat.isSymbolicLink()) return undefined;
  if (!stat.isFile()) throw new Error(`${path} is not a regular file`);
  const kept = { file: stat.mode & 0o777, uid: stat.uid, gid: stat.gid };
  if (stat.size !== size) return kept;
  try {
    const fd = fs.openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      return { ...kept, content: readAll(fd, size + 1, fs) };
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    return kept;
  }
}

/** False after a failed fsync: that file is lost to us, and a new one must take its place. */
function flushed(path: string, fs: Fs): boolean {
  const fd = fs.openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    flush(fd, path, fs);
    return true;
  } catch {
    return false;
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * Makes `dir` and its missing parents. Not node's recursive mkdir: that one loops for ever where mkdir(2) says ENOENT below an
 * existing folder, as in /proc (seen on Node 20.20), and a rescue must not hang on somebody's HOME.
 */
export function makeFolders(dir: string, fs: Fs): void {
  if (fs.existsSync(dir)) return;
  const parent = dirname(dir);
  if (parent !== dir) makeFolders(parent, fs);
  try {
    fs.mkdirSync(dir, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Runs a clean-up whose failure changes nothing for the caller. */
export function quietly(cleanUp: () => void): void {
  try {
    cleanUp();
  } catch {
    // The error that led here, or the success that stands already, is what counts.
  }
}
