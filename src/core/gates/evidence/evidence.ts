/** The evidence of a rollout: every stream, what has begun to bet, and whether its data are whole. Small plain JSON for the ledger. No I/O. */
import * as z from 'zod';
import { checkedGatePoll, type GatePoll, type Poll, streamBlocks } from '../counting/blocks.ts';
import type { ArmState } from '../counting/counters.ts';
import { RESTARTS } from '../counting/metric-counters.ts';
import { type GateSettings, type JudgedMetric, membersBeside, rollbackLogE, WHOLE } from '../gate-settings.ts';
import { type Block, logSumExp, NO_BLOCK } from './e-process.ts';
import {
  countsSurges,
  feedStream,
  nextStepStream,
  OF_CRASHES,
  openStream,
  type Seen,
  type Stream,
  streamLogE,
  streamSchema,
  type Turn,
} from './evidence-stream.ts';
import { inIncident } from './newest.ts';
import { usualRate } from './usual.ts';
import {
  blockOfShareMs,
  choices,
  feedWhole,
  openWhole,
  type Whole,
  type WholePoll,
  wholeAtNextStep,
  wholeLogE,
  wholeSchema,
} from './whole.ts';

// Whether each build was counted, and for how long it was not. Must not call a time silent in which no poll was made. No I/O, no clock.

const armSchema = z.strictObject({
  state: z.enum(['counted', 'absent', 'reset', 'late', 'missing', 'invalid']),
  why: z.string(),
  /** Since when, and for how many polls in a row, it was not counted; 0 polls while it is. */
  sinceMs: z.number(),
  polls: z.int().min(0),
});

export const gateDataSchema = z.strictObject({
  candidate: armSchema,
  stable: armSchema,
  /** Closed blocks of this step in which both were counted, and when the candidate last had a request. */
  blocks: z.int().min(0),
  servedMs: z.number().nullable(),
  /** Metrics that the last poll could not see though it saw others, and why; what is worth saying of how it counted. */
  unseen: z.record(z.string(), z.string()).optional(),
  notes: z.array(z.string()).optional(),
});

export type GateData = z.infer<typeof gateDataSchema>;

/**
 * Trouble begins with the poll before the first that saw it where that was recent, otherwise with that first one. Of a long time without
 * any poll (a machine that slept) no more counts than what silence may last: no one polled, and that is not the build's fault.
 */
export function armData(
  { lagMs, blockMs, missingMs }: GateSettings,
  before: GateData['candidate'],
  now: ArmState,
  { lastMs, atMs }: { readonly lastMs: number; readonly atMs: number },
): GateData['candidate'] {
  if (now.state === 'counted' || now.state === 'absent') return { state: now.state, why: '', sinceMs: atMs, polls: 0 };
  const began = atMs - before.sinceMs <= lagMs + blockMs ? before.sinceMs : atMs;
  const unseenMs = Math.max(0, atMs - lastMs - Math.max(lagMs + blockMs, missingMs));
  const sinceMs = before.polls === 0 ? began : before.sinceMs + unseenMs;
  return { state: now.state, why: 'why' in now ? now.why : '', sinceMs, polls: before.polls + 1 };
}

/** The build as a new process finds it: what it was, with nothing seen since. */
export function unwatched(arm: GateData['candidate'], atMs: number): GateData['candidate'] {
  return { ...arm, sinceMs: atMs, polls: 0 };
}

/** Evidence of another version is lost: what it says was said by other tests. */
export const VERSION = 2;

/** What the ledger keeps. Times are milliseconds of the clock that the polls carry. */
export const evidenceSchema = z.strictObject({
  version: z.literal(VERSION),
  /** How often the evidence was lost and begun anew: the k-th time may spend alpha / 2^k. */
  lost: z.int().min(0),
  /** The candidate's share of this step by plan, 0..1, and since when. At 0 the stable build alone is watched, and nothing is bet. */
  share: z.number().min(0).max(1),
  stepSinceMs: z.number(),
  /** The last poll, and the last end of a block of the share process. */
  atMs: z.number(),
  closedMs: z.number(),
  /** The mass that has not begun to bet. */
  waiting: z.strictObject({ poll: z.number().min(0).max(1), block: z.number().min(0).max(1) }),
  gates: z.record(z.string(), gateDataSchema),
  /** By `gate/metric`: the whole, then each slice in the order of the settings. */
  streams: z.record(z.string(), z.array(streamSchema)),
  /** By `gate/metric`, of those that the quick tests judge: the measure of the stable build, and those tests of all of the traffic. */
  wholes: z.record(z.string(), wholeSchema),
  /** ln E of the whole rollout after the last poll. */
  logE: z.number(),
  /** When the evidence first was enough to roll back. That stays: looking again must not undo it. */
  crossed: z.strictObject({ atMs: z.number(), logE: z.number() }).nullable(),
});

