/** `validate`: checks manifests and config, alone and together. Must never reach the network, write, or run code of the repository. */
import path from 'node:path';
import { safeJson } from '../../base/text.ts';
import { valueAt } from '../../config/check.ts';
import { type DataFiles, dataFilesBelow, expandGlob, isGlob } from '../../config/data-files.ts';
import { isFolder, readBytes, shownPath } from '../../config/files.ts';
import { gateLabelBreaches } from '../../config/gate-labels.ts';
import { parseConfig, readConfig } from '../../config/load.ts';
import { runsCode } from '../../config/locate.ts';
import {
  breachFindings,
  type ManifestReading,
  manifestRoot,
  missingManifests,
  parseManifest,
  placeBelow,
  type ReadManifest,
  ruleFindings,
} from '../../config/manifests.ts';
import { findingWithoutText } from '../../config/parse/source.ts';
import { strictParse } from '../../config/parse/strict-parse.ts';
import { MAX_BYTES } from '../../config/parse/text-check.ts';
import type { Finding } from '../../core/errors.ts';
import {
  type FindingPaint,
  findingsExitCode,
  findingsText,
  githubAnnotations,
  inFileOrder,
} from '../../core/manifest/finding.ts';
import { scopeOf } from '../../core/manifest/manifest.ts';
import { sameScope } from '../../core/scope.ts';
import type { Io } from '../../io.ts';
import { type Deps, done, type Outcome } from '../../release/deps.ts';

export type ValidateFormat = 'text' | 'json' | 'github';

export interface ValidateOptions {
  /** Files, folders, globs, or `-` for standard input; none means everything below the manifest root. */
  readonly files: readonly string[];
  readonly format: ValidateFormat;
  readonly config?: string | undefined;
  readonly colour?: boolean;
}

export interface ValidateDeps extends Pick<Deps, 'cwd' | 'stdin'> {
  readonly io: Pick<Io, 'fs'>;
}

/** 2 when a file cannot be read as what it should be, 3 when files together break a rule; and what is said of it. */
interface Validated {
  readonly exitCode: 0 | 2 | 3;
  readonly out: string;
  readonly err: string;
}

const STDIN = '<stdin>';

/** Checks everything, and says every finding. */
export async function validate(options: ValidateOptions, deps: ValidateDeps): Promise<Validated> {
  const checked = await checkAll(options, deps);
  const findings = inFileOrder(checked.findings);
  const exitCode = findingsExitCode(findings);
  if (checked.manifests + checked.configs === 0 && findings.length === 0) {
    const err =
      '✖ MANIFEST_MISSING  There is nothing to validate: no config, and no manifest below releases/.\n  try  Give files or a folder: kvdeploy validate FILE…\n';
    return { exitCode: 2, out: '', err };
  }
  return { exitCode, out: await render({ ...checked, findings }, options, exitCode), err: '' };
}

interface Checked {
  readonly manifests: number;
  readonly configs: number;
  readonly findings: readonly Finding[];
}

async function render({ manifests, configs, findings }: Checked, options: ValidateOptions, exitCode: number): Promise<string> {
  const many = (count: number, word: string) => `${count} ${word}${count === 1 ? '' : 's'}`;
  const summary = `${many(manifests, 'manifest')}, ${many(configs, 'config')}: ${findings.length === 0 ? 'no findings' : many(findings.length, 'finding')}\n`;
  switch (options.format) {
    case 'text':
      return findings.length === 0 ? summary : `${findingsText(findings, await paintFor(options))}\n${summary}`;
    case 'json':
      return `${safeJson({ type: 'validation', schema: 'kvdeploy.dev/validation/v1', ok: exitCode === 0, exitCode, manifests, configs, findings })}\n`;
    case 'github':
      return `${githubAnnotations(findings)}${summary}`;
  }
}

/** Colours are loaded only where they are shown. */
async function paintFor({ colour }: ValidateOptions): Promise<FindingPaint | undefined> {
  if (colour !== true) return undefined;
  const { createPaint } = await import('../../terminal/colour.ts');
  return createPaint(true, true);
}

/** Reads everything below the root and everything named, each file once, then compares all manifests. */
async function checkAll(options: ValidateOptions, deps: ValidateDeps): Promise<Checked> {
  const own = readConfig({ file: options.config, cwd: deps.cwd }, deps.io);
  const root = manifestRoot(own.config ?? null, deps.cwd, deps.io);
  const below = dataFilesBelow(deps.io.fs, root, deps.cwd);
  const asked = chosenFiles(options.files, own.file, deps);
  const named = new Set(asked.files);
  const rest = below.files
    .filter((file) => !named.has(file) && file !== own.file)
    .map((file) => readOne(file, root, false, deps));
  const piped = options.files.includes('-') ? [readManifest(STDIN, await deps.stdin(MAX_BYTES), null)] : [];
  const mine = [...asked.files.map((file) => readOne(file, root, true, deps)), ...piped];
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
    configs: (own.file === undefined ? 0 : 1) + all.filter((each) => each.kind === 'config').length,
    findings: [
      ...own.findings,
      ...below.findings,
      ...missing,
      ...asked.findings,
      ...all.flatMap((each) => each.findings),
      ...(options.files.length === 0 ? rules : rules.filter((finding) => concerns(finding, mine))),
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

function readOne(file: string, root: string, named: boolean, deps: ValidateDeps): One {
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
function chosenFiles(args: readonly string[], config: string | undefined, deps: ValidateDeps): DataFiles {
  const chosen = args.filter((arg) => arg !== '-').map((arg) => filesOf(arg, deps));
  const files = new Set(chosen.flatMap((each) => each.files));
  return { files: [...files].filter((file) => file !== config), findings: chosen.flatMap((each) => each.findings) };
}

function filesOf(arg: string, deps: ValidateDeps): DataFiles {
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

/** Wires `validate` to the process: with --json the findings are one document line; with --format json they are the one document. */
export async function validateCommand(
  files: readonly string[],
  options: { readonly format: ValidateFormat },
  deps: Deps,
): Promise<Outcome> {
  const { globals, colour } = deps;
  const asLines = globals.json === true;
  const format = asLines ? 'json' : options.format;
  const { exitCode, out, err } = await validate({ files, format, config: globals.config, colour }, deps);
  if (err !== '') deps.write(err, 'stderr');
  if (!asLines) {
    deps.write(out, 'stdout');
    return { code: null, exitCode, message: '', silent: true };
  }
  if (out !== '') deps.line({ type: 'document', name: 'validation', data: JSON.parse(out) });
  if (exitCode === 0) return done('No findings.');
  const code = exitCode === 2 ? 'MANIFEST_INVALID' : 'MANIFESTS_DISAGREE';
  return { code, message: 'There are findings.', hint: 'Each finding in the document has its fix.' };
}
