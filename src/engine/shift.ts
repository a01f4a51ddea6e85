/** Shifts traffic: looks, asks, makes the changes, reads back. Must leave nothing in flight that could undo what comes after. */
import { type Change, NotAllowed } from '../base/changes/change.ts';
import { make } from '../base/changes/make.ts';
import { ownChanges } from '../base/changes/own-changes.ts';
import { giveBack, keepReserve } from '../base/durable/reserve.ts';
import { readPointers } from '../base/pointer/pointer.ts';
import type { Event } from '../core/ledger/events.ts';
import { isOnTheWayTo, type Plan, stableSplit, stepSplit } from '../core/rollout/plan.ts';
import { type Effect, REVERT_ATTEMPTS_MAX, type State } from '../core/rollout/rollout.ts';
import { type Split, splitsAgree, splitText } from '../core/rollout/split.ts';
import { inRotation } from '../routers/places.ts';
import type { Reading } from '../routers/router.ts';
import type { Comparing } from './compare.ts';
import { ASKED_WITHIN_MS, unfitOf } from './condition.ts';
import { draftRollout, ledgerReserve, pathProblem, pointerDirsOf, publishPointer, reservesOf } from './pointer-writer.ts';
import { drifted } from './read-back.ts';
import type { Runner } from './runner.ts';
import { tooFewToRaise } from './watching/capacity.ts';

/** Before anything is tried again that failed. */
export const RETRY_MS = 1000;

/** For how long a way back is tried at a location that does not answer, before the others are enough. */
export const UNREACHED_MS = 8000;

/** Makes the split of an effect, and makes sure that it is the last word: for one runner, whose shifts come one after the other. */
export function shifter(runner: Runner, comparing: Comparing) {
  const { io, target, watch, readBack } = runner;
  /** Monotonic time until which the router can still act on an attempt of this process that failed. */
  let inFlightUntilMs = 0;
  /** Monotonic time since when a location is not reached; undefined where all were. */
  let unreachedSinceMs: number | undefined;
  let made = false;
  const { scope, environments } = runner.places;
  const own = { questions: target.questions, environment: scope.environment, others: environments };
  return async (effect: Extract<Effect, { do: 'shift' }>, state: State): Promise<Event | undefined> => {
    assertOwnBuilds(effect.split, state);
    const mayArriveLate = () => {
      inFlightUntilMs = io.monotonic() + target.idleTimeoutMs;
    };
    const failed = (why: string): Event => {
      mayArriveLate();
      return { type: 'shift-failed', atMs: io.now(), why, attempt: state.attempts + 1, final: false };
    };
    if (state.attempts > 0 && !(await watch.wait(RETRY_MS))) return undefined;
    await comparing.countFromTheFirstRequest(state, () => readBack.read());
    let askedMs = io.monotonic();
    const met = await lookBeforeShift(state, runner, { made, tried: state.attempts > 0 });
    if (met !== undefined) return met === 'look again' ? undefined : met;
    const wanted = target.changes(effect.split, effect.leaving);
    const back = state.phase === 'reverting' || state.plan.kind !== 'promote';
    const { changes, stranger } = back ? await ownChanges(wanted, own, target.outside) : { changes: wanted, stranger: undefined };
    if (state.phase === 'reverting') {
      watch.revertIsTried();
      for (const { file } of reservesOf(wanted, io)) giveBack(file, io.fs);
    }
    // Whoever slept since must ask again: another build may have come to the place.
    const stale = () => (!back && io.monotonic() - askedMs > ASKED_WITHIN_MS ? 'the last GUID check is too old' : undefined);
    made = true;
    const beganMs = io.monotonic();
    const problem = await makeAll(changes, back, runner, stale);
    if (problem === 'look again') return undefined;
    if (problem !== undefined) {
      unreachedSinceMs ??= beganMs;
      const others = await withoutTheRest(problem, effect.split, state, runner, unreachedSinceMs);
      if (typeof others === 'string' || !back || stranger !== undefined)
        return failed(typeof others === 'string' ? others : problem.why);
      mayArriveLate();
      return others;
    }
    unreachedSinceMs = undefined;
    if (stranger !== undefined) return failed(stranger);
    const inFlightMs = runner.unended ? target.idleTimeoutMs : inFlightUntilMs - io.monotonic();
    if (inFlightMs > 0) {
      // What another process, or an attempt of ours that failed, has in flight can arrive until then; this must be the last word.
      if (!(await watch.wait(inFlightMs))) return undefined;
      askedMs = io.monotonic();
      const since = await lookBeforeShift(state, runner, { made, tried: true });
      if (since !== undefined) {
        // So may what was sent a moment ago: the revert is made twice.
        mayArriveLate();
        return since === 'look again' ? undefined : since;
      }
      // Members may have come meanwhile.
      const now = target.changes(effect.split, effect.leaving);
      const whole = back ? (await ownChanges(now, own, target.outside)).changes : now;
      const again = await makeAll(whole, back, runner, stale);
      if (again !== undefined) return again === 'look again' ? undefined : failed(again.why);
    }
    const shifted = await readBackAs(effect.split, state, runner);
    return typeof shifted === 'string' ? failed(shifted) : shifted;
  };
}

