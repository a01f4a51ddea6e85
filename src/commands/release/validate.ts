/** `validate`: checks manifests and config, alone and together. Must never reach the network, write, or run code of the repository. */
import { safeJson } from '../../base/text.ts';
import { type CheckDeps, type CheckedFiles, checkFiles, type WhatToCheck } from '../../config/check-files.ts';
import {
  type FindingPaint,
  findingsExitCode,
  findingsText,
  githubAnnotations,
  inFileOrder,
} from '../../core/manifest/finding.ts';
import { type Deps, done, type Outcome } from '../../release/deps.ts';

export type ValidateFormat = 'text' | 'json' | 'github';

export interface ValidateOptions extends Omit<WhatToCheck, 'becomes'> {
  readonly format: ValidateFormat;
  readonly colour?: boolean;
}

/** 2 when a file cannot be read as what it should be, 3 when files together break a rule; and what is said of it. */
interface Validated {
  readonly exitCode: 0 | 2 | 3;
  readonly out: string;
  readonly err: string;
}

/** Checks everything, and says every finding. */
export async function validate(options: ValidateOptions, deps: CheckDeps): Promise<Validated> {
  const checked = await checkFiles(options, deps);
  const findings = inFileOrder(checked.findings);
  const exitCode = findingsExitCode(findings);
  if (checked.manifests + checked.configs === 0 && findings.length === 0) {
    const err =
      '✖ MANIFEST_MISSING  There is nothing to validate: no config, and no manifest below releases/.\n  try  Give files or a folder: kvdeploy validate FILE…\n';
    return { exitCode: 2, out: '', err };
  }
  return { exitCode, out: await render({ ...checked, findings }, options, exitCode), err: '' };
}

async function render(
  { manifests, configs, findings }: CheckedFiles,
  options: ValidateOptions,
  exitCode: number,
): Promise<string> {
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
