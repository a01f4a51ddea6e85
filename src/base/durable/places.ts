/** The state directories of this machine, so that break-glass needs no config. Must not create /var/lib/kvdeploy: that would change the default. */
import { isAbsolute, join } from 'node:path';
import { type Env, homeFolder, isTrustedHome } from '../owners/home.ts';
import { appendLine, makeFolders } from './durable-file.ts';
import type { Fs } from './fs.ts';
import { readRegular } from './state-dir.ts';

/** The folders that are always searched; parameters, so that tests do not touch the real ones. */
export interface Roots {
  readonly system: string;
  /** `${XDG_STATE_HOME:-~/.local/state}/kvdeploy`; undefined if there is no home folder. */
  readonly home: string | undefined;
  /** Always `~/.local/state/kvdeploy`: whoever runs break-glass may not have XDG_STATE_HOME set. */
  readonly homePlaces: string | undefined;
  /** The same below a HOME that does not count for root: looked into, and believed only as far as its owners are. */
  readonly elsewhere?: string;
}

const MAX_PLACES_BYTES = 64 * 1024;

const PLACES = 'places';

const BELOW_HOME = '.local/state/kvdeploy';

/** The folders that `env` and the account lead to. Never throws: what is missing is undefined. */
export function rootsOf(env: Env, fs: Fs): Roots {
  const homeDir = homeFolder(env, fs);
  const homePlaces = homeDir === undefined ? undefined : join(homeDir, BELOW_HOME);
  const xdg = env.XDG_STATE_HOME;
  const home = xdg !== undefined && isTrustedHome(xdg, fs) ? join(xdg, 'kvdeploy') : homePlaces;
  const said = env.HOME;
  const isElsewhere = said !== undefined && isAbsolute(said) && said !== homeDir;
  return { system: '/var/lib/kvdeploy', home, homePlaces, ...(isElsewhere ? { elsewhere: join(said, BELOW_HOME) } : {}) };
}

/** The state directory if neither option, environment nor config names one; undefined without a home folder. */
export function defaultStateDir(fs: Fs, roots: Roots): string | undefined {
  return fs.existsSync(roots.system) ? roots.system : roots.home;
}

/**
 * Records durably that `dir` is a state directory or a copy of one, unless it is always searched anyway. Returns the file that
 * lists it, or undefined if none is needed. Throws if no file can be written.
 */
export function recordPlace(dir: string, fs: Fs, roots: Roots): string | undefined {
  if (!isAbsolute(dir) || /[\r\n\0]/.test(dir)) throw new Error(`not an absolute path, or not a single line: ${dir}`);
  if (dir === roots.system || dir === roots.home || dir === roots.homePlaces) return undefined;
  for (const root of listing(roots)) {
    if (listed(root, fs).includes(dir)) return join(root, PLACES);
  }
  if (fs.existsSync(roots.system)) {
    try {
      return append(roots.system, dir, fs);
    } catch {
      // No permission there: that is what the list in the home folder is for.
    }
  }
  if (roots.homePlaces === undefined) throw new Error('there is no home folder that could list it');
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
  const named = listing(roots).flatMap((root) => listed(root, fs));
  const always = [roots.system, roots.home, roots.homePlaces, roots.elsewhere];
  return [...new Set([...always.filter((dir) => dir !== undefined), ...named])];
}

/** The folders that have a list of places. */
function listing(roots: Roots): string[] {
  return [roots.system, roots.homePlaces].filter((root) => root !== undefined);
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
