/** What a disk in memory is made of: files and folders with their stats, and the errors of its calls. */

/** `kept` is what a power cut leaves for certain: as it was at the last fsync. */
export interface File {
  readonly ino: number;
  mode: number;
  nlink: number;
  mtimeMs: number;
  readonly names: undefined;
  bytes: Buffer;
  kept: Buffer;
}

export interface Folder {
  readonly ino: number;
  mode: number;
  nlink: number;
  mtimeMs: number;
  readonly names: Map<string, Inode>;
  kept: ReadonlyMap<string, Inode>;
}

export type Inode = File | Folder;

/** A system call's error, without the cost of a stack: most are only looked at for their code. */
export class SystemError extends Error {
  readonly code: string;
  constructor(code: string, call: string, path = '') {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(`${code}: ${call} '${path}'`);
    Error.stackTraceLimit = limit;
    this.code = code;
  }
}

const FOLDER = 0o040000;
const FILE = 0o100000;
const USER = process.geteuid?.() ?? 0;
export const NOTHING = Buffer.alloc(0);
export const NO_NAMES: ReadonlyMap<string, Inode> = new Map();

export class MemoryStats {
  readonly ino: number;
  readonly uid = USER;
  readonly gid = USER;
  readonly nlink: number;
  readonly mtimeMs: number;
  readonly mode: number;
  readonly size: number;

  constructor(inode: Inode) {
    this.ino = inode.ino;
    this.nlink = inode.nlink;
    this.mtimeMs = inode.mtimeMs;
    this.mode = (inode.names === undefined ? FILE : FOLDER) | inode.mode;
    this.size = inode.names === undefined ? inode.bytes.length : 0;
  }

  isFile(): boolean {
    return (this.mode & FILE) !== 0;
  }

  isDirectory(): boolean {
    return (this.mode & FILE) === 0;
  }

  isSymbolicLink(): boolean {
    return false;
  }
}
