/** Counters that were read at even moments as the lines of a trace. A moment without a whole window before it is missing, never a zero. No I/O. */

import type { CounterMemory } from '../core/gates/counting/counter-memory.ts';
import { type ArmDelta, type Counters, countersSince, NO_COUNTERS } from '../core/gates/counting/counters.ts';
import { ALL_BUCKETS, BUCKET_PREFIX, type MetricCounters } from '../core/gates/counting/metric-counters.ts';
import type { TraceRow } from './trace.ts';

export interface RecordedMoment {
  /** Seconds, of the same clock as the rollout's start. */
  readonly atS: number;
  readonly reading: Counters;
}

type Arm = TraceRow['arm'];

/** The rows between one moment and the next, in order of time. `metrics` as the source names them. */
export function recordedRows(moments: readonly RecordedMoment[], startS: number, metrics: readonly MetricCounters[]): TraceRow[] {
  const arms = { candidate: new Differences('candidate'), stable: new Differences('stable') };
  return moments.flatMap(({ atS, reading }) => {
    const tS = Math.round((atS - startS) * 1000) / 1000;
    return (['candidate', 'stable'] as const).flatMap((arm) => {
      const delta = arms[arm].next(reading);
      return delta === undefined ? [] : rowsOf(delta, arm, tS, metrics);
    });
  });
}

/** Each build by itself: before the rollout the stable build is counted alone. */
class Differences {
  readonly #arm: Arm;
  #memory: CounterMemory = NO_COUNTERS;
  #hadWindow = false;

  constructor(arm: Arm) {
    this.#arm = arm;
  }

  /** Undefined where a build was not counted here or at the moment before: what came after a hole would be longer than its interval. */
  next(reading: Counters): ArmDelta | undefined {
    const begun = this.#memory !== NO_COUNTERS;
    const { candidate, memory } = countersSince(this.#memory, { candidate: reading[this.#arm], stable: { absent: true } }, 0);
    const usable = candidate.arm.state === 'counted';
    const whole = usable && this.#hadWindow;
    this.#hadWindow = usable || (!begun && memory !== NO_COUNTERS) || candidate.arm.state === 'reset';
    this.#memory = memory;
    return whole ? candidate : undefined;
  }
}

function rowsOf({ counts }: ArmDelta, arm: Arm, tS: number, metrics: readonly MetricCounters[]): TraceRow[] {
  const count = (counter: string, slice: string) => counts.get(counter)?.get(slice) ?? 0;
  const slices = new Set([...counts.values()].flatMap((bySlice) => [...bySlice.keys()]));
  const statuses = metrics.flatMap(({ metric, counts: kind }) => (kind === 'failures' && metric !== 'errors' ? [metric] : []));
  const buckets = [...counts.keys()].filter((counter) => counter.startsWith(BUCKET_PREFIX));
  const rows = [...slices].flatMap((slice): TraceRow[] => {
    const base = { line: 0, tS, slice: slice === '' ? null : slice, arm, errors: 0, status: null, le: null };
    return [
      { ...base, requests: count('requests', slice), errors: count('errors', slice) },
      ...statuses.map((metric) => ({ ...base, requests: count(metric, slice), status: metric })),
      ...buckets.map((bucket) => ({ ...base, requests: count(bucket, slice), le: secondsOf(bucket) })),
    ];
  });
  // Errors can be counted a moment before the requests they belong to; the interval is then unknown.
  return rows.some(({ errors, requests }) => errors > requests) ? [] : rows;
}

function secondsOf(bucket: string): number {
  return bucket === ALL_BUCKETS ? Number.POSITIVE_INFINITY : Number(bucket.slice(BUCKET_PREFIX.length));
}
