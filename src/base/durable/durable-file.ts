/**
 * Files that survive a power cut once a function here has returned: created whole, replaced, marked, or growing by lines. All
 * synchronous; must never swallow an error of a write.
 */
import { randomBytes } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Fs } from './fs.ts';
import { codeOf, FsyncFailed, flush, flushDir, look, quietly, READ_ONLY, readAll, withFile, writeAll } from './open-file.ts';

/** File modes of the state; with a group, its members can run break-glass. */
export interface Modes {
  readonly dir: number;
  readonly file: number;
  readonly gid: number | undefined;
  /** What root makes stays root's, readable for the folder's owner: the owner of a claim is the proof of who made it. */
  readonly keepsOwner?: boolean;
}

export const OWNER_ONLY: Modes = { dir: 0o700, file: 0o600, gid: undefined };

/** Folders pass their group on to new files (set-group-ID). */
export function groupModes(gid: number): Modes {
  return { dir: 0o2770, file: 0o660, gid };
}

/**
 * Gives a new file or folder to the owners of its folder `dir`: to its user, whom root would otherwise lock out, and to the group
 * `gid`, or to the folder's group if that may write there. The mode comes last, because chown clears set-group-ID.
 */
export function share(fd: number, dir: string, gid: number | undefined, fs: Fs, keepsOwner = false): void {
  const [made, folder] = [fs.fstatSync(fd), fs.statSync(dir)];
  const group = gid ?? ((folder.mode & 0o020) === 0 ? undefined : folder.gid);
  const modes = group === undefined ? OWNER_ONLY : groupModes(group);
  const lockedOut = made.uid === 0 && folder.uid !== 0;
  if (lockedOut && !keepsOwner) fs.fchownSync(fd, folder.uid, group ?? folder.gid);
  else if (group !== undefined) fs.fchownSync(fd, -1, group);
  fs.fchmodSync(fd, made.isDirectory() ? modes.dir : modes.file | (lockedOut && keepsOwner ? 0o044 : 0));
}

/** The write may or may not be on disk; this is unknown until the next start. It is neither acknowledged nor undone. */
export class InDoubt extends Error {
  constructor(cause: Error) {
    super(`IN DOUBT: ${cause.message}`, { cause });
  }
}

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants;

const NEW_FILE = O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR;

const GROWING_FILE = O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_RDWR;

const TEMPORARY = '.tmp.';

const STALE_TEMPORARY_MS = 60 * 60 * 1000;

/** An unused name in `dir`. */
export function temporaryName(dir: string): string {
  return join(dir, `${TEMPORARY}${process.pid}.${randomBytes(6).toString('hex')}`);
}

/** Removes temporary files that crashed writers left in `dir` an hour ago or earlier. Never throws: a leftover does no harm. */
export function sweepTemporaries(dir: string, nowMs: number, fs: Fs): void {
  quietly(() => {
    for (const name of fs.readdirSync(dir).filter((name) => name.startsWith(TEMPORARY))) {
      const path = join(dir, name);
      quietly(() => nowMs - fs.lstatSync(path).mtimeMs > STALE_TEMPORARY_MS && fs.unlinkSync(path));
    }
  });
}

/**
 * Creates `path` (it must not exist) with exactly `bytes`, flushed and read back. The directory is not flushed yet. `prepare` gets
 * the empty file, to set its owner and mode.
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

/** As createFile, under a temporary name in `dir`, which it returns. After a failed fsync it tries again with a new file. */
function createTemporary(dir: string, bytes: Uint8Array, fs: Fs, prepare: (fd: number) => void, attempts = 2): string {
  const path = temporaryName(dir);
  try {
    createFile(path, bytes, fs, prepare);
    return path;
  } catch (error) {
    if (!(error instanceof FsyncFailed)) throw error;
    if (attempts === 1) throw new InDoubt(error);
    return createTemporary(dir, bytes, fs, prepare, attempts - 1);
  }
}

/**
 * Creates the state file `path` with exactly `bytes`, whole and durable, or leaves it alone: a finished temporary file is
 * linked to the name. False when the name is taken, or when the new file does not `stand` and was withdrawn. Throws InDoubt
 * when a second new file, or the folder, could not be flushed; any other error means that nothing was published.
 */
