/** Finds the manifest of the scope that a command is about, without its state or its target: CI has neither. Changes nothing. */
import path from 'node:path';
import type { Scope } from '../../base/scope.ts';
import { dataFilesBelow } from '../../config/data-files.ts';
import { shownPath } from '../../config/files.ts';
import { isPlaceOf, placeFor, readManifestFile } from '../../config/manifests.ts';
import type { LoadedConfig, ServiceSettings } from '../../config/settings.ts';
import { KvdeployError } from '../../core/errors.ts';
import { sameScope, scopeText } from '../../core/scope.ts';
import type { Deps } from '../deps.ts';
import { flagsOf, scopeOf, tryConfig } from '../open.ts';

/** A scope and its manifest's file, which may not exist yet. */
export interface Listing {
  readonly scope: Scope;
  readonly config: LoadedConfig;
  readonly settings: ServiceSettings | null;
  /** Absolute. */
  readonly file: string;
  /** As people read it. */
  readonly shown: string;
  /** What a printed command needs to be about the same scope. */
  readonly flags: string;
}

/** Throws what is wrong with the config, UNKNOWN_NAME for a scope that it does not have, USAGE for one without a manifest here. */
export async function openListing(deps: Deps): Promise<Listing> {
  const { config, why } = await tryConfig(deps);
  if (config === null) throw why;
  const scope = await scopeOf(deps, config, null);
  deps.situation.scope = scope;
  const settings = config.services.find((service) => sameScope(service.scope, scope)) ?? null;
  if (settings?.hasManifest === false) {
    throw new KvdeployError('USAGE', {
      message: `${scopeText(scope)} has manifest: none in ${config.file}, so its builds are not listed here.`,
      hint: 'Run this where its manifest is kept, or remove manifest: none.',
    });
  }
  const file = fileOf(scope, config, deps);
  return { scope, config, settings, file, shown: shownPath(deps.cwd, file), flags: flagsOf(scope, deps) };
}

/**
 * The file at the place of the scope, whatever is wrong with it; else the one that declares the scope; else where it belongs. A file for
 * another scope at this place, or a second one for this scope, is refused when the manifests are checked.
 */
function fileOf(scope: Scope, config: LoadedConfig, { io }: Deps): string {
  const { files } = dataFilesBelow(io.fs, config.manifestsDir, config.root);
  const atPlace = files.find((file) => isPlaceOf(file, scope, config.tenants.length > 1));
  const declares = (file: string) => {
    const { manifest } = readManifestFile(file, config.manifestsDir, config.root, io);
    return manifest !== undefined && sameScope(manifest.manifest, scope);
  };
  return atPlace ?? files.find(declares) ?? path.join(config.manifestsDir, placeFor(scope, config));
}