/** What was asked for is what the router reports; else why not. */
async function readBackAs(wanted: Split, state: State, runner: Runner): Promise<Event | string> {
  const { io, readBack } = runner;
  const after = await readBack.read();
  if ('why' in after) return `the shift was requested, but the router cannot be read back: ${after.why}`;
  const { places, certainty } = after.reading;
  if (!splitsAgree(places, wanted)) return `requested ${splitText(wanted)}, but the router reports ${splitText(places)}`;
  const stale = state.phase === 'reverting' ? await nameStableAgain(state, after.reading, runner) : undefined;
  if (stale !== undefined) return stale;
  readBack.countFrom(after.reading);
  return { type: 'shifted', atMs: io.now(), split: wanted.filter((share) => share.percent > 0), certainty };
}

/** On the way back: all that answer have the split, and the others were tried for long enough; else why it is tried again. */
async function withoutTheRest(
  problem: Problem,
  wanted: Split,
  state: State,
  runner: Runner,
  sinceMs: number,
): Promise<Event | string> {
  const { io, readBack } = runner;
  const others = await othersHave(wanted, problem, runner);
  if (others === undefined) return problem.why;
  const why = othersText(problem.why, wanted);
  const isBack = state.phase === 'reverting' || state.plan.kind === 'rollback';
  const isLast = io.monotonic() - sinceMs >= UNREACHED_MS || state.attempts + 1 >= REVERT_ATTEMPTS_MAX;
  if (!isBack || !isLast) return why;
  const stale = state.phase === 'reverting' ? await nameStableAgain(state, others, runner) : undefined;
  if (stale !== undefined) return stale;
  readBack.countFrom(others);
  const split = wanted.filter((share) => share.percent > 0);
  return { type: 'shifted', atMs: io.now(), split, certainty: others.certainty, unreached: why };
}

/** The second half of a pair with admission: no split may name a build that this plan was not admitted for. */
function assertOwnBuilds(split: Split, state: State): void {
  const { candidate, stable, scope } = state.plan;
  const stamps = [candidate, ...(stable === null ? [] : [stable])];
  const foreign = stamps.find((build) => build.environment !== undefined && build.environment !== scope.environment);
  if (foreign !== undefined)
    throw new Error(`build ${foreign.guid} is stamped for ${String(foreign.environment)}, not ${scope.environment}`);
  const own = new Set(stamps.map((build) => build.ref));
  const stray = split.find((share) => share.percent > 0 && !own.has(share.place));
  if (stray !== undefined) throw new Error(`the split gives traffic to ${stray.place}, which the plan does not name`);
}

/** Changes that failed, and why. */
interface Problem {
  readonly why: string;
  readonly at: readonly Change[];
}

/** Forward stops at the first change that fails; a rollback makes all it can, so that a dead location keeps no other on a bad build. */
async function makeAll(
  changes: readonly Change[],
  back: boolean,
  runner: Runner,
  against: () => string | undefined,
): Promise<Problem | 'look again' | undefined> {
  const failures: string[] = [];
  const at: Change[] = [];
  for (const change of changes) {
    try {
      await make(change, runner.target.outside, () => runner.watch.forbidden() ?? against());
    } catch (error) {
      if (error instanceof NotAllowed) return 'look again';
      failures.push(textOf(error));
      at.push(change);
      if (!back) break;
    }
  }
  return failures.length === 0 ? undefined : { why: [...new Set(failures)].join('; '), at };
}

