/** How many failures come together, measured on the stable build alone. Slow changes of its rate do not count; sudden ones do. No I/O. */
import type { Counted } from './e-process.ts';

/** Variance of a count in multiples of its mean: `base` + `growth` x the mean. */
export interface Dispersion {
  readonly base: number;
  readonly growth: number;
  /** Pairs of intervals that it was measured on. */
  readonly pairs: number;
  /** Standard error of the variance. */
  readonly error: number;
}

/** Fewer pairs with a failure say nothing about how failures come together. */
const PAIRS_MIN = 20;
/** Of a normal distribution, the upper 90 %. */
const UPPER = 1.2816;
/** On top of the upper bound, since the candidate's failures may clump more than those that were recorded. */
const CAUTION = 1.5;

/**
 * From the intervals of the stable build in order: each with its neighbour, the squared Pearson residual of how their failures divide, in a
 * line over the expected count. 1 and 0 for requests that fail independently. Undefined where too few failed.
 */
export function dispersionOf(intervals: readonly Counted[]): Dispersion | undefined {
  const points: { readonly mean: number; readonly squared: number }[] = [];
  for (let index = 0; index + 1 < intervals.length; index += 2) {
    const [one, other] = [intervals[index], intervals[index + 1]];
    if (one === undefined || other === undefined || one.requests * other.requests === 0) continue;
    const failures = one.failures + other.failures;
    if (failures === 0) continue;
    const mean = (failures * one.requests) / (one.requests + other.requests);
    points.push({ mean, squared: squaredResidual(one, other) });
  }
  return points.length < PAIRS_MIN ? undefined : lineOf(points);
}

/**
 * How far apart two intervals with a failure are: of n failures in all, of which each expects its part q by its requests, the squared Pearson
 * residual (k - q n)^2 / (q (1 - q) n). It is 1 on average where failures come one by one, and c where they come c at a time.
 */
export function squaredResidual(one: Counted, other: Counted): number {
  const apart = one.failures * other.requests - other.failures * one.requests;
  return apart ** 2 / ((one.failures + other.failures) * one.requests * other.requests);
}

function lineOf(points: readonly { readonly mean: number; readonly squared: number }[]): Dispersion {
  const average = (of: (point: (typeof points)[number]) => number) =>
    points.reduce((sum, one) => sum + of(one), 0) / points.length;
  const [x, y] = [average(({ mean }) => mean), average(({ squared }) => squared)];
  const spread = average(({ mean }) => (mean - x) ** 2);
  const slope = spread === 0 ? 0 : average(({ mean, squared }) => (mean - x) * (squared - y)) / spread;
  // A line through fewer than no failures would be worth nothing: below 1 only the growth is left.
  const growth = Math.max(0, Math.min(slope, x === 0 ? 0 : y / x));
  const base = Math.max(0, y - growth * x);
  const variance = average(({ mean, squared }) => (squared - base - growth * mean) ** 2);
  return { base, growth, pairs: points.length, error: Math.sqrt(variance / points.length) };
}

/** What `clumps` should be for a candidate that is expected to fail so often in one interval: the upper bound, with caution. */
export function clumpsFor({ base, growth, error }: Dispersion, expected: number): number {
  return CAUTION * Math.max(1, base + growth * expected + UPPER * error);
}
