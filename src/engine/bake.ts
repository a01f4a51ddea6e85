/** The judged polls of a bake. Must never take silence for health. */

import { crashedText } from '../core/gates/counting/crashes.ts';
import { type CrashWatch, crashesTooOften, mostCrashed, watched } from '../core/gates/verdict/crash-watch.ts';
import { emptyMemory, type GateMemory } from '../core/gates/verdict/gate.ts';
import { judge, type LimitedGate } from '../core/gates/verdict/judge.ts';
import { type Averages, type SlowWatch, slowAnswers } from '../core/gates/verdict/slow-answers.ts';
import type { GateResult, Verdict } from '../core/gates/verdict/verdict.ts';
import type { Event } from '../core/ledger/events.ts';
import { warmUpMsOf } from '../core/rollout/plan.ts';
import type { State } from '../core/rollout/rollout.ts';
import { type Split, splitsAgree } from '../core/rollout/split.ts';
import { listText } from '../core/text.ts';
import type { Io } from '../io.ts';
import { openSource } from '../metrics/index.ts';
import { downsAt, membersAt } from '../routers/places.ts';
import type { Reading } from '../routers/router.ts';
import { type Compared, type Comparing, compactRecord } from './compare.ts';
import { ASK_EVERY_MS, unfitOf } from './condition.ts';
import { measureGate } from './measure.ts';
import { drifted } from './read-back.ts';
import type { Runner } from './runner.ts';
import { type CapacityMemory, capacityResults } from './watching/capacity.ts';
import { Looks } from './watching/looks.ts';
import { Restarts } from './watching/restarts.ts';
import { type Came, lookUp, whileAsked } from './watching/while-asked.ts';

/** How soon an answer is noticed that comes between two polls. */
const LOOK_MS = 1000;

/** What is remembered between the polls at one step. Volatile by design: a resumed bake has the baseline alone. */
interface StepMemory {
  readonly step: number;
  gates: ReadonlyMap<string, GateMemory>;
  /** How often the router saw each build go down; undefined before its first reading. */
  crashes: CrashWatch | undefined;
  /** How often the candidate went down, once that is evidence against it. */
  crashed: number | null;
  /** How long the builds took to answer; undefined where nothing asks. */
  slow: SlowWatch | undefined;
  /** Monotonic time of the last poll; undefined before the first. */
  polledMs: number | undefined;
  readonly looks: Looks;
  /** The question to the metrics that is on its way. */
  asked: Promise<Measured> | undefined;
  readonly restarts: Restarts;
  /** How often the split was set again because members came or left. */
  regrouped: number;
  readonly capacity: CapacityMemory;
  /** How long the build has had this step's traffic, by the clock that shows more: a warm-up must end. Milliseconds. */
  readonly warmMs: (state: State, io: Io) => number;
}

