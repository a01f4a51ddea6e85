/** Where states lie on this machine, so that break-glass needs no config. Must not create the system's folder: that moves the default. */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { makeFolders } from './durable-file.ts';
import type { Fs } from './fs.ts';
import { readRegular } from './state-dir.ts';
import { appendLine } from './state-marks.ts';

/** The two folders that are looked into without being told; parameters so that tests leave the machine's own alone. */
export interface Roots {
  readonly system: string;
  /** `${XDG_STATE_HOME:-~/.local/state}/kvdeploy` */
  readonly home: string;
  /** `~/.local/state/kvdeploy`, wherever XDG_STATE_HOME points: whoever comes to the rescue may not have that variable. */
  readonly homePlaces: string;
}

const MAX_PLACES_BYTES = 64 * 1024;

const PLACES = 'places';

type Env = Readonly<Record<string, string | undefined>>;

export function rootsOf(env: Env): Roots {
  const homePlaces = join(env.HOME === undefined || !isAbsolute(env.HOME) ? homedir() : env.HOME, '.local/state/kvdeploy');
  const xdg = env.XDG_STATE_HOME;
  const home = xdg !== undefined && isAbsolute(xdg) ? join(xdg, 'kvdeploy') : homePlaces;
  return { system: '/var/lib/kvdeploy', home, homePlaces };
}

/** The state directory where neither option, environment nor config names one. */
export function defaultStateDir(fs: Fs, roots: Roots): string {
  return fs.existsSync(roots.system) ? roots.system : roots.home;
}

/**
 * Notes durably that a state, or a copy of one, lies in `dir`, unless it is one of the folders that are looked into anyway.
 * Returns the file that names it now, or undefined where none is needed. Throws when it can be written nowhere.
 */
export function recordPlace(dir: string, fs: Fs, roots: Roots): string | undefined {
  if (!isAbsolute(dir) || /[\r\n\0]/.test(dir)) throw new Error(`not an absolute path, or not a single line: ${dir}`);
  if (dir === roots.system || dir === roots.home || dir === roots.homePlaces) return undefined;
  for (const root of [roots.system, roots.homePlaces]) {
    if (listed(root, fs).includes(dir)) return join(root, PLACES);
  }
  if (fs.existsSync(roots.system)) {
    try {
      return append(roots.system, dir, fs);
    } catch {
      // Not ours to write: the home folder is what the second place is for.
    }
  }
  makeFolders(roots.homePlaces, fs);
  return append(roots.homePlaces, dir, fs);
}

function append(root: string, dir: string, fs: Fs): string {
  const file = join(root, PLACES);
  appendLine(file, () => dir, fs, { maxBytes: MAX_PLACES_BYTES, readers: 'all' });
  return file;
}

/** Every folder that may hold states: the two known ones and all that were noted. Reads only; what cannot be read is left out. */
export function knownPlaces(fs: Fs, roots: Roots): string[] {
  const named = [roots.system, roots.homePlaces].flatMap((root) => listed(root, fs));
  return [...new Set([roots.system, roots.home, roots.homePlaces, ...named])];
}

function listed(root: string, fs: Fs): string[] {
  try {
    return readRegular(root, PLACES, MAX_PLACES_BYTES, fs)
      .split('\n')
      .filter((line) => isAbsolute(line) && !/[\p{Cc}]/u.test(line));
  } catch {
    return [];
  }
}
