/** The rollout state machine: `next` says the one thing to do, `apply` what the answer means. No I/O, no clock, no randomness. */
import { type AdmittedBuild, admittedBefore } from '../admission/admitted.ts';
import type { GateResult, Verdict } from '../gates/verdict/verdict.ts';
import type { Baseline, Event, EvidenceRecord } from '../ledger/events.ts';
import { msText } from '../text.ts';
import { leavingAt, type Plan, stableSplit, stepSplit, warmUpMsOf, watchMsOf } from './plan.ts';
import { type Split, splitsAgree, splitText } from './split.ts';

export const PHASES = [
  'checking',
  'watching',
  'shifting',
  'converging',
  'baking',
  'pointing',
  'done',
  'refused',
  'reverting',
  'reverted',
  'stuck',
  'rescued',
] as const;

export type Phase = (typeof PHASES)[number];

export interface State {
  readonly plan: Plan;
  readonly phase: Phase;
  /** Index of the step, from 0. */
  readonly step: number;
  /** Why it is in this phase, one sentence. */
  readonly why: string;
  /** The code that a run which ends here reports; while reverting, that of what led to it. */
  readonly code: string | null;
  /** While shifting: the step's split is set once more, because no one watched since, or members came or left; it bakes again before anything further. */
  readonly again: boolean;
  /** Failed tries of the current effect, in this process. */
  readonly attempts: number;
  /** Time spent waiting for convergence, watched while baking, and without health, at this step and in this process. */
  readonly waitedMs: number;
  readonly watchedMs: number;
  readonly missingMs: number;
  /** Counts when the bake began; they outlive the process, so that a resumed bake is first judged from them. */
  readonly baseline: Baseline;
  /** What the comparing gates have seen so far; null before their first poll. */
  readonly evidence: EvidenceRecord | null;
  readonly abort: { readonly actor: string; readonly reason: string } | null;
  /** The candidate's gate failed: it is bad. */
  readonly gateFailed: boolean;
  /** When the candidate got the traffic of this step, as the ledger says. */
  readonly raisedMs: number | null;
  /** Which locations a way back did not reach, and why; null where it reached all. */
  readonly unreached: string | null;
}

export type Effect =
  | { readonly do: 'prepare' }
  /** Counts the stable build, which serves everything as the split says. */
  | { readonly do: 'watch'; readonly split: Split }
  | { readonly do: 'shift'; readonly split: Split; readonly leaving: 'drain' | 'at-once' }
  | { readonly do: 'converge'; readonly split: Split }
  | { readonly do: 'poll'; readonly split: Split }
  | { readonly do: 'point' }
  | { readonly do: 'stop' };

/** Tries of a forward shift, and of anything that restores a known-good build, before giving up. */
export const ATTEMPTS_MAX = 3;

export const REVERT_ATTEMPTS_MAX = 10;

/** How long the router may take to report the split that was asked for. */
export const CONVERGE_MS_MAX = 30_000;

const VOLATILE = { attempts: 0, waitedMs: 0, watchedMs: 0, missingMs: 0 };

const UNTOUCHED = {
  step: 0,
  code: null,
  again: false,
  baseline: {},
  evidence: null,
  abort: null,
  gateFailed: false,
  raisedMs: null,
  unreached: null,
};

/** The state before anything was done. */
export function start(plan: Plan): State {
  return { ...VOLATILE, ...UNTOUCHED, plan, phase: 'checking', why: 'planned' };
}

/** What becomes known-good now: the candidate of a plan whose every step is behind it; null in every other phase. */
export function toBePointed({ phase, plan }: State): AdmittedBuild | null {
  return phase === 'pointing' ? admittedBefore(plan.candidate) : null;
}

/** True in the phases after which nothing is left to do. */
export function isOver(state: State): boolean {
  return next(state).do === 'stop';
}

/** True while nothing can have been shifted yet: whatever comes up now ends it, and there is nothing to revert. */
export function isUntouched({ phase }: Pick<State, 'phase'>): boolean {
  return phase === 'checking' || phase === 'watching';
}

