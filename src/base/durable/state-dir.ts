/** Folders and files of the state: who may own and write them, and which filesystem stores them. Must not follow symlinks. */
import { constants, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileStranger, judgeFolder, stateOwners, strangerHint } from '../owners/owner-rule.ts';
import { judgeOne, type Stranger } from '../owners/path-owners.ts';
import { createFile, type Modes, makeFolders, share, temporaryName } from './durable-file.ts';
import type { Fs } from './fs.ts';
import { codeOf, flushDir, look, quietly, READ_ONLY, readAll, withFile } from './open-file.ts';

/** Someone else could have created or changed this file. */
export class Unsafe extends Error {
  readonly file: string;
  readonly why: string;
  /** What to do about it, if that follows from the owner rule. */
  readonly hint: string | undefined;

  constructor(file: string, why: string, cause?: unknown, hint?: string) {
    super(`${file}: ${why}`, { cause });
    this.file = file;
    this.why = why;
    this.hint = hint;
  }
}

function unsafe(stranger: Stranger, fs: Fs): Unsafe {
  return new Unsafe(stranger.at, stranger.why, undefined, strangerHint(stranger, 'kvdeploy …', fs));
}

/** The reason, without the file name. */
export function whyOf(error: unknown): string {
  return error instanceof Unsafe ? error.why : (error as Error).message;
}

/**
 * Makes `stateDir` and the folders `below` it durably, with these modes, and returns the last one. Throws Unsafe if one of them
 * is a symlink or belongs to someone else; `stateDir` itself may be a link, because its owner chose that.
 */
export function openStateDir(stateDir: string, below: readonly string[], fs: Fs, modes: Modes): string {
  if (look(stateDir, fs, 'statSync') === undefined) makeRoot(stateDir, fs, modes);
  let dir = fs.realpathSync(stateDir);
  const home = homeOf(dir, fs, modes.gid);
  // Its creator may have been killed before its name was durable; nothing is written into it before that.
  if (look(join(dir, below[0] ?? ''), fs) === undefined) flushNames(dir, fs);
  for (const name of below) {
    if (!/^[a-z0-9][a-z0-9-]*$/.test(name)) throw new Error(`not a folder name: ${name}`);
    const next = join(dir, name);
    if (look(next, fs) === undefined) makeDir(next, fs, (fd) => share(fd, dir, modes.gid, fs));
    mustBeOurs(next, fs.lstatSync(next), home, modes.gid, fs);
    // An existing folder is flushed too: its creator may have been killed before this point.
    flushDir(dir, fs);
    dir = next;
  }
  return dir;
}

/** True if the folders `below` the state directory exist. Reads only; throws Unsafe as `openStateDir` does. */
export function stateDirExists(stateDir: string, below: readonly string[], fs: Fs, modes: Modes): boolean {
  const root = look(stateDir, fs, 'statSync');
  if (root === undefined) return false;
  const home = homeOf(stateDir, fs, modes.gid);
  let dir = stateDir;
  return below.every((name) => {
    dir = join(dir, name);
    const stat = look(dir, fs);
    if (stat !== undefined) mustBeOurs(dir, stat, home, modes.gid, fs);
    return stat !== undefined;
  });
}

/** Missing parents also get 0700: to put the state into a public folder, create that folder first. */
function makeRoot(stateDir: string, fs: Fs, modes: Modes): void {
  makeFolders(dirname(stateDir), fs);
  makeDir(stateDir, fs, (fd) => {
    if (modes.gid !== undefined) fs.fchownSync(fd, -1, modes.gid);
    fs.fchmodSync(fd, modes.dir);
  });
}

/** Makes every name on the path to `dir` durable. Skips folders that cannot be opened or written: kvdeploy did not change those. */
function flushNames(dir: string, fs: Fs): void {
  for (let at = dir; at !== dirname(at); at = dirname(at)) {
    try {
      flushDir(dirname(at), fs);
    } catch (error) {
      if (!['EACCES', 'EROFS'].includes(codeOf(error) ?? '')) throw error;
    }
  }
}

