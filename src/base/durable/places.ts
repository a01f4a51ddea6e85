/** The state directories of this machine, so that break-glass needs no config. Must not create /var/lib/kvdeploy: that would change the default. */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { appendLine, makeFolders } from './durable-file.ts';
import type { Fs } from './fs.ts';
import { readRegular } from './state-dir.ts';

/** The folders that are always searched; parameters, so that tests do not touch the real ones. */
export interface Roots {
  readonly system: string;
  /** `${XDG_STATE_HOME:-~/.local/state}/kvdeploy` */
  readonly home: string;
  /** Always `~/.local/state/kvdeploy`: whoever runs break-glass may not have XDG_STATE_HOME set. */
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

/** The state directory if neither option, environment nor config names one. */
export function defaultStateDir(fs: Fs, roots: Roots): string {
  return fs.existsSync(roots.system) ? roots.system : roots.home;
}

/**
 * Records durably that `dir` is a state directory or a copy of one, unless it is always searched anyway. Returns the file that
 * lists it, or undefined if none is needed. Throws if no file can be written.
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
      // No permission there: that is what the list in the home folder is for.
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

/** Every directory that may contain state: the default ones and all recorded ones. Reads only; skips what cannot be read. */
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
