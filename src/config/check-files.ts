/** Checks manifests and config, each alone and all together. Must never reach the network, write, or run code of the repository. */
import path from 'node:path';
import type { Finding } from '../core/errors.ts';
import { scopeOf } from '../core/manifest/manifest.ts';
import { sameScope } from '../core/scope.ts';
import type { Io } from '../io.ts';
import { valueAt } from './check.ts';
import { type DataFiles, dataFilesBelow, expandGlob, isGlob } from './data-files.ts';
import { isFolder, readBytes, shownPath } from './files.ts';
import { gateLabelBreaches } from './gate-labels.ts';
import { parseConfig, readConfig } from './load.ts';
import { runsCode } from './locate.ts';
import {
  breachFindings,
  type ManifestReading,
  manifestRoot,
  missingManifests,
  parseManifest,
  placeBelow,
  type ReadManifest,
  ruleFindings,
} from './manifests.ts';
import { findingWithoutText } from './parse/source.ts';
import { strictParse } from './parse/strict-parse.ts';
import { MAX_BYTES } from './parse/text-check.ts';

export interface WhatToCheck {
  /** Files, folders, globs, or `-` for standard input; none means everything below the manifest root. */
  readonly files: readonly string[];
  readonly config?: string | undefined;
  /** Instead of `files`: one manifest, by its whole path, as it is about to become. */
  readonly becomes?: { readonly file: string; readonly bytes: Uint8Array };
}

export interface CheckDeps {
  readonly io: Pick<Io, 'fs'>;
  readonly cwd: string;
  /** All of standard input, or a little more than `most` bytes of it. */
  readonly stdin: (most?: number) => Promise<Uint8Array>;
}

const STDIN = '<stdin>';

export interface CheckedFiles {
  readonly manifests: number;
  readonly configs: number;
  readonly findings: readonly Finding[];
  /** What `becomes` says, where it has no finding of its own. */
  readonly becoming?: ReadManifest | undefined;
}

/** Reads everything below the root and everything named, each file once, then compares all manifests. */
export async function checkFiles(options: WhatToCheck, deps: CheckDeps): Promise<CheckedFiles> {
  const own = readConfig({ file: options.config, cwd: deps.cwd }, deps.io);
  const root = manifestRoot(own.config ?? null, deps.cwd, deps.io);
  const below = dataFilesBelow(deps.io.fs, root, deps.cwd);
  const { becomes } = options;
  const asked = becomes === undefined ? chosenFiles(options.files, own.file, deps) : { files: [becomes.file], findings: [] };
  const named = new Set(asked.files);
  const rest = below.files
    .filter((file) => !named.has(file) && file !== own.file)
    .map((file) => readOne(file, root, false, deps));
  const piped = options.files.includes('-') ? [readManifest(STDIN, await deps.stdin(MAX_BYTES), null)] : [];
  const mine =
    becomes === undefined
      ? [...asked.files.map((file) => readOne(file, root, true, deps)), ...piped]
      : [readManifest(shownPath(deps.cwd, becomes.file), becomes.bytes, placeBelow(root, becomes.file))];
  const all = [...withoutReplaced(rest, piped), ...mine];
  const manifests = all.flatMap((each) => each.manifest ?? []);
  const missing =
    own.config === undefined
      ? []
      : missingManifests(own.config, deps.cwd, {
          manifests,
          findings: [...below.findings, ...all.flatMap((each) => each.findings)],
        });
  const unasked = own.config === undefined ? [] : breachFindings(gateLabelBreaches(own.config, manifests), manifests);
  const rules = [...ruleFindings(manifests, own.config?.names ?? null), ...unasked];
  return {
    manifests: all.filter((each) => each.kind === 'manifest').length,
    becoming: becomes === undefined ? undefined : mine[0]?.manifest,
    configs: (own.file === undefined ? 0 : 1) + all.filter((each) => each.kind === 'config').length,
    findings: [
      ...own.findings,
      ...below.findings,
      ...missing,
      ...asked.findings,
      ...all.flatMap((each) => each.findings),
      ...(becomes === undefined && options.files.length === 0 ? rules : rules.filter((finding) => concerns(finding, mine))),
    ],
  };
}

/** With files named, a rule broken between two others is not theirs. Others that cannot be read at all, or are not there, are: nothing was compared with them. */
function concerns(finding: Finding, mine: readonly One[]): boolean {
  const files = new Set(mine.map((each) => each.file));
  return files.has(finding.file) || (finding.related ?? []).some((place) => files.has(place.file));
}

interface One extends ManifestReading {
  readonly file: string;
  readonly kind: 'manifest' | 'config';
}

/** Standard input replaces the file of the same scope: it is what that file is about to become. */
function withoutReplaced(rest: readonly One[], piped: readonly One[]): readonly One[] {
  const scopes = piped.flatMap((each) => (each.manifest ? [scopeOf(each.manifest.manifest)] : []));
  return rest.filter(
    ({ manifest }) => manifest === undefined || !scopes.some((scope) => sameScope(scope, scopeOf(manifest.manifest))),
  );
}

function readOne(file: string, root: string, named: boolean, deps: CheckDeps): One {
  const shown = shownPath(deps.cwd, file);
  const read = readBytes(deps.io.fs, file, { followSymlink: false, maxBytes: MAX_BYTES });
  if ('trouble' in read) return { file: shown, kind: 'manifest', findings: [findingWithoutText(shown, read.trouble)] };
  if (named && isConfig(shown, read.bytes)) {
    return { file: shown, kind: 'config', findings: parseConfig(file, shown, read.bytes).findings };
  }
  return readManifest(shown, read.bytes, placeBelow(root, file));
}

function readManifest(shown: string, bytes: Uint8Array, place: ReadManifest['place']): One {
  return { file: shown, kind: 'manifest', ...parseManifest(shown, bytes, place) };
}

function isConfig(shown: string, bytes: Uint8Array): boolean {
  return valueAt(strictParse(shown, bytes).document?.value, ['kind']) === 'Config';
}

/** The files that the arguments name, each once, the config left out: it is checked anyway. */
function chosenFiles(args: readonly string[], config: string | undefined, deps: CheckDeps): DataFiles {
  const chosen = args.filter((arg) => arg !== '-').map((arg) => filesOf(arg, deps));
  const files = new Set(chosen.flatMap((each) => each.files));
  return { files: [...files].filter((file) => file !== config), findings: chosen.flatMap((each) => each.findings) };
}

function filesOf(arg: string, deps: CheckDeps): DataFiles {
  const { fs } = deps.io;
  const file = path.resolve(deps.cwd, arg);
  const refuse = (code: 'CONFIG_RUNS_CODE' | 'MANIFEST_MISSING', message: string, fix: string): DataFiles => ({
    files: [],
    findings: [findingWithoutText(shownPath(deps.cwd, file), { code, message, fix })],
  });
  if (isFolder(fs, file)) return dataFilesBelow(fs, file, deps.cwd);
  if (isGlob(arg) && !fs.existsSync(file)) {
    const files = expandGlob(fs, arg, deps.cwd);
    if (files.length > 0) return { files, findings: [] };
    return refuse('MANIFEST_MISSING', 'No file matches.', 'Check the pattern; it supports *, ** and ?.');
  }
  if (runsCode(file)) {
    const fix = 'Use .yaml, .yml or .json for manifests and configs.';
    return refuse('CONFIG_RUNS_CODE', 'This is code, not data, so kvdeploy does not load it.', fix);
  }
  return { files: [file], findings: [] };
}
