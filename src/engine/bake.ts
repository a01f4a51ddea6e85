/** The judged polls of a bake. Must never take silence for health. */
import { CRASHES_MAX } from '../core/gates/counting/counters.ts';
import { emptyMemory, type GateMemory, judgeAll, judgeGate } from '../core/gates/verdict/gate.ts';
import type { Event, GateResult } from '../core/ledger/events.ts';
import type { State } from '../core/rollout/rollout.ts';
import { type Split, splitsAgree } from '../core/rollout/split.ts';
import type { Io } from '../io.ts';
import type { Reading } from '../routers/router.ts';
import type { Comparing } from './compare.ts';
import { measureGate } from './measure.ts';
import { drifted, type Found } from './read-back.ts';
import type { Runner } from './runner.ts';

/** What a poll may take beyond its interval: reading the router, then the metrics, each with a deadline of 2 s. Later, no one watched. */
const GAP_MS = 5000;

/** What is remembered between the polls at one step. Volatile by design: a resumed bake has the baseline alone. */
interface StepMemory {
  readonly step: number;
  readonly gates: Map<string, GateMemory>;
  /** How often each location of the router saw the candidate go down. */
  readonly crashes: Map<string, number>;
  /** Monotonic time of the last poll; undefined before the first. */
  polledMs: number | undefined;
}

/** The bakes of one runner, one after the other. */
export class Bake {
  readonly #runner: Runner;
  readonly #comparing: Comparing;
  #memory: StepMemory | undefined;
  /** The reading of the last poll that had one: what went down since then, and is up again, would not be seen otherwise. */
  #reading: Reading | undefined;

  constructor(runner: Runner, comparing: Comparing) {
    this.#runner = runner;
    this.#comparing = comparing;
  }

  /** Waits for the next poll, reads the split back, judges every gate. */
  async poll(split: Split, state: State): Promise<Event | undefined> {
    const { io, watch, readBack, control } = this.#runner;
    const memory = this.#memoryAt(state.step);
    if (memory.polledMs !== undefined && !(await watch.wait(memory.polledMs + state.plan.pollMs - io.monotonic())))
      return undefined;
    const found = await readBack.read();
    if (!('why' in found) && !splitsAgree(found.reading.members, split)) return drifted(split, found.reading, io.now());
    const before = this.#reading ?? readBack.since;
    const downs = 'why' in found ? [] : downsSince(state.plan.candidate.ref, found.reading, before);
    const stableDowns =
      'why' in found || state.plan.stable === null ? [] : downsSince(state.plan.stable.ref, found.reading, before);
    const crashes = crashesAtStep(state, downs, stableDowns, memory.crashes);
    const router = routerResults(found, downs, crashes, state);
    const reading = 'why' in found ? null : found.reading;
    this.#reading = reading ?? this.#reading;
    const [{ results, blind }, compared] = await Promise.all([
      gateResults(state, reading, memory.gates, io),
      this.#comparing.poll(state, reading),
    ]);
    const gates = [...router, ...results, ...(compared?.results ?? [])];
    const verdict = judgeAll(gates);
    const onlyGathering = compared?.gathering === true && [...router, ...results].every((gate) => gate.verdict === 'pass');
    const seen = {
      verdict,
      blind: blind || compared?.blind === true || router.length > 0,
      gathering: onlyGathering,
      troubled: reading !== null && router.length > 0,
    };
    const { watchedMs, missingMs } = clocks(memory, state, seen, io.monotonic());
    return {
      type: 'polled',
      atMs: io.now(),
      verdict,
      watchedMs,
      // Silence that comparing gates waited out needs no further patience, nor does a bake that crashes never let end.
      missingMs:
        (compared?.tooLong === true || crashes >= CRASHES_MAX) && verdict === 'not-yet' ? state.plan.patienceMs + 1 : missingMs,
      advance: !control.paused,
      gates,
      ...(compared === undefined ? {} : { evidence: compared.record, checkpoint: compared.checkpoint }),
    };
  }

  /** A process bakes each step once. */
  #memoryAt(step: number): StepMemory {
    if (this.#memory?.step !== step) this.#memory = { step, gates: new Map(), crashes: new Map(), polledMs: undefined };
    return this.#memory;
  }
}

/**
 * A bake counts watched time: after a gap (a new process, a pause) and after the router reported trouble (a build that crashes and comes
 * back) it begins again, and time in which a source or the router did not answer is not counted. The baseline keeps what happened meanwhile.
 */
