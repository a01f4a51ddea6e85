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
  /** Length of the first interval in seconds; those that follow should be as long. */
  readonly everyS: number;
  readonly all: readonly Interval[];
}

/** A distance of so many intervals has a hole in it; less is a clock that trembles. */
const HOLE = 1.5;
/** A longer silence is made of as many missing intervals, spaced wider: no verdict needs more. */
const MISSING_MAX = 200;
/** Where the trace begins at 0, its only interval says nothing about its length; as long as a block. */
const UNKNOWN_S = 15;

/**
 * Rows in order of time, as intervals. The first one reaches back as far as the second is away, but not before the rollout. Holes are filled
 * with intervals of nothing. Cutting the end off a trace does not change the intervals before.
 */
export function intervalsOf(rows: readonly TraceRow[]): Intervals {
  const recorded = [...byTime(rows)].map((some) => ({ tS: some[0]?.tS ?? 0, rows: some }));
  const everyS = lengthOf(recorded[0]?.tS ?? 0, recorded[1]?.tS);
  const all: Interval[] = [];
  for (const interval of recorded) {
    const before = all.at(-1);
    if (before !== undefined) all.push(...missingBetween(before.tS, interval.tS, everyS));
    all.push(interval);
  }
  return { everyS, all };
}

function lengthOf(firstS: number, secondS: number | undefined): number {
  if (secondS === undefined) return firstS > 0 ? firstS : UNKNOWN_S;
  return firstS > 0 ? Math.min(firstS, secondS - firstS) : secondS - firstS;
}

function missingBetween(fromS: number, toS: number, everyS: number): Interval[] {
  if (toS - fromS < HOLE * everyS) return [];
  const count = Math.min(MISSING_MAX, Math.round((toS - fromS) / everyS) - 1);
  return Array.from({ length: count }, (_, index) => ({ tS: fromS + ((toS - fromS) * (index + 1)) / (count + 1), rows: [] }));
}
