/** Files of the state that are made once or only grow: a mark, and a list of lines. Must not lose what others write at the same time. */
import { constants } from 'node:fs';
import { dirname } from 'node:path';
import { share } from './durable-file.ts';
import type { Fs } from './fs.ts';
import { codeOf, flush, flushDir, quietly, readAll, withFile, writeAll } from './open-file.ts';

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDWR, O_WRONLY } = constants;

/** Makes sure that the name `path` is there, durably. It counts by its name alone; one that is there already stays as it is. */
export function placeMark(path: string, text: string, fs: Fs): void {
  const write = (fd: number) => {
    // A rescue by root must not keep the usual user from reviewing it, nor fail where that cannot be.
    quietly(() => share(fd, dirname(path), undefined, fs));
    // On a full disk the name alone is there, and a name alone counts: the text is for people.
    quietly(() => writeAll(fd, Buffer.from(text), fs));
    flush(fd, path, fs);
  };
  try {
    withFile(path, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, fs, write);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  flushDir(dirname(path), fs);
}

/** How a list of lines is kept. */
export interface LinesKept {
  /** It never grows beyond what its reader takes. */
  readonly maxBytes: number;
  /** For everybody to read, or handed over to the folder's owners. */
  readonly readers: 'all' | 'owners';
}

/**
 * Appends a line, durably, and on a line of its own also after one that a crash has torn. `lineAfter` gets what is there. Appended,
 * never rewritten: two writers at once both stay.
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
    // Others may have appended in between, so it stands at our place or behind it.
    const since = readAll(fd, fs.fstatSync(fd).size - stat.size, fs, stat.size);
    if (!since.includes(line)) throw new Error(`${path} does not contain what was written to it`);
  };
  const flags = O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
  withFile(path, flags, fs, append, readers === 'all' ? 0o644 : 0o600);
  flushDir(dirname(path), fs);
}