/** The one thing to do now, from the state alone: after a crash, fold the ledger and ask again. */
export function next(state: State): Effect {
  switch (state.phase) {
    case 'checking':
      return { do: 'prepare' };
    case 'watching':
      return { do: 'watch', split: stableSplit(state.plan) };
    case 'shifting':
      return { do: 'shift', split: stepSplit(state.plan, state.step), leaving: leavingAt(state.plan, state.step) };
    case 'converging':
      return { do: 'converge', split: stepSplit(state.plan, state.step) };
    case 'baking':
      return { do: 'poll', split: stepSplit(state.plan, state.step) };
    case 'pointing':
      return { do: 'point' };
    case 'reverting':
      return { do: 'shift', split: stableSplit(state.plan), leaving: 'at-once' };
    case 'done':
    case 'refused':
    case 'reverted':
    case 'stuck':
    case 'rescued':
      return { do: 'stop' };
  }
}

/** What an answer means. Events that do not fit the phase (a late answer, an abort that comes twice) change nothing. */
export function apply(state: State, event: Event): State {
  const { kind } = state.plan;
  switch (event.type) {
    case 'prepared':
      return state.phase === 'checking' ? prepared(state) : state;
    case 'refused':
      return state.phase === 'checking' ? end(state, 'refused', event.message, event.code) : state;
    case 'shifted':
      return shifted(state, event);
    case 'shift-failed':
      return shiftFailed(state, event);
    case 'converged':
      if (state.phase !== 'converging') return state;
      // A rollback waits for no gate: only a healthy service could answer one.
      if (kind === 'rollback')
        return { ...enter(state, 'pointing', 'the router reports the requested build'), unreached: event.unreached ?? null };
      return {
        ...enter(state, 'baking', `the router reports ${splitText(stepSplit(state.plan, state.step))}`),
        baseline: event.baseline,
      };
    case 'not-converged':
      return notConverged(state, event);
    case 'polled':
      if (state.phase === 'watching') return watched(state, event);
      return state.phase === 'baking' ? polled(state, event) : state;
    case 'unfit':
      return unfit(state, event);
    case 'unseen':
      return unseen(state, event);
    case 'regrouped':
      // An adoption shifts nothing, and a rollback bakes nothing.
      return state.phase === 'baking' && kind === 'promote' ? { ...enter(state, 'shifting', event.why), again: true } : state;
    case 'drifted':
      if (state.phase === 'watching') return end(state, 'refused', event.why, 'UNEXPECTED_SPLIT');
      // It is back, and has the split of before.
      if (state.phase === 'converging' && state.unreached !== null)
        return enter({ ...state, unreached: null }, 'shifting', event.why);
      return ['shifting', 'baking', 'converging'].includes(state.phase) ? end(state, 'stuck', event.why, 'DRIFT') : state;
    case 'pointed':
      return state.phase === 'pointing' ? endBack(state, 'done', doneText(state.plan), null) : state;
    case 'point-failed':
      return state.phase === 'pointing' ? tried(state, event, (why) => end(state, 'stuck', why, 'STUCK')) : state;
    case 'abort-requested':
      return aborted(state, event);
    case 'reconciled':
      return isOver(state) ? state : end(state, 'rescued', event.reason, 'ABORTED');
    case 'left':
      return event.why === 'until' ? bakesAgain(state, 'baking', UNWATCHED) : state;
    case 'claimed':
      return bakesAgain(state, 'shifting', UNWATCHED);
    case 'released':
    case 'planned':
    case 'imported':
    case 'marked':
    case 'pardoned':
      return state;
  }
}

function prepared(state: State): State {
  const { kind, moves } = state.plan;
  // Adopting takes over what already serves, so there is nothing to shift.
  const phase = kind === 'adopt' && !moves ? 'converging' : watchMsOf(state.plan) > 0 ? 'watching' : 'shifting';
  const next = phase === 'watching' ? '; watching the stable build before the first step' : '';
  return enter(state, phase, `every check passed, the rollback path is durable${next}`);
}

/** What was counted of the stable build is kept once, for the first step: a watch that is broken off begins anew, since nothing was shifted. */
function watched(state: State, event: Extract<Event, { type: 'polled' }>): State {
  const { watchedMs, missingMs, evidence, gates } = event;
  const verdict = verdictOf(event, state.plan);
  if (verdict === 'give-up') {
    const waiting = gates.find((gate) => gate.verdict !== 'pass');
    const which = waiting === undefined ? '' : `: gate ${waiting.gate}: ${waiting.why}`;
    return end(state, 'refused', `the first step did not begin${which}`, 'GATE_NOT_READY');
  }
  if (verdict === 'pass' && event.advance && watchedMs >= watchMsOf(state.plan))
    return { ...enter(state, 'shifting', 'the stable build was watched'), evidence: evidence ?? null };
  return { ...state, watchedMs, missingMs };
}

