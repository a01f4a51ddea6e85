/** Runs gates over a recorded rollout, interval by interval, as they would have run over the real one. Judges nothing by what came later. No I/O. */
import { type ComparedGate, comparisonOf, type EvidenceLimits } from '../core/gates/comparison.ts';
import type { GatePoll } from '../core/gates/counting/blocks.ts';
import { type Block, NO_BLOCK } from '../core/gates/evidence/e-process.ts';
import { beginStep, type Evidence, feed, openEvidence } from '../core/gates/evidence/evidence.ts';
import { harmBounds } from '../core/gates/evidence/non-inferiority.ts';
import { type GateSettings, WHOLE } from '../core/gates/gate-settings.ts';
import { isAlone, oddsText, type Standing, standings, standingText } from '../core/gates/verdict/blamed.ts';
import type { EvidenceVerdict } from '../core/gates/verdict/evidence-verdict.ts';
import { emptyMemory, type GateMemory } from '../core/gates/verdict/gate.ts';
import { type ComparedGates, judge, type LimitedGate } from '../core/gates/verdict/judge.ts';
import type { Verdict } from '../core/gates/verdict/verdict.ts';
import { msText } from '../core/text.ts';
import {
  type Interval,
  type Intervals,
  type StatusNames,
  stepAt,
  TraceCounts,
  type TraceForm,
  type TraceStep,
} from './trace-counts.ts';

/** What one gate's source counted. */
export interface GateTrace {
  readonly gate: string;
  readonly intervals: Intervals;
  readonly form: TraceForm;
}

/** A gate that has a fixed limit. */
export interface FixedGate {
  readonly name: string;
  readonly max: number;
  readonly minRequests: number;
}

/** What judges. `settings` null where every gate has a fixed limit. A step's `bakeMs` is its least time, as well as what the gates ask for. */
export interface TraceGates {
  readonly settings: GateSettings | null;
  readonly fixed: readonly FixedGate[];
  readonly steps: readonly { readonly percent: number; readonly bakeMs: number }[];
}

/** What the gates said at the end of one interval. */
export interface TraceMoment {
  /** When the interval began, and when it ended. */
  readonly fromS: number;
  readonly tS: number;
  readonly verdict: Verdict;
  readonly why: string;
  /** ln E of the comparing gates; 0 without one. */
  readonly logE: number;
  /** From 0. */
  readonly step: number;
  readonly share: number;
  /** Of the judged interval: null for a build that was not counted. */
  readonly counts: Block;
  /** Failures of the candidate since the rollout began. */
  readonly badRequests: number;
  /** What the comparing gates said; null without one. */
  readonly compared: EvidenceVerdict | null;
  /** Whom the evidence speaks against, where it decided. */
  readonly blamed: Blamed | null;
}

/** Walks through the trace. It begins with the candidate's first line: what the stable build did before is where slices come from. */
export function* replayTrace(traces: readonly GateTrace[], gates: TraceGates, names: StatusNames): Generator<TraceMoment> {
  const walk = new Walk(traces, gates, names);
  for (const [tS, intervals] of merged(traces)) yield walk.next(tS, intervals);
}

type ByGate = ReadonlyMap<string, Interval>;

/** The intervals of all gates by their time, from the candidate's first line on. */
function merged(traces: readonly GateTrace[]): (readonly [number, ByGate])[] {
  const byTime = new Map<number, Map<string, Interval>>();
  for (const { gate, intervals } of traces)
    for (const interval of intervals.all) {
      const gates = byTime.get(interval.tS) ?? new Map<string, Interval>();
      byTime.set(interval.tS, gates.set(gate, interval));
    }
  const sorted = [...byTime].toSorted(([a], [b]) => a - b);
  const begins = sorted.findIndex(([, gates]) =>
    [...gates.values()].some(({ rows }) => rows.some(({ arm }) => arm === 'candidate')),
  );
  return begins === -1 ? [] : sorted.slice(begins);
}

