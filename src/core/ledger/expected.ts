/** What the ledger expects of the traffic. No I/O. */
import { stepSplit } from '../rollout/plan.ts';
import type { Split } from '../rollout/split.ts';
import { currentKnownGood, type History, openRollout } from './history.ts';

/**
 * The split that must be in force now; null where nothing definite is expected: between two steps of an open rollout, and after one that
 * ended stuck. Once a rollout is over that is the known-good build alone: a rescue that was reconciled since may have changed which one.
 */
export function expectedSplit(history: History): Split | null {
  const open = openRollout(history);
  if (open !== null) return open.phase === 'baking' || open.phase === 'pointing' ? stepSplit(open.plan, open.step) : null;
  const known = currentKnownGood(history);
  if (known === null || isUnsettled(history)) return null;
  return [{ place: known.build.ref, build: known.build.guid, percent: 100 }];
}

/** The last rollout ended so that the ledger does not say which build should serve. A convergence leaves that as it was. */
export function isUnsettled({ rollout, settled }: Pick<History, 'rollout' | 'settled'>): boolean {
  if (rollout === null || settled || rollout.plan.converges === true) return false;
  return rollout.phase === 'stuck' || rollout.phase === 'rescued';
}
