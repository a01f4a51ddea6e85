/** kvdeploy's own gate in the comparison: the real core, fed with the counts that the rivals see. Must add no rule of its own. */
import { comparisonOf, usualLimit } from '../../../src/core/gates/comparison.ts';
import { type GatePoll, gatePollOf, pollEveryMs, type SliceBlocks } from '../../../src/core/gates/counting/blocks.ts';
import { type Counters, countersSince, NO_COUNTERS } from '../../../src/core/gates/counting/counters.ts';
import type { MetricCounters } from '../../../src/core/gates/counting/metric-counters.ts';
import { beginStep, type Evidence, feed, openEvidence } from '../../../src/core/gates/evidence/evidence.ts';
import {
  type GateSettings,
  harmAt,
  LATENCY_MARGIN,
  METRIC_DEFAULTS,
  SETTINGS_DEFAULTS,
  type UnweightedMetric,
  WHOLE,
  weighted,
} from '../../../src/core/gates/gate-settings.ts';
import { blameOf } from '../../../src/core/gates/verdict/blamed.ts';
import { judgeEvidence } from '../../../src/core/gates/verdict/evidence-verdict.ts';
import {
  type Arm,
  AtIntervals,
  type Histogram,
  type Judge,
  type NewJudge,
  NOTHING,
  type Parts,
  type Setting,
  together,
  type Verdict,
} from './judge.ts';
import { BOUNDS_S, bucketChances } from './latency.ts';

export const DEFAULT = 'kvdeploy, default';
export const CALIBRATED = 'kvdeploy, calibrated';
export const OWN_POLLS = 'kvdeploy, default, own polling';
export const OURS: readonly string[] = [DEFAULT, CALIBRATED];

const MINUTE_MS = 60_000;
const GATE = 'errors';
const FAILURES = 'failures';

interface Options {
  /** How many failures come together in this workload on average; a calibrated gate is told 1.5 times that, unless they are independent. */
  readonly dispersion?: number;
  /** Judges durations by buckets, not failures. */
  readonly latency?: boolean;
  /** How long after each raise the first requests are judged against a coarse limit only; 0 unless said. */
  readonly warmUpS?: number;
  /** Counts by itself, from the counters of each process: these metrics. */
  readonly counted?: readonly MetricCounters[];
}

type Settings = (setting: Setting) => GateSettings;

/** As before a real rollout, the limit follows what is usual. `told`: how many failures come together. */
function metricsOf(told: number, { slices, p0 }: Setting, { latency = false, warmUpS = 0 }: Options) {
  const warmUpMs = 1000 * warmUpS;
  const failures = {
    ...errors(told),
    warmUpMs,
    usual: p0,
    limit: usualLimit(p0),
    slices: slices.map((name) => ({ name, part: 1 })),
  };
  return weighted(latency ? durations(told) : [failures]);
}

function byDefault(options: Options): Settings {
  const { counted } = options;
  if (counted !== undefined) return ({ p0 }) => asPlanned(counted, p0);
  return (setting) => ({ ...SETTINGS_DEFAULTS, metrics: metricsOf(METRIC_DEFAULTS.dispersion, setting, options) });
}

/** What a plan fixes for a gate that counts these metrics of a service whose errors are usually `p0` and which answers no such status usually. */
function asPlanned(counted: readonly MetricCounters[], p0: number): GateSettings {
  const usualRates = Object.fromEntries(counted.map(({ metric }) => [metric, metric === 'errors' ? p0 : 0]));
  const metrics = counted.map(({ metric }) => metric);
  const countable = { metrics, slices: {}, countsTraffic: false, usualRates, lagMs: SETTINGS_DEFAULTS.lagMs };
  return comparisonOf([{ name: GATE, source: GATE, settings: {}, compare: {} }], {}, new Map([[GATE, countable]])).settings;
}

/** The default gate, and the one that replays of healthy rollouts have calibrated. */
export function ours(options: Options = {}): readonly NewJudge[] {
  const { dispersion = 1 } = options;
  const measured = dispersion === 1 ? 1 : 1.5 * dispersion;
  const calibrated: Settings = (setting) => ({
    ...SETTINGS_DEFAULTS,
    calibrated: true,
    dwellMs: 2 * MINUTE_MS,
    // Replays of independent failures show that no burst outlasts a poll.
    blockMs: dispersion === 1 ? 1000 * setting.pollS : SETTINGS_DEFAULTS.blockMs,
    metrics: metricsOf(measured, setting, options),
  });
  return [() => new Ours(DEFAULT, byDefault(options)), () => new Ours(CALIBRATED, calibrated)];
}

