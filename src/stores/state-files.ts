/** Durable files below the state directory. Must never follow a link there, nor trust what somebody else could have put there. */
import type { Stats } from 'node:fs';
import type { Fs } from '../break-glass/changes.ts';
import { type Code, KvdeployError } from '../core/errors.ts';

/** Shares the state among operators: 0770 and 0660 instead of 0700 and 0600, owned by this group where a gid is given. */
export interface Group {
  readonly gid?: number;
}

/** Where files may be written: the state directory, and how they are shared. */
export interface StateRoot {
  readonly dir: string;
  readonly group: Group | undefined;
}

/** The code of a system error: `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Turns a system error into one with a hint; errors that already have one pass through. */
export function stateError(code: Code, what: string, cause: unknown): KvdeployError {
  if (cause instanceof KvdeployError) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new KvdeployError(code, {
    message: `${what}: ${why}`,
    hint: 'Check the disk and the permissions of the state directory, then run the same command again.',
    cause,
  });
}

/** What was to be written may or may not be there after a power cut; nobody may go on as if it were either (R34). */
export function inDoubt(path: string, cause: unknown): KvdeployError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const message = `IN DOUBT: it is unknown whether the last write to ${path} lasts (${why}), so nothing more is written there by this process`;
  const hint = 'Look at the disk (dmesg, df), then run kvdeploy status; kvdeploy resume goes on from what is really there.';
  return new KvdeployError('IN_DOUBT', {
    message,
    hint,
    places: [{ file: path }],
    cause,
  });
}

export function unsafe(path: string, why: string): KvdeployError {
  const hint = 'Find out who put it there. State belongs to one user (or to stateGroup), and nobody else may write in it.';
  return new KvdeployError('STATE_UNSAFE', {
    message: `${path} ${why}`,
    hint,
    places: [{ file: path }],
  });
}

