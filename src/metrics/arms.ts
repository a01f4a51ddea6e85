/** What sources share: two builds asked alike, one measurement out of a reading, a text in one line. Must not ask anything itself. */

import { type ArmCounters, type Counters, counterTotals, type RawCounter } from '../core/gates/counting/counters.ts';
import type { MetricCounters } from '../core/gates/counting/metric-counters.ts';
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

// How requests ended, by status, as the counters that gates judge. Must leave no request out.

/** Judged one by one: each can be an outage of its own. 401 was the whole of that of 2023-10-30. */
const ALONE = ['401', '403', '404', '408', '429'] as const;

const metric = (name: string): MetricCounters => ({ metric: name, requests: 'requests', failures: name, counts: 'failures' });

/** What single statuses allow to judge: 5xx and no answer as errors, each notable 4xx, and the rest of them. */
export const STATUS_METRICS: readonly MetricCounters[] = ['errors', ...ALONE, 'other 4xx'].map(metric);

/** What classes of statuses allow to judge. */
export const CLASS_METRICS: readonly MetricCounters[] = ['errors', '4xx'].map(metric);

/** The metric that a status counts as a failure of, or undefined for a good one. Informational answers are no answers yet. */
export function metricOfStatus(status: string): string | undefined {
  if (status.startsWith('5') || !/^[1-4]/.test(status)) return 'errors';
  if (!status.startsWith('4')) return undefined;
  if (status === '4xx') return '4xx';
  return (ALONE as readonly string[]).includes(status) ? status : 'other 4xx';
}

/** Totals by status (`503`, `5xx`, `none`) of one slice, as counters: `requests`, and one for each metric. */
export function statusCounters(
  byStatus: Readonly<Record<string, number>>,
  metrics: readonly MetricCounters[],
  slice = '',
): RawCounter[] {
  const counts = new Map(['requests', ...metrics.map(({ failures }) => failures)].map((name) => [name, 0]));
  for (const [status, count] of Object.entries(byStatus)) {
    if (/^1/.test(status)) continue;
    const failed = metricOfStatus(status);
    for (const name of ['requests', failed])
      if (name !== undefined && counts.has(name)) counts.set(name, (counts.get(name) ?? 0) + count);
  }
  return [...counts].map(([counter, value]) => ({ counter, slice, value }));
}
