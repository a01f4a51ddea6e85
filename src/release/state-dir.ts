/** Where the state is, and with which modes: one rule for every command. */
import { isAbsolute } from 'node:path';
import { groupModes, type Modes, OWNER_ONLY } from '../base/durable/durable-file.ts';
import { defaultStateDir, knownPlaces, recordPlace, rootsOf } from '../base/durable/places.ts';
import { gidOf } from '../base/owners/accounts.ts';
import { fallbackDirs } from '../base/pointer/records.ts';
import { typedPath } from '../config/files.ts';
import type { LoadedConfig } from '../config/settings.ts';
import { KvdeployError } from '../core/errors.ts';
import type { Io } from '../io.ts';
import type { Deps } from './deps.ts';

/** `--state-dir`, else KVDEPLOY_STATE_DIR, else the config, else the default places. Always absolute. */
export function stateDirOf(deps: Deps, config: LoadedConfig | null): string {
  const said = deps.globals.stateDir ?? deps.io.env('KVDEPLOY_STATE_DIR');
  if (said !== undefined && said !== '')
    return isAbsolute(said)
      ? said
      : typedPath(deps.cwd, said, deps.globals.stateDir === undefined ? 'KVDEPLOY_STATE_DIR' : '--state-dir');
  const dir = config?.stateDir ?? defaultStateDir(deps.io.fs, roots(deps.io));
  if (dir !== undefined) return dir;
  throw new KvdeployError('USAGE', {
    message:
      'Nothing says where the state is, and there is no home folder: HOME is not an absolute path, and this user has no account entry.',
    hint: 'Say where: --state-dir DIR, KVDEPLOY_STATE_DIR, or stateDir in the config.',
  });
}

function roots(io: Io) {
  return rootsOf({ HOME: io.env('HOME'), XDG_STATE_HOME: io.env('XDG_STATE_HOME') }, io.fs);
}

/** The group that shares the state, as a gid, or undefined. Throws CONFIG_INVALID for a group that this machine does not have. */
export function groupOf(config: LoadedConfig | null, io: Io): { readonly gid: number } | undefined {
  const name = config?.stateGroup ?? null;
  if (name === null) return undefined;
  if (/^\d+$/.test(name)) return { gid: Number(name) };
  const gid = gidOf(name, io.fs);
  if (gid !== undefined) return { gid };
  throw new KvdeployError('CONFIG_INVALID', {
    message: `This machine has no group ${name} (stateGroup).`,
    hint: 'Create the group, give its number, or remove stateGroup.',
  });
}

export function modesOf(group: { readonly gid: number } | undefined): Modes {
  return group === undefined ? OWNER_ONLY : groupModes(group.gid);
}

/** Notes where this state is, so that break-glass finds it without a config. */
export function recordStatePlaces(dirs: readonly string[], deps: Deps): void {
  for (const dir of dirs) {
    try {
      recordPlace(dir, deps.io.fs, roots(deps.io));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      deps.line({
        type: 'note',
        level: 'warning',
        message: `${dir} could not be recorded for break-glass (${why}); break-glass will need --state-dir ${dir}`,
      });
    }
  }
}

/** Every folder in which break-glass looks for states without being told. */
export function notedPlaces({ io }: Deps): readonly string[] {
  return knownPlaces(io.fs, roots(io));
}

/** Further folders in which break-glass may have had to write its records. */
export function recordFallbacks(deps: Deps): readonly string[] {
  return fallbackDirs(roots(deps.io), deps.io.fs);
}
