/** Replays the stable build against itself: how far the evidence goes where nothing is wrong, and how failures come together. No I/O. */
import type { ComparedGate, EvidenceLimits } from '../core/gates/comparison.ts';
import { clustersFor, type Dispersion, dispersionOf } from '../core/gates/evidence/clusters.ts';
import type { Counted } from '../core/gates/evidence/e-process.ts';
import { calibratedLogE, SETTINGS_DEFAULTS, WHOLE } from '../core/gates/gate-settings.ts';
import { type GateTrace, replayTrace, traceSettings } from './backtest.ts';
import type { TraceRow } from './trace.ts';
import { formOf, type Interval, intervalsOf, type StatusNames, TraceCounts } from './trace-counts.ts';

export interface CalibrationWish {
  readonly gate: ComparedGate;
  readonly evidence: EvidenceLimits;
  /** In percent, rising; 100 is left out, since nothing is left to compare with. */
  readonly percents: readonly number[];
  readonly seed: number;
}

export interface Calibration {
  /** Greatest ln E of each replay. */
  readonly greatest: readonly number[];
  /** How many replays the bound on false alarms asks for, and how long one is. */
  readonly replaysNeeded: number;
  readonly replayS: number;
  /** The threshold to write down; null while there are too few replays. */
  readonly threshold: number | null;
  /** Null where too little failed to measure it. */
  readonly dispersion: Dispersion | null;
  readonly clusters: number | null;
}

/** Never crossed, so that a replay shows how far it would have gone. */
const NEVER = 1e6;

/**
 * Cuts the stable build's rows into stretches as long as the steps least take, plays each as a rollout with a candidate dealt from it, and
 * takes the greatest ln E of each. One stretch is one replay: dealing it twice would not be another rollout.
 */
export function calibrate(rows: readonly TraceRow[], wish: CalibrationWish, names: StatusNames): Calibration {
  const { all, everyS } = intervalsOf(rows.filter(({ arm }) => arm === 'stable'));
  const shares = wish.percents.filter((percent) => percent < 100).map((percent) => percent / 100);
  const counts = stableCounts(all, names);
  const dispersion = dispersionOf(counts) ?? null;
  const failures = counts.reduce((sum, counted) => sum + counted.failures, 0) / Math.max(1, counts.length);
  const clusters = dispersion === null ? null : clustersFor(dispersion, failures * Math.max(0, ...shares));
  const together = dispersion === null ? 1 : Math.max(1, Math.round(dispersion.base + dispersion.growth * failures));
  const dwellS = (wish.evidence.dwellMs ?? SETTINGS_DEFAULTS.dwellMs) / 1000;
  const length = Math.max(1, Math.ceil((dwellS * shares.length) / everyS));
  const gate = withClusters(wish.gate, clusters);
  const greatest: number[] = [];
  for (let from = 0; from + length <= all.length; from += length) {
    const stretch = all.slice(from, from + length);
    const startS = (all[from]?.tS ?? 0) - everyS;
    const random = seeded(wish.seed + greatest.length);
    const played = dealt(stretch, { shares, startS, cluster: together, random }, names);
    greatest.push(greatestLogE(played, { ...wish, gate }, names));
  }
  const alpha = wish.evidence.alpha ?? SETTINGS_DEFAULTS.alpha;
  return {
    greatest,
    replaysNeeded: Math.ceil(Number(((1 - alpha) / alpha).toFixed(9))),
    replayS: length * everyS,
    threshold: calibratedLogE(greatest, alpha) ?? null,
    dispersion,
    clusters,
  };
}

function withClusters(gate: ComparedGate, clusters: number | null): ComparedGate {
  return clusters === null ? gate : { ...gate, compare: { ...gate.compare, clusters } };
}

/** What the gate would have seen, whatever its threshold. */
function greatestLogE(rows: readonly TraceRow[], { gate, evidence, percents }: CalibrationWish, names: StatusNames): number {
  const intervals = intervalsOf(rows);
  const trace: GateTrace = { gate: gate.name, intervals, form: formOf(intervals.all, names) };
  const settings = traceSettings([gate], { ...evidence, leastLogE: NEVER, watchMs: 0 }, [trace], intervals.everyS * 1000);
  const steps = percents.map((percent) => ({ percent, bakeMs: 0 }));
  let greatest = Number.NEGATIVE_INFINITY;
  for (const { logE } of replayTrace([trace], { settings, fixed: [], steps, pollMs: intervals.everyS * 1000 }, names))
    greatest = Math.max(greatest, logE);
  return greatest;
}

/** Requests and errors of the intervals in which the stable build was counted. */
function stableCounts(intervals: readonly Interval[], names: StatusNames): Counted[] {
  const counts = new TraceCounts(formOf(intervals, names), names);
  return intervals.flatMap((interval) => {
    const { stable, blocks } = counts.poll(interval, false);
    const block = blocks['errors']?.[WHOLE];
    return stable.state === 'counted' && block !== undefined ? [block.stable] : [];
  });
}

// Deals the stable build's requests to two builds that are one: a candidate with nothing wrong. The same seed deals alike. No I/O.

