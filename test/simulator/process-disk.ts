/** The disk as one process sees it: every call that changes something is a place to die at, and may meet a disk in trouble. Looking is free. */
import { constants, type Stats } from 'node:fs';
import type { Fs } from '../../src/base/durable/fs.ts';
import type { Trouble } from './coverage.ts';
import { SystemError } from './inodes.ts';
import type { MemoryDisk } from './memory-disk.ts';

/** Thrown into a process that is dead: nothing that it does from here on reaches the simulation. */
export class Killed extends Error {}

/** What the disk does to whoever writes, and whom it tells so. */
export interface Mood {
  readonly full: boolean;
  readonly syncFails: boolean;
  readonly shortWrites: boolean;
  readonly lies: boolean;
  met(trouble: Trouble): void;
}

/** Whose disk it is. `count` is called before and after each call that changes something, and may kill. */
export interface Owner {
  readonly alive: boolean;
  count(): void;
}

const SPACE = 0x20;

/** Written out call by call, since the simulator spends much of its time here. */
class ProcessDisk {
  readonly constants = constants;
  readonly #disk: MemoryDisk;
  readonly #mood: Mood;
  readonly #owner: Owner;

  constructor(disk: MemoryDisk, mood: Mood, owner: Owner) {
    this.#disk = disk;
    this.#mood = mood;
    this.#owner = owner;
  }

  #change<T>(act: () => T): T {
    this.#begin();
    this.#stillAlive();
    const result = act();
    this.#end();
    return result;
  }

  #begin(): void {
    this.#stillAlive();
    this.#owner.count();
  }

  #end(): void {
    this.#owner.count();
    this.#stillAlive();
  }

  #stillAlive(): void {
    if (!this.#owner.alive) throw new Killed();
  }

  #needRoom(call: string): void {
    if (!this.#mood.full) return;
    this.#mood.met('disk full');
    throw new SystemError('ENOSPC', call);
  }

  #failToFlush(): never {
    this.#mood.met('disk cannot flush');
    throw new SystemError('EIO', 'fsyncSync');
  }

  openSync(path: string, flags: number, mode?: number): number {
    this.#stillAlive();
    return this.#disk.openSync(path, flags, mode);
  }

  closeSync(fd: number): void {
    this.#stillAlive();
    this.#disk.closeSync(fd);
  }

  /** A disk that lies keeps something else. A process that is killed in a write leaves half of it; a disk may also take half and say so. */
  writeSync(fd: number, bytes: Uint8Array, offset = 0, length = bytes.length - offset): number {
    this.#begin();
    const { full, lies, shortWrites } = this.#mood;
    const half = Math.floor(length / 2);
    if (!this.#owner.alive) {
      if (half > 0 && !full) {
        this.#mood.met('crash in a write: half of it is there');
        this.#disk.writeSync(fd, bytes, offset, half);
      }
      throw new Killed();
    }
    this.#needRoom('writeSync');
    const taken = shortWrites && half > 0 ? half : length;
    if (taken < length) this.#mood.met('disk takes half of a write');
    if (lies) this.#mood.met('disk keeps something else');
    const written = lies
      ? this.#disk.writeSync(fd, Buffer.alloc(taken, SPACE), 0, taken)
      : this.#disk.writeSync(fd, bytes, offset, taken);
    this.#end();
    return written;
  }

  readSync(fd: number, into: Uint8Array, offset: number, length: number, position: number | null): number {
    this.#stillAlive();
    return this.#disk.readSync(fd, into, offset, length, position);
  }

  readFileSync(path: string, encoding?: 'utf8'): Buffer | string {
    this.#stillAlive();
    return this.#disk.readFileSync(path, encoding);
  }

  fsyncSync(fd: number): void {
    this.#change(() => {
      if (this.#mood.syncFails) this.#failToFlush();
      this.#disk.fsyncSync(fd);
    });
  }

  fstatSync(fd: number): Stats {
    this.#stillAlive();
    return this.#disk.fstatSync(fd);
  }

  lstatSync(path: string, options?: { throwIfNoEntry?: boolean }): Stats | undefined {
    this.#stillAlive();
    return this.#disk.lstatSync(path, options);
  }

  statSync(path: string, options?: { throwIfNoEntry?: boolean }): Stats | undefined {
    this.#stillAlive();
    return this.#disk.statSync(path, options);
  }

  statfsSync(): { readonly type: number } {
    this.#stillAlive();
    return this.#disk.statfsSync();
  }

  linkSync(from: string, to: string): void {
    this.#change(() => {
      this.#needRoom('linkSync');
      this.#disk.linkSync(from, to);
    });
  }

  renameSync(from: string, to: string): void {
    this.#change(() => this.#disk.renameSync(from, to));
  }

  unlinkSync(path: string): void {
    this.#change(() => this.#disk.unlinkSync(path));
  }

  mkdirSync(path: string, options?: { mode?: number }): void {
    this.#change(() => {
      this.#needRoom('mkdirSync');
      this.#disk.mkdirSync(path, options);
    });
  }

  readdirSync(path: string): string[] {
    this.#stillAlive();
    return this.#disk.readdirSync(path);
  }

  existsSync(path: string): boolean {
    this.#stillAlive();
    return this.#disk.existsSync(path);
  }

  realpathSync(path: string): string {
    this.#stillAlive();
    return this.#disk.realpathSync(path);
  }

  ftruncateSync(fd: number, length: number): void {
    this.#stillAlive();
    this.#disk.ftruncateSync(fd, length);
  }

  futimesSync(fd: number, atime: number, mtime: number): void {
    this.#change(() => this.#disk.futimesSync(fd, atime, mtime));
  }

  chmodSync(path: string, mode: number): void {
    this.#stillAlive();
    this.#disk.chmodSync(path, mode);
  }

  fchmodSync(fd: number, mode: number): void {
    this.#stillAlive();
    this.#disk.fchmodSync(fd, mode);
  }

  chownSync(path: string): void {
    this.#stillAlive();
    this.#disk.chownSync(path);
  }

  fchownSync(fd: number): void {
    this.#stillAlive();
    this.#disk.fchownSync(fd);
  }
}

/** The disk as the `owner` sees it. */
export function diskOf(disk: MemoryDisk, mood: Mood, owner: Owner): Fs {
  return new ProcessDisk(disk, mood, owner) as unknown as Fs;
}
