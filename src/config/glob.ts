/** Expands quoted globs: `*`, `**` and `?`, no more. Must never match outside the folder that its fixed part names. */
import path from 'node:path';
import type { Fs } from '../break-glass/changes.ts';
import { dataFilesBelow } from './files.ts';

export function isGlob(pattern: string): boolean {
  return /[*?]/.test(pattern);
}

/** The data files that match, sorted. `*` and `?` stay within one folder's name; `**` crosses folders. */
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
