/** A disk in memory, as far as the durable paths use one: the calls and error codes of node:fs, no symbolic links, no permissions, and power cuts. */
import { constants, type Stats } from 'node:fs';
import type { Fs } from '../../src/base/durable/fs.ts';
import { type File, type Folder, type Inode, MemoryStats, NO_NAMES, NOTHING, SystemError } from './inodes.ts';

interface Open {
  readonly inode: Inode;
  at: number;
  readonly append: boolean;
}

/** One disk; several processes use it at once. `clock` gives modification times. */
export class MemoryDisk {
  readonly constants = constants;
  readonly #clock: () => number;
  readonly #paths = new Map<string, Inode>();
  readonly #open = new Map<number, Open>();
  readonly #root: Folder;
  #inodes = 0;
  #descriptors = 2;

  constructor(clock: () => number) {
    this.#clock = clock;
    this.#root = this.#folder(0o755);
    this.#paths.set('', this.#root);
  }

  #folder(mode: number): Folder {
    this.#inodes += 1;
    return { ino: this.#inodes, mode, nlink: 1, mtimeMs: this.#clock(), names: new Map(), kept: NO_NAMES };
  }

  #file(mode: number): File {
    this.#inodes += 1;
    return { ino: this.#inodes, mode, nlink: 1, mtimeMs: this.#clock(), names: undefined, bytes: NOTHING, kept: NOTHING };
  }

