/** Runs gates over a recorded rollout, interval by interval, as they would have run over the real one. Judges nothing by what came later. No I/O. */
import { type ComparedGate, comparisonOf, type EvidenceLimits } from '../core/gates/comparison.ts';
import type { GatePoll } from '../core/gates/counting/blocks.ts';
import { addBlocks, type Block, NO_BLOCK, toleratedShare } from '../core/gates/evidence/e-process.ts';
import { beginStep, type Evidence, feed, openEvidence } from '../core/gates/evidence/evidence.ts';
import { harmBounds } from '../core/gates/evidence/non-inferiority.ts';
import { type GateSettings, SETTINGS_DEFAULTS, WHOLE } from '../core/gates/gate-settings.ts';
import type { EvidenceVerdict } from '../core/gates/verdict/evidence-verdict.ts';
import { emptyMemory, type GateMemory } from '../core/gates/verdict/gate.ts';
import { type ComparedGates, judge, type LimitedGate } from '../core/gates/verdict/judge.ts';
import type { Verdict } from '../core/gates/verdict/verdict.ts';
import { fractionText, listText, msText } from '../core/text.ts';
import { LivePolls } from './live-polls.ts';
import { type Blamed, blamedOf } from './trace-blame.ts';
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
  readonly warmUpMs?: number | undefined;
}

/**
 * What judges. `settings` null where every gate has a fixed limit. A step's `bakeMs` is its least time, as well as what the gates ask for.
 * `pollMs`: how long live gates wait between two polls.
 */
export interface TraceGates {
  readonly settings: GateSettings | null;
  readonly fixed: readonly FixedGate[];
  readonly steps: readonly { readonly percent: number; readonly bakeMs: number }[];
  readonly pollMs: number;
}

/** What the gates said at the end of one interval, or within it where the evidence was enough before. */
export interface TraceMoment {
  /** When the interval began, and when it ended. */
  readonly fromS: number;
  readonly tS: number;
  readonly verdict: Verdict;
  readonly why: string;
  /** ln E of the comparing gates; 0 without one. */
  readonly logE: number;
  /** The step of the replayed rollout, from 0. */
  readonly step: number;
  /** What the candidate had of the recorded traffic, 0..1. */
  readonly share: number;
  /** Of the judged interval: null for a build that was not counted. */
  readonly counts: Block;
  /** Failures of the candidate since the rollout began. */
  readonly badRequests: number;
  /** What the comparing gates said; null without one. */
  readonly compared: EvidenceVerdict | null;
  /** Whom the evidence speaks against, where it decided. */
  readonly blamed: Blamed | null;
  /** The last step passed. */
  readonly released: boolean;
  /** The candidate had as much of the traffic as the step gives it. */
  readonly tells: boolean;
  /** What the trace cannot tell of such a rollout, each a sentence, up to now. */
  readonly cannotTell: readonly string[];
}

/** Walks through the trace. It begins with the candidate's first line: before, the stable build is watched alone. */
export function* replayTrace(traces: readonly GateTrace[], gates: TraceGates, names: StatusNames): Generator<TraceMoment> {
  const walk = new Walk(traces, gates, names);
  const { before, during } = merged(traces);
  const [last] = before.slice(-1);
  if (during.length === 0 && last !== undefined) yield neverBegan(before[0]?.[0] ?? 0, last[0]);
  walk.watch(before);
  for (const [tS, intervals] of during) yield walk.next(tS, intervals);
}

type ByGate = ReadonlyMap<string, Interval>;

type Timed = readonly (readonly [number, ByGate])[];

/** The intervals of all gates by their time, before the candidate's first line and from there on. */
function merged(traces: readonly GateTrace[]): { readonly before: Timed; readonly during: Timed } {
  const byTime = new Map<number, Map<string, Interval>>();
  for (const { gate, intervals } of traces)
    for (const interval of intervals.all) {
      const gates = byTime.get(interval.tS) ?? new Map<string, Interval>();
      byTime.set(interval.tS, gates.set(gate, interval));
    }
  const sorted = [...byTime].toSorted(([a], [b]) => a - b);
  const first = sorted.findIndex(([, gates]) =>
    [...gates.values()].some(({ rows }) => rows.some(({ arm }) => arm === 'candidate')),
  );
  const begins = first === -1 ? sorted.length : first;
  return { before: sorted.slice(0, begins), during: sorted.slice(begins) };
}

/** A candidate that is never counted is neither healthy nor bad. */
function neverBegan(fromS: number, tS: number): TraceMoment {
  const why = 'the trace has no line for the candidate build, so nothing is known of it';
  const nothing = { logE: 0, step: 0, share: 0, counts: NO_BLOCK, badRequests: 0, compared: null, blamed: null };
  const untold = { released: false, tells: false };
  return { fromS, tS, verdict: 'hold', why, ...nothing, ...untold, cannotTell: [`${AT_SHARE}any share of the traffic`] };
}

