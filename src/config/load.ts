/** Loads the config: found by its fixed names, read once, strictly parsed, checked. Must never run code from the repository. */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { type Finding, KvdeployError } from '../core/errors.ts';
import type { KnownNames } from '../core/manifest/manifest-rules.ts';
import type { Io } from '../io.ts';
import { check, valueAt } from './check.ts';
import { dataFilesBelow } from './data-files.ts';
import { readBytes, shownPath, typedPath } from './files.ts';
import { type Located, locateConfig, runsCode } from './locate.ts';
import { type LoadedManifest, missingManifests, readManifestFile, ruleFindings } from './manifests.ts';
import type { PathPart } from './parse/nodes.ts';
import { findingWithoutText } from './parse/source.ts';
import { strictParse } from './parse/strict-parse.ts';
import { MAX_CONFIG_BYTES } from './parse/text-check.ts';
import { type Config, configSchema, withRouterSources } from './schema.ts';
import { type LoadedConfig, type PlaceOf, serviceSettings, sharedTargets } from './settings.ts';

export interface ReadConfig {
  /** The file that was read or refused, absolute; undefined when there is none at all. */
  readonly file?: string;
  /** Absent when there is any finding, or no file. */
  readonly config?: LoadedConfig;
  readonly findings: readonly Finding[];
}

type Files = Pick<Io, 'fs'>;

/** Where to look: at the file that the command line names, or from `cwd` upwards. */
interface Wanted {
  readonly file?: string | undefined;
  readonly cwd: string;
}

/**
 * The config that `file` names, or the one found from `cwd` upwards.
 * @throws KvdeployError CONFIG_MISSING, CONFIG_INVALID (with every finding) or CONFIG_RUNS_CODE.
 */
export async function loadConfig(options: Wanted, io: Files): Promise<LoadedConfig> {
  const { file, config, findings } = readConfig(options, io);
  if (config !== undefined) return config;
  if (file === undefined) {
    throw new KvdeployError('CONFIG_MISSING', {
      message: `There is no kvdeploy.config.yaml in ${options.cwd} or above it, up to the repository's root.`,
      hint: 'Run the command in the folder of the config, or give --config FILE. Schema: kvdeploy schema config',
    });
  }
  const [first] = findings;
  const runs = first?.code === 'CONFIG_RUNS_CODE';
  throw new KvdeployError(first?.code === 'CONFIG_MISSING' ? 'CONFIG_MISSING' : runs ? 'CONFIG_RUNS_CODE' : 'CONFIG_INVALID', {
    message: findings.length === 1 && first ? first.message : `${shownPath(options.cwd, file)} has ${findings.length} errors.`,
    hint: findings.length === 1 && first ? first.fix : 'Fix the errors listed above; `kvdeploy validate` shows them again.',
    places: first ? [{ file: first.file, line: first.line, column: first.column }] : [],
    findings,
  });
}

/** As `loadConfig`, but returns every error as a finding. */
export function readConfig(options: Wanted, io: Files): ReadConfig {
  const located =
    options.file === undefined ? locateConfig(io.fs, options.cwd) : named(typedPath(options.cwd, options.file, '--config'));
  switch (located.found) {
    case 'none':
      return { findings: [] };
    case 'code':
      return { file: located.file, findings: [codeFinding(shownPath(options.cwd, located.file))] };
    case 'several': {
      const [file = '', ...others] = located.files.map((each) => shownPath(options.cwd, each));
      const trouble = {
        code: 'CONFIG_INVALID',
        message: `This folder has more than one config: ${[file, ...others].join(', ')}.`,
        fix: 'Keep one of them.',
        related: others.map((each) => ({ file: each, note: 'also a config' })),
      } as const;
      return { file: located.files[0] ?? '', findings: [findingWithoutText(file, trouble)] };
    }
    case 'file':
      return readFile(located.file, options, io);
  }
}

function named(file: string): Located {
  return runsCode(file) ? { found: 'code', file } : { found: 'file', file };
}

function codeFinding(file: string): Finding {
  return findingWithoutText(file, {
    code: 'CONFIG_RUNS_CODE',
    message:
      'A config file must not run code, so kvdeploy does not load this one: hooks and pull requests from strangers would run it too.',
    fix: 'Convert it to kvdeploy.config.yaml and delete this file.',
  });
}

function readFile(file: string, options: Wanted, io: Files): ReadConfig {
  const shown = shownPath(options.cwd, file);
  const read = readBytes(io.fs, file, { followSymlink: options.file !== undefined, maxBytes: MAX_CONFIG_BYTES });
  if ('trouble' in read) {
    const code = read.trouble.code === 'MANIFEST_MISSING' ? 'CONFIG_MISSING' : read.trouble.code;
    return { file, findings: [findingWithoutText(shown, { ...read.trouble, code })] };
  }
  return { file, ...parseConfig(file, shown, read.bytes) };
}

/** Checks the bytes of the config `file`. */
export function parseConfig(file: string, shown: string, bytes: Uint8Array): Omit<ReadConfig, 'file'> {
  const { document: parsed, findings } = strictParse(shown, bytes);
  if (parsed === undefined) return { findings };
  const base: readonly PathPart[] = path.basename(file) === 'package.json' ? ['kvdeploy'] : [];
  const document = { ...parsed, value: withRouterSources(parsed.value, base) };
  const checked = check(document, configSchema, base);
  if (checked.value === undefined) return { findings: checked.findings };
  const shared = sharedTargets(checked.value, document, base);
  if (shared.length > 0) return { findings: shared };
  const placeOf = (at: readonly PathPart[]) => document.place([...base, ...at]);
  return { config: loaded(file, checked.value, valueAt(document.value, base), bytes, placeOf), findings: [] };
}

function loaded(file: string, config: Config, written: unknown, bytes: Uint8Array, placeOf: PlaceOf): LoadedConfig {
  const folder = path.dirname(file);
  const root = path.basename(folder) === '.config' ? path.dirname(folder) : folder;
  const names: KnownNames = new Map(
    Object.entries(config.tenants).map(([tenant, { environments }]) => [
      tenant,
      new Map(Object.entries(environments).map(([name, { services }]) => [name, Object.keys(services ?? {})])),
    ]),
  );
  return {
    file,
    root,
    manifestsDir: path.resolve(root, config.manifests ?? 'releases'),
    stateDir: config.stateDir === undefined ? null : path.resolve(root, config.stateDir),
    stateGroup: config.stateGroup ?? null,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    tenants: [...names.keys()],
    environments: (tenant) => [...(names.get(tenant)?.keys() ?? [])],
    services: serviceSettings(config, written, root, placeOf),
    names,
  };
}

/**
 * Every manifest below `root`, and every finding about one of them or several together, or about what is not there or not read. A
 * file with its own finding is only in the findings: none of its builds is offered. Files are named relative to the config's folder.
 */
export async function loadManifests(
  config: LoadedConfig | null,
  root: string,
  io: Files,
): Promise<{ readonly manifests: readonly LoadedManifest[]; readonly findings: readonly Finding[] }> {
  const from = config?.root ?? path.dirname(root);
  const { files, findings } = dataFilesBelow(io.fs, root, from);
  const all = files.map((file) => readManifestFile(file, root, from, io));
  const read = all.flatMap((each) => each.manifest ?? []);
  const own = [...findings, ...all.flatMap((each) => each.findings)];
  const missing = config === null ? [] : missingManifests(config, from, { manifests: read, findings: own });
  return { manifests: read, findings: [...own, ...ruleFindings(read, config?.names ?? null), ...missing] };
}
