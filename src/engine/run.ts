/** The only loop that moves traffic: ask `next`, do it, write the answer down, repeat. */
import { giveBack, isDiskFull } from '../base/durable/reserve.ts';
import type { Event } from '../core/ledger/events.ts';
import { apply, isDurable, isUntouched, next, type State } from '../core/rollout/rollout.ts';
import { linesOf } from './narrate.ts';
import { performer } from './perform.ts';
import { ledgerReserve } from './pointer-writer.ts';
import type { Runner } from './runner.ts';
import { textOf } from './shift.ts';

/** How a run ended. `over`: nothing is left to do. `left`: traffic may be split and no one is watching. */
export type End =
  | { readonly how: 'over'; readonly state: State }
  | { readonly how: 'left'; readonly state: State; readonly why: 'interrupted' | 'max-wait' | 'until' }
  | { readonly how: 'held' | 'other-state'; readonly state: State; readonly why: string }
  /** The state was lost after the first shift; traffic went back as far as it could. */
  | { readonly how: 'lost'; readonly state: State; readonly why: string }
  | { readonly how: 'superseded'; readonly state: State };

/**
 * Walks the rollout from `state` until it is over or must be left. Every change of phase is durable in the ledger before
 * the next effect begins. Rejects only when the ledger cannot be written before the first shift: then nothing was changed. Later on it
 * still knows the plan: it goes back to the stable build without the ledger, and ends as `lost`.
 */
export async function run(runner: Runner, from: State): Promise<End> {
  const { io, ledger, watch, report } = runner;
  const perform = performer(runner);
  let state = from;
  let lost: string | undefined;
  /** Nothing is raised any more; what is written from here on is for whoever finds it. */
  const goBack = async (why: string, from = state): Promise<State> => {
    state = from;
    lost ??= why;
    watch.goOnWithoutState();
    const event: Event = { type: 'unfit', atMs: io.now(), why: `the state was lost: ${lost}`, code: 'STATE_LOST' };
    if (goesOnWithoutState(state)) return state;
    const after = apply(state, event);
    if (after !== state) await ledger.append(event).catch(() => false);
    for (const line of linesOf(state, event, after)) report(line);
    state = after;
    return state;
  };
  for (;;) {
    const effect = next(state);
    if (effect.do === 'stop') return lost === undefined ? { how: 'over', state } : { how: 'lost', state, why: lost };
    const came = await watch.look();
    if (came?.kind === 'lost') {
      await goBack(came.why);
      continue;
    }
    if (came?.kind === 'held' || came?.kind === 'other-state') return { how: came.kind, state, why: came.why };
    if (came?.kind === 'superseded') return { how: 'superseded', state };
    if (came?.kind === 'leave') return lost === undefined ? leaveAs(runner, state, came.why) : { how: 'lost', state, why: lost };
    if (came === undefined && reachedUntil(runner, state)) return leaveAs(runner, state, 'until');
    if (came === undefined && pausedBeforeTheFirstShift(runner, state)) return leaveAs(runner, state, 'interrupted');
    const event: Event | undefined =
      came === undefined ? await perform(effect, state) : { type: 'abort-requested', atMs: io.now(), ...came.by };
    // A rescue, or another leader, moves traffic too: that is no drift, and theirs is the last word.
    if (event === undefined || (event.type === 'drifted' && watch.forbidden() !== undefined)) continue;
    const after = apply(state, event);
    const kept = isDurable(state, event, after) ? await keep(runner, event, state) : 'kept';
    if (kept === 'full') {
      state = await goBackOnFullDisk(runner, state, event, after, goBack);
      continue;
    }
    if (kept === 'taken' && lost === undefined) return { how: 'superseded', state };
    for (const line of linesOf(state, event, after)) report(line);
    state = after;
    if (typeof kept === 'object' || lost !== undefined) await goBack(typeof kept === 'object' ? kept.lost : '');
  }
}

/** Writes an event down. Rejects where that fails before the first shift: then there is nothing to go back from. */
async function keep(
  { ledger, store, places }: Runner,
  event: Event,
  state: State,
): Promise<'kept' | 'taken' | 'full' | { lost: string }> {
  try {
    if (await ledger.append(event)) return 'kept';
  } catch (error) {
    if (isUntouched(state)) throw error;
    if (isDiskFull(error) && store.standing(places.scope) === 'ours') return 'full';
    return { lost: textOf(error) };
  }
  const standing = store.standing(places.scope);
  return typeof standing === 'object' ? standing : 'taken';
}

/**
 * The disk is full, so the space that was put by is given back, for the records of the way back. A raise that could not be recorded does not
 * happen.
 */
async function goBackOnFullDisk(
  { io, ledger, places, report }: Runner,
  state: State,
  event: Event,
  after: State,
  lost: (why: string, from: State) => Promise<State>,
): Promise<State> {
  giveBack(ledgerReserve(places).file, io.fs);
  const unfit: Event = { type: 'unfit', atMs: io.now(), code: 'STATE_UNWRITABLE', why: 'the disk of the state is full' };
  const raises = after.phase === 'shifting';
  let now = state;
  try {
    for (const each of raises ? [unfit] : [event, unfit]) {
      const then = apply(now, each);
      if (then !== now && isDurable(now, each, then) && !(await ledger.append(each))) return now;
      for (const line of linesOf(now, each, then)) report(line);
      now = then;
    }
    return now;
  } catch (error) {
    return lost(textOf(error), raises ? state : apply(now, event));
  }
}

/** On its way to a known-good build already: a revert, or a rollback that has not arrived. */
function goesOnWithoutState({ phase, plan }: State): boolean {
  return phase === 'reverting' || (plan.kind === 'rollback' && ['shifting', 'converging'].includes(phase));
}

function reachedUntil(runner: Runner, state: State): boolean {
  const { untilPercent } = runner.control;
  if (untilPercent === null || state.phase !== 'shifting' || state.again) return false;
  return (state.plan.steps[state.step]?.percent ?? 0) > untilPercent;
}

/** Where nothing has been shifted there is no step to pause at and no gate to watch. */
function pausedBeforeTheFirstShift(runner: Runner, state: State): boolean {
  if (!runner.control.paused) return false;
  return isUntouched(state) || (state.phase === 'shifting' && state.step === 0 && state.attempts === 0 && !state.again);
}

async function leaveAs(runner: Runner, state: State, why: 'interrupted' | 'max-wait' | 'until'): Promise<End> {
  const written = await runner.ledger.append({ type: 'left', atMs: runner.io.now(), why });
  return written ? { how: 'left', state, why } : { how: 'superseded', state };
}