const AT_SHARE = 'what the candidate does at ';

class Walk {
  readonly #gates: TraceGates;
  readonly #counts: ReadonlyMap<string, TraceCounts>;
  readonly #everyS: number;
  readonly #live: LivePolls;
  #evidence: Evidence | null = null;
  /** The step of the replayed rollout, from 0; true once its gates have let it go on. */
  #step = 0;
  #passed = false;
  /** What the trace shows: another step where it was recorded under another plan. */
  #recorded: TraceStep | undefined;
  #memories: ReadonlyMap<string, GateMemory> = new Map();
  /** When the step began, and the end of the last interval. */
  #sinceMs = 0;
  #atMs: number | null = null;
  #watchedMs = 0;
  #badRequests = 0;
  /** By step, what it had of the traffic in place of its share. */
  readonly #others = new Map<number, string>();
  /** Requests of both builds when both were last counted. */
  #requests = 0;

  constructor(traces: readonly GateTrace[], gates: TraceGates, names: StatusNames) {
    this.#gates = gates;
    this.#counts = new Map(traces.map(({ gate, form }) => [gate, new TraceCounts(form, names)]));
    this.#everyS = traces[0]?.intervals.everyS ?? 0;
    this.#live = new LivePolls(gates.pollMs);
  }

  /** The stable build alone, for as long before the rollout as live gates watch it. */
  watch(before: Timed): void {
    const { settings } = this.#gates;
    const endMs = (before.at(-1)?.[0] ?? 0) * 1000;
    if (settings === null || before.length === 0 || settings.watchMs === 0) return;
    const watched = before.filter(([tS]) => tS * 1000 > endMs - settings.watchMs);
    const startMs = ((watched[0]?.[0] ?? 0) - this.#everyS) * 1000;
    this.#evidence = openEvidence(settings, { atMs: startMs, share: 0 });
    let fromMs = startMs;
    for (const [tS, intervals] of watched) {
      const polls = [...this.#polls(intervals, false)].map(([gate, poll]) => [gate, { ...poll, candidate: ABSENT }] as const);
      this.#feed(settings, new Map(polls), fromMs, tS * 1000);
      fromMs = tS * 1000;
    }
    this.#watchedMs = endMs - startMs;
    this.#atMs = endMs;
  }

  next(tS: number, intervals: ByGate): TraceMoment {
    const atMs = tS * 1000;
    const fromMs = this.#atMs ?? this.#beganMs(atMs);
    if (this.#recorded === undefined && this.#evidence === null) this.#watchAsAtFirst(intervals, fromMs);
    const polls = this.#polls(intervals, (this.#recorded?.share ?? 0) >= 1);
    const [first] = polls.values();
    const counts = first?.blocks['errors']?.[WHOLE] ?? NO_BLOCK;
    this.#enter(counts, first, fromMs);
    this.#atMs = atMs;
    const { settings } = this.#gates;
    const crossed = settings === null ? null : this.#feed(settings, polls, fromMs, atMs);
    this.#badRequests += (crossed ?? { counts }).counts.candidate.failures;
    return this.#judged([fromMs / 1000, crossed === null ? tS : crossed.atMs / 1000], polls, crossed?.counts ?? counts);
  }

  /** Where nothing came before, the stable build of the first interval stands for the one that live gates would have watched. */
  #watchAsAtFirst(intervals: ByGate, untilMs: number): void {
    const { settings } = this.#gates;
    const everyMs = this.#everyS * 1000;
    if (settings === null || settings.watchMs === 0 || everyMs === 0) return;
    const alone = [...intervals].map(
      ([gate, { tS, rows }]) => [gate, { tS, rows: rows.filter(({ arm }) => arm === 'stable') }] as const,
    );
    const polls = [...this.#polls(new Map(alone), false)].map(([gate, poll]) => [gate, { ...poll, candidate: ABSENT }] as const);
    if (polls.some(([, { stable }]) => stable.state !== 'counted')) return;
    const times = Math.ceil(settings.watchMs / everyMs);
    this.#evidence = openEvidence(settings, { atMs: untilMs - times * everyMs, share: 0 });
    for (let left = times; left > 0; left -= 1)
      this.#feed(settings, new Map(polls), untilMs - left * everyMs, untilMs - (left - 1) * everyMs);
  }

  #polls(intervals: ByGate, alone: boolean): ReadonlyMap<string, GatePoll> {
    return new Map(
      [...this.#counts].flatMap(([gate, counts]) => {
        const interval = intervals.get(gate);
        return interval === undefined ? [] : [[gate, counts.poll(interval, alone)] as const];
      }),
    );
  }

  /** Polls as a live rollout does, up to the poll at which the evidence is enough: when that was, and what was counted by then. */
  #feed(settings: GateSettings, polls: ReadonlyMap<string, GatePoll>, fromMs: number, toMs: number) {
    const [first = ''] = polls.keys();
    let counts = NO_BLOCK;
    for (const poll of this.#live.in(polls, fromMs, toMs)) {
      if (this.#evidence === null) return null;
      const { crossed } = this.#evidence;
      this.#evidence = feed(settings, this.#evidence, poll);
      counts = addBlocks(counts, poll.gates[first]?.blocks['errors']?.[WHOLE] ?? NO_BLOCK);
      if (crossed === null && this.#evidence.crossed !== null) return { atMs: poll.atMs, counts };
    }
    return null;
  }

  /** No interval reaches back before the rollout, except one that ends as it begins. */
  #beganMs(atMs: number): number {
    const fromMs = atMs - this.#everyS * 1000;
    return atMs > 0 ? Math.max(0, fromMs) : fromMs;
  }

  /** Begins the rollout, the step that its gates let it go on to, or another share that was recorded, where the interval began. */
  #enter(counts: Block, poll: GatePoll | undefined, beganMs: number): void {
    const { settings, steps } = this.#gates;
    const percents = steps.map(({ percent }) => percent);
    const first: TraceStep = { index: 0, share: (percents[0] ?? 100) / 100 };
    const now = this.#isShare(counts, poll) ? stepAt(percents, this.#recorded, counts) : (this.#recorded ?? first);
    if (now === this.#recorded && !this.#passed) return;
    if (this.#passed) this.#step += 1;
    this.#sinceMs = beganMs;
    this.#passed = false;
    this.#recorded = now;
    this.#memories = new Map();
    if (settings === null) return;
    const at = { atMs: beganMs, share: now.share };
    this.#evidence = this.#evidence === null ? openEvidence(settings, at) : beginStep(settings, this.#evidence, at);
  }

  /**
   * A stable build without requests is no 100 % step where the candidate did not take them over: its counters may stand still. Nor is it one
   * where there were so few that chance may have sent all of them to the candidate.
   */
  #isShare({ candidate, stable }: Block, poll: GatePoll | undefined): boolean {
    if (poll?.candidate.state !== 'counted' || (poll.stable.state !== 'counted' && poll.stable.state !== 'absent')) return false;
    if (stable.requests === 0 && candidate.requests < Math.max(NO_CHANCE, TAKEN_OVER * this.#requests)) return false;
    this.#requests = candidate.requests + stable.requests;
    return true;
  }

  #judged([fromS, tS]: readonly [number, number], polls: ReadonlyMap<string, GatePoll>, counts: Block): TraceMoment {
    const { settings, steps, fixed } = this.#gates;
    const evidence = this.#evidence;
    const share = this.#recorded?.share ?? 0;
    const { why, memories, ...judged } = judge({
      router: [],
      limited: fixed.map((gate) => ({
        ...this.#limited(gate, polls.get(gate.name)),
        warmUpLeftMs: this.#warmUpLeftMs(gate, tS),
      })),
      compared: settings === null || evidence === null ? null : compare(settings, evidence, tS, steps[this.#step + 1]?.percent),
      patience: null,
    });
    const compared = judged.evidence;
    this.#memories = memories;
    const blamed = settings === null || evidence === null || compared === null ? null : blamedOf(settings, evidence, compared);
    const waits = judged.verdict === 'pass' ? this.#waits(tS) : undefined;
    const verdict = waits === undefined ? judged.verdict : 'hold';
    const moment = { fromS, tS, verdict, why: waits ?? blamed?.why ?? why, step: this.#step, share, counts };
    this.#passed = verdict === 'pass' && this.#step + 1 < steps.length;
    return {
      ...moment,
      logE: compared?.logE ?? 0,
      badRequests: Math.max(this.#badRequests, blamed?.standing.all.candidate.failures ?? 0),
      compared,
      blamed,
      released: verdict === 'pass' && !this.#passed,
      tells: this.#tells(this.#step),
      cannotTell: this.#cannotTell(verdict === 'pass'),
    };
  }

  /** Why a rollout whose gates pass does not go on: it bakes, or no one knows how the candidate does at this step. */
  #waits(tS: number): string | undefined {
    const { settings, fixed, steps } = this.#gates;
    const warmUps = [...(settings?.metrics ?? []), ...fixed].map(({ warmUpMs = 0 }) => warmUpMs);
    // A bake counts from the end of the warm-up.
    const leftMs = Math.max(0, ...warmUps) + (steps[this.#step]?.bakeMs ?? 0) - (tS * 1000 - this.#sinceMs);
    if (leftMs > 0) return `the bake continues for another ${msText(leftMs)}`;
    if (this.#tells(this.#step)) return undefined;
    const { percent = 100 } = this.#gates.steps[this.#step] ?? {};
    const had = fractionText(this.#recorded?.share ?? 0);
    if (had === '100 %')
      return `no stable build serves here, so the trace cannot tell how the candidate compares with it at ${percent} %`;
    return `the candidate has ${had} of the traffic here, so the trace cannot tell what it would do at ${percent} %`;
  }

  /**
   * A rollout begins with what there is; beyond its first step the candidate must have had as much of the traffic as the step gives it. Where it
   * served alone, nothing was compared.
   */
  #tells(step: number): boolean {
    const { percent = 100 } = this.#gates.steps[step] ?? {};
    const share = this.#recorded?.share ?? 0;
    if (percent === 100) return share === 1;
    return share < 1 && (step === 0 || share >= toleratedShare(percent / 100).least);
  }

  #cannotTell(passes: boolean): string[] {
    const { settings, steps, pollMs } = this.#gates;
    const { percent = 100 } = steps[this.#step] ?? {};
    const share = this.#recorded?.share ?? 0;
    const tells = this.#tells(this.#step);
    const later = passes ? steps.slice(this.#step + 1) : tells ? [] : steps.slice(this.#step);
    if (tells && Math.abs(share - percent / 100) > 1e-9) {
      const had = `it has ${fractionText(share)} of the traffic in the trace`;
      this.#others.set(this.#step, `${AT_SHARE}${percent} %, the share of step ${this.#step + 1}: ${had}`);
    }
    const watchMs = settings?.watchMs ?? 0;
    return [
      ...(later.length === 0 ? [] : [`${AT_SHARE}${listText(later.map((step) => `${step.percent} %`))} of the traffic`]),
      ...this.#others.values(),
      ...(this.#everyS * 1000 <= pollMs * FINER
        ? []
        : [
            `what happens within ${this.#everyS} s: a rollout polls every ${msText(pollMs)}; here counts are spread evenly over each interval`,
          ]),
      ...(this.#watchedMs >= watchMs
        ? []
        : [
            `how the stable build fails by itself: a rollout watches it alone for ${msText(watchMs)} first; here its first interval stands for that`,
          ]),
    ];
  }

  #warmUpLeftMs({ warmUpMs = 0 }: FixedGate, tS: number): number {
    return warmUpMs - (tS * 1000 - this.#sinceMs);
  }

  #limited(gate: FixedGate, poll: GatePoll | undefined): LimitedGate {
    const memory = this.#memories.get(gate.name) ?? emptyMemory(null);
    const arm = poll?.candidate ?? { state: 'missing' as const, why: 'the trace has no line for it' };
    const { requests, failures } = poll?.blocks['errors']?.[WHOLE]?.candidate ?? NO_BLOCK.candidate;
    if (arm.state === 'counted') return { gate, memory, measurement: { requests, errors: failures, counting: 'sample' } };
    return { gate, memory, measurement: { missing: 'why' in arm ? arm.why : 'the candidate is not counted' } };
  }
}

const ABSENT = { state: 'absent' } as const;

/** So many requests that all went to one build are no chance any more, at half of the traffic. */
const NO_CHANCE = 10;

/** Intervals up to so much longer than the time between polls are as good as polls. */
const FINER = 1.5;

/** No gate needs a result of its own here, nor standings beyond those of the blame. */
function compare(settings: GateSettings, evidence: Evidence, tS: number, nextPercent: number | undefined): ComparedGates {
  const moment = { nowMs: tS * 1000, nextShare: nextPercent === undefined ? null : nextPercent / 100 };
  return { names: [], settings, weighed: { evidence, bounds: harmBounds(settings, evidence), standings: [] }, moment };
}

/** The part of the last requests of both builds that one must have, so that the other has none by plan. */
const TAKEN_OVER = 0.8;

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
  lagMs: number,
): GateSettings {
  const countable = traces.map(({ gate, form }) => {
    const { slices, usualRates } = form;
    const metrics = form.metrics.map(({ metric }) => metric);
    return [gate, { metrics, slices, usualRates, countsTraffic: false, lagMs }] as const;
  });
  // Failures that came together in one interval are spread over it, and must still fall into one block.
  const everyMs = Math.max(...traces.map(({ intervals }) => intervals.everyS * 1000));
  const blockMs = Math.max(limits.blockMs ?? SETTINGS_DEFAULTS.blockMs, everyMs);
  return comparisonOf(gates, { ...limits, blockMs }, new Map(countable)).settings;
}