function shifted(state: State, event: Extract<Event, { type: 'shifted' }>): State {
  const effect = next(state);
  // The late answer to an earlier shift must not pass for this one's: after an abort it would call a split traffic reverted.
  if (effect.do !== 'shift' || !splitsAgree(event.split, effect.split)) return state;
  if (state.again) return enter(state, 'baking', state.why);
  const unreached = event.unreached ?? null;
  if (state.phase === 'shifting')
    return { ...enter(state, 'converging', `requested ${splitText(event.split)}`), raisedMs: event.atMs, unreached };
  if (state.phase === 'reverting')
    return endBack({ ...state, unreached }, 'reverted', state.why, state.abort === null ? 'REVERTED' : 'ABORTED');
  return state;
}

function shiftFailed(state: State, event: Extract<Event, { type: 'shift-failed' }>): State {
  if (state.phase === 'shifting')
    return event.final ? fallBack(state, event.why) : tried(state, event, (why) => fallBack(state, why));
  if (state.phase !== 'reverting') return state;
  if (event.attempt < REVERT_ATTEMPTS_MAX) return { ...state, attempts: event.attempt };
  return end(state, 'stuck', `traffic could not be rolled back to the stable build: ${event.why}`, 'STUCK');
}

function notConverged(state: State, event: Extract<Event, { type: 'not-converged' }>): State {
  if (state.phase !== 'converging') return state;
  if (event.final || !(event.waitedMs < CONVERGE_MS_MAX)) return fallBack(state, event.why);
  return { ...state, waitedMs: event.waitedMs };
}

/** It rolls back at once and is never known-good. Nothing was proven against the build itself, so it is not marked bad. */
function unfit(state: State, { why, code }: Extract<Event, { type: 'unfit' }>): State {
  if (isUntouched(state)) return end(state, 'refused', why, code);
  return ['shifting', 'converging', 'baking', 'pointing'].includes(state.phase) ? fallBack(state, why, code) : state;
}

/** Back to the bake, where the gates watch the traffic that there is, and where what stays unseen uses up patience. */
function unseen(state: State, { why, missingMs, tried }: Extract<Event, { type: 'unseen' }>): State {
  if (state.plan.kind === 'rollback') return state;
  if (state.phase === 'pointing') return enter(state, 'baking', why);
  if (state.phase !== 'shifting' || state.again) return state;
  if (state.step > 0) return bakesAgain(state, tried ? 'shifting' : 'baking', why);
  // Nothing was shifted yet, so there is no bake to go back to.
  return missingMs <= state.plan.patienceMs ? { ...state, missingMs } : fallBack(state, why, 'GATE_NOT_READY');
}

function polled(before: State, event: Extract<Event, { type: 'polled' }>): State {
  const state = event.evidence === undefined ? before : { ...before, evidence: event.evidence };
  const { gates, watchedMs, missingMs } = event;
  const first = (word: Verdict) => gates.find(({ verdict }) => verdict === word);
  switch (verdictOf(event, state.plan)) {
    case 'pass': {
      const step = state.plan.steps[state.step];
      const baked = step !== undefined && watchedMs >= step.bakeMs;
      return event.advance && baked ? advance(state) : { ...state, watchedMs, missingMs };
    }
    case 'hold':
      return { ...state, watchedMs, missingMs };
    case 'fail': {
      const failed = first('fail');
      const why = failed === undefined ? 'a gate failed' : `gate ${failed.gate} failed: ${failed.why}`;
      return { ...fallBack(state, `${why}${soonText(state, event.atMs)}`, 'GATE_FAILED'), gateFailed: true };
    }
    case 'give-up': {
      const gaveUp = first('give-up');
      if (gaveUp !== undefined) return fallBack(state, `gate ${gaveUp.gate} gave up: ${gaveUp.why}`, 'GATE_NOT_READY');
      const waiting = first('hold');
      const which = waiting === undefined ? '' : `: gate ${waiting.gate}: ${waiting.why}`;
      return fallBack(state, `health was unknown for too long${which}${countedText(gates, waiting)}`, 'GATE_NOT_READY');
    }
  }
}

/** What other gates counted until then: too little for a verdict, and the first thing to look at. */
function countedText(gates: readonly GateResult[], named: GateResult | undefined): string {
  const counted = gates.filter((gate) => gate !== named && gate.errors > 0);
  return counted.map(({ gate, why }) => `; gate ${gate} counted until then: ${why}`).join('');
}

