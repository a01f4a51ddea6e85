/** The only loop that moves traffic: ask `next`, do it, write the answer down, repeat. */
import type { Event } from '../core/ledger/events.ts';
import { apply, isDurable, next, type State } from '../core/rollout/rollout.ts';
import { linesOf } from './narrate.ts';
import { performer } from './perform.ts';
import type { Runner } from './runner.ts';

/** How a run ended. `over`: nothing is left to do. `left`: traffic may be split and no one is watching. */
export type End =
  | { readonly how: 'over'; readonly state: State }
  | { readonly how: 'left'; readonly state: State; readonly why: 'interrupted' | 'max-wait' | 'until' }
  | { readonly how: 'held' | 'other-state'; readonly state: State; readonly why: string }
  | { readonly how: 'superseded'; readonly state: State };

/**
 * Walks the rollout from `state` until it is over or must be left. Every change of phase is durable in the ledger before
 * the next effect begins. Rejects only when the ledger cannot be written: then nothing is changed any more.
 */
export async function run(runner: Runner, from: State): Promise<End> {
  const { io, ledger, watch, report } = runner;
  const perform = performer(runner);
  let state = from;
  for (;;) {
    const effect = next(state);
    if (effect.do === 'stop') return { how: 'over', state };
    const came = await watch.look();
    if (came?.kind === 'held' || came?.kind === 'other-state') return { how: came.kind, state, why: came.why };
    if (came?.kind === 'superseded') return { how: 'superseded', state };
    if (came?.kind === 'leave') return leaveAs(runner, state, came.why);
    if (came === undefined && reachedUntil(runner, state)) return leaveAs(runner, state, 'until');
    if (came === undefined && pausedBeforeTheFirstShift(runner, state)) return leaveAs(runner, state, 'interrupted');
    const event: Event | undefined =
      came === undefined ? await perform(effect, state) : { type: 'abort-requested', atMs: io.now(), ...came.by };
    // A rescue, or another leader, moves traffic too: that is no drift, and theirs is the last word.
    if (event === undefined || (event.type === 'drifted' && watch.forbidden() !== undefined)) continue;
    const after = apply(state, event);
    if (isDurable(state, event, after) && !(await ledger.append(event))) return { how: 'superseded', state };
    for (const line of linesOf(state, event, after)) report(line);
    state = after;
  }
}

function reachedUntil(runner: Runner, state: State): boolean {
  const { untilPercent } = runner.control;
  if (untilPercent === null || state.phase !== 'shifting' || state.again) return false;
  return (state.plan.steps[state.step]?.percent ?? 0) > untilPercent;
}

/** Where nothing has been shifted there is no step to pause at and no gate to watch. */
function pausedBeforeTheFirstShift(runner: Runner, state: State): boolean {
  if (!runner.control.paused) return false;
  return state.phase === 'checking' || (state.phase === 'shifting' && state.step === 0 && state.attempts === 0 && !state.again);
}

async function leaveAs(runner: Runner, state: State, why: 'interrupted' | 'max-wait' | 'until'): Promise<End> {
  const written = await runner.ledger.append({ type: 'left', atMs: runner.io.now(), why });
  return written ? { how: 'left', state, why } : { how: 'superseded', state };
}
