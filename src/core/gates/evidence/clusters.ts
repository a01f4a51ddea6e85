/**
 * How many failures come together, measured on the stable build while a rollout runs: a non-inferiority bound must not be surer than they allow. Errors
 * only on the side of holding: it never makes a non-inferiority bound surer than the settings do. No I/O.
 */
import * as z from 'zod';
import type { Counted } from './e-process.ts';

const pair = z.tuple([z.number().min(0), z.number().min(0)]);

export const clustersSchema = z.strictObject({
  /** Requests and failures of the stable build up to the end of the last block, and in the last block that had requests. */
  upTo: pair,
  last: pair,
  /** Neighbouring blocks with a failure, and the sum of how far apart they were; halved now and then, so not whole. */
  pairs: z.number().min(0),
  apart: z.number().min(0),
});

export type Clusters = z.infer<typeof clustersSchema>;

export const NO_CLUSTERS: Clusters = { upTo: [0, 0], last: [0, 0], pairs: 0, apart: 0 };

/** So much counts of one pair: an incident begins and ends once, and is no cluster. */
const MOST_APART = 64;

/** What is older is forgotten by and by. */
const MOST_PAIRS = 64;

/** At the end of a block, with all that the stable build was asked and failed up to then; however its rate drifts over longer times. */
export function clustersUpTo(clusters: Clusters = NO_CLUSTERS, all: Counted): Clusters {
  const upTo: Clusters['upTo'] = [all.requests, all.failures];
  const block: Counted = { requests: all.requests - clusters.upTo[0], failures: all.failures - clusters.upTo[1] };
  if (block.requests <= 0) return { ...clusters, upTo };
  const last: Clusters['last'] = [block.requests, block.failures];
  const before: Counted = { requests: clusters.last[0], failures: clusters.last[1] };
  if (before.requests === 0 || block.failures + before.failures === 0) return { ...clusters, upTo, last };
  const kept = clusters.pairs >= MOST_PAIRS ? 0.5 : 1;
  const apart = Math.min(MOST_APART, squaredResidual(block, before));
  return { upTo, last, pairs: kept * clusters.pairs + 1, apart: kept * clusters.apart + apart };
}

/** On top of what is measured: the candidate's failures may cluster more, and few pairs tell little. */
const CAUTION = 1.5;

/** Standard errors above 1 from which failures evidently come together; neighbouring pairs share a block, hence 3 in place of 2. */
const EVIDENT = 2.5;

const VARIANCE = 3;

/** What the logarithms of a non-inferiority bound must be divided by: what the settings say (`stated`), or what was evidently more. */
export function dispersionSeen({ pairs, apart }: Clusters = NO_CLUSTERS, stated: number): number {
  if (pairs === 0) return stated;
  const together = apart / pairs;
  const evident = together > 1 + EVIDENT * Math.sqrt(VARIANCE / pairs);
  return evident ? Math.max(stated, CAUTION * together) : stated;
}

// How many failures come together, measured on the stable build alone. Slow changes of its rate do not count; sudden ones do. No I/O.

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

/** What `clusters` should be for a candidate that is expected to fail so often in one interval: the upper bound, with caution. */
export function clustersFor({ base, growth, error }: Dispersion, expected: number): number {
  return CAUTION * Math.max(1, base + growth * expected + UPPER * error);
}
