/** Finds and reads manifests and configs, by name, folder or glob. Regular files of limited size only. Must not write or follow symlinks. */
import path from 'node:path';
import type { Fs } from '../base/durable/fs.ts';
import { readAll, withFile } from '../base/durable/open-file.ts';
import type { Finding } from '../core/errors.ts';
import { findingWithoutText, type Trouble } from './parse/source.ts';
import { MAX_BYTES, tooLarge } from './parse/text-check.ts';

const MOST_ENTRIES = 20_000;

const DEEPEST_FOLDER = 12;

const SKIPPED_FOLDERS = new Set(['.git', 'node_modules']);

const SYMLINK = trouble('This is a symlink; it is not followed.', 'Put the file itself here.');

const NOT_REGULAR = trouble('This is not a regular file.', 'Give a file, or a folder of files.');

function trouble(message: string, fix: string): Trouble {
  return { code: 'NOT_A_FILE', message, fix };
}

export type Read = { readonly bytes: Uint8Array } | { readonly trouble: Trouble };

/**
 * The bytes of one regular file of at most 256 KiB, or the reason why not. A larger file is not read. A symlink is followed only
 * if the user named the file: in a folder it could make a public log show any other file.
 */
export function readBytes(fs: Fs, file: string, options: { readonly followSymlink: boolean }): Read {
  try {
    const stat = options.followSymlink ? fs.statSync(file) : fs.lstatSync(file);
    if (stat.isSymbolicLink()) return { trouble: SYMLINK };
    if (!stat.isFile()) return { trouble: NOT_REGULAR };
    if (stat.size > MAX_BYTES) return { trouble: tooLarge(stat.size) };
    return { bytes: readUpToMost(fs, file) };
  } catch (error) {
    return { trouble: unreadable(error) };
  }
}

/** Every file is read into this buffer and copied out: a separate buffer would keep 256 KiB alive for each file. */
const scratch = Buffer.alloc(MAX_BYTES + 1);

function readUpToMost(fs: Fs, file: string): Uint8Array {
  return withFile(file, fs.constants.O_RDONLY, fs, (fd) => new Uint8Array(readAll(fd, scratch.length, fs, 0, scratch)));
}

function unreadable(error: unknown): Trouble {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return { code: 'MANIFEST_MISSING', message: 'There is no such file.', fix: 'Check the name and the current folder.' };
  return trouble(`The file cannot be read (${code}).`, 'Check the permissions.');
}

/** True for the extensions of manifests, in upper or lower case, so that `.YAML` hides none. */
function isDataFile(name: string): boolean {
  return /\.(?:yaml|yml|json)$/i.test(name);
}

/** Every data file below `folder`, sorted; symlinks are findings. A missing folder has none. */
export function dataFilesBelow(
  fs: Fs,
  folder: string,
  cwd: string,
): { readonly files: readonly string[]; readonly findings: readonly Finding[] } {
  const files: string[] = [];
  const findings: Finding[] = [];
  let entries = 0;
  const walk = (at: string, depth: number): void => {
    for (const name of namesIn(fs, at)) {
      const file = path.join(at, name);
      entries++;
      if (entries > MOST_ENTRIES || depth > DEEPEST_FOLDER) {
        throw new RangeError(`more than ${MOST_ENTRIES} files or ${DEEPEST_FOLDER} levels`);
      }
      const stat = fs.lstatSync(file);
      if (stat.isDirectory() && !SKIPPED_FOLDERS.has(name)) walk(file, depth + 1);
      else if (stat.isSymbolicLink() && (isDataFile(name) || isFolder(fs, file)))
        findings.push(findingWithoutText(shownPath(cwd, file), SYMLINK));
      else if (stat.isFile() && isDataFile(name)) files.push(file);
    }
  };
  try {
    walk(folder, 1);
  } catch (error) {
    const why = error instanceof RangeError ? error.message : String((error as NodeJS.ErrnoException).code ?? error);
    const fix = 'Give a folder that contains only manifests.';
    findings.push(findingWithoutText(shownPath(cwd, folder), trouble(`This folder cannot be read completely (${why}).`, fix)));
  }
  return { files, findings };
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

export function isGlob(pattern: string): boolean {
  return /[*?]/.test(pattern);
}

/** The data files that match, sorted. `*` and `?` match within one name; `**` crosses folders. Never matches above its fixed part. */
export function expandGlob(fs: Fs, pattern: string, cwd: string): readonly string[] {
  const parts = path.resolve(cwd, pattern).split(path.sep);
  const fixed = parts.slice(0, parts.findIndex(isGlob));
  const folder = fixed.join(path.sep) || path.sep;
  const matcher = new RegExp(`^${parts.slice(fixed.length).map(partPattern).join('')}$`);
  const { files } = dataFilesBelow(fs, folder, cwd);
  return files.filter((file) => matcher.test(`${path.sep}${path.relative(folder, file)}`));
}

function partPattern(part: string): string {
  if (part === '**') return '(?:/[^/]+)*?';
  const inside = part
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll(/\*+/g, '[^/]*')
    .replaceAll('?', '[^/]');
  return `/${inside}`;
}
