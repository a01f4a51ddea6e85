/** Replays the stable build against itself: how far the evidence goes where nothing is wrong, and how failures come together. No I/O. */
import type { ComparedGate, EvidenceLimits } from '../core/gates/comparison.ts';
import { clustersFor, type Dispersion, dispersionOf } from '../core/gates/evidence/clusters.ts';
import type { Counted } from '../core/gates/evidence/e-process.ts';
import { calibratedLogE, SETTINGS_DEFAULTS, WHOLE } from '../core/gates/gate-settings.ts';
import { type GateTrace, replayTrace, traceSettings } from './backtest.ts';
import type { TraceRow } from './trace.ts';
import { formOf, type StatusNames, TraceCounts } from './trace-counts.ts';
import { type Interval, intervalsOf } from './trace-intervals.ts';
import { dealt, seeded } from './trace-split.ts';

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

/** What a calibrated gate would have seen: the count process takes part, as it will once the threshold is written down. */
function greatestLogE(rows: readonly TraceRow[], { gate, evidence, percents }: CalibrationWish, names: StatusNames): number {
  const intervals = intervalsOf(rows);
  const trace: GateTrace = { gate: gate.name, intervals, form: formOf(intervals.all, names) };
  const settings = traceSettings([gate], { ...evidence, calibrated: true, leastLogE: NEVER }, [trace]);
  const steps = percents.map((percent) => ({ percent, bakeMs: 0 }));
  let greatest = Number.NEGATIVE_INFINITY;
  for (const { logE } of replayTrace([trace], { settings, fixed: [], steps }, names)) greatest = Math.max(greatest, logE);
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