export type Evidence = z.infer<typeof evidenceSchema>;

/** A poll may come a little early; its block counts as whole. */
const WHOLE_BLOCK = 0.9;

const AT_ONCE = 0.5;

export function streamsKey(metric: JudgedMetric): string {
  return `${metric.gate}/${metric.metric}`;
}

/** Evidence of nothing. `lost`: how often this rollout's evidence was lost before. */
export function openEvidence(
  settings: GateSettings,
  at: { readonly atMs: number; readonly share: number; readonly lost?: number },
): Evidence {
  const { atMs, share, lost = 0 } = at;
  const arm = { state: 'missing' as const, why: 'not counted yet', sinceMs: atMs, polls: 0 };
  const gates = settings.metrics.map(({ gate }) => [gate, { candidate: arm, stable: arm, blocks: 0, servedMs: null }] as const);
  const streams = settings.metrics.map((metric) => {
    const all = Array.from({ length: 1 + metric.slices.length }, () => openStream(metric));
    return [streamsKey(metric), all] as const;
  });
  return {
    version: VERSION,
    lost,
    share,
    stepSinceMs: atMs,
    atMs,
    closedMs: atMs,
    waiting: { poll: 1, block: 1 },
    gates: Object.fromEntries(gates),
    streams: Object.fromEntries(streams),
    wholes: Object.fromEntries(judgedQuickly(settings).map((metric) => [streamsKey(metric), openWhole(metric, atMs)])),
    logE: 0,
    crossed: null,
  };
}

function judgedQuickly({ metrics }: GateSettings): JudgedMetric[] {
  return metrics.filter(countsSurges);
}

/** The step that gives the candidate `share` (0..1) begins: non-inferiority bounds and dwell begin again, evidence of harm goes on. */
export function beginStep(
  settings: GateSettings,
  evidence: Evidence,
  at: { readonly atMs: number; readonly share: number },
): Evidence {
  const gates = Object.entries(evidence.gates).map(([gate, data]) => [gate, { ...data, blocks: 0, servedMs: null }] as const);
  const isFirst = evidence.share === 0;
  const wholes = Object.entries(evidence.wholes).map(([key, whole]) => [key, wholeAtNextStep(whole, at.atMs, isFirst)] as const);
  return settled(settings, {
    ...evidence,
    wholes: Object.fromEntries(wholes),
    share: at.share,
    stepSinceMs: at.atMs,
    closedMs: at.atMs,
    gates: Object.fromEntries(gates),
    // A block that was left out here would be left out for looking good: the step began because it did.
    streams: ofMetrics(settings, evidence, nextStepStream),
  });
}

/** A new process goes on with evidence that was kept: while no one polled, nothing was silent, and nothing was healthy either. */
export function continued(evidence: Evidence, atMs: number): Evidence {
  const gates = Object.entries(evidence.gates).map(([gate, data]) => {
    return [gate, { ...data, candidate: unwatched(data.candidate, atMs), stable: unwatched(data.stable, atMs) }] as const;
  });
  return { ...evidence, gates: Object.fromEntries(gates) };
}

/**
 * The evidence after one poll. Guarantee: the chance that logE(…) ever reaches ln 1/alpha is at most alpha while every stream is within its
 * margins, at whatever times one polls or stops. Polls that are missing, late or senseless add nothing and are remembered as such.
 */
export function feed(settings: GateSettings, evidence: Evidence, poll: Poll): Evidence {
  const old = !(Number.isFinite(poll.atMs) && poll.atMs > evidence.atMs);
  const polls = new Map<string, GatePoll>();
  for (const gate of Object.keys(evidence.gates)) {
    const said = Object.hasOwn(poll.gates, gate) ? poll.gates[gate] : undefined;
    polls.set(gate, checkedGatePoll(settings, gate, said, evidence.share));
  }
  if (old)
    return withData(settings, evidence, { atMs: evidence.atMs, polls, late: 'no newer than the previous poll', closes: false });
  const closes = poll.atMs - evidence.closedMs >= WHOLE_BLOCK * settings.blockMs;
  const fed: Evidence = {
    ...withData(settings, evidence, { atMs: poll.atMs, polls, late: undefined, closes }),
    atMs: poll.atMs,
    closedMs: closes ? poll.atMs : evidence.closedMs,
    ...fedMetrics(settings, evidence, { atMs: poll.atMs, polls, closes }),
  };
  return evidence.share === 0 ? fed : settled(settings, fed);
}

/** With its ln E, and the moment when that was first enough. */
function settled(settings: GateSettings, evidence: Evidence): Evidence {
  const logE = evidenceLogE(settings, evidence);
  const crosses = evidence.crossed === null && logE >= rollbackLogE(settings, evidence.lost);
  return { ...evidence, logE, crossed: crosses ? { atMs: evidence.atMs, logE } : evidence.crossed };
}

