/** Reads manifests and configs by name. Regular files of limited size only. Must not write, follow a link in a folder, or wait for a FIFO. */
import path from 'node:path';
import type { Fs } from '../base/durable/fs.ts';
import { READ_ONLY, readAll, withFile } from '../base/durable/open-file.ts';
import { KvdeployError } from '../core/errors.ts';
import type { Trouble } from './parse/source.ts';
import { tooLarge } from './parse/text-check.ts';

export const SYMLINK = notAFile('This is a symlink; it is not followed.', 'Put the file itself here.');

const NOT_REGULAR = notAFile('This is not a regular file.', 'Give a file, or a folder of files.');

/** What could not be looked at. */
export function notAFile(message: string, fix: string): Trouble {
  return { code: 'NOT_A_FILE', message, fix };
}

export type Read = { readonly bytes: Uint8Array } | { readonly trouble: Trouble };

/** How a file is read. A larger one is not. */
export interface HowRead {
  /** Only where the user named the file: in a folder a link could make a public log show any other file. */
  readonly followSymlink: boolean;
  readonly maxBytes: number;
}

/** The bytes of one regular file, or the reason why not. */
export function readBytes(fs: Fs, file: string, { followSymlink, maxBytes }: HowRead): Read {
  try {
    const stat = followSymlink ? fs.statSync(file) : fs.lstatSync(file);
    if (stat.isSymbolicLink()) return { trouble: SYMLINK };
    if (!stat.isFile()) return { trouble: NOT_REGULAR };
    if (stat.size > maxBytes) return { trouble: tooLarge(stat.size, maxBytes) };
    return { bytes: readUpTo(maxBytes + 1, fs, file, followSymlink) };
  } catch (error) {
    return { trouble: unreadable(error) };
  }
}

/** Every file is read into this buffer and copied out: a separate one as large as the limit would stay alive for each file. */
let scratch = Buffer.alloc(0);

function readUpTo(most: number, fs: Fs, file: string, followSymlink: boolean): Uint8Array {
  if (scratch.length < most) scratch = Buffer.alloc(most);
  // What was a file a moment ago may be a link or a FIFO by now.
  const flags = followSymlink ? fs.constants.O_RDONLY | fs.constants.O_NONBLOCK : READ_ONLY;
  return withFile(file, flags, fs, (fd) => new Uint8Array(readAll(fd, most, fs, 0, scratch)));
}

function unreadable(error: unknown): Trouble {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return { code: 'MANIFEST_MISSING', message: 'There is no such file.', fix: 'Check the name and the current folder.' };
  return notAFile(`The file cannot be read (${code}).`, 'Check the permissions.');
}

/** Sorted names in a folder; none when there is no such folder. */
export function namesIn(fs: Fs, folder: string): readonly string[] {
  try {
    return fs.readdirSync(folder).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/**
 * The absolute path of what was typed. Throws USAGE for one that begins with ~: a shell leaves it as it is after `=` or in quotes, and a
 * folder of that name is never meant.
 */
export function typedPath(cwd: string, typed: string, what: string): string {
  if (!typed.startsWith('~')) return path.resolve(cwd, typed);
  throw new KvdeployError('USAGE', {
    message: `${what} ${typed}: kvdeploy does not expand ~.`,
    hint: `Write the whole path, such as "$HOME${typed.slice(1)}"; for a folder that is really called so, ./${typed}`,
  });
}

export function isFolder(fs: Fs, file: string): boolean {
  try {
    return fs.statSync(file).isDirectory();
  } catch {
    return false;
  }
}

/** The nearest folder at or above `cwd` that contains `.git`; undefined outside a repository. */
export function repositoryRoot(fs: Fs, cwd: string): string | undefined {
  for (let at = path.resolve(cwd); ; at = path.dirname(at)) {
    if (fs.existsSync(path.join(at, '.git'))) return at;
    if (path.dirname(at) === at) return undefined;
  }
}

/** The name of a file for people: relative to `cwd` if it is below it, with forward slashes. */
export function shownPath(cwd: string, file: string): string {
  const relative = path.relative(cwd, file);
  const shown = relative === '' || relative.startsWith('..') || path.isAbsolute(relative) ? file : relative;
  return shown.split(path.sep).join('/');
}