/** The default gate alone, which may count by itself. */
export function byDefaultOnly(options: Options = {}): NewJudge {
  return () => new Ours(DEFAULT, byDefault(options), options.counted);
}

/** The failing share that a non-inferiority bound must rule out at `percent` of the traffic, while the stable build fails at `p0`. */
export function harmAtBound(percent: number, p0: number): number {
  const { times, plus } = harmAt(METRIC_DEFAULTS.harm, percent / 100);
  return times * p0 + plus;
}

function errors(dispersion: number): UnweightedMetric {
  return { ...METRIC_DEFAULTS, family: 'errors', gate: GATE, metric: FAILURES, dispersion, slices: [] };
}

/** One metric for each bound that at most 60 % of healthy requests exceed; from a second on they count as timeouts. */
function durations(dispersion: number): readonly UnweightedMetric[] {
  const healthy = bucketChances({ share: 0, factor: 1, plusS: 0 });
  return BOUNDS_S.flatMap((le, index) => {
    const slower = healthy.slice(index + 1).reduce((sum, chance) => sum + chance, 0);
    if (slower > 0.6) return [];
    const tolerated = le >= 1 ? TIMEOUT_MARGIN : LATENCY_MARGIN;
    return [
      {
        ...errors(dispersion),
        family: 'latency' as const,
        metric: boundName(le),
        tolerated,
        limit: null,
        holdsInIncident: false,
      },
    ];
  });
}

/** Bounds at which requests time out get the narrower margin. */
const TIMEOUT_MARGIN = { times: 1.1, plus: 0.0005 };

function boundName(le: number): string {
  return `slower than ${le} s`;
}

function blocksOf(candidate: Arm, stable: Arm, parts: Parts): Readonly<Record<string, SliceBlocks>> {
  if (parts.histogram !== undefined) return slowBlocks(parts.histogram);
  const slices = (parts.slices ?? []).map((slice) => [slice.name, slice] as const);
  return { [FAILURES]: { ...Object.fromEntries(slices), [WHOLE]: { candidate, stable } } };
}

function slowBlocks({ le, candidate, stable }: Histogram): Readonly<Record<string, SliceBlocks>> {
  const arm = (counts: readonly number[], bound: number): Arm => {
    const [requests, upTo] = [counts, counts.slice(0, bound + 1)].map((all) => all.reduce((sum, count) => sum + count, 0)) as [
      number,
      number,
    ];
    return { requests, failures: requests - upTo };
  };
  const blocks = le.map(
    (s, bound) => [boundName(s), { [WHOLE]: { candidate: arm(candidate, bound), stable: arm(stable, bound) } }] as const,
  );
  return Object.fromEntries(blocks);
}

/** In the words of the table, which other tools' judges share. */
const OF_RIVALS = { pass: 'advance', fail: 'rollback', 'give-up': 'rollback', hold: 'hold' } as const;

class Ours implements Judge {
  readonly name: string;
  readonly #settingsOf: Settings;
  readonly #counted: readonly MetricCounters[];
  #settings: GateSettings | undefined;
  #evidence: Evidence | undefined;
  #percents: readonly number[] = [];
  #step = 0;
  /** True once nothing but a rollback is left to be said; then only the evidence is asked, which is all that one rests on here. */
  #isThrough = false;
  #memory = NO_COUNTERS;

  constructor(name: string, settings: Settings, counted: readonly MetricCounters[] = []) {
    this.name = name;
    this.#settingsOf = settings;
    this.#counted = counted;
  }