  #need(path: string, call: string): Inode {
    const inode = this.#paths.get(path);
    if (inode === undefined) throw new SystemError('ENOENT', call, path);
    return inode;
  }

  /** The folder that a name lies in, by which it is added or taken away. */
  #place(path: string, call: string): { folder: Folder; name: string } {
    const at = path.lastIndexOf('/');
    const folder = this.#need(path.slice(0, at), call);
    if (folder.names === undefined) throw new SystemError('ENOTDIR', call, path);
    return { folder, name: path.slice(at + 1) };
  }

  #held(fd: number, call: string): Open {
    const one = this.#open.get(fd);
    if (one === undefined) throw new SystemError('EBADF', call, String(fd));
    return one;
  }

  #heldFile(fd: number, call: string): { one: Open; file: File } {
    const one = this.#held(fd, call);
    if (one.inode.names !== undefined) throw new SystemError('EISDIR', call);
    return { one, file: one.inode };
  }

  openSync(given: string, flags: number, mode = 0o666): number {
    const path = given === '/' ? '' : given;
    const there = this.#paths.get(path);
    if (there !== undefined && (flags & constants.O_EXCL) !== 0) throw new SystemError('EEXIST', 'open', path);
    if (there === undefined && (flags & constants.O_CREAT) === 0) throw new SystemError('ENOENT', 'open', path);
    let inode = there;
    if (inode === undefined) {
      const { folder, name } = this.#place(path, 'open');
      inode = this.#file(mode & 0o777);
      folder.names.set(name, inode);
      this.#paths.set(path, inode);
    }
    this.#descriptors += 1;
    this.#open.set(this.#descriptors, { inode, at: 0, append: (flags & constants.O_APPEND) !== 0 });
    return this.#descriptors;
  }

  closeSync(fd: number): void {
    this.#held(fd, 'close');
    this.#open.delete(fd);
  }

  writeSync(fd: number, from: Uint8Array, offset = 0, length = from.length - offset): number {
    const { one, file } = this.#heldFile(fd, 'write');
    const at = one.append ? file.bytes.length : one.at;
    const added = Buffer.from(from.subarray(offset, offset + length));
    file.bytes = Buffer.concat([file.bytes.subarray(0, at), added, file.bytes.subarray(at + length)]);
    file.mtimeMs = this.#clock();
    one.at = at + length;
    return length;
  }

  readSync(fd: number, into: Uint8Array, offset: number, length: number, position: number | null): number {
    const { file } = this.#heldFile(fd, 'read');
    return file.bytes.copy(into, offset, position ?? 0, (position ?? 0) + length);
  }

  readFileSync(path: string, encoding?: 'utf8'): Buffer | string {
    const inode = this.#need(path, 'open');
    if (inode.names !== undefined) throw new SystemError('EISDIR', 'read');
    return encoding === undefined ? Buffer.from(inode.bytes) : inode.bytes.toString(encoding);
  }

  fsyncSync(fd: number): void {
    const { inode } = this.#held(fd, 'fsync');
    if (inode.names === undefined) inode.kept = inode.bytes;
    else inode.kept = new Map(inode.names);
  }

  fstatSync(fd: number): Stats {
    return new MemoryStats(this.#held(fd, 'fstat').inode) as unknown as Stats;
  }

  lstatSync(path: string, options?: { throwIfNoEntry?: boolean }): Stats | undefined {
    const inode = this.#paths.get(path === '/' ? '' : path);
    if (inode === undefined && options?.throwIfNoEntry === false) return undefined;
    return new MemoryStats(inode ?? this.#need(path, 'lstat')) as unknown as Stats;
  }

  statSync(path: string, options?: { throwIfNoEntry?: boolean }): Stats | undefined {
    return this.lstatSync(path, options);
  }

  statfsSync(): { readonly type: number } {
    return { type: 0xef53 };
  }

  linkSync(from: string, to: string): void {
    const inode = this.#need(from, 'link');
    const { folder, name } = this.#place(to, 'link');
    if (folder.names.has(name)) throw new SystemError('EEXIST', 'link', to);
    folder.names.set(name, inode);
    this.#paths.set(to, inode);
    inode.nlink += 1;
  }

  renameSync(from: string, to: string): void {
    const inode = this.#need(from, 'rename');
    const old = this.#place(from, 'rename');
    const { folder, name } = this.#place(to, 'rename');
    old.folder.names.delete(old.name);
    folder.names.set(name, inode);
    this.#paths.delete(from);
    this.#paths.set(to, inode);
    if (inode.names === undefined) return;
    for (const [path, below] of [...this.#paths]) {
      if (!path.startsWith(`${from}/`)) continue;
      this.#paths.delete(path);
      this.#paths.set(`${to}${path.slice(from.length)}`, below);
    }
  }

  unlinkSync(path: string): void {
    const inode = this.#need(path, 'unlink');
    const { folder, name } = this.#place(path, 'unlink');
    folder.names.delete(name);
    this.#paths.delete(path);
    inode.nlink -= 1;
  }

  mkdirSync(path: string, options?: { mode?: number }): void {
    const { folder, name } = this.#place(path, 'mkdir');
    if (folder.names.has(name)) throw new SystemError('EEXIST', 'mkdir', path);
    const made = this.#folder(options?.mode ?? 0o777);
    folder.names.set(name, made);
    this.#paths.set(path, made);
  }

  readdirSync(path: string): string[] {
    const inode = this.#need(path, 'scandir');
    if (inode.names === undefined) throw new SystemError('ENOTDIR', 'scandir', path);
    return [...inode.names.keys()];
  }

  existsSync(path: string): boolean {
    return this.#paths.has(path);
  }

  realpathSync(path: string): string {
    this.#need(path, 'realpath');
    return path;
  }

  ftruncateSync(fd: number, length: number): void {
    const { file } = this.#heldFile(fd, 'ftruncate');
    file.bytes = file.bytes.subarray(0, length);
  }

  futimesSync(fd: number, _atime: number, mtime: number): void {
    this.#held(fd, 'futimes').inode.mtimeMs = mtime * 1000;
  }

  chmodSync(path: string, mode: number): void {
    this.#need(path, 'chmod').mode = mode & 0o7777;
  }

  fchmodSync(fd: number, mode: number): void {
    this.#held(fd, 'fchmod').inode.mode = mode & 0o7777;
  }

  chownSync(path: string): void {
    this.#need(path, 'chown');
  }

  fchownSync(fd: number): void {
    this.#held(fd, 'fchown');
  }

  /** The power goes: of names and bytes that were not flushed, `keeps` says for each whether it was written after all. */
  cutPower(keeps: () => boolean): void {
    this.#open.clear();
    this.#paths.clear();
    const visit = (path: string, inode: Inode) => {
      this.#paths.set(path, inode);
      if (inode.names === undefined) {
        if (inode.bytes !== inode.kept && !keeps()) inode.bytes = inode.kept;
        inode.kept = inode.bytes;
        return;
      }
      const { names, kept } = inode;
      for (const name of new Set([...kept.keys(), ...names.keys()])) {
        const before = kept.get(name);
        if (before === names.get(name) || keeps()) continue;
        if (before === undefined) names.delete(name);
        else names.set(name, before);
      }
      inode.kept = new Map(names);
      for (const [name, child] of names) visit(`${path}/${name}`, child);
    };
    visit('', this.#root);
  }
}

export function memoryDisk(clock: () => number): Fs & MemoryDisk {
  return new MemoryDisk(clock) as unknown as Fs & MemoryDisk;
}

/** The names of all system calls that it knows. */
export const CALLS: readonly string[] = Object.getOwnPropertyNames(MemoryDisk.prototype).filter((name) => name.endsWith('Sync'));
