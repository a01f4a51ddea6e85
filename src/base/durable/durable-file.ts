/** Files that survive a power cut once a function here has returned. All synchronous; must never swallow an error of a write. */
import { randomBytes } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Fs } from './fs.ts';
import { codeOf, FsyncFailed, flush, flushDir, look, quietly, READ_ONLY, readAll, withFile, writeAll } from './open-file.ts';

/** Modes of what kvdeploy writes; with a group, its members can come to the rescue. */
export interface Modes {
  readonly dir: number;
  readonly file: number;
  readonly gid: number | undefined;
}

export const OWNER_ONLY: Modes = { dir: 0o700, file: 0o600, gid: undefined };

/** Folders hand their group on to what is made in them (set-group-ID). */
export function groupModes(gid: number): Modes {
  return { dir: 0o2770, file: 0o660, gid };
}

/**
 * Gives a new file or folder to those who own the folder `dir` that it lies in: to its user, whom root would otherwise lock out,
 * and to the group `gid`, or to the folder's own where that may write there. The mode comes last: chown clears set-group-ID.
 */
export function share(fd: number, dir: string, gid: number | undefined, fs: Fs): void {
  const [made, folder] = [fs.fstatSync(fd), fs.statSync(dir)];
  const group = gid ?? ((folder.mode & 0o020) === 0 ? undefined : folder.gid);
  const modes = group === undefined ? OWNER_ONLY : groupModes(group);
  if (made.uid === 0 && folder.uid !== 0) fs.fchownSync(fd, folder.uid, group ?? folder.gid);
  else if (group !== undefined) fs.fchownSync(fd, -1, group);
  fs.fchmodSync(fd, made.isDirectory() ? modes.dir : modes.file);
}

/** It may or may not be on disk, and nobody can know before the next start: neither acknowledged nor undone. */
export class InDoubt extends Error {
  constructor(cause: Error) {
    super(`IN DOUBT: ${cause.message}`, { cause });
  }
}

const NEW_FILE = constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW | constants.O_RDWR;

const TEMPORARY = '.tmp.';

const STALE_TEMPORARY_MS = 60 * 60 * 1000;

/** A name in `dir` that nobody else uses. */
export function temporaryName(dir: string): string {
  return join(dir, `${TEMPORARY}${process.pid}.${randomBytes(6).toString('hex')}`);
}

/** Removes what crashed writers left in `dir` an hour ago or earlier. Never throws: what stays behind is litter, not harm. */
export function sweepTemporaries(dir: string, nowMs: number, fs: Fs): void {
  quietly(() => {
    for (const name of fs.readdirSync(dir).filter((name) => name.startsWith(TEMPORARY))) {
      const path = join(dir, name);
      quietly(() => nowMs - fs.lstatSync(path).mtimeMs > STALE_TEMPORARY_MS && fs.unlinkSync(path));
    }
  });
}

/**
 * Creates `path` (it must not exist) with exactly `bytes`, flushed and read back. The directory is not flushed yet. `prepare` may
 * give the empty file to somebody.
 */
export function createFile(path: string, bytes: Uint8Array, fs: Fs, prepare: (fd: number) => void): void {
  try {
    withFile(path, NEW_FILE, fs, (fd) => {
      prepare(fd);
      writeAll(fd, bytes, fs);
      flush(fd, path, fs);
      if (!readAll(fd, bytes.length + 1, fs).equals(bytes)) throw new Error(`${path} does not contain what was written to it`);
    });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') quietly(() => fs.unlinkSync(path));
    throw error;
  }
}

/** As createFile, under a temporary name in `dir`, which it returns; once more with a new file after a failed fsync. */
function createTemporary(dir: string, bytes: Uint8Array, fs: Fs, prepare: (fd: number) => void): string {
  const create = () => {
    const path = temporaryName(dir);
    createFile(path, bytes, fs, prepare);
    return path;
  };
  try {
    return create();
  } catch (first) {
    if (!(first instanceof FsyncFailed)) throw first;
    try {
      return create();
    } catch (second) {
      throw second instanceof FsyncFailed ? new InDoubt(second) : second;
    }
  }
}