type Measured = readonly [readonly LimitedGate[], Compared | undefined];

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
    const { io, ledger, readBack, control, condition } = this.#runner;
    const memory = this.#memoryAt(state.step);
    if (memory.polledMs !== undefined) {
      const wait = await this.#waitUntil(memory.polledMs + state.plan.pollMs, state);
      if (wait !== undefined) return wait === 'look again' ? undefined : wait;
    }
    const { pollMs, patienceMs } = state.plan;
    memory.looks.at(io.monotonic(), pollMs);
    const found = await readBack.read();
    const reading = 'why' in found ? null : found.reading;
    const trouble = 'why' in found ? [found.why] : this.#lookAt(found.reading, split, state, memory);
    if ('type' in trouble) return trouble;
    this.#reading = reading ?? this.#reading;
    if (reading !== null) condition.look(state, ledger.history, reading);
    const came = await this.#ask(split, state, reading, memory);
    if ('met' in came) return came.met === 'look again' ? undefined : came.met;
    memory.asked = undefined;
    const [limited, compared] = came.answer;
    const isFirst = memory.polledMs === undefined;
    memory.polledMs = io.monotonic();
    memory.looks.at(memory.polledMs, pollMs);
    const { spentMs, isGap } = memory.looks.take();
    const troubled = reading !== null && trouble.length > 0;
    const why = troubled ? trouble.join('; ') : isGap ? 'no one watched for a while' : compared?.reset;
    const restarts = memory.restarts.add(why, spentMs, patienceMs);
    const { seen } = condition;
    const unfit = unfitOf(seen, io.now());
    if (unfit !== undefined) return unfit;
    const unseen = seen.is === 'silent' ? [holdOf(seen.what, seen.why)] : [];
    const judged = judge({
      router: [
        ...restarts.results,
        ...routerResults(trouble, memory.crashed !== null),
        ...unseen,
        ...capacityResults(state, reading, memory.capacity, this.#runner),
        ...slowResults(state, reading, memory),
      ],
      limited,
      compared: compared?.gates ?? null,
      // Gaps count as missing health too, up to what a poll may take: else polls that are always late would hold forever.
      patience: {
        missingMs: (isFirst ? 0 : state.missingMs) + restarts.costMs,
        spentMs: isFirst ? 0 : spentMs,
        lostMs: memory.restarts.lostMs,
        patienceMs,
      },
    });
    memory.gates = judged.memories;
    // After its warm-up, a gap (a new process, a pause) and trouble of the router (a build that crashes and comes back) the bake begins again,
    // and time in which a source or the router did not answer is not counted. The baseline keeps what happened in the meantime.
    const warmed = memory.warmMs(state, io) - spentMs >= warmUpMsOf(state.plan);
    const again = isFirst || isGap || troubled || !warmed;
    const { verdict, missingMs, gates } = judged;
    const watchedMs = again ? 0 : state.watchedMs + (judged.blind ? 0 : spentMs);
    memory.capacity.baked = !again && (memory.capacity.baked || watchedMs + pollMs >= bakeMsOf(state));
    return {
      type: 'polled',
      atMs: io.now(),
      verdict,
      watchedMs,
      missingMs,
      advance: !control.paused,
      gates: [...gates],
      ...(compared === undefined ? {} : recordOf(compared, verdict)),
    };
  }

  /** What is wrong with a reading; or the event of a split that someone moved, or that is to be set again. */
  #lookAt(reading: Reading, split: Split, state: State, memory: StepMemory): readonly string[] | Event {
    const { io, readBack } = this.#runner;
    if (!readBack.agrees(reading, split)) return drifted(split, reading, io.now());
    const regrouped = regroupedBy(split, state, reading, readBack);
    if (regrouped?.settled === true && memory.regrouped < REGROUPED_MAX) {
      memory.regrouped += 1;
      return { type: 'regrouped', atMs: io.now(), why: regrouped.why };
    }
    const before = this.#reading ?? readBack.since ?? reading;
    const trouble = troubleOf(state, [before, reading], memory, io.monotonic());
    return regrouped === undefined ? trouble : [...trouble, regrouped.why];
  }

  /** Traffic was set to this step's split once more: what was watched before that is no part of the bake that follows. */
  beginsAgain(): void {
    if (this.#memory === undefined) return;
    this.#memory.looks.at(this.#runner.io.monotonic(), Number.POSITIVE_INFINITY);
    this.#memory.looks.take();
  }

  /** Asks the metrics, and goes on looking at the router and the builds until they answer. */
  #ask(split: Split, state: State, reading: Reading | null, memory: StepMemory): Promise<Came<Measured>> {
    const { io } = this.#runner;
    memory.asked ??= Promise.all([measureLimited(state, reading, memory, io), this.#comparing.poll(state, reading)]);
    return whileAsked(this.#runner, memory.asked, () => {
      memory.looks.at(io.monotonic(), state.plan.pollMs);
      return lookUp(split, state, this.#runner);
    });
  }

  /** Waits for the next poll. However rare the polls are, the members are asked as often as they must be. */
  async #waitUntil(dueMs: number, state: State): Promise<Event | 'look again' | undefined> {
    const { io, ledger, watch, condition, readBack } = this.#runner;
    const reading = this.#reading;
    const rare = state.plan.pollMs > ASK_EVERY_MS && reading !== undefined;
    for (;;) {
      const leftMs = dueMs - io.monotonic();
      if (!(await watch.wait(rare ? Math.min(leftMs, LOOK_MS) : leftMs))) return 'look again';
      if (!rare || dueMs - io.monotonic() <= 0) return undefined;
      if (condition.restMs === 0) {
        // A member that came since the last poll is asked too.
        const found = await readBack.read();
        condition.look(state, ledger.history, 'why' in found ? reading : found.reading);
      }
      const unfit = unfitOf(condition.seen, io.now());
      if (unfit !== undefined) return unfit;
    }
  }

  /** A process bakes each step once. */
  #memoryAt(step: number): StepMemory {
    if (this.#memory?.step !== step) {
      const nothing = {
        gates: new Map(),
        crashes: undefined,
        crashed: null,
        slow: undefined,
        polledMs: undefined,
        asked: undefined,
      };
      const beganMs = this.#runner.io.monotonic();
      const warmMs = ({ raisedMs }: State, io: Io) =>
        Math.max(io.monotonic() - beganMs, raisedMs === null ? 0 : io.now() - raisedMs);
      this.#memory = {
        step,
        ...nothing,
        looks: new Looks(),
        restarts: new Restarts(),
        regrouped: 0,
        capacity: { baked: false, told: undefined },
        warmMs,
      };
    }
    return this.#memory;
  }
}

/** What the ledger keeps of the evidence. Only what may be written down is made small: rounding costs time. */
function recordOf(
  { record, checkpoint }: Compared,
  verdict: Verdict,
): Pick<Extract<Event, { type: 'polled' }>, 'evidence' | 'checkpoint'> {
  return { evidence: checkpoint || verdict === 'hold' ? record : compactRecord(record), checkpoint };
}

function bakeMsOf({ plan, step }: State): number {
  return plan.steps[step]?.bakeMs ?? 0;
}