/** ln E of the whole rollout: the weighted average over metrics and slices. */
export function evidenceLogE(settings: GateSettings, evidence: Evidence): number {
  const parts = settings.metrics.flatMap((metric) =>
    streamsOf(evidence, metric).map(
      (stream, index) => Math.log(streamWeight(metric, index)) + logEOf(evidence, metric, stream, index),
    ),
  );
  return logSumExp(parts);
}

/** ln E of one of a metric's streams: of the whole for index 0, then of its slices. */
export function logEOf(evidence: Evidence, metric: JudgedMetric, stream: Stream, index: number): number {
  const whole = evidence.wholes[streamsKey(metric)];
  if (whole === undefined) return streamLogE(stream, evidence.waiting, metric.kind === 'crashes' ? OF_CRASHES : undefined);
  const waiting = { poll: evidence.waiting.poll, block: whole.waiting };
  return index === 0 ? wholeLogE(stream, waiting, whole) : streamLogE(stream, waiting);
}

/** The stream's part of the whole evidence: the metric's own for index 0, then its slices'. */
export function streamWeight(metric: JudgedMetric, index: number): number {
  return index === 0 ? metric.weight : (metric.slices[index - 1]?.weight ?? 0);
}

export function streamsOf(evidence: Evidence, metric: JudgedMetric): readonly Stream[] {
  return evidence.streams[streamsKey(metric)] ?? [];
}

/** Half of the mass bets at once, the rest begins evenly over the horizon. Which part begins depends on the clock alone, never on counts. */
function beginning(settings: GateSettings, waiting: number, elapsedMs: number): number {
  return waiting >= 1 ? AT_ONCE : Math.min(waiting, ((1 - AT_ONCE) * elapsedMs) / settings.horizonMs);
}

function less(waiting: number, begin: number): number {
  const rest = waiting - begin;
  // What rounding left over would bet for ever.
  return rest < 1e-12 ? 0 : rest;
}

function ofMetrics(
  settings: GateSettings,
  evidence: Evidence,
  change: (metric: JudgedMetric, stream: Stream) => Stream,
): Evidence['streams'] {
  const changed = settings.metrics.map(
    (metric) => [streamsKey(metric), streamsOf(evidence, metric).map((stream) => change(metric, stream))] as const,
  );
  return Object.fromEntries(changed);
}

interface Now {
  readonly atMs: number;
  readonly polls: ReadonlyMap<string, GatePoll>;
  readonly closes: boolean;
}

/** Everything that the evidence of the metrics is made of, after one poll. */
function fedMetrics(settings: GateSettings, evidence: Evidence, now: Now): Pick<Evidence, 'streams' | 'wholes' | 'waiting'> {
  const { waiting, share } = evidence;
  const begin = share === 0 ? 0 : beginning(settings, waiting.poll, now.atMs - evidence.atMs);
  const beginBlock = !now.closes ? null : share === 0 ? 0 : beginning(settings, waiting.block, now.atMs - evidence.closedMs);
  const streams: Record<string, Stream[]> = {};
  const wholes: Record<string, Whole> = {};
  for (const metric of settings.metrics) {
    const key = streamsKey(metric);
    const whole = evidence.wholes[key];
    const poll = now.polls.get(metric.gate);
    const blocks = streamBlocks(metric, poll?.blocks[metric.metric] ?? {}, poll?.members?.[metric.metric]);
    const own = whole === undefined ? beginBlock : beginsOwn(settings, evidence, whole, now);
    const turn = turnOf(metric, evidence, whole, { now, begin, beginBlock: own, block: blocks[0] });
    streams[key] = share === 0 ? [...streamsOf(evidence, metric)] : fedStreams(metric, evidence, poll, blocks, turn);
    if (whole === undefined) continue;
    const fed = feedWhole(metric, whole, wholePollOf(metric, evidence, now, blocks[0]));
    wholes[key] = own === null ? fed : { ...fed, closedMs: now.atMs, waiting: less(whole.waiting, own) };
  }
  const left = { poll: less(waiting.poll, begin), block: less(waiting.block, beginBlock ?? 0) };
  return { streams, wholes, waiting: left };
}

/** The mass of the share process that begins with the block that ends now; null where the metric's own block goes on. */
function beginsOwn(settings: GateSettings, { share }: Evidence, whole: Whole, { atMs, closes }: Now): number | null {
  const elapsedMs = atMs - whole.closedMs;
  if (!closes || elapsedMs < WHOLE_BLOCK * blockOfShareMs(whole, settings.blockMs)) return null;
  return share === 0 ? 0 : beginning(settings, whole.waiting, elapsedMs);
}