  start(setting: Setting): void {
    this.#settings = this.#settingsOf(setting);
    this.#percents = setting.percents;
    this.#step = 0;
    this.#isThrough = false;
    this.#memory = NO_COUNTERS;
    const { watchMs } = this.#settings;
    // A version that watches no stable build has no such setting.
    const opened = watchMs > 0 ? { atMs: -watchMs, share: 0 } : { atMs: 0, share: this.#share() };
    this.#evidence = openEvidence(this.#settings, opened);
  }

  watch(tS: number, stable: Arm, parts: Parts = {}): void {
    if (this.#settings === undefined || this.#evidence === undefined) throw new Error('not started');
    const poll = parts.reading === undefined ? this.#blocks(NOTHING, stable, parts) : this.#counts(parts.reading);
    if (this.#evidence.share > 0) return;
    this.#evidence = feed(this.#settings, this.#evidence, { atMs: 1000 * tS, gates: { [GATE]: poll } });
    if (tS === 0) this.#evidence = beginStep(this.#settings, this.#evidence, { atMs: 0, share: this.#share() });
  }

  #share(): number {
    return (this.#percents[this.#step] ?? 100) / 100;
  }

  poll(tS: number, candidate: Arm, stable: Arm, parts: Parts = {}): Verdict {
    if (this.#settings === undefined || this.#evidence === undefined) throw new Error('not started');
    const gates = { [GATE]: parts.reading === undefined ? this.#blocks(candidate, stable, parts) : this.#counts(parts.reading) };
    this.#evidence = feed(this.#settings, this.#evidence, { atMs: 1000 * tS, gates });
    if (this.#isThrough) return this.#evidence.crossed === null ? 'hold' : 'rollback';
    const next = this.#percents[this.#step + 1];
    const { verdict } = judgeEvidence(this.#settings, this.#evidence, {
      nowMs: 1000 * tS,
      nextShare: next === undefined ? null : next / 100,
    });
    this.#isThrough = verdict === 'pass' && next === undefined;
    if (verdict === 'pass' && next !== undefined) {
      this.#step += 1;
      this.#evidence = beginStep(this.#settings, this.#evidence, { atMs: 1000 * tS, share: this.#share() });
    }
    return OF_RIVALS[verdict];
  }

  #blocks(candidate: Arm, stable: Arm, parts: Parts): GatePoll {
    const counted = { state: 'counted' } as const;
    const arms = { candidate: counted, stable: this.#share() === 1 ? ({ state: 'absent' } as const) : counted };
    return { ...arms, blocks: blocksOf(candidate, stable, parts) };
  }

  /** The product counts by itself. */
  #counts(reading: Counters): GatePoll {
    const delta = countersSince(this.#memory, reading, SETTINGS_DEFAULTS.lagMs);
    this.#memory = delta.memory;
    return gatePollOf(delta, this.#counted);
  }

  /** Every slice that is confirmed, or the one that weighs most where only all of them together were enough. */
  blamedSlices(): readonly string[] {
    if (this.#settings === undefined || this.#evidence === undefined) return [];
    const { confirmed, heaviest } = blameOf(this.#settings, this.#evidence);
    const named = confirmed.length > 0 ? confirmed : [heaviest];
    return named.flatMap(({ slice }) => slice ?? []);
  }
}

/** The default gate at its own times: it sees nothing between them, and then what was counted meanwhile. */
class AtItsOwnTimes implements Judge {
  readonly name: string;
  readonly #gate: Ours;
  readonly #everyMs: (tS: number, pollS: number) => number;
  #pollS = 0;
  #dueS = 0;
  #candidate = NOTHING;
  #stable = NOTHING;

  constructor(name: string, gate: Ours, everyMs: (tS: number, pollS: number) => number) {
    this.name = name;
    this.#gate = gate;
    this.#everyMs = everyMs;
  }

  start(setting: Setting): void {
    this.#pollS = setting.pollS;
    this.#dueS = Number.NEGATIVE_INFINITY;
    [this.#candidate, this.#stable] = [NOTHING, NOTHING];
    this.#gate.start(setting);
  }

  watch(tS: number, stable: Arm, parts?: Parts): void {
    const seen = this.#seen(tS, NOTHING, stable);
    if (seen !== undefined) this.#gate.watch(tS, seen.stable, parts);
  }

  poll(tS: number, candidate: Arm, stable: Arm, parts?: Parts): Verdict {
    const seen = this.#seen(tS, candidate, stable);
    return seen === undefined ? 'hold' : this.#gate.poll(tS, seen.candidate, seen.stable, parts);
  }

  /** What was counted since the last look, if it is time for one; whatever the schedule, the watch ends with one. */
  #seen(tS: number, candidate: Arm, stable: Arm): Pick<SliceBlocks[string], 'candidate' | 'stable'> | undefined {
    [this.#candidate, this.#stable] = [together(this.#candidate, candidate), together(this.#stable, stable)];
    if (tS < this.#dueS && tS !== 0) return undefined;
    const seen = { candidate: this.#candidate, stable: this.#stable };
    [this.#candidate, this.#stable] = [NOTHING, NOTHING];
    this.#dueS = tS + this.#everyMs(tS, this.#pollS) / 1000;
    return seen;
  }
}

/** The default gate in workloads that are drawn every second, at the times at which it would look at a source that counts at once. */
export function ownPolls(options: Options = {}): NewJudge {
  const name = options.warmUpS === undefined ? OWN_POLLS : `${OWN_POLLS}, warmUp ${options.warmUpS} s`;
  const gate = () => new Ours(DEFAULT, byDefault(options), options.counted);
  return () => new AtItsOwnTimes(name, gate(), (_tS, pollS) => pollEveryMs(1000 * pollS));
}

/** The same gate at even times, for comparison. */
export function evenPolls(everyS: number): NewJudge {
  return () => new AtIntervals(new Ours(`kvdeploy, default, polls of ${everyS} s`, byDefault({})), everyS);
}
