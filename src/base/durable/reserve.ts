/** Space that is put by on a disk, to be given back when it is full: written, not sparse, and flushed. Must never hold anything. */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { dirname } from 'node:path';
import type { Fs } from './fs.ts';
import { codeOf, flush, flushDir, look, quietly, withFile, writeAll } from './open-file.ts';

export interface Reserve {
  readonly file: string;
  readonly bytes: number;
}

/** Makes sure, durably, that so much is reserved. Throws where it is not, with nothing left behind. */
export function keepReserve({ file, bytes }: Reserve, fs: Fs): void {
  const there = look(file, fs);
  if (there?.isFile() === true && there.size >= bytes && (there.blocks ?? Number.POSITIVE_INFINITY) * 512 >= bytes) return;
  const { O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY } = constants;
  try {
    withFile(file, O_CREAT | O_NOFOLLOW | O_TRUNC | O_WRONLY, fs, (fd) => {
      // Zeros would take no space on a disk that compresses.
      writeAll(fd, randomBytes(bytes), fs);
      flush(fd, file, fs);
    });
    flushDir(dirname(file), fs);
  } catch (error) {
    giveBack(file, fs);
    throw error;
  }
}

/** Never throws. */
export function giveBack(file: string, fs: Fs): void {
  quietly(() => fs.unlinkSync(file));
}

/** True for an error that a full disk, or a quota, caused somewhere below. */
export function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ['ENOSPC', 'EDQUOT'].includes(codeOf(error) ?? '') || isDiskFull(error.cause);
}
