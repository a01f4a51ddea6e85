/** Directories of the state: where a scope's pointer lies, who may write there, and what filesystem it is. Must not follow symlinks. */
import { constants, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Fs } from './changes.ts';
import { createFile, flushDir, type Modes, makeFolders, OWNER_ONLY, quietly, readAll, temporaryName } from './durable-file.ts';

/**
 * Makes `stateDir` and the folders `below` it, durably, with `modes.dir`, and returns the last one. Throws when one of them is a
 * symlink, can be written by anyone, or belongs to somebody else than root, this user or the given group (R37).
 */
export function openStateDir(stateDir: string, below: readonly string[], fs: Fs, modes: Modes): string {
  if (fs.existsSync(stateDir)) mustBeOurs(fs.realpathSync(stateDir), fs, modes);
  else makeRoot(stateDir, fs, modes);
  let dir = fs.realpathSync(stateDir);
  for (const name of below) {
    if (!/^[a-z0-9][a-z0-9-]*$/.test(name)) throw new Error(`not a folder name: ${name}`);
    const next = join(dir, name);
    if (fs.lstatSync(next, { throwIfNoEntry: false }) === undefined) makeDir(next, dir, fs, modes);
    mustBeOurs(next, fs, modes);
    dir = next;
  }
  return dir;
}

/** Missing parents get 0700 as well: whoever wants the state somewhere public makes that place first. */
function makeRoot(stateDir: string, fs: Fs, modes: Modes): void {
  makeFolders(dirname(stateDir), fs);
  makeDir(stateDir, dirname(stateDir), fs, modes);
}

function makeDir(dir: string, parent: string, fs: Fs, modes: Modes): void {
  try {
    fs.mkdirSync(dir, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    throw error;
  }
  if (modes.gid !== undefined) fs.chownSync(dir, process.geteuid?.() ?? 0, modes.gid);
  if (modes.dir !== 0o700) fs.chmodSync(dir, modes.dir);
  flushDir(parent, fs);
}

function mustBeOurs(dir: string, fs: Fs, modes: Modes): void {
  const stat = fs.lstatSync(dir);
  if (stat.isSymbolicLink()) throw new Error(`${dir} is a symlink`);
  if (!stat.isDirectory()) throw new Error(`${dir} is not a directory`);
  if ((stat.mode & 0o002) !== 0) throw new Error(`${dir} can be written by anyone (mode ${(stat.mode & 0o777).toString(8)})`);
  const ours = stat.uid === 0 || stat.uid === process.geteuid?.() || (modes.gid !== undefined && stat.gid === modes.gid);
  if (!ours) throw new Error(`${dir} belongs to user ${stat.uid}, not to root or this user`);
}

/**
 * The text of a regular file in `dir`, at most `maxBytes`; throws an Error that says why not. Never hangs on a FIFO or follows a
 * link, and refuses what strangers could have put there: its owner must be root, this user or the folder's owner, or its group
 * the folder's where that group may write.
 */
export function readRegular(dir: string, name: string, maxBytes: number, fs: Fs): string {
  const fd = openNoFollow(join(dir, name), fs);
  try {
    const stat = fs.fstatSync(fd);
    const problem = fileProblem(stat, fs.statSync(dir), maxBytes);
    if (problem !== undefined) throw new Error(problem);
    const bytes = readAll(fd, maxBytes + 1, fs);
    if (bytes.length > maxBytes) throw new Error(`it has more than ${maxBytes} bytes`);
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } finally {
    fs.closeSync(fd);
  }
}

function openNoFollow(path: string, fs: Fs): number {
  try {
    return fs.openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ELOOP') throw new Error('it is a symlink', { cause: error });
    throw error;
  }
}

function fileProblem(file: Stats, dir: Stats, maxBytes: number): string | undefined {
  if (!file.isFile()) return 'it is not a regular file';
  if (file.nlink > 2) return `it has ${file.nlink} hard links`;
  if ((file.mode & 0o002) !== 0) return 'anyone can write it';
  const trusted = file.uid === 0 || file.uid === dir.uid || file.uid === process.geteuid?.();
  if (!trusted && !((dir.mode & 0o020) !== 0 && file.gid === dir.gid)) return `it belongs to user ${file.uid}`;
  return file.size > maxBytes ? `it has more than ${maxBytes} bytes` : undefined;
}

export interface Filesystem {
  /** volatile: gone after a restart; unsure: its promises depend on somebody else. */
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

/** What keeps the files below `dir` (R38). */
export function filesystemOf(dir: string, fs: Fs): Filesystem {
  const type = Number(fs.statfsSync(dir).type) >>> 0;
  return (
    FILESYSTEMS.get(type) ?? {
      kind: 'unsure',
      name: `filesystem 0x${type.toString(16)}`,
    }
  );
}

/** Writes, links, flushes and removes a probe in `dir`; says what went wrong, or undefined when the disk keeps its word. */
export function diskProblem(dir: string, fs: Fs): string | undefined {
  const probe = temporaryName(dir);
  try {
    createFile(probe, Buffer.from('kvdeploy was here\n'), OWNER_ONLY, fs);
    fs.linkSync(probe, `${probe}.linked`);
    flushDir(dir, fs);
    return undefined;
  } catch (error) {
    return `${dir} cannot keep a file: ${(error as Error).message}`;
  } finally {
    quietly(() => fs.unlinkSync(`${probe}.linked`));
    quietly(() => fs.unlinkSync(probe));
  }
}