/** A router that cannot be read, or that is in trouble, keeps the bake waiting like a gate without data; crashes that are evidence end it. */
function routerResults(trouble: readonly string[], crashed: boolean): GateResult[] {
  if (trouble.length === 0) return [];
  return [{ ...holdOf('router', trouble.join('; ')), verdict: crashed ? 'give-up' : 'hold' }];
}

/** A build whose answers take far longer than the stable build's waits as long as patience lasts: an average is no evidence against it. */
function slowResults({ plan, step }: State, reading: Reading | null, memory: StepMemory): GateResult[] {
  const gate = plan.comparison?.gates.find((one) => openSource(one).source.ofRouter && one.settings['latency'] !== false);
  const isAlone = (plan.steps[step]?.percent ?? 100) >= 100;
  if (gate === undefined || plan.stable === null || isAlone || reading === null) return [];
  memory.slow = slowAnswers(memory.slow, averagesAt(reading, plan.candidate.ref), averagesAt(reading, plan.stable.ref));
  return memory.slow.slow === undefined ? [] : [holdOf('latency', memory.slow.slow)];
}

function averagesAt(reading: Reading, place: string): Averages {
  const measured = membersAt(reading, place).flatMap(({ words, location, member: { counters } }) =>
    counters.times === undefined ? [] : [[words, { ...counters.times, location }] as const],
  );
  return Object.fromEntries(measured);
}

function holdOf(gate: string, why: string): GateResult {
  return { gate, verdict: 'hold', why, requests: 0, errors: 0 };
}

/**
 * What the router says is wrong, and a candidate that went down and came back between two readings: quicker than the poll, and trouble all the
 * same. Not so the stable build: this candidate may be its fix. Each crash begins the bake again, so crashes that are evidence come first, where no comparing gate judges them.
 */
function troubleOf(
  { plan }: State,
  [before, reading]: readonly [Reading, Reading],
  memory: StepMemory,
  nowMs: number,
): readonly string[] {
  const { ref } = plan.candidate;
  const both = (one: Reading) => ({
    candidate: downsAt(one, ref),
    stable: plan.stable === null ? null : downsAt(one, plan.stable.ref),
  });
  memory.crashes = watched(memory.crashes ?? watched(undefined, both(before), nowMs - 1), both(reading), nowMs);
  const isCompared = plan.comparison?.settings.metrics.some(({ kind }) => kind === 'crashes') === true;
  memory.crashed = isCompared ? null : crashesTooOften(memory.crashes);
  const several = new Set(membersAt(reading, ref).map(({ member }) => member.name)).size > 1;
  if (memory.crashed !== null) {
    const most = several ? mostCrashed(memory.crashes) : undefined;
    const times = most === undefined ? `${ref} went down ${memory.crashed} times` : `${crashedText(most)} (${ref})`;
    return [`${times} at this step`, ...reading.trouble];
  }
  const now = reading.places.find(({ place }) => place === ref);
  const takesPart = now?.up === true && now.percent > 0;
  const fell = several && takesPart ? fallen(both(before).candidate, both(reading).candidate) : [];
  if (fell.length > 0) return [...reading.trouble, `${listText(fell)} of ${ref} went down since the last poll`];
  const cameBack = memory.crashes.downs > 0 && takesPart;
  return cameBack ? [...reading.trouble, `${ref} went down and came back since the last poll`] : reading.trouble;
}

/** A target whose members never stay the same is never watched for long. */
const REGROUPED_MAX = 8;

/**
 * Members came or left, and that changed what the others get: the same split is to be set again, over those that there are. Until then, and after
 * too many times, it is trouble as any other. An adoption shifts nothing.
 */
function regroupedBy(split: Split, { plan }: State, reading: Reading, readBack: Runner['readBack']) {
  const unchanged = splitsAgree(reading.places, split) && reading.trouble.length === 0;
  return plan.kind !== 'promote' || unchanged ? undefined : readBack.regrouped(reading);
}

/** Members that went down more often than before. */
function fallen(before: Readonly<Record<string, number>>, now: Readonly<Record<string, number>>): string[] {
  return Object.entries(now).flatMap(([words, times]) => (times > (before[words] ?? times) ? [words] : []));
}

/** Every gate with a fixed limit, and what its source says now. What was counted in a warm-up is not told apart by who resumes later. */
async function measureLimited(
  state: State,
  reading: Reading | null,
  memory: StepMemory,
  io: Io,
): Promise<readonly LimitedGate[]> {
  const { plan, baseline } = state;
  const warmMs = memory.warmMs(state, io);
  return Promise.all(
    plan.gates.map(async (gate) => {
      const { warmUpMs = 0 } = gate;
      const measurement = await measureGate(gate, plan, plan.candidate, reading, io);
      const began = warmUpMs > 0 && warmMs >= warmUpMs ? null : (baseline[gate.name] ?? null);
      return { gate, memory: memory.gates.get(gate.name) ?? emptyMemory(began), measurement, warmUpLeftMs: warmUpMs - warmMs };
    }),
  );
}