function turnOf(
  metric: JudgedMetric,
  evidence: Evidence,
  whole: Whole | undefined,
  given: Pick<Turn, 'begin' | 'beginBlock'> & { readonly now: Now; readonly block: Block | undefined },
): Turn {
  const { now, begin, beginBlock, block } = given;
  const both = armsIn(evidence, now.polls.get(metric.gate)) === 'both';
  const incident = both && block !== undefined && inIncident(metric, block);
  const turn = { share: evidence.share, begin, beginBlock, incident };
  if (whole === undefined) {
    const isWarm = evidence.atMs < warmMsOf(metric, evidence);
    return { ...turn, temper: 1, counting: null, warming: isWarm ? 0 : null };
  }
  // Where the candidate serves alone, the whole sees no stable build, and its clock stands still.
  const beganMs = evidence.share >= 1 ? evidence.atMs : whole.seenMs;
  const isWarm = beganMs < warmMsOf(metric, evidence);
  return { ...turn, ...choices(whole, now.atMs), warming: isWarm ? usualRate(whole.usual) : null };
}

/** Until when a metric warms up at this step. */
function warmMsOf({ warmUpMs }: JudgedMetric, { stepSinceMs }: Evidence): number {
  return warmUpMs === 0 ? Number.NEGATIVE_INFINITY : stepSinceMs + warmUpMs;
}

function wholePollOf(metric: JudgedMetric, evidence: Evidence, now: Now, block: Block = NO_BLOCK): WholePoll {
  const poll = now.polls.get(metric.gate);
  return {
    atMs: now.atMs,
    block,
    stable: poll?.stable.state === 'counted',
    both: evidence.share > 0 && armsIn(evidence, poll) === 'both',
    closes: now.closes,
    warmMs: warmMsOf(metric, evidence),
  };
}

function armsIn({ share }: Evidence, poll: GatePoll | undefined): Seen['arms'] {
  return poll === undefined ? 'neither' : armsOf(poll, share);
}

function fedStreams(
  metric: JudgedMetric,
  evidence: Evidence,
  poll: GatePoll | undefined,
  blocks: readonly Block[],
  turn: Turn,
): Stream[] {
  const arms = armsIn(evidence, poll);
  const restarted = poll?.candidate.state === 'reset';
  return streamsOf(evidence, metric).map((stream, index) => {
    const block = blocks[index];
    const seen = { arms, restarted, members: membersBeside(metric, index) };
    return block === undefined ? stream : feedStream(metric, stream, turn, { block, ...seen });
  });
}

/** A stable build that restarted has lost failures that the comparison would miss; the candidate's own losses only lower its evidence. */
function armsOf(poll: GatePoll, share: number): Seen['arms'] {
  const candidate = poll.candidate.state === 'counted' || poll.candidate.state === 'reset';
  if (!candidate) return 'neither';
  return poll.stable.state === 'counted' && share < 1 ? 'both' : 'candidate';
}

/** One poll of every gate; `late`: why none of it may be used. */
interface Polled {
  readonly atMs: number;
  readonly polls: ReadonlyMap<string, GatePoll>;
  readonly late: string | undefined;
  readonly closes: boolean;
}

function withData(settings: GateSettings, evidence: Evidence, { atMs, polls, late, closes }: Polled): Evidence {
  const armNow = (before: GateData['candidate'], arm: ArmState) =>
    armData(settings, before, late === undefined ? arm : { state: 'late', why: late }, { lastMs: evidence.atMs, atMs });
  const gates = [...polls].map(([gate, poll]) => {
    const before = evidence.gates[gate];
    if (before === undefined) throw new Error(`gate ${gate} has no data`);
    const both = armsOf(poll, evidence.share) === (evidence.share < 1 ? 'both' : 'candidate');
    // Restarts are counted by target: targets that answer are no requests.
    const traffic = Object.entries(poll.blocks).filter(([metric]) => metric !== RESTARTS);
    const served = traffic.some(([, slices]) => (slices[WHOLE]?.candidate.requests ?? 0) > 0);
    const restarted = poll.candidate.state === 'reset';
    const data: GateData = {
      candidate: armNow(before.candidate, poll.candidate),
      stable: armNow(before.stable, poll.stable),
      blocks: restarted ? 0 : before.blocks + (late === undefined && closes && both ? 1 : 0),
      servedMs: late === undefined && both && served ? atMs : before.servedMs,
      ...(poll.unseen === undefined ? {} : { unseen: poll.unseen }),
      ...(poll.notes === undefined ? {} : { notes: [...poll.notes] }),
    };
    return [gate, data] as const;
  });
  return { ...evidence, gates: Object.fromEntries(gates) };
}
