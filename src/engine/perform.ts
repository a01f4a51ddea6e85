/** One effect in, one event out. Never throws for what the outside does; undefined means: look again first. */
import { type Change, NotAllowed } from '../base/changes/change.ts';
import { make } from '../base/changes/make.ts';
import type { Answer } from '../core/admission/facts.ts';
import type { Event } from '../core/ledger/events.ts';
import { isOnTheWayOn, stepSplit } from '../core/rollout/plan.ts';
import type { Effect, State } from '../core/rollout/rollout.ts';
import { type Split, splitsAgree, splitText } from '../core/rollout/split.ts';
import { scopeFlags } from '../core/scope.ts';
import { bakePoll } from './bake.ts';
import { countFromTheFirstRequest } from './compare.ts';
import { measureBaseline, measureStable, silentGate } from './measure.ts';
import { drifted, driftText, tryRead } from './read-back.ts';
import type { Runner } from './runner.ts';

const RETRY_MS = 1000;

const CONVERGE_POLL_MS = 300;

/** Longer than asking and sending can take. */
const ASKED_WITHIN_MS = 10_000;

/** Does what the effect says and returns what happened. */
export async function perform(effect: Exclude<Effect, { do: 'stop' }>, state: State, runner: Runner): Promise<Event | undefined> {
  switch (effect.do) {
    case 'prepare':
      return prepare(state, runner);
    case 'shift':
      return shift(effect, state, runner);
    case 'converge':
      return converge(effect.split, state, runner);
    case 'poll':
      return bakePoll(effect.split, state, runner);
    case 'point':
      return point(state, runner);
  }
}

/** The last look before the first shift, and the way back made durable for {stable 100, candidate 0}. */
async function prepare(state: State, runner: Runner): Promise<Event | undefined> {
  const { io } = runner.parts;
  const refuse = (code: string, message: string, hint: string): Event => ({
    type: 'refused',
    atMs: io.now(),
    code,
    message,
    hint,
  });
  // A rollback needs no new way back: the pointer names a known-good build already, and nothing may stand in its way.
  if (state.plan.kind === 'rollback') return { type: 'prepared', atMs: io.now(), generation: null };
  const before = await tryRead(runner);
  if ('why' in before) return refuse('UNREACHABLE', before.why, 'Nothing was changed. Try again when the router answers.');
  const serving = state.plan.stable ?? state.plan.candidate;
  if (!splitsAgree(before.reading.members, [{ place: serving.ref, percent: 100 }])) {
    return refuse(
      'UNEXPECTED_SPLIT',
      `The target serves ${splitText(before.reading.members)}, not ${serving.ref} alone.`,
      'Somebody moved traffic since the plan was made: look at kvdeploy status.',
    );
  }
  runner.shiftedReading = before.reading;
  if (state.plan.kind === 'adopt') return { type: 'prepared', atMs: io.now(), generation: null };
  const silent = silentGate(state.plan, await measureStable(state.plan, before.reading, io));
  if (silent !== undefined)
    return refuse(
      'GATE_NOT_READY',
      silent,
      `Nothing was changed. See: kvdeploy plan ${scopeFlags(state.plan.scope)} --build ${state.plan.candidate.guid}`,
    );
  try {
    const head = await runner.ledgerHead();
    // A runner that slept until here would put its old way back over the generation of whoever leads by now.
    if (runner.forbidden() !== undefined) return undefined;
    const { generation, warnings } = runner.parts.writePointer('before-rollout', state, runner.history, before.reading, head);
    for (const message of warnings) runner.parts.report({ type: 'note', level: 'warning', message });
    return { type: 'prepared', atMs: io.now(), generation };
  } catch (error) {
    return refuse(
      'STATE_UNWRITABLE',
      `The way back could not be made durable: ${textOf(error)}.`,
      'Nothing was changed. Make room in the state directory, then try again.',
    );
  }
}

