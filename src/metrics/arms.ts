/** What sources share: two builds asked alike, one measurement out of a reading, a text in one line. Must not ask anything itself. */

import { type ArmCounters, type Counters, counterTotals } from '../core/gates/counting/counters.ts';
import type { Measurement } from '../core/gates/verdict/gate.ts';
import type { Pair, Question } from './metric-source.ts';

/** Both builds asked at the same time; without a stable build by plan it is absent. */
export async function bothBuilds(
  { candidate, stable }: Pair,
  ask: (question: Question) => ArmCounters | Promise<ArmCounters>,
): Promise<Counters> {
  const [ours, theirs] = await Promise.all([ask(candidate), stable === null ? ({ absent: true } as const) : ask(stable)]);
  return { candidate: ours, stable: theirs };
}

/** Requests and errors of one build, for a gate with a fixed limit. An error series is born with its first error: until then it is 0. */
export function measurementOf(arm: ArmCounters): Measurement {
  if (!('targets' in arm)) return { missing: 'missing' in arm ? arm.missing : 'the build does not exist' };
  const totals = counterTotals(arm);
  return { requests: totals.get('requests') ?? 0, errors: totals.get('errors') ?? 0, counting: 'total' };
}

/** True where anything is counted by slice. */
export function slicesIn(arm: ArmCounters | undefined): boolean {
  if (arm === undefined || !('targets' in arm)) return false;
  return Object.values(arm.targets).some(({ counters }) => counters?.some(({ slice }) => slice !== '') === true);
}

/** One line of at most 200 characters. */
export function briefly(text: string): string {
  const plain = text.replace(/\p{Cc}+/gu, ' ').trim();
  return plain.length > 200 ? `${plain.slice(0, 200)}…` : plain;
}