export const othersText = (why: string, split: readonly { readonly place: string; readonly percent: number }[]) =>
  `${why}; every location that answers serves ${splitText(split)}`;

/** What was read of the other locations, where they have the split, and everything that failed was to be done where nothing can be read. */
async function othersHave(split: Split, { at }: Problem, { readBack }: Runner): Promise<Reading | undefined> {
  const found = await readBack.read();
  if ('why' in found || found.reading.unseen === undefined) return undefined;
  const answered = new Set(found.reading.locations.map(({ name }) => name));
  const isElsewhere = at.every((change) => {
    const name = change.at ?? (change.kind === 'socket' ? change.address : undefined);
    return name !== undefined && !answered.has(name);
  });
  return isElsewhere && splitsAgree(found.reading.places, split) ? found.reading : undefined;
}

/**
 * What the candidate was admitted on may be different since the last look (for a rollout that is resumed, days ago): more traffic goes only to
 * what admission would let in now. Since the last look someone may have moved the traffic, too.
 */
async function lookBeforeShift(
  state: State,
  runner: Runner,
  { made, tried }: { readonly made: boolean; readonly tried: boolean },
): Promise<Event | 'look again' | undefined> {
  const { plan, phase, step, attempts, again } = state;
  if (phase === 'reverting') return lookBeforeRevert(state, runner);
  if (phase !== 'shifting') return undefined;
  const { io, ledger, condition, readBack } = runner;
  const beganMs = io.monotonic();
  const failed = (why: string): Event => ({ type: 'shift-failed', atMs: io.now(), why, attempt: attempts + 1, final: false });
  const unseen = (why: string): Event => {
    const missingMs = state.missingMs + io.monotonic() - beganMs + RETRY_MS;
    return { type: 'unseen', atMs: io.now(), why, missingMs, tried: attempts > 0 };
  };
  const found = await readBack.read();
  if (plan.kind !== 'promote') return 'why' in found ? undefined : lookBeforeRollback(state, found.reading, runner, made);
  if ('why' in found) return again ? failed(found.why) : waits(unseen(found.why), state, runner);
  const way = again ? step + 1 : step;
  // What a try of its own made of the split is no drift: it is tried again. One that was killed may have reached some members of a place.
  const onTheWay = (places: Reading['places']) => isOnTheWayTo(plan, way, places);
  if ((again || !tried) && !readBack.stands(found.reading, onTheWay) && !onTheWay(inRotation(found.reading)))
    return drifted(splitBefore(plan, way), found.reading, io.now());
  const standing = await condition.whole(state, ledger.history, found.reading);
  // What only sets the step again that has baked already raises nothing.
  if (standing.is === 'silent' && !again) return waits(unseen(standing.why), state, runner);
  const few = again ? undefined : tooFewToRaise(state, found.reading, runner.target);
  if (few !== undefined && standing.is === 'right') return waits(unseen(few), state, runner);
  return unfitOf(standing, io.now()) ?? (await keepRollbackPath(state, found.reading, runner)) ?? keepSpace(state, runner);
}

function splitBefore(plan: Plan, step: number): Split {
  return step === 0 ? stableSplit(plan) : stepSplit(plan, step - 1);
}

/** No more traffic without space for the rollback and its records: on a disk that fills up later both must still be possible. */
function keepSpace(state: State, { io, places, target }: Runner): Event | undefined {
  try {
    const back = target.changes(stableSplit(state.plan), 'at-once');
    for (const reserve of [ledgerReserve(places), ...reservesOf(back, io)]) keepReserve(reserve, io.fs);
    return undefined;
  } catch (error) {
    const why = `space for a rollback could not be reserved: ${textOf(error)}`;
    return { type: 'shift-failed', atMs: io.now(), why, attempt: state.attempts + 1, final: false };
  }
}