class Walk {
  readonly #gates: TraceGates;
  readonly #counts: ReadonlyMap<string, TraceCounts>;
  readonly #everyS: number;
  #evidence: Evidence | null = null;
  #step: TraceStep | undefined;
  #memories: ReadonlyMap<string, GateMemory> = new Map();
  /** When the step began, and the end of the last interval. */
  #sinceMs = 0;
  #atMs: number | null = null;
  #badRequests = 0;
  /** Requests of both builds when both were last counted. */
  #requests = 0;

  constructor(traces: readonly GateTrace[], gates: TraceGates, names: StatusNames) {
    this.#gates = gates;
    this.#counts = new Map(traces.map(({ gate, form }) => [gate, new TraceCounts(form, names)]));
    this.#everyS = traces[0]?.intervals.everyS ?? 0;
  }

  next(tS: number, intervals: ByGate): TraceMoment {
    const atMs = tS * 1000;
    const fromMs = this.#atMs ?? this.#beganMs(atMs);
    const alone = (this.#step?.share ?? 0) >= 1;
    const polls = new Map(
      [...this.#counts].flatMap(([gate, counts]) => {
        const interval = intervals.get(gate);
        return interval === undefined ? [] : [[gate, counts.poll(interval, alone)] as const];
      }),
    );
    const [first] = polls.values();
    const counts = first?.blocks['errors']?.[WHOLE] ?? NO_BLOCK;
    this.#enter(counts, first, fromMs);
    this.#badRequests += counts.candidate.failures;
    this.#atMs = atMs;
    const { settings } = this.#gates;
    if (settings !== null && this.#evidence !== null)
      this.#evidence = feed(settings, this.#evidence, { atMs, gates: Object.fromEntries(polls) });
    return this.#judged([fromMs / 1000, tS], polls, counts);
  }

  /** No interval reaches back before the rollout, except one that ends as it begins. */
  #beganMs(atMs: number): number {
    const fromMs = atMs - this.#everyS * 1000;
    return atMs > 0 ? Math.max(0, fromMs) : fromMs;
  }

  /** Begins the rollout, or the step that the measured share says, where the interval began. */
  #enter(counts: Block, poll: GatePoll | undefined, beganMs: number): void {
    const { settings, steps } = this.#gates;
    const percents = steps.map(({ percent }) => percent);
    const first: TraceStep = { index: 0, share: (percents[0] ?? 100) / 100 };
    const now = this.#isShare(counts, poll) ? stepAt(percents, this.#step, counts) : (this.#step ?? first);
    if (now === this.#step) return;
    const at = { atMs: beganMs, share: now.share };
    this.#step = now;
    this.#sinceMs = beganMs;
    this.#memories = new Map();
    if (settings === null) return;
    this.#evidence = this.#evidence === null ? openEvidence(settings, at) : beginStep(settings, this.#evidence, at);
  }

  /** A stable build without requests is no 100 % step where the candidate did not take them over: its counters may stand still. */
  #isShare({ candidate, stable }: Block, poll: GatePoll | undefined): boolean {
    if (poll?.candidate.state !== 'counted' || (poll.stable.state !== 'counted' && poll.stable.state !== 'absent')) return false;
    if (stable.requests === 0 && candidate.requests < TAKEN_OVER * this.#requests) return false;
    this.#requests = candidate.requests + stable.requests;
    return true;
  }

