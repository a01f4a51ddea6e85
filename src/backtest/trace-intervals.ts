/** A trace as evenly spaced intervals, those without a line among them. An interval is known by what came before it alone. No I/O. */
import type { Block } from '../core/gates/evidence/e-process.ts';
import { toleratedShare } from '../core/gates/evidence/traffic-share.ts';
import { byTime, type TraceRow } from './trace.ts';

export interface Interval {
  /** The end of the interval, seconds since the rollout began. */
  readonly tS: number;
  /** Empty where nothing was recorded, which is missing data. */
  readonly rows: readonly TraceRow[];
}

export interface Intervals {
  /** Length of an interval in seconds, as the first ones show it; those that follow should be as long. */
  readonly everyS: number;
  readonly all: readonly Interval[];
}

/** A distance of so many intervals has a hole in it; less is a clock that trembles. */
const HOLE = 1.5;

/** A longer silence is made of as many missing intervals, spaced wider: no verdict needs more. */
const MISSING_MAX = 200;

/** And in all of the trace, or one of a few lines could take hours: longer holes beyond have as many as make silence more than a hiccup. */
const MISSING_IN_ALL = 20_000;

const LEAST_MISSING = 3;

/** So many intervals say how long one is. */
export const FIRST_ONES = 5;

/** Where the trace begins at 0, its only interval says nothing about its length; as long as a block. */
const UNKNOWN_S = 15;

/**
 * Rows in order of time, as intervals. Holes are filled with intervals of nothing. Cutting the end off a trace does not change the intervals
 * before, as long as the first few are there.
 */
export function intervalsOf(rows: readonly TraceRow[]): Intervals {
  const recorded = [...byTime(rows)].map((some) => ({ tS: some[0]?.tS ?? 0, rows: some }));
  const everyS = lengthOf(recorded.slice(0, FIRST_ONES).map(({ tS }) => tS));
  const all: Interval[] = [];
  let left = MISSING_IN_ALL;
  for (const interval of recorded) {
    const before = all.at(-1);
    const missing = before === undefined ? [] : missingBetween(before.tS, interval.tS, everyS, left);
    left -= missing.length;
    for (const one of missing) all.push(one);
    all.push(interval);
  }
  return { everyS, all };
}

/** The middle one of the first distances, and of two the lesser: neither a line that came early nor a hole says how long an interval is. */
function lengthOf(ends: readonly number[]): number {
  const [firstS = 0, ...later] = ends;
  const gaps = later.map((tS, index) => tS - (ends[index] ?? firstS)).toSorted((a, b) => a - b);
  const middleS = gaps[Math.floor((gaps.length - 1) / 2)];
  if (middleS === undefined) return firstS > 0 ? firstS : UNKNOWN_S;
  return gaps.length === 1 && firstS > 0 ? Math.min(firstS, middleS) : middleS;
}

function missingBetween(fromS: number, toS: number, everyS: number, left: number): Interval[] {
  if (toS - fromS < HOLE * everyS) return [];
  const count = Math.min(MISSING_MAX, Math.max(LEAST_MISSING, left), Math.round((toS - fromS) / everyS) - 1);
  return Array.from({ length: count }, (_, index) => ({ tS: fromS + ((toS - fromS) * (index + 1)) / (count + 1), rows: [] }));
}

// Which step a recorded rollout was at, from the candidate's measured share of the requests. Never guesses from silence. No I/O.

/** `share` (0..1) is the step's own where the candidate had about that much, and otherwise what it had when the step began. */
export interface TraceStep {
  /** From 0. */
  readonly index: number;
  readonly share: number;
}

/** Chance moves a share by less than so many standard deviations. */
const FAR = 3;

/**
 * The step of an interval. `percents` rise. The nearest percent is the step; once at one, a share that chance can explain stays there. Without
 * a request of the candidate nothing is known, and nothing changes.
 */
export function stepAt(percents: readonly number[], now: TraceStep | undefined, { candidate, stable }: Block): TraceStep {
  const requests = candidate.requests + stable.requests;
  const measured = requests === 0 ? 0 : candidate.requests / requests;
  if (now !== undefined && (measured === 0 || isChance(now.share, measured, requests))) return now;
  const index = nearest(percents, 100 * measured);
  if (index === now?.index) return now;
  const planned = (percents[index] ?? 100) / 100;
  const { least, most } = toleratedShare(planned);
  const asPlanned = measured === 0 || (planned < 1 ? measured >= least && measured <= most : measured === 1);
  return { index, share: asPlanned ? planned : measured };
}

function isChance(share: number, measured: number, requests: number): boolean {
  return Math.abs(measured - share) * requests <= FAR * Math.sqrt(requests * share * (1 - share));
}

function nearest(percents: readonly number[], percent: number): number {
  let best = 0;
  for (const [index, each] of percents.entries())
    if (Math.abs(each - percent) < Math.abs((percents[best] ?? 0) - percent)) best = index;
  return best;
}
