/** One poll of the comparing gates: count both builds, feed the evidence. Must hand on every missing answer as missing. */
import type { Comparison } from '../core/gates/comparison.ts';
import { type GatePoll, gatePollOf, pollEveryMs } from '../core/gates/counting/blocks.ts';
import type { CounterMemory } from '../core/gates/counting/counter-memory.ts';
import { type Counters, countersSince, hasMoved, NO_COUNTERS } from '../core/gates/counting/counters.ts';
import { noLatency, withLatency, withoutBuckets } from '../core/gates/counting/latency-blocks.ts';
import { NO_BLOCK } from '../core/gates/evidence/e-process.ts';
import { beginStep, continued, type Evidence, feed, openEvidence } from '../core/gates/evidence/evidence.ts';
import { compactEvidence, misfit } from '../core/gates/evidence/evidence-store.ts';
import { type GateSettings, WHOLE } from '../core/gates/gate-settings.ts';
import { type ComparedGates, type Weighed, weigh } from '../core/gates/verdict/judge.ts';
import { type EvidenceRecord, storedRecord } from '../core/ledger/events.ts';
import type { Plan } from '../core/rollout/plan.ts';
import type { State } from '../core/rollout/rollout.ts';
import type { Io } from '../io.ts';
import { openSource } from '../metrics/index.ts';
import type { Pair, Question } from '../metrics/metric-source.ts';
import type { Reading } from '../routers/router.ts';
import { LatencyInFlight, latencyKey, questionOf, slowerMetrics } from './measure.ts';
import type { Found } from './read-back.ts';

/** What a process remembers between two polls; what must survive it is in the ledger. */
interface ComparisonMemory {
  readonly record: EvidenceRecord;
  /** What follows from the record's evidence. */
  readonly weighed: Weighed;
  /** The evidence's clock: this much ahead of the monotonic one. A wall clock that jumps must not end a bake. */
  readonly aheadMs: number;
  /** Monotonic time of the next poll, and of the next checkpoint. */
  readonly dueMs: number;
  readonly keepMs: number;
  /** Since when, on the evidence's clock, this process knows that traffic is split as this step says; null before its first poll. */
  readonly settledMs: number | null;
  /** When each gate's counters were last read whole: what is counted next began there. */
  readonly movedMs: Readonly<Record<string, number>>;
}

/** What one poll has for the judge, and what the ledger keeps of it. */
export interface Compared {
  readonly gates: ComparedGates;
  readonly record: EvidenceRecord;
  readonly checkpoint: boolean;
  /** Why what was certified at this step counts no more, where this poll found that the candidate restarted. */
  readonly reset: string | undefined;
}

/** Sources answer within this time, for one build sooner than for the other. */
const ANSWER_MS = 2000;

/** Evidence is kept at least this often, and rarely enough that the ledger grows by no more than so many bytes a second. */
const CHECKPOINT_MS = 30_000;

const CHECKPOINT_BYTES_PER_S = 500;

/** The comparing gates of one runner, with what they remember between two polls. */
export class Comparing {
  readonly #io: Io;
  readonly #latency: LatencyInFlight;
  #memory: ComparisonMemory | undefined;

  constructor(io: Io) {
    this.#io = io;
    this.#latency = new LatencyInFlight(io);
  }

