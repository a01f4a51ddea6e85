/** What another environment of the same tenant and service says: its ledger in the same store, or an exported pointer. */
import { resolve } from 'node:path';
import * as z from 'zod';
import type { Scope } from '../base/scope.ts';
import { KvdeployError } from '../core/errors.ts';
import { fold, type History } from '../core/ledger/history.ts';
import { type Build, buildSchema, guidSchema } from '../core/manifest/manifest.ts';
import { soundKnownGood } from '../core/manifest/requirement.ts';
import { nearest } from '../core/nearest.ts';
import { scopeSchema } from '../core/scope.ts';
import type { Deps } from './deps.ts';
import type { Opened } from './open.ts';

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
export async function knownGoodFrom(
  opened: Opened,
  from: string,
  deps: Deps,
): Promise<{ readonly environment: string; readonly knownGood: Build | null }> {
  if (from.includes('/') || from.endsWith('.json')) {
    const exported = readExport(from, deps);
    if (exported.scope.tenant !== opened.scope.tenant || exported.scope.service !== opened.scope.service) {
      throw new KvdeployError('WRONG_SCOPE', {
        message: `${from} was exported from ${exported.scope.tenant}/…/${exported.scope.service}, another service.`,
        hint: 'Export the pointer of the same tenant and service.',
      });
    }
    return { environment: exported.scope.environment, knownGood: exported.build };
  }
  if (from === opened.scope.environment)
    throw new KvdeployError('USAGE', {
      message: `--from and --env both name ${from}.`,
      hint: 'Name the environment that the source comes from.',
    });
  const environments = opened.config?.environments(opened.scope.tenant) ?? [];
  if (!environments.includes(from)) {
    const near = nearest(from, environments);
    throw new KvdeployError('UNKNOWN_NAME', {
      message: `--from ${from}: ${opened.scope.tenant} has no such environment.`,
      hint:
        near === undefined ? `Known: ${environments.join(', ')}; a file is written ./${from}` : `Did you mean --from ${near}?`,
    });
  }
  const { history } = await otherHistory(opened, from);
  return { environment: from, knownGood: soundKnownGood(history) };
}

// The file that `pointer export` writes and `pointer import` and `--from` read. Must not be trusted beyond what a target confirms.

const exportSchema = z.strictObject({
  kind: z.literal('PointerExport'),
  formatVersion: z.literal(1),
  scope: scopeSchema,
  exportedAt: z.string(),
  build: buildSchema,
  since: z.string(),
  bad: z.array(guidSchema),
});

/** The known-good build of one scope, for another machine. */
export type PointerExport = z.infer<typeof exportSchema>;

const MAX_BYTES = 256 * 1024;

/** Reads an export. Throws USAGE when it is none. */
export function readExport(file: string, deps: Deps): PointerExport {
  const path = resolve(deps.cwd, file);
  try {
    if (deps.io.fs.statSync(path).size > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES} bytes`);
    return exportSchema.parse(JSON.parse(String(deps.io.fs.readFileSync(path, 'utf8'))));
  } catch (error) {
    const why =
      error instanceof z.ZodError
        ? error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')
        : error instanceof Error
          ? error.message
          : String(error);
    throw new KvdeployError('USAGE', {
      message: `${file} is not a pointer export: ${why}.`,
      hint: 'Write one with: kvdeploy pointer export --env E > pointer.json',
      cause: error,
    });
  }
}
