/** Open files: counts every byte, closes every file, and swallows no error of a write or a close. Must not know their content. */
import { constants, type Stats } from 'node:fs';
import type { Fs } from './fs.ts';

/** Never follows a link, never waits for a FIFO. */
export const READ_ONLY = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** An fsync failed: the kernel may have dropped the pages, so only a new file can be trusted. */
export class FsyncFailed extends Error {}

/** The code of a system error: `ENOENT`. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** The stats of `path`, or undefined if it does not exist. Throws any other error: "cannot tell" is not "absent". */
export function look(path: string, fs: Fs, how: 'lstatSync' | 'statSync' = 'lstatSync'): Stats | undefined {
  try {
    // A missing file is the usual case, and creating an error for it would cost more than the call itself.
    return fs[how](path, { throwIfNoEntry: false });
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Opens, uses and closes a file. An error of close is thrown like any other, unless an earlier one is already being thrown. */
export function withFile<T>(path: string, flags: number, fs: Fs, use: (fd: number) => T, mode = 0o600): T {
  const fd = fs.openSync(path, flags, mode);
  let result: T;
  try {
    result = use(fd);
  } catch (error) {
    quietly(() => fs.closeSync(fd));
    throw error;
  }
  fs.closeSync(fd);
  return result;
}

/** Writes every byte: write(2) may write fewer bytes than requested, so it is called until nothing is left. */
export function writeAll(fd: number, bytes: Uint8Array, fs: Fs): void {
  let done = 0;
  while (done < bytes.length) {
    const count = fs.writeSync(fd, bytes, done, bytes.length - done);
    if (count <= 0) throw new Error('the disk accepted no more bytes');
    done += count;
  }
}

/** At most `limit` bytes of an open file, beginning at `from`, in `buffer`. */
export function readAll(fd: number, limit: number, fs: Fs, from = 0, buffer = Buffer.alloc(limit)): Buffer {
  let length = 0;
  while (length < limit) {
    const count = fs.readSync(fd, buffer, length, limit - length, from + length);
    if (count === 0) break;
    length += count;
  }
  return buffer.subarray(0, length);
}

/** fsync, once. Throws FsyncFailed. */
export function flush(fd: number, path: string, fs: Fs): void {
  try {
    fs.fsyncSync(fd);
  } catch (cause) {
    throw new FsyncFailed(`${path} could not be flushed to disk: ${(cause as Error).message}`, { cause });
  }
}

/** Makes the names in a directory durable. */
export function flushDir(dir: string, fs: Fs): void {
  withFile(dir, constants.O_RDONLY | constants.O_DIRECTORY, fs, (fd) => flush(fd, dir, fs));
}

/** Runs a clean-up whose failure changes nothing for the caller. */
export function quietly(cleanUp: () => void): void {
  try {
    cleanUp();
  } catch {
    // The caller already has its error or its success.
  }
}