/** lstat, or undefined when nothing is there. Any other error is thrown: "cannot look" is not "absent". */
export function look(fs: Fs, path: string): Stats | undefined {
  try {
    return fs.lstatSync(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** stat, or undefined when nothing is there. */
export function statOrNothing(fs: Fs, path: string): Stats | undefined {
  try {
    return fs.statSync(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The directory that `path` is in. */
export function parentOf(path: string): string {
  const at = path.lastIndexOf('/');
  return at < 0 ? '.' : path.slice(0, at) || '/';
}

/** Throws unless only those who own the state directory could have written what `stats` describes (R37). */
export function checkOwner(fs: Fs, root: StateRoot, path: string, stats: Stats): void {
  const rootStats = fs.statSync(root.dir);
  const shared = root.group !== undefined || (rootStats.mode & 0o020) !== 0;
  if ((stats.mode & 0o002) !== 0) throw unsafe(path, 'can be written by everybody');
  if (!shared && (stats.mode & 0o020) !== 0) throw unsafe(path, 'can be written by its group, and no stateGroup is configured');
  // Root could write anything anyway.
  if (stats.uid === 0 || stats.uid === rootStats.uid) return;
  if (!shared) throw unsafe(path, `belongs to user ${stats.uid}, the state directory to ${rootStats.uid}`);
  if (stats.gid !== rootStats.gid) throw unsafe(path, `belongs to group ${stats.gid}, the state directory to ${rootStats.gid}`);
}

/**
 * Gives an open file to those who own the state directory: to its group when shared, and to its user when root works in
 * somebody's state, who would otherwise be locked out. The order matters: chown clears set-group-ID.
 */
export function share(fs: Fs, root: StateRoot, fd: number, mode: { alone: number; shared: number }): void {
  const owner = statOrNothing(fs, root.dir);
  const uid = owner !== undefined && owner.uid !== 0 && fs.fstatSync(fd).uid === 0 ? owner.uid : -1;
  const gid = root.group?.gid ?? -1;
  if (uid !== -1 || gid !== -1) fs.fchownSync(fd, uid, gid);
  fs.fchmodSync(fd, root.group === undefined ? mode.alone : mode.shared);
}

/** Opens, uses and closes; an error of close counts like any other, unless an earlier one is already on its way. */
export function withFd<T>(fs: Fs, path: string, flags: number, use: (fd: number) => T): T {
  const fd = fs.openSync(path, flags);
  let result: T;
  try {
    result = use(fd);
  } catch (error) {
    closeQuietly(fs, fd);
    throw error;
  }
  fs.closeSync(fd);
  return result;
}

function closeQuietly(fs: Fs, fd: number): void {
  try {
    fs.closeSync(fd);
  } catch {
    // The error that led here says more.
  }
}

export function syncDir(fs: Fs, dir: string): void {
  withFd(fs, dir, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY, (fd) => fs.fsyncSync(fd));
}

/** Reads a regular file of at most `maxBytes` that is nobody else's (R37). A FIFO or device is refused, never waited for. */
export function readStateFile(fs: Fs, root: StateRoot, path: string, maxBytes: number): Buffer {
  const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = fs.constants;
  try {
    return withFd(fs, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, (fd) => {
      const stats = fs.fstatSync(fd);
      if (!stats.isFile()) throw unsafe(path, 'is not a regular file');
      if (stats.nlink > 2) throw unsafe(path, `has ${stats.nlink} names`);
      checkOwner(fs, root, path, stats);
      if (stats.size > maxBytes) throw unsafe(path, `has ${stats.size} bytes, more than the ${maxBytes} that are ever read`);
      return readAll(fs, fd, stats.size);
    });
  } catch (error) {
    if (systemCode(error) === 'ELOOP') throw unsafe(path, 'is a symbolic link');
    throw error;
  }
}

function readAll(fs: Fs, fd: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let done = 0;
  while (done < size) {
    const count = fs.readSync(fd, bytes, done, size - done, done);
    if (count === 0) break;
    done += count;
  }
  return bytes.subarray(0, done);
}

/** Writes all of `bytes` at the descriptor's place, in as many calls as it takes. */
export function writeAll(fs: Fs, fd: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) {
    const count = fs.writeSync(fd, bytes, done, bytes.length - done);
    if (count <= 0) throw new Error('the system wrote nothing and named no error');
    done += count;
  }
}

/**
 * Creates `path` with exactly `bytes`, whole and durable, or leaves it alone: a finished temporary file is linked to the name
 * (R31). False when the name is taken. `keep` gets the open descriptor and then owns it; otherwise it is closed.
 */
export function createWhole(
  fs: Fs,
  root: StateRoot,
  path: string,
  temporary: string,
  bytes: Buffer,
  keep?: (fd: number) => void,
): boolean {
  const { O_RDWR, O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;
  const fd = fs.openSync(temporary, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  let linked = false;
  try {
    share(fs, root, fd, { alone: 0o600, shared: 0o660 });
    checkOwner(fs, root, temporary, fs.fstatSync(fd));
    writeAll(fs, fd, bytes);
    fs.fsyncSync(fd);
    if (!readAll(fs, fd, bytes.length + 1).equals(bytes)) throw new Error(`${temporary} does not read back as it was written`);
    linked = linkNew(fs, temporary, path);
    if (linked) syncDir(fs, parentOf(path));
  } catch (error) {
    closeQuietly(fs, fd);
    removeQuietly(fs, temporary);
    if (linked) throw inDoubt(path, error);
    throw error;
  }
  if (linked && keep !== undefined) keep(fd);
  else fs.closeSync(fd);
  removeQuietly(fs, temporary);
  return linked;
}

function linkNew(fs: Fs, from: string, to: string): boolean {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    // Whoever claimed two segments on swept the temporary file up: this process was far too slow.
    if (systemCode(error) === 'ENOENT' && look(fs, parentOf(to)) !== undefined) return false;
    throw error;
  }
}

/** Removes a temporary name; one that stays behind is litter, not harm, and the next claim sweeps it up. */
export function removeQuietly(fs: Fs, path: string): void {
  try {
    fs.unlinkSync(path);
  } catch {
    // Swept up by the next claim.
  }
}
