/** What a metric is made of: counters by name, latency buckets among them, and which bounds are worth judging. No I/O. */

/** How one metric is made of counters. `slower`: requests of `requests` that are not in the bucket `failures`. */
export interface MetricCounters {
  readonly metric: string;
  readonly requests: string;
  readonly failures: string;
  readonly counts: 'failures' | 'slower';
}

/**
 * The metric that counts restarts: targets that lost their counts (a candidate that crashes and comes back loses its failures with it), or
 * crashes that a router saw, in the seconds that it watched.
 */
export const RESTARTS = 'restarts';

// Latency buckets: how their counters and metrics are called, and which bounds are worth judging. No I/O.

/** Counters of latency buckets, cumulative as Prometheus has them: `le:0.5`; `le:+Inf` is every request. */
export const BUCKET_PREFIX = 'le:';

export const ALL_BUCKETS = 'le:+Inf';

/** Seconds of `le:0.5`; Infinity of `le:+Inf`. */
export function boundOf(name: string): number {
  return name === ALL_BUCKETS ? Number.POSITIVE_INFINITY : Number(name.slice(BUCKET_PREFIX.length));
}

/** What all bounds of latency are called together, where none of them can be seen. */
export const LATENCY = 'latency';

/** What the name of a metric begins with that judges latency by a bound: `slower than 0.5s`. */
export const SLOWER = 'slower than ';

/** How the bounds of a histogram are written, and named: `slower than 0.25s`, `slower than 250ms`. Counted they are always in seconds. */
export type LatencyUnit = 's' | 'ms';

/** The metric of a bound in seconds, in the words of its unit. */
export function slowerThan(seconds: number, unit: LatencyUnit = 's'): MetricCounters {
  const metric = `${SLOWER}${boundText(seconds, unit)}`;
  return { metric, requests: ALL_BUCKETS, failures: `${BUCKET_PREFIX}${seconds}`, counts: 'slower' };
}

/** `250ms` or `0.25s` of 0.25. */
export function boundText(seconds: number, unit: LatencyUnit): string {
  // 0.07 * 1000 is a little more than 70.
  return unit === 's' ? `${seconds}s` : `${Number((seconds * 1000).toPrecision(12))}ms`;
}

/** A bound that most requests exceed anyway says little about a fault. */
const MOST_EXCEEDANCE = 0.6;

/**
 * The bounds worth judging, from what the stable build did before the rollout: cumulative counts by bound in seconds. Those that at most
 * 60 % of its requests exceed; never +Inf, which nothing exceeds. Empty when nothing was counted. Fix them before the rollout begins.
 */
export function judgedBounds(stable: readonly { readonly le: number; readonly count: number }[]): number[] {
  const all = Math.max(0, ...stable.map(({ count }) => count));
  if (all === 0) return [];
  const judged = stable.filter(({ le, count }) => Number.isFinite(le) && 1 - count / all <= MOST_EXCEEDANCE);
  return judged.map(({ le }) => le).toSorted((a, b) => a - b);
}
