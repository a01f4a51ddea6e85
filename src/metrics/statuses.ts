/** How requests ended, by status, as the counters that gates judge. Must leave no request out. */
import type { MetricCounters } from '../core/counter-blocks.ts';
import type { RawCounter } from '../core/counters.ts';

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
