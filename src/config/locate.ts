/** Finds the config file by its fixed names, up to the repository's root. Must never load one, least of all as code. */
import path from 'node:path';

// Not the package's main entry: its `cosmiconfig()` first searches the current folder for its own meta config and runs
// `.config/config.js` there, with any options (measured with 9.0.2). The explorer behind it does not.
import { ExplorerSync } from 'cosmiconfig/dist/ExplorerSync.js';
import type { Fs } from '../base/durable/fs.ts';
import { namesIn, repositoryRoot } from './files.ts';
import { MAX_CONFIG_BYTES } from './parse/text-check.ts';

/** The names of a config in a folder; a `kvdeploy` key in package.json also counts. */
const CONFIG_PLACES = [
  'kvdeploy.config.yaml',
  'kvdeploy.config.yml',
  'kvdeploy.config.json',
  '.config/kvdeploy.yaml',
  '.config/kvdeploy.yml',
  '.config/kvdeploy.json',
] as const;

const CODE = /\.[cm]?[jt]sx?$/;

const CODE_CONFIG = /^(?:kvdeploy\.config|\.kvdeployrc)\.[cm]?[jt]sx?$/;

const CODE_CONFIG_BELOW = /^kvdeploy(?:rc)?(?:\.config)?\.[cm]?[jt]sx?$/;

/** True for files that would have to be run to read them as a config. */
export function runsCode(file: string): boolean {
  return CODE.test(file);
}

export type Located =
  | { readonly found: 'file'; readonly file: string }
  | { readonly found: 'several'; readonly files: readonly string[] }
  | { readonly found: 'code'; readonly file: string }
  | { readonly found: 'none' };

/** Searches `cwd`, then upwards to the repository's root; outside a repository only `cwd`. */
export function locateConfig(fs: Fs, cwd: string): Located {
  const top = repositoryRoot(fs, cwd) ?? path.resolve(cwd);
  for (let at = path.resolve(cwd); ; at = path.dirname(at)) {
    const located = inFolder(fs, at);
    if (located.found !== 'none' || at === top) return located;
  }
}

function inFolder(fs: Fs, folder: string): Located {
  const below = path.join(folder, '.config');
  const code =
    joined(folder, namesIn(fs, folder)).find((file) => CODE_CONFIG.test(path.basename(file))) ??
    joined(below, namesIn(fs, below)).find((file) => CODE_CONFIG_BELOW.test(path.basename(file)));
  if (code !== undefined) return { found: 'code', file: code };
  // The explorer returns only the first file, and skips one that it may not read; both must be known here.
  const files = new Set(joined(folder, CONFIG_PLACES).filter((file) => fs.existsSync(file)));
  for (const places of [CONFIG_PLACES, ['package.json']]) {
    const file = search(
      folder,
      places.filter((place) => isSmallFile(fs, path.join(folder, place))),
    );
    if (file !== undefined) files.add(file);
  }
  const [file, ...others] = files;
  if (file === undefined) return { found: 'none' };
  return others.length > 0 ? { found: 'several', files: [...files] } : { found: 'file', file };
}

function joined(folder: string, names: readonly string[]): readonly string[] {
  return names.map((name) => path.join(folder, name));
}

/** The explorer reads whole files, and would wait forever on a named pipe. */
function isSmallFile(fs: Fs, file: string): boolean {
  if (!fs.existsSync(file)) return false;
  const stat = fs.statSync(file);
  return stat.isFile() && stat.size <= MAX_CONFIG_BYTES;
}

function search(folder: string, places: readonly string[]): string | undefined {
  const result = explorer(places).search(folder);
  // An empty package.json is not a config. An empty config is one, and is refused later with its place.
  return result === null || (result.isEmpty === true && path.basename(result.filepath) === 'package.json')
    ? undefined
    : result.filepath;
}

/** Used only to find the file: its text is not used, because its decoding hides what strict parsing refuses. */
function explorer(searchPlaces: readonly string[]): ExplorerSync {
  const present = () => ({ present: true });
  return new ExplorerSync({
    moduleName: 'kvdeploy',
    searchPlaces: [...searchPlaces],
    searchStrategy: 'none',
    ignoreEmptySearchPlaces: false,
    loaders: {
      '.yaml': present,
      '.yml': present,
      '.json': (file: string, text: string) => (path.basename(file) === 'package.json' ? packageKey(text) : present()),
    },
    transform: (result) => result,
    cache: false,
    metaConfigFilePath: null,
    mergeImportArrays: false,
    mergeSearchPlaces: false,
  });
}

function packageKey(text: string): { readonly kvdeploy?: true } {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' && Object.hasOwn(value, 'kvdeploy') ? { kvdeploy: true } : {};
  } catch {
    return {};
  }
}