export function createWhole(path: string, bytes: Uint8Array, modes: Modes, fs: Fs, stands: () => boolean = () => true): boolean {
  const dir = dirname(path);
  const temporary = createTemporary(dir, bytes, fs, (fd) => share(fd, dir, modes.gid, fs, modes.keepsOwner));
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

/** As `createWhole`, but for a folder that is not the state's: every user can read the file. */
export function createForAll(path: string, bytes: Uint8Array, fs: Fs): boolean {
  const dir = dirname(path);
  const temporary = createTemporary(dir, bytes, fs, (fd) => fs.fchmodSync(fd, 0o644));
  try {
    if (!linkNew(temporary, path, fs)) return false;
    flushDirOrDoubt(dir, fs);
    return true;
  } finally {
    quietly(() => fs.unlinkSync(temporary));
  }
}

function linkNew(from: string, to: string, fs: Fs): boolean {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (error) {
    // ENOENT: this process was so slow that its temporary file was removed as stale.
    if (codeOf(error) === 'EEXIST' || codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Flushes a directory after a change of names: the change is already visible, so a failure leaves it in doubt. */
export function flushDirOrDoubt(dir: string, fs: Fs): void {
  try {
    flushDir(dir, fs);
  } catch (error) {
    throw new InDoubt(error as Error);
  }
}

/**
 * Writes `content` to `path`: writes, flushes and reads back a new file next to it, renames it over the old one, and flushes the
 * directory. Keeps the old mode and, if allowed, the owner; a new file is 0644, or shared as `state` says. `permit` throws to
 * stop it just before the rename. Equal content is only flushed. A symlink there is replaced, never followed.
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

/** True if the file has these bytes durably. False after a failed fsync too: only a new file can be trusted then. */
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
 * Makes `dir` and its missing parents, durably. Not node's recursive mkdir: that one loops forever if mkdir(2) returns ENOENT
 * below an existing folder, as in /proc (seen on Node 20.20), and break-glass must not hang because of a HOME like that.
 */
export function makeFolders(dir: string, fs: Fs, mode = 0o700): void {
  if (fs.existsSync(dir)) return;
  const parent = dirname(dir);
  if (parent !== dir) makeFolders(parent, fs, mode);
  try {
    fs.mkdirSync(dir, { mode });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  flushDir(parent, fs);
}

/** Makes sure, durably, that `path` exists. Only the name counts; an existing file is not changed. */
export function placeMark(path: string, text: string, fs: Fs): void {
  const write = (fd: number) => {
    // A mark that root made must stay readable for the usual user; a failure to share it must not stop a rescue.
    quietly(() => share(fd, dirname(path), undefined, fs));
    // On a full disk only the name is written. That is enough: the text is for people.
    quietly(() => writeAll(fd, Buffer.from(text), fs));
    flush(fd, path, fs);
  };
  try {
    withFile(path, NEW_FILE, fs, write);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  flushDir(dirname(path), fs);
}

/** How a list of lines is kept. */
export interface LinesKept {
  /** It never grows beyond what its reader takes. */
  readonly maxBytes: number;
  /** Readable by every user, or given to the owners of the folder. */
  readonly readers: 'all' | 'owners';
}

/**
 * Appends a line durably, on a line of its own even after one that a crash has torn. `lineAfter` gets the present content. The
 * file is never rewritten, so the lines of two concurrent writers both stay.
 */
export function appendLine(path: string, lineAfter: (before: string) => string, fs: Fs, { maxBytes, readers }: LinesKept): void {
  const append = (fd: number) => {
    const stat = fs.fstatSync(fd);
    if (!stat.isFile()) throw new Error(`${path} is not a regular file`);
    if (stat.size > maxBytes) throw new Error(`${path} has more than ${maxBytes} bytes`);
    if (stat.size === 0)
      quietly(() => (readers === 'owners' ? share(fd, dirname(path), undefined, fs) : fs.fchmodSync(fd, 0o644)));
    const before = readAll(fd, stat.size, fs).toString('utf8');
    const line = Buffer.from(`${before === '' || before.endsWith('\n') ? '' : '\n'}${lineAfter(before)}\n`);
    if (stat.size + line.length > maxBytes) throw new Error(`${path} is full`);
    writeAll(fd, line, fs);
    flush(fd, path, fs);
    // Others may have appended in between, so our line is at that offset or after it.
    const since = readAll(fd, fs.fstatSync(fd).size - stat.size, fs, stat.size);
    if (!since.includes(line)) throw new Error(`${path} does not contain what was written to it`);
  };
  withFile(path, GROWING_FILE, fs, append, readers === 'all' ? 0o644 : 0o600);
  flushDir(dirname(path), fs);
}