/** A rollback this soon after a raise, or after a warm-up, may have met a cold start. */
const SOON_MS = 30_000;

function soonText({ raisedMs, plan }: State, atMs: number): string {
  const sinceMs = raisedMs === null ? Number.POSITIVE_INFINITY : atMs - raisedMs;
  const warmUpMs = warmUpMsOf(plan);
  if (sinceMs < warmUpMs || sinceMs > warmUpMs + SOON_MS) return '';
  const key = warmUpMs > 0 ? `a longer warmUp than ${msText(warmUpMs)}` : 'warmUp, such as 60s';
  return `; ${msText(sinceMs)} after the step began: if the build fails only while it starts, give the gate ${key}`;
}

/** Before format 3 a ledger's word for giving up was a time beyond patience. */
function verdictOf({ verdict, missingMs }: Extract<Event, { type: 'polled' }>, { patienceMs }: Plan): Verdict {
  return verdict === 'hold' && !(missingMs <= patienceMs) ? 'give-up' : verdict;
}

function advance(state: State): State {
  if (state.step + 1 >= state.plan.steps.length) return enter(state, 'pointing', 'every gate passed at 100 %');
  return enter({ ...state, step: state.step + 1 }, 'shifting', 'the gates passed');
}

const UNWATCHED = 'it bakes again, since no one watched it';

/**
 * Between two steps, for however long: whoever comes next bakes the one before again, judged by all that was counted in the meantime.
 * Where a shift may have been begun already, that step's split is set again first.
 */
function bakesAgain(state: State, phase: 'baking' | 'shifting', why: string): State {
  if (state.phase !== 'shifting' || state.step === 0 || state.again) return state;
  const back = enter({ ...state, step: state.step - 1 }, phase, why);
  return { ...back, again: phase === 'shifting' };
}

function aborted(state: State, event: Extract<Event, { type: 'abort-requested' }>): State {
  const abort = { actor: event.actor, reason: event.reason };
  const why = `aborted by ${event.actor}: ${event.reason}`;
  if (isUntouched(state)) return { ...end(state, 'refused', why, 'ABORTED'), abort };
  // While pointing the gates have passed and the pointer may already name the candidate: from here on only `rollback` restores another build.
  return ['shifting', 'converging', 'baking'].includes(state.phase) ? { ...fallBack(state, why, 'ABORTED'), abort } : state;
}

/** Where a rollout goes that cannot go on: a promotion reverts to stable; a rollback stays, since it must never return to the build it left. */
function fallBack(state: State, why: string, code = 'STUCK'): State {
  switch (state.plan.kind) {
    case 'promote':
      return { ...enter(state, 'reverting', why), code };
    case 'rollback':
      return end(state, 'stuck', why, 'STUCK');
    case 'adopt':
      // Traffic may be on its build by now, and there is no stable one to go back to.
      if (state.plan.moves) return end(state, 'stuck', why, code);
      return end(state, 'refused', why, code === 'STUCK' ? 'UNEXPECTED_SPLIT' : code);
  }
}

function tried(state: State, event: { readonly why: string; readonly attempt: number }, giveUp: (why: string) => State): State {
  const most = state.plan.kind === 'rollback' || state.plan.moves ? REVERT_ATTEMPTS_MAX : ATTEMPTS_MAX;
  return event.attempt >= most ? giveUp(event.why) : { ...state, attempts: event.attempt };
}

function enter(state: State, phase: Phase, why: string): State {
  return { ...state, ...VOLATILE, again: false, phase, why };
}

function end(state: State, phase: Phase, why: string, code: string | null): State {
  return { ...enter(state, phase, why), code };
}

/** The ledger says again which build should serve, so that `converge` leads there what was not reached. */
function endBack(state: State, phase: Phase, why: string, code: string | null): State {
  return state.unreached === null
    ? end(state, phase, why, code)
    : end(state, phase, `${why}; ${state.unreached}`, 'NEEDS_ATTENTION');
}

function doneText(plan: Plan): string {
  return plan.kind === 'adopt' ? 'the build currently serving is the known-good build' : 'the build is known-good';
}

/** True when the ledger must keep this event: it changed where the rollout stands, or says who did what. A fold of these alone must stand there too. */
export function isDurable(before: State, event: Event, after: State): boolean {
  if (before.phase !== after.phase || before.step !== after.step) return true;
  if (event.type === 'polled') return event.checkpoint === true;
  return !['not-converged', 'shift-failed', 'point-failed', 'unseen'].includes(event.type);
}