async function shift(effect: Extract<Effect, { do: 'shift' }>, state: State, runner: Runner): Promise<Event | undefined> {
  const { io, target } = runner.parts;
  assertOwnBuilds(effect.split, state);
  const mayArriveLate = () => {
    runner.inFlightUntilMs = io.monotonic() + target.idleTimeoutMs;
  };
  const failed = (why: string): Event => {
    mayArriveLate();
    return { type: 'shift-failed', atMs: io.now(), why, attempt: state.attempts + 1, final: false };
  };
  if (state.attempts > 0 && !(await runner.wait(RETRY_MS))) return undefined;
  await countFromTheFirstRequest(state, runner);
  let askedMs = io.monotonic();
  const met = await lookBeforeShift(state, runner);
  if (met !== undefined) return met;
  const changes = target.changes(effect.split, effect.leaving);
  runner.revertTried = state.phase === 'reverting';
  const back = state.phase === 'reverting' || state.plan.kind === 'rollback';
  // Whoever slept since must ask again: another build may have come to the place.
  const stale = () => (!back && io.monotonic() - askedMs > ASKED_WITHIN_MS ? 'the build was asked too long ago' : undefined);
  const problem = await makeAll(changes, back, runner, stale);
  if (problem === 'look again') return undefined;
  if (problem !== undefined) return failed(problem);
  const inFlightMs = runner.parts.unended ? target.idleTimeoutMs : runner.inFlightUntilMs - io.monotonic();
  if (inFlightMs > 0) {
    // What another process, or an attempt of ours that failed, has in flight can arrive until then; this must be the last word.
    if (!(await runner.wait(inFlightMs))) return undefined;
    askedMs = io.monotonic();
    const since = await lookBeforeShift(state, runner);
    if (since !== undefined) {
      // So may what was sent a moment ago: the way back is made twice.
      mayArriveLate();
      return since;
    }
    const again = await makeAll(changes, back, runner, stale);
    if (again === 'look again') return undefined;
    if (again !== undefined) return failed(again);
  }
  const after = await tryRead(runner);
  if ('why' in after) return failed(`the shift was asked for, but the router cannot be read back: ${after.why}`);
  if (!splitsAgree(after.reading.members, effect.split)) {
    return failed(`asked for ${splitText(effect.split)}, but the router reports ${splitText(after.reading.members)}`);
  }
  runner.shiftedReading = after.reading;
  runner.lastPollMs = undefined;
  const split = effect.split.filter((share) => share.percent > 0).map((share) => ({ ...share }));
  return { type: 'shifted', atMs: io.now(), split, certainty: after.reading.certainty };
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

/** Forward stops at the first change that fails; the way back makes all it can, so that a dead location keeps no other on a bad build. */
async function makeAll(
  changes: readonly Change[],
  back: boolean,
  runner: Runner,
  against: () => string | undefined = () => undefined,
): Promise<string | undefined> {
  const failures: string[] = [];
  for (const change of changes) {
    try {
      await make(change, runner.parts.io, () => runner.forbidden() ?? against());
    } catch (error) {
      if (error instanceof NotAllowed) return 'look again';
      failures.push(textOf(error));
      if (!back) break;
    }
  }
  return failures.length === 0 ? undefined : failures.join('; ');
}

/** Why whoever answers at the candidate's place is certainly not the build that was admitted, or undefined. */
function strangerIn(answer: Answer | null, { plan }: State): string | undefined {
  if (answer === null || 'unreachable' in answer || answer.guid === null) return undefined;
  const { ref, guid } = plan.candidate;
  if (answer.guid !== guid) return `another build answers at ${ref}: ${answer.guid}`;
  if (answer.environment === null || answer.environment === plan.scope.environment) return undefined;
  return `the build at ${ref} says that it was made for ${answer.environment}`;
}

/**
 * Somebody may have exchanged the binary since the last look (for a rollout that is resumed, days ago): more traffic goes only to the very build.
 * A place that does not answer is left to the read-back after the shift. Where nobody watched, somebody may have moved the traffic too.
 */
async function lookBeforeShift(state: State, runner: Runner): Promise<Event | undefined> {
  const { plan, phase, step, attempts, again } = state;
  if (phase !== 'shifting' || plan.kind !== 'promote') return undefined;
  const failed = (why: string, final: boolean): Event => {
    return { type: 'shift-failed', atMs: runner.parts.io.now(), why, attempt: attempts + 1, final };
  };
  const found = await tryRead(runner);
  if ('why' in found) return again ? failed(found.why, false) : undefined;
  if (again && !isOnTheWayOn(plan, step, found.reading.members)) return drifted(stepSplit(plan, step), found.reading, runner);
  const stranger = strangerIn(await runner.parts.target.ask(plan.candidate.ref, found.reading), state);
  return stranger === undefined ? undefined : failed(stranger, true);
}

/** Matching percentages, no trouble, and the very build that was admitted behind the candidate's place. */
async function converge(split: Split, state: State, runner: Runner): Promise<Event | undefined> {
  const { io, target } = runner.parts;
  const beganMs = io.monotonic();
  const found = await tryRead(runner);
  let why: string | undefined;
  let final = false;
  if ('why' in found) why = found.why;
  else if (!splitsAgree(found.reading.members, split)) {
    return drifted(split, found.reading, runner);
  } else if (found.reading.trouble.length > 0) why = found.reading.trouble.join('; ');
  else {
    const answer = await target.ask(state.plan.candidate.ref, found.reading);
    const stranger = strangerIn(answer, state);
    if (stranger !== undefined) [why, final] = [stranger, true];
    else if (answer === null || 'unreachable' in answer)
      why = `the build at ${state.plan.candidate.ref} does not answer: ${answer === null ? 'no such place' : answer.unreachable}`;
    else if (answer.guid === null) why = `the build at ${state.plan.candidate.ref} does not say which one it is: ${answer.said}`;
  }
  if (why === undefined && !('why' in found)) {
    const baseline = await measureBaseline(state.plan, found.reading, io);
    return { type: 'converged', atMs: io.now(), baseline, certainty: found.reading.certainty };
  }
  if (!final && !(await runner.wait(CONVERGE_POLL_MS))) return undefined;
  return { type: 'not-converged', atMs: io.now(), why: why ?? '', waitedMs: state.waitedMs + io.monotonic() - beganMs, final };
}

/** Writes the generation that names the new known-good build. Reading the layout first: it is rendered over every member. */
async function point(state: State, runner: Runner): Promise<Event | undefined> {
  const { io } = runner.parts;
  const failed = (why: string): Event => ({ type: 'point-failed', atMs: io.now(), why, attempt: state.attempts + 1 });
  if (state.attempts > 0 && !(await runner.wait(RETRY_MS))) return undefined;
  const found = await tryRead(runner);
  if ('why' in found) return failed(found.why);
  // Known-good is what serves everything now, not what did when the last gate passed.
  const served = stepSplit(state.plan, state.step);
  if (!splitsAgree(found.reading.members, served)) return failed(driftText(served, found.reading));
  try {
    const head = await runner.ledgerHead();
    if (runner.forbidden() !== undefined) return undefined;
    const why = state.plan.kind === 'adopt' ? 'adopted' : state.plan.kind === 'rollback' ? 'rolled-back' : 'promoted';
    const { generation, warnings } = runner.parts.writePointer(why, state, runner.history, found.reading, head);
    return { type: 'pointed', atMs: io.now(), generation, warnings: [...warnings] };
  } catch (error) {
    return failed(`the known-good pointer could not be written: ${textOf(error)}`);
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