/** No more traffic without a pointer on disk that leads back, over every member: one that someone removed, or that is out of date, is written again first. */
async function keepRollbackPath(state: State, reading: Reading, runner: Runner): Promise<Event | undefined> {
  const { io, ledger, places, watch } = runner;
  try {
    const seen = { history: ledger.history, reading };
    const problem = pathProblem(state.plan, seen, runner);
    if (problem === undefined) return undefined;
    const ledgerHead = await ledger.head();
    const draft = await draftRollout({ why: 'before-rollout' }, state.plan, { ...seen, ledgerHead }, runner);
    if (watch.forbidden() !== undefined) return undefined;
    const { generation } = publishPointer(places, draft, io);
    const message = `${problem}; it was written again as generation ${generation}`;
    runner.report({ type: 'note', level: 'warning', message });
    return undefined;
  } catch (error) {
    const why = `the rollback path is not on disk, and could not be written again: ${textOf(error)}`;
    return { type: 'shift-failed', atMs: io.now(), why, attempt: state.attempts + 1, final: false };
  }
}

/** Before the first shift there is no bake to go back to: a moment, then the next look. Whoever is told to leave meanwhile changes nothing. */
async function waits(event: Event, state: State, { watch }: Runner): Promise<Event | 'look again'> {
  return state.step > 0 || (await watch.wait(RETRY_MS)) ? event : 'look again';
}

/** What a revert follows that proves nothing against the candidate: no health for too long, or a router that does not get ready. */
const UNPROVEN = ['GATE_NOT_READY', 'STUCK'];

/**
 * A revert that nothing but missing health calls for must not lead to a place that is dead, as long as the candidate is what was admitted and
 * serves there: it would take out the last members that answer. It is tried again for a while; then a person decides.
 */
async function lookBeforeRevert(state: State, runner: Runner): Promise<Event | undefined> {
  const { plan, code, attempts } = state;
  const { io, ledger, condition, readBack } = runner;
  if (code === null || !UNPROVEN.includes(code) || plan.stable === null) return undefined;
  const found = await readBack.read();
  if ('why' in found) return undefined;
  const dead = deadAt(found.reading, plan.stable.ref, plan.candidate.ref);
  if (dead === undefined || (await condition.whole(state, ledger.history, found.reading)).is !== 'right') return undefined;
  const why = `every member of ${plan.stable.ref} is down at ${dead} and ${plan.candidate.ref} serves, so rolling back now would leave no server there: start the members of ${plan.stable.ref} first`;
  return { type: 'shift-failed', atMs: io.now(), why, attempt: attempts + 1, final: false };
}

/** The first location at which every member of a place is down, and another place really serves. */
function deadAt({ locations }: Reading, place: string, other: string): string | undefined {
  const found = locations.find(({ members }) => {
    const own = members.filter((member) => member.place === place);
    const serves = members.some((member) => member.place === other && member.percent > 0);
    return own.length > 0 && own.every(({ up }) => !up) && serves;
  });
  return found?.name;
}

/** A rollback, or the adoption of a build by name, must not lead to another build either. One that has begun is finished, whoever falls silent. */
async function lookBeforeRollback(
  state: State,
  reading: Reading,
  { io, condition }: Runner,
  made: boolean,
): Promise<Event | undefined> {
  const standing = await condition.identity(state, reading);
  if (standing.is !== 'silent' || made) return unfitOf(standing, io.now());
  return { type: 'shift-failed', atMs: io.now(), why: standing.why, attempt: state.attempts + 1, final: false };
}

/**
 * For a revert that comes after the pointer was written already (a crash lay in between): it names the stable build again, or why it does
 * not. Until it does, break-glass would lead back to the build that was left.
 */
async function nameStableAgain({ plan }: State, reading: Reading, runner: Runner): Promise<string | undefined> {
  const { places, io, ledger, watch } = runner;
  const { newest } = readPointers(pointerDirsOf(places)[0] ?? '', io.fs, places.scope);
  if (newest?.knownGood.build.guid !== plan.candidate.guid) return undefined;
  try {
    const seen = { history: ledger.history, reading, ledgerHead: await ledger.head() };
    const draft = await draftRollout({ why: 'before-rollout' }, plan, seen, runner);
    const against = watch.forbidden();
    if (against !== undefined) return against;
    for (const message of publishPointer(places, draft, io).warnings) runner.report({ type: 'note', level: 'warning', message });
    return undefined;
  } catch (error) {
    return `the pointer still names ${plan.candidate.guid}: ${textOf(error)}`;
  }
}

export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
