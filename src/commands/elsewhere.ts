/** What another environment of the same tenant and service says: its ledger in the same store, or an exported pointer. */
import { KvdeployError } from '../core/errors.ts';
import { fold, type History } from '../core/history.ts';
import type { Build } from '../core/manifest.ts';
import { nearest } from '../core/nearest.ts';
import { soundKnownGood } from '../core/requirement.ts';
import type { Scope } from '../core/scope.ts';
import type { Deps } from './command.ts';
import type { Opened } from './open.ts';
import { readExport } from './pointer-export.ts';

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
