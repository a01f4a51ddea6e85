/** Asks the metric sources of a plan's gates. Must hand on every missing answer as missing. */
import type { Comparison } from '../core/gates/comparison.ts';
import type { CounterMemory } from '../core/gates/counting/counter-memory.ts';
import { type ArmCounters, type Counters, countersSince, NO_COUNTERS } from '../core/gates/counting/counters.ts';
import {
  bareProcess,
  boundsOf,
  type Latency,
  latencyBlocks,
  noLatency,
  standingStill,
} from '../core/gates/counting/latency-blocks.ts';
import { SLOWER } from '../core/gates/counting/metric-counters.ts';
import type { Block } from '../core/gates/evidence/e-process.ts';
import type { Measurement } from '../core/gates/verdict/gate.ts';
import type { Baseline } from '../core/ledger/events.ts';
import type { Build } from '../core/manifest/manifest.ts';
import type { Plan, PlannedGate } from '../core/rollout/plan.ts';
import { shortGuid } from '../core/scope.ts';
import type { Io } from '../io.ts';
import { openSource } from '../metrics/index.ts';
import type { Question } from '../metrics/metric-source.ts';
import type { Reading } from '../routers/router.ts';

/** What a question says of a build. */
export type AskedBuild = Pick<Build, 'guid' | 'ref'> & Partial<Pick<Build, 'version' | 'digest' | 'labels'>>;

