/** A trace as evenly spaced intervals, those without a line among them. An interval is known by what came before it alone. No I/O. */
import type { TraceRow } from './trace.ts';
import { byTime } from './trace-sums.ts';

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