function clocks(
  memory: StepMemory,
  state: State,
  poll: Pick<GateResult, 'verdict'> & { readonly blind: boolean; readonly gathering: boolean; readonly troubled: boolean },
  nowMs: number,
): { watchedMs: number; missingMs: number } {
  const mostMs = state.plan.pollMs + GAP_MS;
  const sinceMs = memory.polledMs === undefined ? undefined : nowMs - memory.polledMs;
  memory.polledMs = nowMs;
  if (sinceMs === undefined) return { watchedMs: 0, missingMs: 0 };
  // Gaps count as missing health too, up to what a poll may take: else polls that are always late would hold for ever.
  // Evidence that is still gathered is not missing: what a certificate needs depends on the traffic, not on patience. Yet trouble that
  // comes and goes adds up: what was missing is made good by as much time without it.
  const spentMs = Math.min(sinceMs, mostMs);
  const gathered = poll.gathering ? Math.max(0, state.missingMs - spentMs) : 0;
  const missingMs = poll.verdict === 'not-yet' && !poll.gathering ? state.missingMs + spentMs : gathered;
  if (sinceMs > mostMs || poll.troubled) return { watchedMs: 0, missingMs };
  return { watchedMs: state.watchedMs + (poll.blind ? 0 : sinceMs), missingMs };
}

/** A router that cannot be read, or that is in trouble, keeps the bake waiting like a gate without data. */
function routerResults(found: Found, downs: readonly Downs[], crashes: number, { plan }: State): GateResult[] {
  const { ref } = plan.candidate;
  const often = crashes >= CRASHES_MAX ? [`${ref} went down ${crashes} times at this step`] : [];
  const back = often.length > 0 || 'why' in found ? [] : cameBack(ref, found.reading, downs);
  const why = 'why' in found ? found.why : [...often, ...found.reading.trouble, ...back].join('; ');
  return why === '' ? [] : [{ gate: 'router', verdict: 'not-yet', why, requests: 0, errors: 0 }];
}

/** How often one location's check took a build out since the reading before. */
type Downs = readonly [location: string, times: number];

/** By location; one that began anew, or that was not there before, shows nothing. */
function downsSince(ref: string, now: Reading, before: Reading | undefined): Downs[] {
  const downsIn = (reading: Reading | undefined) => reading?.members.find(({ place }) => place === ref)?.downs ?? {};
  const was = downsIn(before);
  return Object.entries(downsIn(now)).map(([location, times]) => [location, Math.max(0, times - (was[location] ?? times))]);
}

/** The candidate went down and came back between two readings: quicker than the poll, and trouble all the same. A stable build that does may need it. */
function cameBack(candidate: string, { members }: Reading, downs: readonly Downs[]): string[] {
  const member = members.find(({ place }) => place === candidate);
  if (member === undefined || !member.up || member.percent <= 0) return [];
  return downs.some(([, times]) => times > 0) ? [`${candidate} went down and came back since the last look`] : [];
}

/**
 * How much more often than the stable build the candidate went down at this step, as the location says that saw most of it; 0 where comparing gates
 * judge that. Each crash begins the bake again, and patience with it as soon as the candidate is up: a crash loop would hold for ever.
 */
function crashesAtStep(
  state: State,
  downs: readonly Downs[],
  stableDowns: readonly Downs[],
  crashes: Map<string, number>,
): number {
  if (state.plan.comparison?.settings.metrics.some(({ kind }) => kind === 'crashes') === true) return 0;
  for (const [location, times] of downs) crashes.set(location, (crashes.get(location) ?? 0) + times);
  // What takes the stable build down as well, such as the network between, is no crash of the candidate.
  for (const [location, times] of stableDowns) crashes.set(location, (crashes.get(location) ?? 0) - times);
  return Math.max(0, ...crashes.values());
}

/** What each gate says, and whether the source of one of them said nothing. */
async function gateResults(
  state: State,
  reading: Reading | null,
  remembered: Map<string, GateMemory>,
  io: Io,
): Promise<{ results: GateResult[]; blind: boolean }> {
  let blind = false;
  const results = await Promise.all(
    state.plan.gates.map(async (gate) => {
      const measurement = await measureGate(gate, state.plan, state.plan.candidate, reading, io);
      if ('missing' in measurement) blind = true;
      const memory = remembered.get(gate.name) ?? emptyMemory(state.baseline[gate.name] ?? null);
      const { judged, memory: after } = judgeGate(gate, memory, measurement);
      remembered.set(gate.name, after);
      return { gate: gate.name, ...judged };
    }),
  );
  return { results, blind };
}
