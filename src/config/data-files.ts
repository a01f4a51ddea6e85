/**
 * The data files below a folder, and everything there that could be one and is not read: a link, a FIFO, a copy under another
 * ending. Must not follow a link, or pass over what it cannot look at.
 */
import type { Stats } from 'node:fs';
import path from 'node:path';
import type { Fs } from '../base/durable/fs.ts';
import { codeOf } from '../base/durable/open-file.ts';
import type { Finding } from '../core/errors.ts';
import { namesIn, notAFile, readBytes, SYMLINK, shownPath } from './files.ts';
import { findingWithoutText, limited, type Trouble } from './parse/source.ts';
import { MAX_BYTES } from './parse/text-check.ts';

const MOST_ENTRIES = 20_000;

const DEEPEST_FOLDER = 12;

/** Not read, because they are another program's; a data file in one of them is named all the same. */
const SKIPPED_FOLDERS = new Set(['.git', 'node_modules']);

/** As many entries of a skipped folder are looked at: git's own objects may be many more, and none of them is a data file. */
const MOST_SKIPPED = 5_000;

/** What may lie next to manifests: hidden files, and texts for people. */
const OTHERS = /^\.|\.md$|^licen[cs]e(?:\.|$)/i;

/** A line that makes a file a manifest, in block or flow style and in JSON, however it is quoted. */
const MANIFEST_LINE = /(?:^|[{,])[ \t]*["']?kind["']?[ \t]*:[ \t]*["']?ReleaseManifest\b/m;

/** The data files, sorted, and a finding for everything that was not read although it could be a manifest. */
export interface DataFiles {
  readonly files: readonly string[];
  readonly findings: readonly Finding[];
}

/** True for the extensions of manifests, in upper or lower case, so that `.YAML` hides none. */
function isDataFile(name: string): boolean {
  return /\.(?:yaml|yml|json)$/i.test(name);
}

/** Every data file below `folder`. A missing folder has none. */
export function dataFilesBelow(fs: Fs, folder: string, cwd: string): DataFiles {
  const walk = new Walk(fs, cwd);
  try {
    walk.folder(folder, 1);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const fix = 'Give a folder that contains only manifests.';
    walk.find(folder, notAFile(`This folder cannot be read completely (${error.message}).`, fix));
  }
  return { files: walk.files, findings: limited(walk.findings) };
}

class Walk {
  readonly files: string[] = [];
  readonly findings: Finding[] = [];
  readonly #fs: Fs;
  readonly #cwd: string;
  #entries = 0;

  constructor(fs: Fs, cwd: string) {
    this.#fs = fs;
    this.#cwd = cwd;
  }

  find(file: string, trouble: Trouble): void {
    this.findings.push(findingWithoutText(shownPath(this.#cwd, file), trouble));
  }

  folder(at: string, depth: number): void {
    if (depth > DEEPEST_FOLDER) throw new RangeError(`more than ${DEEPEST_FOLDER} levels`);
    for (const name of this.#names(at)) {
      this.#entries += 1;
      if (this.#entries > MOST_ENTRIES) throw new RangeError(`more than ${MOST_ENTRIES} files`);
      this.#entry(path.join(at, name), name, depth);
    }
  }

  #names(at: string): readonly string[] {
    try {
      return namesIn(this.#fs, at);
    } catch (error) {
      this.find(at, notAFile(`This folder cannot be read (${codeOf(error)}).`, 'Check the permissions.'));
      return [];
    }
  }

  #entry(file: string, name: string, depth: number): void {
    const stat = this.#fs.lstatSync(file, { throwIfNoEntry: false });
    if (stat === undefined) return;
    if (stat.isDirectory()) {
      if (SKIPPED_FOLDERS.has(name)) this.#skipped(file);
      else this.folder(file, depth + 1);
    } else if (stat.isFile() && isDataFile(name)) this.files.push(file);
    else if (OTHERS.test(name)) return;
    else if (stat.isSymbolicLink()) this.find(file, SYMLINK);
    else if (stat.isFile()) this.#other(file);
    else this.find(file, notAFile(`This is ${kindOf(stat)}, not a file.`, 'Remove it, or put a file in its place.'));
  }

  /** A file that is not read as data: an archived manifest still says whose build a GUID is. */
  #other(file: string): void {
    const read = readBytes(this.#fs, file, { followSymlink: false, maxBytes: MAX_BYTES });
    if ('bytes' in read) {
      if (!MANIFEST_LINE.test(Buffer.from(read.bytes).toString('latin1'))) return;
      const message = 'This is a manifest, but files with this ending are not read.';
      this.find(file, unread(message, 'Rename it to .yaml, .yml or .json, or move it out of the manifest folder.'));
    } else if (read.trouble.code !== 'TOO_LARGE') this.find(file, read.trouble);
  }

  #skipped(folder: string): void {
    let left = MOST_SKIPPED;
    const search = (at: string, depth: number): void => {
      for (const name of depth > DEEPEST_FOLDER ? [] : this.#names(at)) {
        if (left === 0) return;
        left -= 1;
        const file = path.join(at, name);
        if (isDataFile(name)) {
          const message = `This file is in ${path.basename(folder)}, which is not read.`;
          this.find(file, unread(message, 'Move it to its own folder, or out of the manifest folder.'));
        } else if (this.#fs.lstatSync(file, { throwIfNoEntry: false })?.isDirectory() === true) search(file, depth + 1);
      }
    };
    search(folder, 1);
  }
}

function unread(message: string, fix: string): Trouble {
  return { code: 'SCOPE_UNSEEN', kind: 'rule', message, fix };
}

function kindOf(stat: Stats): string {
  return stat.isFIFO() ? 'a named pipe' : stat.isSocket() ? 'a socket' : 'a device';
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