/**
 * Creates the state file `path` with exactly `bytes`, whole and durable, or leaves it alone: a finished temporary file is
 * linked to the name. False when the name is taken, or when the new file does not `stand` and was withdrawn. Throws InDoubt
 * when a second new file, or the folder, could not be flushed; any other error means that nothing was published.
 */
export function createWhole(path: string, bytes: Uint8Array, modes: Modes, fs: Fs, stands: () => boolean = () => true): boolean {
  const dir = dirname(path);
  const temporary = createTemporary(dir, bytes, fs, (fd) => share(fd, dir, modes.gid, fs));
  try {
    if (!linkNew(temporary, path, fs)) return false;
    const kept = stands();
    if (!kept) quietly(() => fs.unlinkSync(path));
    flushDirOrDoubt(dir, fs);
    return kept;
  } finally {
    quietly(() => fs.unlinkSync(temporary));
  }
}

function linkNew(from: string, to: string, fs: Fs): boolean {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (error) {
    // ENOENT: this process was so slow that its temporary file was swept up.
    if (codeOf(error) === 'EEXIST' || codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Flushes a directory after its names changed: the change is visible already, so a failure is in doubt. */
export function flushDirOrDoubt(dir: string, fs: Fs): void {
  try {
    flushDir(dir, fs);
  } catch (error) {
    throw new InDoubt(error as Error);
  }
}

/**
 * Puts `content` at `path`: a new file beside it, flushed and read back, renamed over, the directory flushed. Keeps the mode and,
 * where it may, the owner of what was there; a new one is 0644, or shared as `state` says. `permit` throws to stop it just
 * before the rename. Equal content is not written again, only flushed. A symlink there is replaced, never followed.
 */
export function replaceFile(
  path: string,
  content: string | Uint8Array,
  fs: Fs,
  options: { readonly permit?: () => void; readonly state?: Modes } = {},
): void {
  const { permit = () => {}, state } = options;
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const dir = dirname(path);
  const before = existing(path, fs);
  if (before?.size === bytes.length && holds(path, bytes, fs)) {
    permit();
    flushDirOrDoubt(dir, fs);
    return;
  }
  const temporary = createTemporary(dir, bytes, fs, (fd) => {
    if (before !== undefined) quietly(() => fs.fchownSync(fd, before.uid, before.gid));
    if (before === undefined && state !== undefined) share(fd, dir, state.gid, fs);
    else fs.fchmodSync(fd, before === undefined ? 0o644 : before.mode & 0o777);
  });
  try {
    permit();
    fs.renameSync(temporary, path);
  } catch (error) {
    quietly(() => fs.unlinkSync(temporary));
    throw error;
  }
  flushDirOrDoubt(dir, fs);
}

function existing(path: string, fs: Fs): Stats | undefined {
  const stat = look(path, fs);
  if (stat === undefined || stat.isSymbolicLink()) return undefined;
  if (!stat.isFile()) throw new Error(`${path} is not a regular file`);
  return stat;
}

/** True when the file has these bytes and keeps them. False also after a failed fsync: that file is lost to us. */
function holds(path: string, bytes: Uint8Array, fs: Fs): boolean {
  try {
    return withFile(path, READ_ONLY, fs, (fd) => {
      if (!readAll(fd, bytes.length + 1, fs).equals(bytes)) return false;
      flush(fd, path, fs);
      return true;
    });
  } catch {
    return false;
  }
}

/**
 * Makes `dir` and its missing parents, durably. Not node's recursive mkdir: that one loops for ever where mkdir(2) says ENOENT
 * below an existing folder, as in /proc (seen on Node 20.20), and a rescue must not hang on somebody's HOME.
 */
export function makeFolders(dir: string, fs: Fs): void {
  if (fs.existsSync(dir)) return;
  const parent = dirname(dir);
  if (parent !== dir) makeFolders(parent, fs);
  try {
    fs.mkdirSync(dir, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  flushDir(parent, fs);
}
