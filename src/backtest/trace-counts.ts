/**
 * A trace as evenly spaced intervals, and the lines of each as what a live source would have counted. An interval is known by what came before
 * it alone. No I/O.
 */
import { usualRates } from '../core/gates/comparison.ts';
import { type GatePoll, gatePollOf } from '../core/gates/counting/blocks.ts';
import { type ArmDelta, type Delta, NO_COUNTERS, silent } from '../core/gates/counting/counters.ts';
import { boundsCounted, type Latency, latencyBlocks, noLatency, withLatency } from '../core/gates/counting/latency-blocks.ts';
import {
  ALL_BUCKETS,
  BUCKET_PREFIX,
  judgedBounds,
  type MetricCounters,
  slowerThan,
} from '../core/gates/counting/metric-counters.ts';
import { GRPC_METRICS, isInterim } from '../core/gates/counting/statuses.ts';
import { addCounts, type Block, type Counted, NO_BLOCK, toleratedShare } from '../core/gates/evidence/e-process.ts';
import { WHOLE } from '../core/gates/gate-settings.ts';
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

// The lines of one interval as what a live source would have counted: for each build its counters, or why they are missing. No I/O.

/** How statuses are told apart; `single` and `classes` are the metrics that each way of writing them allows. */
export interface StatusNames {
  readonly single: readonly MetricCounters[];
  readonly classes: readonly MetricCounters[];
  /** Of `metrics`, the one that it counts for; undefined for a status that is no failure. */
  metricOf(status: string, metrics?: readonly MetricCounters[]): string | undefined;
}

/** What a trace counts, as its beginning shows: fixed there, since nothing may move while a rollout runs. */
export interface TraceForm {
  /** Of failures, `errors` first; then of latency bounds. */
  readonly metrics: readonly MetricCounters[];
  /** Requests of the stable build by slice. */
  readonly slices: Readonly<Record<string, number>>;
  /** True where there are lines both without and with a slice. */
  readonly hasWhole: boolean;
  /** By metric, the part of the stable build's requests that failed before the rollout; none where that were too few. */
  readonly usualRates: Readonly<Record<string, number>>;
}

const ERRORS: MetricCounters = { metric: 'errors', requests: 'requests', failures: 'errors', counts: 'failures' };

/**
 * The form of a trace from the intervals before the candidate's first line, and the one with it: later ones decide nothing. What is usual
 * is told by those before alone, since a rollout may begin in the middle of an incident.
 */
export function formOf(intervals: readonly Interval[], names: StatusNames): TraceForm {
  const first = intervals.findIndex(({ rows }) => rows.some(({ arm }) => arm === 'candidate'));
  const rows = intervals.slice(0, first === -1 ? 1 : first + 1).flatMap((interval) => interval.rows);
  const stable = rows.filter(({ arm }) => arm === 'stable');
  const form: TraceForm = {
    metrics: [...failureMetrics(rows, names), ...boundsOf(stable).map((seconds) => slowerThan(seconds))],
    slices: requestsBySlice(stable),
    hasWhole: rows.some(({ slice, le }) => slice === null && le === null) && rows.some(({ slice }) => slice !== null),
    usualRates: {},
  };
  return { ...form, usualRates: usualRates(countedOf(intervals.slice(0, Math.max(0, first)), form, names)) };
}

/** What the stable build was asked and failed before the rollout, by metric. */
function countedOf(before: readonly Interval[], form: TraceForm, names: StatusNames): ReadonlyMap<string, Counted> {
  const counts = new TraceCounts(form, names);
  const sums = new Map<string, Counted>();
  for (const interval of before) {
    const { blocks } = counts.poll(interval, false);
    for (const { metric } of form.metrics) {
      const now = blocks[metric]?.[WHOLE]?.stable ?? NO_BLOCK.stable;
      sums.set(metric, addCounts(sums.get(metric) ?? NO_BLOCK.stable, now));
    }
  }
  return sums;
}

function failureMetrics(rows: readonly TraceRow[], { single, classes }: StatusNames): readonly MetricCounters[] {
  const statuses = rows.flatMap(({ status }) => status ?? []);
  if (statuses.length === 0) return [ERRORS];
  // Recorded rows name every metric that the live gate judged.
  if (statuses.some((status) => GRPC_METRICS.some(({ metric }) => metric === status))) return GRPC_METRICS;
  return statuses.some((status) => /^\dxx$/.test(status)) ? classes : single;
}

function boundsOf(stable: readonly TraceRow[]): number[] {
  const counts = new Map<number, number>();
  for (const { le, requests } of stable) if (le !== null) counts.set(le, (counts.get(le) ?? 0) + requests);
  return judgedBounds([...counts].map(([le, count]) => ({ le, count })));
}

function requestsBySlice(stable: readonly TraceRow[]): Record<string, number> {
  const sums = new Map<string, { plain: number; status: number }>();
  for (const { slice, status, le, requests } of stable) {
    if (slice === null || le !== null) continue;
    const sum = sums.get(slice) ?? { plain: 0, status: 0 };
    sums.set(slice, status === null ? { ...sum, plain: sum.plain + requests } : { ...sum, status: sum.status + requests });
  }
  return Object.fromEntries([...sums].map(([slice, { plain, status }]) => [slice, Math.max(plain, status)]));
}

type Arm = TraceRow['arm'];

type Counts = Map<string, Map<string, number>>;

const NO_SLICES: ReadonlyMap<string, number> = new Map();

/** So many requests are expected in a slice without a line before that is no chance any more, but missing. */
const EXPECTED = 10;

