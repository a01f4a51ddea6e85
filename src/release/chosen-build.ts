/** Which build a command means: what was typed, or the build of the source that another environment has as its known-good build. */
import * as z from 'zod';
import type { Scope } from '../base/scope.ts';
import { typedPath } from '../config/files.ts';
import { KvdeployError, refusalError } from '../core/errors.ts';
import { fold, type History } from '../core/ledger/history.ts';
import { type Build, guidSchema, listedBuildSchema } from '../core/manifest/manifest.ts';
import { buildOfSameSource, soundKnownGood } from '../core/manifest/requirement.ts';
import { nearest } from '../core/nearest.ts';
import { type Guid, parseGuid, scopeSchema, shortGuid } from '../core/scope.ts';
import type { Deps } from './deps.ts';
import type { Offers } from './offers.ts';
import type { Opened } from './open.ts';

/** Which build was asked for. */
export interface Wanted {
  readonly build?: string;
  readonly from?: string;
}

/** The GUID that `--build` or `--from` names. */
export async function wantedGuid(opened: Opened, offers: Offers, { build, from }: Wanted, deps: Deps): Promise<Guid> {
  const see = `kvdeploy builds ${opened.flags}`;
  if (build !== undefined && from === undefined) {
    const known = offers.listed.map((entry) => entry.build.guid);
    return guidOf(build, known, see);
  }
  if (build !== undefined || from === undefined)
    throw new KvdeployError('USAGE', { message: 'Name the build: either --build GUID or --from ENVIRONMENT.', hint: see });
  const { environment, knownGood } = await knownGoodFrom(opened, from, deps);
  const found = buildOfSameSource({ environment, knownGood }, opened.scope, offers.listed);
  if ('code' in found) throw refusalError(found);
  deps.line({
    type: 'note',
    level: 'info',
    message: `${environment} has ${shortGuid(knownGood?.guid ?? '')}; ${opened.scope.environment}'s own build of the same source is ${found.guid}.`,
  });
  return found.guid;
}

const PREFIX_MIN = 8;

/**
 * The GUID that `typed` names among `known`. A whole GUID is taken as it is, known or not, so that the checks can say
 * whose it is. A prefix must match exactly one; it may stand for a GUID on the command line, never in a file.
 */
export function guidOf(typed: string, known: readonly Guid[], seeCommand: string): Guid {
  const whole = parseGuid(typed);
  if (whole !== undefined) return whole;
  const unclear = (message: string, hint: string) => new KvdeployError('GUID_UNCLEAR', { message, hint });
  const prefix = typed.toLowerCase();
  if (!/^[0-9a-f][0-9a-f-]*$/.test(prefix) || prefix.length < PREFIX_MIN) {
    const needs = `is neither a GUID nor a prefix of at least ${PREFIX_MIN} of its characters.`;
    throw unclear(`${JSON.stringify(typed)} ${needs}`, seeCommand);
  }
  const matches = [...new Set(known)].filter((guid) => guid.startsWith(prefix));
  const only = matches[0];
  if (only !== undefined && matches.length === 1) return only;
  if (only !== undefined)
    throw unclear(`${typed} matches ${matches.length} builds: ${matches.join(', ')}.`, 'Give more characters.');
  const heads = known.map((guid) => guid.slice(0, prefix.length));
  const near = nearest(prefix, heads);
  const meant = near === undefined ? undefined : (known[heads.indexOf(near)] ?? near);
  throw unclear(`No build begins with ${typed}.`, meant === undefined ? seeCommand : `Did you mean ${meant}?`);
}

/** The history of the same service in another environment. Never of another tenant. */
export async function otherHistory(
  opened: Opened,
  environment: string,
): Promise<{ readonly scope: Scope; readonly history: History }> {
  const scope = { ...opened.scope, environment };
  const { entries } = await opened.store.read(scope);
  return { scope, history: fold(entries) };
}

/** The known-good build that `--from` names: an environment with a ledger here, or a file that `pointer export` wrote. */
async function knownGoodFrom(
  opened: Opened,
  from: string,
  deps: Deps,
): Promise<{ readonly environment: string; readonly knownGood: Build | null }> {
  if (from.includes('/') || from.endsWith('.json')) {
    const exported = readExport(from, deps);
    if (exported.scope.tenant !== opened.scope.tenant || exported.scope.service !== opened.scope.service) {
      throw new KvdeployError('WRONG_SCOPE', {
        message: `${from} was exported from another service: ${exported.scope.tenant}/…/${exported.scope.service}.`,
        hint: 'Export the pointer of the same tenant and service.',
      });
    }
    return { environment: exported.scope.environment, knownGood: exported.build };
  }
  if (from === opened.scope.environment)
    throw new KvdeployError('USAGE', {
      message: `--from and --env both name ${from}.`,
      hint: 'Give the environment that the source comes from.',
    });
  const environments = opened.config?.environments(opened.scope.tenant) ?? [];
  if (!environments.includes(from)) {
    const near = nearest(from, environments);
    throw new KvdeployError('UNKNOWN_NAME', {
      message: `--from ${from}: ${opened.scope.tenant} has no such environment.`,
      hint:
        near === undefined ? `Known: ${environments.join(', ')}; for a file, write ./${from}` : `Did you mean --from ${near}?`,
    });
  }
  const { history } = await otherHistory(opened, from);
  return { environment: from, knownGood: soundKnownGood(history) };
}

// The file of `pointer export`. Must not be trusted beyond what a target confirms.

const exportSchema = z.strictObject({
  kind: z.literal('PointerExport'),
  formatVersion: z.literal(1),
  scope: scopeSchema,
  exportedAt: z.string(),
  build: listedBuildSchema,
  since: z.string(),
  bad: z.array(guidSchema),
});

/** The known-good build of one scope, for another machine. */
export type PointerExport = z.infer<typeof exportSchema>;

const MAX_BYTES = 256 * 1024;

/** Reads an export. Throws USAGE when it is none. */
export function readExport(file: string, deps: Deps): PointerExport {
  const path = typedPath(deps.cwd, file, 'the file');
  try {
    if (deps.io.fs.statSync(path).size > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES} bytes`);
    return exportSchema.parse(JSON.parse(String(deps.io.fs.readFileSync(path, 'utf8'))));
  } catch (error) {
    const issues = error instanceof z.ZodError ? error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) : [];
    const why = issues.length > 0 ? issues.join('; ') : error instanceof Error ? error.message : String(error);
    throw new KvdeployError('USAGE', {
      message: `${file} is not a pointer export: ${why}.`,
      hint: 'Create one with: kvdeploy pointer export --env E > pointer.json',
      cause: error,
    });
  }
}