function makeDir(dir: string, fs: Fs, prepare: (fd: number) => void): void {
  try {
    fs.mkdirSync(dir, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    throw error;
  }
  withFile(dir, READ_ONLY | constants.O_DIRECTORY, fs, prepare);
}

/** The stats of the state directory, whose path is judged up to `/`; everything below it is judged by them. */
function homeOf(dir: string, fs: Fs, gid: number | undefined): Stats {
  const { stranger } = judgeFolder(dir, fs, gid);
  if (stranger !== undefined) throw unsafe(stranger, fs);
  const stat = fs.statSync(dir);
  if (!stat.isDirectory()) throw new Unsafe(dir, 'it is not a directory');
  return stat;
}

function mustBeOurs(dir: string, stat: Stats, home: Stats, gid: number | undefined, fs: Fs): void {
  if (stat.isSymbolicLink()) throw new Unsafe(dir, 'it is a symlink');
  if (!stat.isDirectory()) throw new Unsafe(dir, 'it is not a directory');
  const problem = strangerProblem(stat, home, gid, fs);
  if (problem !== undefined) throw new Unsafe(dir, problem);
}

function isShared(dir: Stats): boolean {
  return (dir.mode & 0o020) !== 0;
}

/**
 * Why someone else could have created or changed a file of the state, or undefined. Its owner must be believed or own `home`, or its
 * group must be `gid` or the group that shares `home`. Without either group, no group may write to it.
 */
export function strangerProblem(stat: Stats, home: Stats, gid: number | undefined, fs: Fs): string | undefined {
  const groupMay = (stat.mode & 0o020) === 0 || gid !== undefined || isShared(home);
  const group = gid ?? (isShared(home) ? home.gid : undefined);
  const believed = { user: process.geteuid?.() ?? 0, owners: [...stateOwners(fs), home.uid], group };
  const { stranger } = judgeOne('', stat, believed, fs, { closed: true });
  return stranger?.why ?? (groupMay ? undefined : 'its group can write to it, but the state is not shared with a group');
}

/**
 * Reads a regular file of at most `maxBytes` that passes `judge`; throws Unsafe otherwise. Never hangs on a FIFO or follows a link.
 */
export function readOurs(path: string, maxBytes: number, fs: Fs, judge: (stat: Stats) => Stranger | undefined): Buffer {
  try {
    return withFile(path, READ_ONLY, fs, (fd) => {
      const stat = fs.fstatSync(fd);
      const problem = fileProblem(stat, maxBytes);
      if (problem !== undefined) throw new Unsafe(path, problem);
      const stranger = judge(stat);
      if (stranger !== undefined) throw unsafe(stranger, fs);
      return readAll(fd, stat.size, fs);
    });
  } catch (error) {
    throw codeOf(error) === 'ELOOP' ? new Unsafe(path, 'it is a symlink', error) : error;
  }
}

function fileProblem(file: Stats, maxBytes: number): string | undefined {
  if (!file.isFile()) return 'it is not a regular file';
  if (file.nlink > 2) return `it has ${file.nlink} hard links`;
  return file.size > maxBytes ? `it has more than ${maxBytes} bytes` : undefined;
}

/** The text of a regular file in `dir`, read as `readOurs` does, judged by the owner rule: this needs no config. */
export function readRegular(dir: string, name: string, maxBytes: number, fs: Fs, folder = judgeFolder(dir, fs)): string {
  const bytes = readOurs(join(dir, name), maxBytes, fs, (stat) => fileStranger(join(dir, name), stat, folder, fs));
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}

export interface Filesystem {
  /** volatile: lost at a restart; unsure: another system decides whether a flush is durable. */
  readonly kind: 'durable' | 'volatile' | 'unsure';
  readonly name: string;
}

/** Magic numbers of statfs(2). */
const FILESYSTEMS = new Map<number, Filesystem>([
  [0x01021994, { kind: 'volatile', name: 'tmpfs' }],
  [0x858458f6, { kind: 'volatile', name: 'ramfs' }],
  [0xef53, { kind: 'durable', name: 'ext4' }],
  [0x58465342, { kind: 'durable', name: 'xfs' }],
  [0x9123683e, { kind: 'durable', name: 'btrfs' }],
  [0x2fc12fc1, { kind: 'durable', name: 'zfs' }],
  [0xf2f52010, { kind: 'durable', name: 'f2fs' }],
  [0x6969, { kind: 'unsure', name: 'nfs' }],
  [0x01021997, { kind: 'unsure', name: '9p' }],
  [0x65735546, { kind: 'unsure', name: 'fuse' }],
  [0x794c7630, { kind: 'unsure', name: 'overlay' }],
]);

/** The filesystem that stores `dir`. */
export function filesystemOf(dir: string, fs: Fs): Filesystem {
  const type = Number(fs.statfsSync(dir).type) >>> 0;
  return FILESYSTEMS.get(type) ?? { kind: 'unsure', name: `filesystem 0x${type.toString(16)}` };
}

/** True where another machine may write to the same file system, as far as its type tells. */
export function mayBeShared(dir: string, fs: Fs): boolean {
  try {
    const { kind, name } = filesystemOf(dir, fs);
    return kind === 'unsure' && name !== 'overlay';
  } catch {
    return true;
  }
}

/** Writes, links, flushes and removes a probe in `dir`. Returns what went wrong, or undefined. */
export function diskProblem(dir: string, fs: Fs): string | undefined {
  const probe = temporaryName(dir);
  try {
    createFile(probe, Buffer.from('kvdeploy was here\n'), fs, () => {});
    fs.linkSync(probe, `${probe}.linked`);
    flushDir(dir, fs);
    return undefined;
  } catch (error) {
    return `a test file in ${dir} failed: ${(error as Error).message}`;
  } finally {
    quietly(() => fs.unlinkSync(`${probe}.linked`));
    quietly(() => fs.unlinkSync(probe));
  }
}
