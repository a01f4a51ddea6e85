/** Reads release manifests and checks them against each other. Each file is read once; the hash is of the bytes that were parsed. */
import { createHash } from 'node:crypto';
import path from 'node:path';
import type { Scope } from '../base/scope.ts';
import type { Finding } from '../core/errors.ts';
import { type ListedBuild, type Manifest, manifestSchema, scopeOf } from '../core/manifest/manifest.ts';
import { type Breach, type KnownNames, manifestBreaches, type PlacedManifest } from '../core/manifest/manifest-rules.ts';
import { didYouMean } from '../core/nearest.ts';
import { scopeText } from '../core/scope.ts';
import type { Io } from '../io.ts';
import { check, valueAt } from './check.ts';
import { readBytes, repositoryRoot, shownPath } from './files.ts';
import { findingWithoutText } from './parse/source.ts';
import { type StrictDocument, strictParse } from './parse/strict-parse.ts';
import { MAX_BYTES } from './parse/text-check.ts';
import type { LoadedConfig } from './settings.ts';

type Files = Pick<Io, 'fs'>;

/** One well-formed manifest. */
export interface LoadedManifest {
  /** As findings name it: relative to the current folder. */
  readonly file: string;
  readonly manifest: Manifest;
  readonly builds: readonly ListedBuild[];
  /** SHA-256, hex, of the bytes that were parsed. */
  readonly sha256: string;
}

export interface ReadManifest extends LoadedManifest, PlacedManifest {
  /** Kept instead of the parsed document: only a file with a finding is parsed again, for its places. */
  readonly bytes: Uint8Array;
}

/** The manifest folder: from the config; without a config, `releases/` in the repository's root or in `cwd`. */
export function manifestRoot(config: LoadedConfig | null, cwd: string, io: Files): string {
  return config?.manifestsDir ?? path.join(repositoryRoot(io.fs, cwd) ?? cwd, 'releases');
}

export interface ManifestReading {
  /** Absent when there is any finding. */
  readonly manifest?: ReadManifest;
  readonly findings: readonly Finding[];
}

export function readManifestFile(file: string, root: string, cwd: string, io: Files): ManifestReading {
  const shown = shownPath(cwd, file);
  const read = readBytes(io.fs, file, { followSymlink: false, maxBytes: MAX_BYTES });
  if ('trouble' in read) return { findings: [findingWithoutText(shown, read.trouble)] };
  return parseManifest(shown, read.bytes, placeBelow(root, file));
}

/** Parses the bytes of one manifest; `place` is its path below the root, see PlacedManifest. */
export function parseManifest(shown: string, bytes: Uint8Array, place: PlacedManifest['place']): ManifestReading {
  const { document, findings } = strictParse(shown, bytes);
  return document === undefined ? { findings } : manifestIn(document, bytes, place);
}

/** The manifest in bytes that are parsed already. */
export function manifestIn(document: StrictDocument, bytes: Uint8Array, place: PlacedManifest['place']): ManifestReading {
  const kind = valueAt(document.value, ['kind']);
  if (kind !== 'ReleaseManifest') return { findings: [otherKind(document, kind)] };
  const checked = check(document, manifestSchema);
  if (checked.value === undefined) return { findings: checked.findings };
  const manifest = checked.value;
  const builds = manifest.builds.map((build, index) => {
    return { scope: scopeOf(manifest), build, ...document.place(['builds', index, 'guid']) };
  });
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { manifest: { file: document.file, manifest, builds, sha256, bytes, place }, findings: [] };
}

/** The only finding for a file that is not a manifest. */
function otherKind(document: StrictDocument, kind: unknown): Finding {
  const [message, guess] =
    typeof kind === 'string'
      ? [`This is not a release manifest: its kind is "${kind}".`, didYouMean(kind, ['ReleaseManifest'])]
      : ['This is not a release manifest: it has no kind.', ''];
  const fix = 'Set kind: ReleaseManifest, or move other files out of the manifest folder.';
  return document.finding(['kind'], { code: 'SCHEMA', message: `${message}${guess}`, fix });
}

/**
 * A finding for each scope of the config that no manifest declares. Where a file at its place has a finding of its own, that is
 * enough. `from`: the folder to which files are shown.
 */
export function missingManifests(
  config: LoadedConfig,
  from: string,
  read: { readonly manifests: readonly ReadManifest[]; readonly findings: readonly Finding[] },
): readonly Finding[] {
  const declared = new Set(read.manifests.map(({ manifest }) => scopeText(manifest)));
  const file = shownPath(from, config.file);
  return config.services.flatMap(({ scope, hasManifest, declaredAt }) => {
    if (!hasManifest || declared.has(scopeText(scope))) return [];
    if (read.findings.some((finding) => isPlaceOf(finding.file, scope, config.tenants.length > 1))) return [];
    return {
      ...declaredAt,
      file,
      code: 'SCOPE_UNSEEN' as const,
      kind: 'rule' as const,
      message: `${scopeText(scope)} has no manifest.`,
      fix: `Put it at ${shownPath(config.root, config.manifestsDir)}/${placeFor(scope, config)}; without builds it says builds: []. If it is kept elsewhere, write manifest: none here.`,
    };
  });
}

/** Where the manifest of a scope belongs, below the manifest root. */
export function placeFor({ tenant, environment, service }: Scope, { tenants }: Pick<LoadedConfig, 'tenants'>): string {
  return `${tenants.length > 1 ? `${tenant}/` : ''}${environment}/${service}.yaml`;
}

/** True for `<environment>/<service>.yaml`, below `<tenant>/` where there are several tenants. */
export function isPlaceOf(file: string, scope: Scope, severalTenants: boolean): boolean {
  const parts = file.replace(/\.(?:yaml|yml|json)$/, '').split('/');
  const place = [...(severalTenants ? [scope.tenant] : []), scope.environment, scope.service];
  return place.every((part, index) => parts[parts.length - place.length + index] === part);
}

/** The path of a file below the root, in parts. */
export function placeBelow(root: string, file: string): readonly string[] | 'outside' {
  const relative = path.relative(root, file);
  return relative === '' || relative.startsWith('..') || path.isAbsolute(relative) ? 'outside' : relative.split(path.sep);
}

/** The broken rules between these manifests, with line, column and frame. If there are several places, the last file comes first. */
export function ruleFindings(manifests: readonly ReadManifest[], names: KnownNames | null): readonly Finding[] {
  return breachFindings(manifestBreaches(manifests, names), manifests);
}

/** The same for breaches that are known. */
export function breachFindings(breaches: readonly Breach[], manifests: readonly ReadManifest[]): readonly Finding[] {
  const blamed = new Set(breaches.flatMap(({ at, related }) => [at, ...related]).map(({ file }) => file));
  // Ten thousand parsed documents at once would use too much memory; only those with a finding are needed.
  const parsed = manifests.filter(({ file }) => blamed.has(file)).map(({ file, bytes }) => strictParse(file, bytes).document);
  const documents = new Map(parsed.flatMap((document) => (document === undefined ? [] : [[document.file, document]])));
  return breaches.flatMap(({ code, at, message, fix, related }) => {
    const places = related.map(({ file, path: part, note }) => ({ ...documents.get(file)?.place(part), file, note }));
    return documents.get(at.file)?.finding(at.path, { code, message, fix, kind: 'rule', related: places }) ?? [];
  });
}