  /**
   * Begins to count before the first shift, so that no request of the candidate is missed. Where the router cannot be read, the first poll
   * of the bake begins to count, and says so.
   */
  async countFromTheFirstRequest(state: State, read: () => Promise<Found>): Promise<void> {
    const { comparison } = state.plan;
    if (comparison === undefined || state.phase !== 'shifting' || state.step > 0 || !isUnbegun(state.evidence)) return;
    const found = this.#memory === undefined ? await read() : { why: 'it counts already' };
    if ('why' in found) return;
    const memory = openMemory(comparison, state, this.#io);
    const { aheadMs } = memory;
    const { counters } = await counted(comparison, state.plan, { counters: {}, aheadMs }, found.reading, this.#latency, this.#io);
    this.#memory = { ...memory, record: { ...memory.record, counters } };
  }

  /** What there is to judge now; counts first where the source can have something new. Undefined for a plan without comparing gates. */
  async poll(state: State, reading: Reading | null): Promise<Compared | undefined> {
    const { comparison } = state.plan;
    if (comparison === undefined) return undefined;
    const io = this.#io;
    const before = this.#memory ?? openMemory(comparison, state, io);
    const isNewStep = before.record.evidence.share !== shareAt(state);
    const isDue = isNewStep || io.monotonic() >= before.dueMs;
    const after = isDue ? await poll(comparison, state, before, reading, isNewStep, this.#latency, io) : before;
    const checkpoint = isDue && io.monotonic() >= after.keepMs;
    // Only what may be written down is made small: rounding costs time.
    const record = checkpoint ? compactRecord(after.record) : after.record;
    this.#memory = checkpoint ? { ...after, keepMs: io.monotonic() + keepEveryMs(record) } : after;
    const nextPercent = state.plan.steps[state.step + 1]?.percent;
    const moment = { nowMs: after.aheadMs + io.monotonic(), nextShare: nextPercent === undefined ? null : nextPercent / 100 };
    const names = comparison.gates.map(({ name }) => name);
    const reset = isDue ? resetOf(after.record.evidence) : undefined;
    return { gates: { names, settings: comparison.settings, weighed: after.weighed, moment }, record, checkpoint, reset };
  }
}

/** What one gate's source counts for both builds now; `stable` null where nothing serves with the candidate. Never rejects. */
export async function countGate(
  gate: Comparison['gates'][number],
  plan: Pick<Plan, 'scope' | 'candidate'> & { readonly stable: Plan['stable'] },
  reading: Reading | null,
  io: Io,
): Promise<Counters> {
  try {
    const { source, config } = openSource(gate);
    const candidate = questionOf(plan, plan.candidate, reading);
    const stable = plan.stable === null ? null : questionOf(plan, plan.stable, reading);
    const counters = await source.count(config, { candidate, stable }, io);
    // Its own probes never pass the router, and its own counters are what the router says.
    return source.ofRouter || !source.countsTraffic(config) ? counters : { ...counters, served: servedBy({ candidate, stable }) };
  } catch (error) {
    const missing = `${gate.source} failed: ${error instanceof Error ? error.message : String(error)}`;
    return { candidate: { missing }, stable: { missing } };
  }
}

function resetOf({ gates }: Evidence): string | undefined {
  return Object.values(gates).find(({ candidate }) => candidate.state === 'reset')?.candidate.why;
}

function shareAt({ plan, step }: State): number {
  return (plan.steps[step]?.percent ?? 0) / 100;
}

/** No step has begun with it: there is none, or it is what was learned of the stable build before the first one. */
function isUnbegun(record: EvidenceRecord | null): boolean {
  return record === null || record.evidence.share === 0;
}

function openMemory({ settings }: Comparison, state: State, io: Io): ComparisonMemory {
  const atMs = Math.max(io.now(), (state.evidence?.evidence.atMs ?? 0) + 1);
  const share = shareAt(state);
  const kept = state.evidence === null ? null : { ...state.evidence, counters: mapEntries(state.evidence.counters, own) };
  if (kept === null) return memoryOf(settings, { evidence: openEvidence(settings, { atMs, share }), counters: {} }, atMs, io);
  if (misfit(settings, kept.evidence) === undefined) {
    const goesOn = continued(kept.evidence, atMs);
    const evidence = goesOn.share === 0 ? beginStep(settings, goesOn, { atMs, share }) : goesOn;
    return memoryOf(settings, { ...kept, evidence }, atMs, io);
  }
  // Evidence that this program cannot go on with is lost: what it may spend of alpha is half of what it had.
  const lost = kept.evidence.lost + 1;
  return memoryOf(settings, { evidence: openEvidence(settings, { atMs, share, lost }), counters: kept.counters }, atMs, io);
}

/** An older version kept buckets with the counts. */
function own(key: string, memory: CounterMemory): CounterMemory {
  return key.endsWith(latencyKey('')) ? memory : withoutBuckets(memory);
}

function memoryOf(settings: GateSettings, record: EvidenceRecord, atMs: number, io: Io): ComparisonMemory {
  const weighed = weigh(settings, record.evidence);
  return { record, weighed, aheadMs: atMs - io.monotonic(), dueMs: 0, keepMs: 0, settledMs: null, movedMs: {} };
}

async function poll(
  comparison: Comparison,
  state: State,
  before: ComparisonMemory,
  reading: Reading | null,
  isNewStep: boolean,
  latency: LatencyInFlight,
  io: Io,
): Promise<ComparisonMemory> {
  const { settings } = comparison;
  // What was counted until now belongs to the step that ends.
  const { share } = before.record.evidence;
  const asked = share < 1 ? state.plan : { ...state.plan, stable: null };
  const memory = { counters: before.record.counters, aheadMs: before.aheadMs };
  const { gates, counters, moved } = await counted(comparison, asked, memory, reading, latency, io);
  const atMs = before.aheadMs + io.monotonic();
  const settledMs = isNewStep ? null : before.settledMs;
  // What was counted across a shift, or while no one watched, may have had another split: it is evidence of failures, but of no split.
  const isOfThisSplit = (gate: string) =>
    settledMs !== null && (ownOf(before.movedMs, gate) ?? Number.NEGATIVE_INFINITY) - settings.lagMs >= settledMs;
  const polls = mapEntries(gates, (gate, one) => (isOfThisSplit(gate) ? one : withoutTraffic(one)));
  const fed = feed(settings, before.record.evidence, { atMs, gates: polls });
  const evidence = isNewStep ? beginStep(settings, fed, { atMs, share: shareAt(state) }) : fed;
  const dueMs = io.monotonic() + everyMs(comparison, state.plan);
  const movedMs = { ...before.movedMs, ...Object.fromEntries(moved.map((gate) => [gate, atMs])) };
  const record = { evidence, counters };
  return { ...before, record, weighed: weigh(settings, evidence), dueMs, settledMs: settledMs ?? atMs, movedMs };
}

/** How long after this poll of the evidence the next one can show something new. Milliseconds. */
export function everyMs({ gates, settings }: Comparison, { pollMs }: Pick<Plan, 'pollMs'>): number {
  const floorMs = Math.max(pollMs, ...gates.map(lagOf));
  // Less often than blocks end would be too rare for what was counted to be fresh.
  return Math.min(pollEveryMs(floorMs), Math.max(floorMs, settings.blockMs));
}

/** Asks every gate's source about the builds, and takes the differences to what was counted before. */
export async function counted(
  comparison: Comparison,
  builds: Parameters<typeof countGate>[1],
  { counters: before, aheadMs }: Pick<EvidenceRecord, 'counters'> & Pick<ComparisonMemory, 'aheadMs'>,
  reading: Reading | null,
  latency: LatencyInFlight,
  io: Io,
): Promise<{ gates: Record<string, GatePoll>; counters: Record<string, CounterMemory>; moved: readonly string[] }> {
  // Sources that date their counts by our clock get the evidence's, which never runs backwards.
  const dated: Io = { ...io, now: () => aheadMs + io.monotonic() };
  const lagMs = Math.max(comparison.settings.lagMs, ANSWER_MS);
  const asked = await Promise.all(
    comparison.gates.map(async (gate) => {
      const slower = slowerMetrics(comparison, gate.name);
      // Latency is only compared: alone, the candidate is not asked for it.
      const isLatency = slower.length > 0 && builds.stable !== null;
      if (isLatency) latency.begin(gate.name, () => countLatency(gate, builds, reading, dated));
      const counters = await countGate(gate, builds, reading, dated);
      const memory = ownOf(before, gate.name) ?? NO_COUNTERS;
      const delta = countersSince(memory, counters, lagMs);
      const one = gatePollOf(delta, metricsOf(gate, counters), counters.unseen);
      const kept = { [gate.name]: delta.memory };
      if (!isLatency) return { name: gate.name, poll: withLatency(one, noLatency(slower)), memory, kept };
      const key = latencyKey(gate.name);
      const requests = one.blocks['traffic']?.[WHOLE] ?? NO_BLOCK;
      const judged = await latency.judged(gate, slower, ownOf(before, key), { read: counters, requests }, lagMs);
      return { name: gate.name, poll: withLatency(one, judged.latency), memory, kept: { ...kept, [key]: judged.memory } };
    }),
  );
  return {
    gates: Object.fromEntries(asked.map(({ name, poll: one }) => [name, one])),
    counters: Object.assign({}, ...asked.map(({ kept }) => kept)),
    moved: asked.filter(({ name, memory, kept }) => hasMoved(memory, kept[name] ?? memory)).map(({ name }) => name),
  };
}

/** Its latency, asked by itself; undefined where it has none. Never rejects. */
export function countLatency(
  gate: Comparison['gates'][number],
  plan: Pick<Plan, 'scope' | 'candidate'> & { readonly stable: Plan['stable'] },
  reading: Reading | null,
  io: Io,
): Promise<Counters> | undefined {
  const { source, config } = openSource(gate);
  const candidate = questionOf(plan, plan.candidate, reading);
  const stable = plan.stable === null ? null : questionOf(plan, plan.stable, reading);
  return source.countLatency?.(config, { candidate, stable }, io)?.catch((error: unknown) => {
    const missing = `${gate.source} failed: ${error instanceof Error ? error.message : String(error)}`;
    return { candidate: { missing }, stable: { missing } };
  });
}

function servedBy({ candidate, stable }: Pair): NonNullable<Counters['served']> {
  const of = (question: Question | null) =>
    question?.router?.places.find(({ place }) => place === question.place)?.served ?? null;
  const [ours, theirs] = [of(candidate), of(stable)];
  return { ...(ours === null ? {} : { candidate: ours }), ...(theirs === null ? {} : { stable: theirs }) };
}

/** What a gate's source can judge, and its traffic, which is every request and no failure. */
function metricsOf(gate: Comparison['gates'][number], seen: Counters) {
  const { source, config } = openSource(gate);
  return [
    ...source.metrics(config, seen),
    { metric: 'traffic', requests: 'requests', failures: 'none of them', counts: 'failures' } as const,
  ];
}

function lagOf(gate: Comparison['gates'][number]): number {
  const { source, config } = openSource(gate);
  return source.lagMs(config);
}

function withoutTraffic(poll: GatePoll): GatePoll {
  return { ...poll, blocks: { ...poll.blocks, traffic: { [WHOLE]: NO_BLOCK } } };
}

/** A gate may be called as anything is that every object has, such as `constructor`. */
function ownOf<A>(record: Readonly<Record<string, A>>, key: string): A | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

function mapEntries<A, B>(record: Readonly<Record<string, A>>, change: (key: string, value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(key, value)]));
}

export function compactRecord(record: EvidenceRecord): EvidenceRecord {
  return { ...record, evidence: compactEvidence(record.evidence) };
}

function keepEveryMs(record: EvidenceRecord): number {
  return Math.max(CHECKPOINT_MS, (JSON.stringify(storedRecord(record)).length / CHECKPOINT_BYTES_PER_S) * 1000);
}