/** Reads a trace's intervals one by one. It remembers which slices each build had, so that it sees when one falls silent. */
export class TraceCounts {
  readonly #form: TraceForm;
  readonly #names: StatusNames;
  readonly #known: Record<Arm, Set<string>> = { candidate: new Set(), stable: new Set() };

  constructor(form: TraceForm, names: StatusNames) {
    this.#form = form;
    this.#names = names;
  }

  /** `alone`: the candidate serves alone by plan, so that a stable build without a line is not missing. */
  poll(interval: Interval, alone: boolean): GatePoll {
    const counts = { candidate: this.#counts(interval, 'candidate'), stable: this.#counts(interval, 'stable') };
    const [candidate, stable] = [this.#delta(counts, 'candidate'), this.#delta(counts, 'stable')];
    for (const arm of ['candidate', 'stable'] as const)
      for (const slice of counts[arm].get('requests')?.keys() ?? []) this.#known[arm].add(slice);
    const delta: Delta = {
      candidate,
      stable: alone && counts.stable.size === 0 ? silent({ state: 'absent' }) : stable,
      memory: NO_COUNTERS,
    };
    const failures = this.#form.metrics.filter(({ counts: kind }) => kind === 'failures');
    return withLatency(gatePollOf(delta, failures), this.#latency(delta));
  }

  /** Of intervals without a request no bucket is missing. */
  #latency(delta: Delta): Latency {
    const slower = this.#form.metrics.filter(({ counts }) => counts === 'slower');
    const names = slower.map(({ metric }) => metric);
    const bounds = { candidate: boundsCounted(delta.candidate), stable: boundsCounted(delta.stable) };
    const quiet = (['candidate', 'stable'] as const).some(
      (arm) => bounds[arm].length === 0 && total(delta[arm].counts.get('requests') ?? NO_SLICES) === 0,
    );
    return names.length === 0 || quiet ? noLatency(names) : latencyBlocks(delta, bounds, names, slower);
  }

  #delta(counts: Record<Arm, Counts>, arm: Arm): ArmDelta {
    const own = counts[arm];
    if (own.size === 0) return missing(`the trace has no line for the ${arm} build`);
    if (!own.has('requests')) return missing('the trace has only latency bounds, and no line that counts requests');
    if (this.#form.hasWhole && own.get('requests')?.has('') !== true)
      return missing('the trace has no line for the whole service');
    const quiet = this.#quietSlice(counts, arm);
    if (quiet !== undefined) return missing(`the trace has no line for slice ${quiet}`);
    const whole = withoutSlices(own);
    if (whole === undefined) return silent({ state: 'invalid', why: 'the slices add up to more than the whole service' });
    return { arm: { state: 'counted' }, counts: whole, targets: 1, restarts: 0 };
  }

  /** A slice that was there, and that has no line now although the other build's traffic there says that it should. */
  #quietSlice(counts: Record<Arm, Counts>, arm: Arm): string | undefined {
    const own = counts[arm].get('requests');
    const other = counts[arm === 'candidate' ? 'stable' : 'candidate'].get('requests');
    if (own === undefined || other === undefined) return undefined;
    const part = total(own) / Math.max(1, total(other));
    for (const slice of this.#known[arm])
      if (slice !== '' && !own.has(slice) && (other.get(slice) ?? 0) * part >= EXPECTED) return slice;
    return undefined;
  }

  #counts({ rows }: Interval, arm: Arm): Counts {
    const plain = new Set(
      rows.flatMap((row) => (row.arm === arm && row.status === null && row.le === null ? [row.slice ?? ''] : [])),
    );
    const counts: Counts = new Map();
    const add = (counter: string, slice: string, count: number) => {
      const slices = counts.get(counter) ?? new Map<string, number>();
      counts.set(counter, slices.set(slice, (slices.get(slice) ?? 0) + count));
    };
    for (const row of rows) {
      if (row.arm !== arm) continue;
      const slice = row.slice ?? '';
      if (row.le !== null) {
        add(row.le === Number.POSITIVE_INFINITY ? ALL_BUCKETS : `${BUCKET_PREFIX}${row.le}`, slice, row.requests);
        continue;
      }
      const metric = row.status === null ? undefined : this.#metricOf(row.status);
      // A line for every status together is the better count of both.
      if (row.status === null || !(plain.has(slice) || isInterim(row.status))) {
        add('requests', slice, row.requests);
        add('errors', slice, metric === 'errors' ? row.requests : row.errors);
      }
      if (metric !== undefined && metric !== 'errors') add(metric, slice, row.requests);
    }
    return counts;
  }

  /** A class among single statuses, or the other way round, counts with the rest of its hundred. */
  #metricOf(status: string): string | undefined {
    const judged = this.#form.metrics.filter(({ counts }) => counts === 'failures');
    return isInterim(status) ? undefined : this.#names.metricOf(status, judged);
  }
}

function missing(why: string): ArmDelta {
  return silent({ state: 'missing', why });
}

function total(slices: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const count of slices.values()) sum += count;
  return sum;
}

/** The whole is what is in no slice and all of the slices; undefined where it holds less than they do. */
function withoutSlices(counts: Counts): Counts | undefined {
  const rest: Counts = new Map();
  for (const [counter, slices] of counts) {
    const whole = slices.get('');
    const named = new Map([...slices].filter(([slice]) => slice !== ''));
    if (whole !== undefined && whole < total(named)) return undefined;
    rest.set(counter, whole === undefined ? named : new Map([['', whole - total(named)], ...named]));
  }
  return rest;
}