export interface Deal {
  /** The candidate's part of the requests, step by step, each for as many intervals; 0..1. */
  readonly shares: readonly number[];
  /** When the made-up rollout begins, in seconds of the recorded one. */
  readonly startS: number;
  /** So many failures fall to one build together. */
  readonly cluster: number;
  readonly random: () => number;
}

/** Numbers between 0 and 1 (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * The rows of both builds. Requests are dealt by the share, what is left of one interval going to the next; failures by chance, in clusters;
 * requests in a latency bucket by chance, one by one.
 */
export function dealt(intervals: readonly Interval[], deal: Deal, names: StatusNames): TraceRow[] {
  const dealer = new Dealer(deal, names);
  return intervals.flatMap(({ tS, rows }, index) => {
    const share = deal.shares[Math.floor((index * deal.shares.length) / intervals.length)] ?? 0.5;
    const parts = withSlices(dealer.interval(withSlices(rows, -1), share), 1);
    return parts.map((row) => ({ ...row, tS: tS - deal.startS }));
  });
}

/** Takes the slices out of the line of the whole service (-1), or puts them back (1), so that the whole is dealt as they are. */
function withSlices(rows: readonly TraceRow[], sign: 1 | -1): TraceRow[] {
  const key = ({ arm, status, le }: TraceRow) => `${arm} ${status} ${le}`;
  const sums = new Map<string, { requests: number; errors: number }>();
  for (const row of rows) {
    if (row.slice === null) continue;
    const sum = sums.get(key(row)) ?? { requests: 0, errors: 0 };
    sums.set(key(row), { requests: sum.requests + row.requests, errors: sum.errors + row.errors });
  }
  return rows.map((row) => {
    const sum = row.slice === null ? sums.get(key(row)) : undefined;
    if (sum === undefined) return row;
    return { ...row, requests: row.requests + sign * sum.requests, errors: row.errors + sign * sum.errors };
  });
}

class Dealer {
  readonly #deal: Deal;
  readonly #names: StatusNames;
  /** Parts of requests that are due to the candidate, by slice and status. */
  readonly #due = new Map<string, number>();

  constructor(deal: Deal, names: StatusNames) {
    this.#deal = deal;
    this.#names = names;
  }

  interval(rows: readonly TraceRow[], share: number): TraceRow[] {
    const counted = rows.filter(({ le }) => le === null).flatMap((row) => this.#row(row, share));
    return [
      ...counted,
      ...this.#buckets(
        rows.filter(({ le }) => le !== null),
        share,
      ),
    ];
  }

  #row(row: TraceRow, share: number): TraceRow[] {
    const failed = row.status !== null && this.#names.metricOf(row.status) !== undefined;
    const requests = failed ? this.#clusters(row.requests, share) : this.#requests(row, share);
    const errors = failed ? Math.min(row.errors, requests) : this.#clusters(row.errors, share);
    // Of what fell to one build no more can have failed than there was.
    const least = Math.max(0, row.errors - (row.requests - requests));
    return bothBuilds(row, requests, Math.min(requests, Math.max(least, errors)));
  }

  #requests({ slice, status, requests }: TraceRow, share: number): number {
    const key = JSON.stringify([slice, status]);
    const due = (this.#due.get(key) ?? 0) + requests * share;
    const now = Math.min(requests, Math.floor(due));
    this.#due.set(key, due - now);
    return now;
  }

  #clusters(count: number, share: number): number {
    const { cluster, random } = this.#deal;
    const whole = Math.floor(count / cluster);
    const rest = count - whole * cluster;
    return cluster * chosen(random, whole, share) + (random() < share ? rest : 0);
  }

  /** Each request falls into one bucket, and is dealt there. */
  #buckets(rows: readonly TraceRow[], share: number): TraceRow[] {
    const slices = new Map<string | null, TraceRow[]>();
    for (const row of rows) slices.set(row.slice, [...(slices.get(row.slice) ?? []), row]);
    return [...slices.values()].flatMap((some) => {
      let [below, ours] = [0, 0];
      return some
        .toSorted((a, b) => (a.le ?? 0) - (b.le ?? 0))
        .flatMap((row) => {
          ours += chosen(this.#deal.random, row.requests - below, share);
          below = row.requests;
          return bothBuilds(row, ours, 0);
        });
    });
  }
}

function bothBuilds(row: TraceRow, requests: number, errors: number): TraceRow[] {
  const rest = { requests: row.requests - requests, errors: Math.max(0, row.errors - errors) };
  return [
    { ...row, arm: 'candidate', requests, errors },
    { ...row, ...rest, errors: Math.min(rest.errors, rest.requests) },
  ];
}

/** More than so many are drawn from the normal distribution, which is no longer told apart. */
const MANY = 10_000;

/** How many of `count` are chosen, each with this chance. */
function chosen(random: () => number, count: number, chance: number): number {
  if (count > MANY) {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return Math.min(count, Math.max(0, Math.round(count * chance + normal * Math.sqrt(count * chance * (1 - chance)))));
  }
  let found = 0;
  for (let index = 0; index < count; index += 1) if (random() < chance) found += 1;
  return found;
}
