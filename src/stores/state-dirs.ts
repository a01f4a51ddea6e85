/** Directories below the state directory: checked before they are used, made durably. Must never lead through a link. */
import type { Stats } from 'node:fs';
import type { Fs } from '../break-glass/changes.ts';
import {
  checkOwner,
  look,
  parentOf,
  type StateRoot,
  share,
  statOrNothing,
  syncDir,
  systemCode,
  unsafe,
  withFd,
} from './state-files.ts';

/** True when the directory that `names` lead to from the root exists, and no component is a link or somebody else's. */
export function checkDir(fs: Fs, root: StateRoot, names: readonly string[]): boolean {
  // The state directory itself may be reached through a link: its owner chose that.
  if (!checkOne(fs, root, root.dir, statOrNothing(fs, root.dir))) return false;
  let path = root.dir;
  return names.every((name) => {
    path = `${path}/${name}`;
    return checkOne(fs, root, path, look(fs, path));
  });
}

function checkOne(fs: Fs, root: StateRoot, path: string, stats: Stats | undefined): boolean {
  if (stats === undefined) return false;
  if (!stats.isDirectory()) throw unsafe(path, stats.isSymbolicLink() ? 'is a symbolic link' : 'is not a directory');
  checkOwner(fs, root, path, stats);
  return true;
}

/**
 * Makes every missing directory down to `names` and checks each before it goes further down. Syncs them all, also those
 * that were there: whoever made them may have been killed before it could.
 */
export function ensureDir(fs: Fs, root: StateRoot, names: readonly string[]): string {
  makeRoot(fs, root);
  let path = root.dir;
  for (const name of names) {
    const parent = path;
    path = `${path}/${name}`;
    if (look(fs, path) === undefined) makeDir(fs, root, path);
    if (!checkOne(fs, root, path, look(fs, path))) throw unsafe(path, 'vanished while it was being made');
    syncDir(fs, parent);
  }
  return path;
}

function makeRoot(fs: Fs, root: StateRoot): void {
  const missing: string[] = [];
  for (let path = root.dir; statOrNothing(fs, path) === undefined; path = parentOf(path)) missing.unshift(path);
  for (const path of missing) {
    makeDir(fs, root, path);
    syncDir(fs, parentOf(path));
  }
  checkOne(fs, root, root.dir, fs.statSync(root.dir));
}

function makeDir(fs: Fs, root: StateRoot, path: string): void {
  try {
    fs.mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
    return;
  }
  const flags = fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW;
  withFd(fs, path, flags, (fd) => share(fs, root, fd, { alone: 0o700, shared: 0o2770 }));
}
