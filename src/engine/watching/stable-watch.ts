/** Counts the stable build before the candidate gets its first request. Must shift nothing, and must not take silence for a calm build. */
import type { CounterMemory } from '../../core/gates/counting/counter-memory.ts';
import { type Evidence, feed, openEvidence } from '../../core/gates/evidence/evidence.ts';
import { astrayIn, judgeWatch, ofStable, type WatchedCounts, watchedUpTo } from '../../core/gates/verdict/stable-watch.ts';
import { type GateResult, judgeAll } from '../../core/gates/verdict/verdict.ts';
import type { Event } from '../../core/ledger/events.ts';
import { type Plan, watchMsOf } from '../../core/rollout/plan.ts';
import type { State } from '../../core/rollout/rollout.ts';
import { type Split, splitsAgree } from '../../core/rollout/split.ts';
import type { Reading } from '../../routers/router.ts';
import { compactRecord, counted, everyMs } from '../compare.ts';
import { unfitOf } from '../condition.ts';
import { LatencyInFlight } from '../measure.ts';
import { drifted } from '../read-back.ts';
import type { Runner } from '../runner.ts';
import { Looks } from './looks.ts';
import { lookUp, whileAsked } from './while-asked.ts';

/** Volatile by design: a watch that is broken off begins anew. */
interface Memory {
  readonly evidence: Evidence;
  readonly counters: Record<string, CounterMemory>;
  /** The same of the candidate, which has no requests yet: what its counters are can be seen all the same. */
  readonly candidate: Record<string, CounterMemory>;
  /** By gate, what is wrong with the candidate's counters. */
  readonly astray: Readonly<Record<string, string>>;
  readonly counts: WatchedCounts;
  /** The evidence's clock is this much ahead of the monotonic one. */
  readonly aheadMs: number;
  readonly dueMs: number;
}

/** The watch of one runner. */
export class StableWatch {
  readonly #runner: Runner;
  readonly #latency: LatencyInFlight;
  #memory: Memory | undefined;
  #asked: Promise<Memory> | undefined;
  /** Monotonic time of the last judged poll. */
  #polledMs: number | undefined;
  readonly #looks = new Looks();

  constructor(runner: Runner) {
    this.#runner = runner;
    // Alone, no build is asked for it.
    this.#latency = new LatencyInFlight(runner.io);
  }

  /** Waits for the next poll, reads the split back, counts the stable build. */
  async poll(split: Split, state: State): Promise<Event | undefined> {
    const { io, ledger, readBack, watch, condition } = this.#runner;
    if (this.#polledMs !== undefined) {
      const leftMs = watchMsOf(state.plan) - state.watchedMs;
      const everyMs = leftMs > 0 ? Math.min(state.plan.pollMs, leftMs) : state.plan.pollMs;
      if (!(await watch.wait(this.#polledMs + everyMs - io.monotonic()))) return undefined;
    }
    this.#looks.at(io.monotonic(), state.plan.pollMs);
    const found = await readBack.read();
    if ('reading' in found && !splitsAgree(found.reading.places, split)) return drifted(split, found.reading, io.now());
    if ('reading' in found) condition.look(state, ledger.history, found.reading);
    const unfit = unfitOf(condition.seen, io.now());
    if (unfit !== undefined) return unfit;
    if ('why' in found) return this.#judged(state, { gates: [holdOf('router', found.why)], spends: true, again: false });
    this.#asked ??= this.#count(state, found.reading);
    const came = await whileAsked(this.#runner, this.#asked, () => {
      this.#looks.at(io.monotonic(), state.plan.pollMs);
      return lookUp(split, state, this.#runner);
    });
    if ('met' in came) return came.met === 'look again' ? undefined : came.met;
    this.#asked = undefined;
    this.#memory = came.answer;
    const { comparison } = state.plan;
    if (comparison === undefined) throw new Error(`plan ${state.plan.id} compares nothing`);
    const names = comparison.gates.map(({ name }) => name);
    const watched = judgeWatch(comparison.settings, came.answer, names);
    return this.#judged(state, watched);
  }

  /** What does not hold counts as watched, and none of it makes good what was missing. */
  #judged(state: State, { gates, spends, again }: ReturnType<typeof judgeWatch>): Event {
    const { io, control } = this.#runner;
    const { plan } = state;
    this.#polledMs = io.monotonic();
    this.#looks.at(this.#polledMs, plan.pollMs);
    const { spentMs, isGap } = this.#looks.take();
    const missingMs = state.missingMs + (spends ? spentMs : 0);
    const watchedMs = again ? 0 : state.watchedMs + (spends || isGap ? 0 : spentMs);
    const verdict = missingMs > plan.patienceMs ? 'give-up' : judgeAll(gates);
    const isOver = verdict === 'pass' && watchedMs >= watchMsOf(plan);
    const kept = this.#memory === undefined ? undefined : compactRecord({ evidence: this.#memory.evidence, counters: {} });
    return {
      type: 'polled',
      atMs: io.now(),
      verdict,
      watchedMs,
      missingMs,
      advance: !control.paused,
      gates: [...gates],
      ...(isOver && kept !== undefined ? { evidence: kept } : {}),
    };
  }

  /** Asks about each build alone: a candidate without requests may have no series yet, and counts of one wait for those of the other. */
  async #count({ plan, watchedMs }: State, reading: Reading): Promise<Memory> {
    const { io } = this.#runner;
    const nowMs = io.monotonic();
    // The last part is counted, too: of a watch as short as one interval it is all there is.
    const isLast = watchedMs + nowMs - (this.#polledMs ?? nowMs) >= watchMsOf(plan);
    const { comparison, scope, stable } = plan;
    if (comparison === undefined || stable === null) throw new Error(`plan ${plan.id} has nothing to watch`);
    const { settings } = comparison;
    const before = this.#memory ?? openWatch(settings, io);
    if (nowMs < before.dueMs && !isLast) return before;
    const { aheadMs } = before;
    const alone = (candidate: Plan['candidate'], counters: Memory['counters']) =>
      counted(comparison, { scope, candidate, stable: null }, { counters, aheadMs }, reading, this.#latency, io);
    const [theirs, ours] = await Promise.all([alone(stable, before.counters), alone(plan.candidate, before.candidate)]);
    const polls = Object.fromEntries(Object.entries(theirs.gates).map(([gate, poll]) => [gate, ofStable(poll)]));
    const evidence = feed(settings, before.evidence, { atMs: aheadMs + io.monotonic(), gates: polls });
    const dueMs = io.monotonic() + everyMs(comparison, plan);
    const counts = watchedUpTo(settings, before.counts, polls);
    return {
      evidence,
      counters: theirs.counters,
      candidate: ours.counters,
      astray: astrayIn(ours.gates),
      counts,
      aheadMs,
      dueMs,
    };
  }
}

function openWatch(settings: Parameters<typeof openEvidence>[0], io: Runner['io']): Memory {
  const atMs = io.now();
  const evidence = openEvidence(settings, { atMs, share: 0 });
  return { evidence, counters: {}, candidate: {}, astray: {}, counts: {}, aheadMs: atMs - io.monotonic(), dueMs: 0 };
}

function holdOf(gate: string, why: string): GateResult {
  return { gate, verdict: 'hold', why, requests: 0, errors: 0 };
}