  #judged([fromS, tS]: readonly [number, number], polls: ReadonlyMap<string, GatePoll>, counts: Block): TraceMoment {
    const { settings, steps, fixed } = this.#gates;
    const { index, share } = this.#step ?? { index: 0, share: 0 };
    const evidence = this.#evidence;
    const {
      verdict,
      why,
      memories,
      evidence: compared,
    } = judge({
      router: [],
      limited: fixed.map((gate) => this.#limited(gate, polls.get(gate.name))),
      compared: settings === null || evidence === null ? null : compare(settings, evidence, tS, steps[index + 1]?.percent),
      patience: null,
    });
    this.#memories = memories;
    const blamed = settings === null || evidence === null || compared === null ? null : blamedOf(settings, evidence, compared);
    const bakeMs = (steps[index]?.bakeMs ?? 0) - (tS * 1000 - this.#sinceMs);
    const bakes = verdict === 'pass' && bakeMs > 0;
    return {
      fromS,
      tS,
      verdict: bakes ? 'hold' : verdict,
      why: bakes ? `the bake continues for another ${msText(bakeMs)}` : (blamed?.why ?? why),
      logE: compared?.logE ?? 0,
      step: index,
      share,
      counts,
      badRequests: Math.max(this.#badRequests, blamed?.standing.all.candidate.failures ?? 0),
      compared,
      blamed,
    };
  }

  #limited(gate: FixedGate, poll: GatePoll | undefined): LimitedGate {
    const memory = this.#memories.get(gate.name) ?? emptyMemory(null);
    const arm = poll?.candidate ?? { state: 'missing' as const, why: 'the trace has no line for it' };
    const { requests, failures } = poll?.blocks['errors']?.[WHOLE]?.candidate ?? NO_BLOCK.candidate;
    if (arm.state === 'counted') return { gate, memory, measurement: { requests, errors: failures, counting: 'sample' } };
    return { gate, memory, measurement: { missing: 'why' in arm ? arm.why : 'the candidate is not counted' } };
  }
}

/** No gate needs a result of its own here, nor standings beyond those of the blame. */
function compare(settings: GateSettings, evidence: Evidence, tS: number, nextPercent: number | undefined): ComparedGates {
  const moment = { nowMs: tS * 1000, nextShare: nextPercent === undefined ? null : nextPercent / 100 };
  return { names: [], settings, weighed: { evidence, bounds: harmBounds(settings, evidence), standings: [] }, moment };
}

/** The part of the last requests of both builds that one must have, so that the other has none by plan. */
const TAKEN_OVER = 0.8;

// The one to blame for a rollback: a slice only where the rest of the traffic does not show the same. Must acquit no build. No I/O.

/** `slice` null: all of the traffic, or a slice whose part of the evidence is not enough to name it. `standing` is what failed, with its counts. */
export interface Blamed {
  readonly standing: Standing;
  readonly slice: string | null;
  readonly why: string;
}

/** The part of the evidence that one slice must hold to be named without being confirmed: the chance to wrong it grows by a ninth. */
const NEARLY_ALL = 0.9;

/** Null where it is not evidence that decided. */
function blamedOf(settings: GateSettings, evidence: Evidence, compared: EvidenceVerdict): Blamed | null {
  if (compared.verdict !== 'fail') return null;
  const first = compared.confirmed[0] ?? compared.heaviest;
  const whole = standings(settings, evidence).find(
    ({ gate, metric, slice }) => gate === first.gate && metric === first.metric && slice === null,
  );
  const enough = Math.log(first.weight) + first.logE >= compared.neededLogE + Math.log(NEARLY_ALL);
  const named = first.slice !== null && enough && (whole === undefined || isAlone(first, whole));
  const standing = named ? first : (whole ?? first);
  const why = `${standingText(named || !enough ? first : standing)}; ${oddsText(compared.falseAlarm)}`;
  return { standing, slice: named ? first.slice : null, why };
}

// The comparing gates of a trace: what the trace counts, judged by the margins that were asked for. Weights come from its beginning. No I/O.

/** Margins and limits of gates without any configuration. */
export const DEFAULT_GATE: ComparedGate = { name: 'errors', source: 'trace', settings: {}, compare: {} };

/**
 * The settings that judge these traces. Every gate has a trace. Requests are not held against the split: a trace does not say what it was
 * to be.
 */
export function traceSettings(
  gates: readonly ComparedGate[],
  limits: EvidenceLimits,
  traces: readonly GateTrace[],
): GateSettings {
  const countable = traces.map(({ gate, form, intervals }) => {
    const { slices, usualRates } = form;
    const metrics = form.metrics.map(({ metric }) => metric);
    return [gate, { metrics, slices, usualRates, countsTraffic: false, lagMs: intervals.everyS * 1000 }] as const;
  });
  return comparisonOf(gates, limits, new Map(countable)).settings;
}
