/** A disk in memory, as far as the durable paths use one: the same calls and error codes as node:fs, no symbolic links, no permissions. */
import { constants, type Stats } from 'node:fs';
import type { Fs } from '../../src/break-glass/changes.ts';

type Inode = {
  readonly ino: number;
  readonly uid: number;
  readonly gid: number;
  mode: number;
  nlink: number;
  mtimeMs: number;
} & ({ readonly names: Map<string, Inode> } | { bytes: Buffer });

type Folder = Inode & { readonly names: Map<string, Inode> };

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

class MemoryStats {
  readonly ino: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  readonly mtimeMs: number;
  readonly mode: number;
  readonly size: number;

  constructor(inode: Inode) {
    this.ino = inode.ino;
    this.uid = inode.uid;
    this.gid = inode.gid;
    this.nlink = inode.nlink;
    this.mtimeMs = inode.mtimeMs;
    this.mode = ('names' in inode ? FOLDER : FILE) | inode.mode;
    this.size = 'names' in inode ? 0 : inode.bytes.length;
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

const statsOf = (inode: Inode) => new MemoryStats(inode) as unknown as Stats;

/** One disk; several processes use it at once. `clock` gives modification times. */
export function memoryDisk(clock: () => number): Fs {
  let inodes = 0;
  let descriptors = 2;
  const open = new Map<number, { readonly inode: Inode; at: number; readonly append: boolean }>();
  const uid = process.geteuid?.() ?? 0;
  const made = (mode: number) => {
    inodes += 1;
    return { ino: inodes, uid, gid: uid, mode, nlink: 1, mtimeMs: clock() };
  };
  const root: Folder = { ...made(0o755), names: new Map() };

  const find = (path: string): Inode | undefined => {
    let here: Inode | undefined = root;
    for (const name of path.split('/')) {
      if (name === '') continue;
      if (here === undefined) return undefined;
      if (!('names' in here)) throw new SystemError('ENOTDIR', 'lookup', path);
      here = here.names.get(name);
    }
    return here;
  };
  const need = (path: string, call: string): Inode => {
    const inode = find(path);
    if (inode === undefined) throw new SystemError('ENOENT', call, path);
    return inode;
  };
  const place = (path: string, call: string): { folder: Folder; name: string } => {
    const at = path.lastIndexOf('/');
    const folder = need(path.slice(0, at), call);
    if (!('names' in folder)) throw new SystemError('ENOTDIR', call, path);
    return { folder, name: path.slice(at + 1) };
  };
  const held = (fd: number, call: string) => {
    const one = open.get(fd);
    if (one === undefined) throw new SystemError('EBADF', call, String(fd));
    return one;
  };
  const bytesOf = (inode: Inode, call: string): Buffer => {
    if ('names' in inode) throw new SystemError('EISDIR', call);
    return inode.bytes;
  };
  const put = (inode: Inode, bytes: Buffer) => {
    if ('names' in inode) throw new SystemError('EISDIR', 'write');
    inode.bytes = bytes;
    inode.mtimeMs = clock();
  };

  const disk = {
    constants,
    openSync: (path: string, flags: number, mode = 0o666) => {
      const there = find(path);
      if (there !== undefined && (flags & constants.O_EXCL) !== 0) throw new SystemError('EEXIST', 'open', path);
      if (there === undefined && (flags & constants.O_CREAT) === 0) throw new SystemError('ENOENT', 'open', path);
      let inode = there;
      if (inode === undefined) {
        const { folder, name } = place(path, 'open');
        inode = { ...made(mode & 0o777), bytes: Buffer.alloc(0) };
        folder.names.set(name, inode);
      }
      descriptors += 1;
      open.set(descriptors, { inode, at: 0, append: (flags & constants.O_APPEND) !== 0 });
      return descriptors;
    },
    closeSync: (fd: number) => {
      held(fd, 'close');
      open.delete(fd);
    },
    writeSync: (fd: number, from: Buffer, offset = 0, length = from.length - offset) => {
      const one = held(fd, 'write');
      const old = bytesOf(one.inode, 'write');
      const at = one.append ? old.length : one.at;
      const bytes = Buffer.alloc(Math.max(old.length, at + length));
      old.copy(bytes);
      Buffer.from(from).copy(bytes, at, offset, offset + length);
      put(one.inode, bytes);
      one.at = at + length;
      return length;
    },
    readSync: (fd: number, into: Buffer, offset: number, length: number, position: number | null) => {
      const bytes = bytesOf(held(fd, 'read').inode, 'read');
      return bytes.copy(into, offset, position ?? 0, (position ?? 0) + length);
    },
    readFileSync: (path: string, encoding?: 'utf8') => {
      const bytes = Buffer.from(bytesOf(need(path, 'open'), 'read'));
      return encoding === undefined ? bytes : bytes.toString(encoding);
    },
    fsyncSync: (fd: number) => void held(fd, 'fsync'),
    fstatSync: (fd: number) => statsOf(held(fd, 'fstat').inode),
    lstatSync: (path: string, options?: { throwIfNoEntry?: boolean }) => {
      const inode = find(path);
      if (inode === undefined && options?.throwIfNoEntry === false) return undefined;
      return statsOf(inode ?? need(path, 'lstat'));
    },
    statSync: (path: string) => statsOf(need(path, 'stat')),
    statfsSync: () => ({ type: 0xef53 }),
    linkSync: (from: string, to: string) => {
      const inode = need(from, 'link');
      const { folder, name } = place(to, 'link');
      if (folder.names.has(name)) throw new SystemError('EEXIST', 'link', to);
      folder.names.set(name, inode);
      inode.nlink += 1;
    },
    renameSync: (from: string, to: string) => {
      const inode = need(from, 'rename');
      const old = place(from, 'rename');
      const { folder, name } = place(to, 'rename');
      old.folder.names.delete(old.name);
      folder.names.set(name, inode);
    },
    unlinkSync: (path: string) => {
      const inode = need(path, 'unlink');
      const { folder, name } = place(path, 'unlink');
      folder.names.delete(name);
      inode.nlink -= 1;
    },
    mkdirSync: (path: string, options?: { mode?: number }) => {
      const { folder, name } = place(path, 'mkdir');
      if (folder.names.has(name)) throw new SystemError('EEXIST', 'mkdir', path);
      folder.names.set(name, { ...made(options?.mode ?? 0o777), names: new Map() });
    },
    readdirSync: (path: string) => {
      const inode = need(path, 'scandir');
      if (!('names' in inode)) throw new SystemError('ENOTDIR', 'scandir', path);
      return [...inode.names.keys()];
    },
    existsSync: (path: string) => find(path) !== undefined,
    realpathSync: (path: string) => path,
    ftruncateSync: (fd: number, length: number) => {
      const { inode } = held(fd, 'ftruncate');
      put(inode, Buffer.from(bytesOf(inode, 'ftruncate').subarray(0, length)));
    },
    futimesSync: (fd: number, _atime: number, mtime: number) => {
      held(fd, 'futimes').inode.mtimeMs = mtime * 1000;
    },
    chmodSync: (path: string, mode: number) => {
      need(path, 'chmod').mode = mode & 0o7777;
    },
    fchmodSync: (fd: number, mode: number) => {
      held(fd, 'fchmod').inode.mode = mode & 0o7777;
    },
    chownSync: (path: string) => void need(path, 'chown'),
    fchownSync: (fd: number) => void held(fd, 'fchown'),
  };
  return disk as unknown as Fs;
}

/** Makes every missing folder of `path` and writes a file there. */
export function putFile(disk: Fs, path: string, content: string): void {
  const names = path.split('/').slice(1, -1);
  names.reduce((above, name) => {
    const dir = `${above}/${name}`;
    if (!disk.existsSync(dir)) disk.mkdirSync(dir, { mode: 0o700 });
    return dir;
  }, '');
  const fd = disk.openSync(path, constants.O_CREAT | constants.O_WRONLY, 0o600);
  disk.writeSync(fd, Buffer.from(content));
  disk.closeSync(fd);
}

/** The same disk, with `before` called ahead of every call and `after` behind it; what they throw the caller gets. */
export function watched(disk: Fs, before: (call: string) => void, after: (call: string) => void): Fs {
  const entries = Object.entries(disk).map(([name, call]) => {
    if (typeof call !== 'function') return [name, call];
    const through = (...given: unknown[]) => {
      before(name);
      const result = (call as (...all: unknown[]) => unknown)(...given);
      after(name);
      return result;
    };
    return [name, through];
  });
  return Object.fromEntries(entries) as Fs;
}