/** What one gate's source counts for one build now. Never rejects. */
export async function measureGate(
  gate: Pick<PlannedGate, 'source' | 'settings'>,
  plan: Pick<Plan, 'scope'>,
  build: AskedBuild,
  reading: Reading | null,
  io: Io,
): Promise<Measurement> {
  try {
    const { source, config } = openSource(gate);
    return await source.measure(config, questionOf(plan, build, reading), io);
  } catch (error) {
    return { missing: `${gate.source} failed: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** What the candidate's counters say when its bake begins; null where they say nothing. Samples have no baseline. */
export async function measureBaseline(plan: Plan, reading: Reading, io: Io): Promise<Baseline> {
  const entries = await Promise.all(
    plan.gates.map(async (gate) => {
      const measurement = await measureGate(gate, plan, plan.candidate, reading, io);
      return [gate.name, 'missing' in measurement || measurement.counting === 'sample' ? null : measurement] as const;
    }),
  );
  return Object.fromEntries(entries);
}

/** What one gate's source says of one build, and what it does not see. */
export interface Measured {
  readonly gate: string;
  readonly measurement: Measurement;
  readonly unseen: readonly string[];
}

/** What every gate says of the build currently serving. */
export async function measureStable(plan: Plan, reading: Reading, io: Io): Promise<readonly Measured[]> {
  const build = plan.stable ?? plan.candidate;
  const measure = async (gate: PlannedGate) => ({
    gate: gate.name,
    measurement: await measureGate(gate, plan, build, reading, io),
    unseen: unseenBy(gate),
  });
  return Promise.all(plan.gates.map(measure));
}

/** What a gate with a fixed limit does not see of how requests end. */
function unseenBy(gate: PlannedGate): readonly string[] {
  const { source, config } = openSource(gate);
  return source.unseen(config, { limited: true });
}

/** Why a gate could not judge even the build currently serving, or undefined when each has data for it. */
export function silentGate(plan: Plan, measured: readonly Measured[]): string | undefined {
  const build = plan.stable ?? plan.candidate;
  for (const { gate, measurement } of measured) {
    if ('missing' in measurement)
      return `Gate ${gate} has no data for ${shortGuid(build.guid)}, the build currently serving: ${measurement.missing}.`;
  }
  return undefined;
}

/** The first of a plan's gates that cannot tell its builds apart, or be asked about them at all, with the reason; undefined without one. */
export async function unfitGate(
  gates: readonly (Pick<PlannedGate, 'name' | 'source' | 'settings'> & { readonly max?: number })[],
  { scope, candidate, stable }: Pick<Plan, 'scope' | 'candidate' | 'stable'>,
  io: Io,
): Promise<string | undefined> {
  const pair = {
    candidate: questionOf({ scope }, candidate, null),
    stable: stable === null ? null : questionOf({ scope }, stable, null),
  };
  for (const gate of gates) {
    const { source, config } = openSource(gate);
    const why = source.unaskable?.(config, pair) ?? (await source.shared?.(config, pair, io));
    if (why !== undefined) return `Gate ${gate.name} cannot judge: ${why}.`;
    if (!('max' in gate) || source.unaskable === undefined) continue;
    const counted = await source.count(config, pair, io);
    const found = uncountable(counted.candidate);
    // What the build currently serving lacks too has its own words.
    if (found !== undefined && !('missing' in counted.stable))
      return `Gate ${gate.name} could not judge ${shortGuid(candidate.guid)}, the candidate: ${found}.`;
  }
  return undefined;
}

/** Why a build could not be counted once it has requests; undefined where it could, and where nothing was counted yet. */
export function uncountable(arm: ArmCounters): string | undefined {
  return 'missing' in arm && arm.none === undefined ? arm.missing : undefined;
}

/** The question in the words of its source, for `plan`. */
export function describeGate(
  gate: Pick<PlannedGate, 'source' | 'settings'>,
  plan: Pick<Plan, 'scope'>,
  build: AskedBuild,
): string {
  const { source, config } = openSource(gate);
  return source.describe(config, questionOf(plan, build, null));
}

/** The question about one build, with what the router reports. */
export function questionOf(plan: Pick<Plan, 'scope'>, build: AskedBuild, reading: Reading | null): Question {
  const { guid, ref: place, version, digest, labels } = build;
  return { scope: plan.scope, build: guid, place, version, digest, labels, router: reading };
}

// The latency of comparing gates, asked next to their counts. An answer that is slow keeps no other metric waiting.

type Gate = Comparison['gates'][number];

/** An answer that comes this soon after the counts is judged with them; a later one at the next poll after it came. */
const GRACE_MS = 500;

interface Flight {
  answer: Counters | undefined;
  readonly done: Promise<void>;
}

/** Where the ledger keeps what was counted of a gate's latency: no gate can be called so. */
export function latencyKey(gate: string): string {
  return `${gate}/latency`;
}

/** The questions that are on their way, one for each gate at most, and what the last answers said. */
export class LatencyInFlight {
  readonly #io: Io;
  readonly #flights = new Map<string, Flight>();
  readonly #slow = new Set<string>();
  readonly #last = new Map<string, Pick<Latency, 'unseen' | 'note'>>();

  constructor(io: Io) {
    this.#io = io;
  }

  /** Asks unless a question is on its way. `ask` never rejects. */
  begin(gate: string, ask: () => Promise<Counters> | undefined): void {
    if (this.#flights.has(gate)) return;
    const asked = ask();
    if (asked === undefined) return;
    const flight: { answer: Counters | undefined; done: Promise<void> } = { answer: undefined, done: Promise.resolve() };
    flight.done = asked.then((answer) => {
      flight.answer = answer;
    });
    this.#flights.set(gate, flight);
  }

  /** The answer, if it is there or comes soon. One that was late is not waited for again. */
  async take(gate: string): Promise<Counters | undefined> {
    const flight = this.#flights.get(gate);
    if (flight === undefined) return undefined;
    if (flight.answer === undefined && !this.#slow.has(gate)) {
      const stop = new AbortController();
      await Promise.race([flight.done, this.#io.sleep(GRACE_MS, stop.signal)]);
      stop.abort();
    }
    if (flight.answer === undefined) {
      this.#slow.add(gate);
      return undefined;
    }
    this.#slow.delete(gate);
    this.#flights.delete(gate);
    return flight.answer;
  }

  /**
   * What this poll says of a gate's latency, and what to remember for the next. Without a new answer nothing is counted, and what the last one
   * could not see is still unseen.
   */
  async judged(
    gate: Gate,
    metrics: readonly string[],
    memory: CounterMemory | undefined,
    counts: { readonly read: Counters; readonly requests: Block },
    lagMs: number,
  ): Promise<{ readonly latency: Latency; readonly memory: CounterMemory }> {
    const before = memory ?? NO_COUNTERS;
    const answer = await this.take(gate.name);
    if (answer === undefined)
      return { latency: { ...noLatency(metrics), ...(this.#last.get(gate.name) ?? NOT_YET) }, memory: before };
    const delta = countersSince(before, answer, lagMs);
    const { source, config } = openSource(gate);
    const said = latencyBlocks(delta, boundsOf(answer), metrics, source.metrics(config, answer));
    const missed = bareProcess(counts.read, answer) ?? standingStill(said, counts.requests);
    const latency = missed === undefined ? said : noLatency(metrics, missed);
    const { unseen, note } = latency;
    this.#last.set(gate.name, { ...(unseen === undefined ? {} : { unseen }), ...(note === undefined ? {} : { note }) });
    return { latency, memory: delta.memory };
  }
}

const NOT_YET = { unseen: 'the latency query has not been answered yet' };

/** The metrics of latency that a gate judges, as its plan names them. */
export function slowerMetrics({ settings }: Comparison, gate: string): readonly string[] {
  return settings.metrics.flatMap((one) => (one.gate === gate && one.metric.startsWith(SLOWER) ? [one.metric] : []));
}
