/** Turns the end of a run into what a person and a script are told. */
import { join } from 'node:path';
import { sameProcess } from '../base/changes/process-identity.ts';
import { type Code, EXIT, EXIT_OF } from '../base/codes.ts';
import { RESCUE_FILE, readPointers } from '../base/pointer/pointer.ts';
import { shellWord } from '../base/text.ts';
import { type History, rescueGoal, rollbackTargets } from '../core/ledger/history.ts';
import type { Plan } from '../core/rollout/plan.ts';
import { isUntouched, type State } from '../core/rollout/rollout.ts';
import { scopeFlags, scopeText, shortGuid } from '../core/scope.ts';
import type { End } from '../engine/run.ts';
import type { Io } from '../io.ts';
import { type Deps, done, type Outcome } from '../release/deps.ts';
import type { Opened } from '../release/open.ts';
import { heldError } from './held.ts';

/** What to say about the end of a run that no one else took over. */
export function outcomeOf(end: Exclude<End, { how: 'superseded' } | { how: 'lost' }>, opened: Opened, { io }: Deps): Outcome {
  switch (end.how) {
    case 'over':
      return overOutcome(end.state, opened, io);
    case 'left':
      return leftOutcome(end.state, end.why, opened);
    case 'other-state': {
      const message = `Traffic in ${scopeText(opened.scope)} must not be shifted: ${end.why}. ${stoppedMidway(end.state)}`;
      return { code: 'OTHER_STATE', message, hint: `kvdeploy status ${opened.flags}` };
    }
    case 'held': {
      const { message, hint } = heldError(opened.scope, end.why);
      return { code: 'HELD', message: `${message} ${stoppedMidway(end.state)}`, hint };
    }
  }
}

/** What to say about a run that another process took over: who that was, as the ledger says now. */
export async function supersededOutcome(state: State, opened: Opened, { io }: Deps): Promise<Outcome> {
  const { entries } = await opened.store.read(opened.scope).catch(() => ({ entries: [] }));
  const claim = entries.flatMap(({ event }) => (event.type === 'claimed' ? [event.claim] : [])).at(-1);
  // Whoever takes over fences first, and claims a moment later.
  const named = claim !== undefined && !sameProcess(claim.by, io.self());
  const who = !named ? 'Another runner' : `${claim.actor} with ${claim.command} (pid ${claim.by.pid} on ${claim.by.host})`;
  const message = `${who} leads this rollout now. ${stoppedMidway(state)}`;
  return { code: 'BUSY', message, hint: `See its state: kvdeploy status ${opened.flags}` };
}

/** A runner that may not go on knows where it was, not where things are. */
function stoppedMidway(state: State): string {
  const { plan, phase, step } = state;
  const where = isUntouched(state) ? 'before its first shift' : `while ${phase} at ${plan.steps[step]?.percent ?? 0} %`;
  return `This runner stopped ${where} and makes no further changes.`;
}

function overOutcome(state: State, opened: Opened, io: Io): Outcome {
  const { plan, phase, why, abort } = state;
  const { flags } = opened;
  const history = `kvdeploy history ${flags}`;
  switch (phase) {
    case 'done': {
      if (state.unreached !== null) return unreachedOutcome(`${doneMessage(plan)} ${sentence(state.unreached)}`, opened);
      const undo = plan.stable === null ? '' : ` --to ${plan.stable.guid}`;
      return done(doneMessage(plan), plan.kind === 'promote' ? [`kvdeploy rollback ${flags}${undo}`] : []);
    }
    case 'refused': {
      const code = codeOf(state, 'UNEXPECTED_SPLIT');
      // Nothing was changed: whatever the code means elsewhere, here it is a refusal or something out of reach.
      const exitCode = EXIT_OF[code] === EXIT.unreachable ? EXIT.unreachable : EXIT.refused;
      const see = `See what the target serves: kvdeploy status ${flags}`;
      const hint =
        code === 'GATE_NOT_READY' ? `Remove the cause, then try again. What the gates have now: kvdeploy doctor ${flags}` : see;
      return { code, exitCode, message: sentence(why), hint };
    }
    case 'reverted': {
      if (state.unreached !== null) return unreachedOutcome(`${sentence(why)} The known-good build is unchanged.`, opened);
      const message = `${sentence(why)} All traffic is on ${shortGuid(plan.stable?.guid ?? '')}; the known-good build is unchanged.`;
      return { code: abort === null ? 'REVERTED' : 'ABORTED', message, hint: `See what happened: ${history}` };
    }
    case 'rescued':
      return { code: 'ABORTED', message: `The rollout ended with a break-glass rescue: ${why}.`, hint: history };
    case 'stuck':
    case 'checking':
    case 'watching':
    case 'shifting':
    case 'converging':
    case 'baking':
    case 'pointing':
    case 'reverting': {
      if (plan.kind === 'adopt') return stuckAdoption(state, opened);
      const rescue = breakGlassCommand(opened, io, goalOfRollout(state));
      return { code: codeOf(state, 'STUCK'), exitCode: EXIT.stuck, message: sentence(why), hint: rescue, next: [rescue] };
    }
  }
}

/** Everything that answers is on the build that it should be on; what does not may serve another one. */
function unreachedOutcome(message: string, { flags }: Opened): Outcome {
  const next = [`kvdeploy status ${flags}`, `kvdeploy converge ${flags}`];
  return { code: 'NEEDS_ATTENTION', message, hint: `Once every location answers again: ${next[1]}`, next };
}

/** There is no stable build and no pointer yet: a person names another build, or adopts this one once it is healthy. */
function stuckAdoption(state: State, { flags }: Opened): Outcome {
  const { candidate } = state.plan;
  const message = `${sentence(state.why)} No build is known-good yet; all traffic was to go to ${shortGuid(candidate.guid)}.`;
  const next = [`kvdeploy adopt ${flags} --to ${candidate.guid}`];
  const hint = `Fix the cause and run it again, or name another build: kvdeploy adopt ${flags} --to GUID`;
  return { code: codeOf(state, 'STUCK'), exitCode: EXIT.stuck, message, hint, next };
}

function codeOf(state: State, otherwise: Code): Code {
  return state.code !== null && state.code in EXIT_OF ? (state.code as Code) : otherwise;
}

function doneMessage(plan: Plan): string {
  const name = `${shortGuid(plan.candidate.guid)} (${plan.candidate.version})`;
  switch (plan.kind) {
    case 'promote':
      return `${name} now serves ${plan.scope.environment} and is the known-good build.`;
    case 'adopt':
      return `${name} was adopted: it is the known-good build of ${plan.scope.environment} now.`;
    case 'rollback':
      if (plan.converges === true)
        return `Converged: all traffic of ${plan.scope.environment} is on ${name}, as the ledger says. Nothing was marked bad.`;
      return `Rolled back to ${name}.${plan.stable === null || plan.marksNothing ? '' : ` ${shortGuid(plan.stable.guid)} is marked bad.`}`;
  }
}

function leftOutcome(state: State, why: 'interrupted' | 'max-wait' | 'until', opened: Opened): Outcome {
  const { flags } = opened;
  const percent = state.plan.steps[state.step]?.percent ?? 0;
  const isWatching = state.phase === 'watching';
  const at = isWatching ? 'watching the stable build before the first step' : `${state.phase} at ${percent} %`;
  const unwatched = isWatching ? 'Nothing was shifted; whoever resumes watches it again.' : 'No one is watching the gates now.';
  const next = [`kvdeploy resume ${flags}`, `kvdeploy abort ${flags}`];
  const hint = `Continue: ${next[0]}   or roll back: ${next[1]}`;
  switch (why) {
    case 'until':
      return done(`Stopped before ${percent} %, as requested. ${unwatched}`, next);
    case 'max-wait':
      return { code: 'STILL_BAKING', message: `Still ${at}: --max-wait ran out. ${unwatched}`, hint, next };
    case 'interrupted':
      return { code: 'INTERRUPTED', message: `Interrupted while ${at}. ${unwatched}`, hint, next };
  }
}

function sentence(text: string): string {
  const begun = `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

/** The earlier builds that a rollback can go to, each as the exact command. */
export function earlierCommands(opened: Opened, except: string): readonly string[] {
  const others = rollbackTargets(opened.history).filter(({ build }) => build.guid !== except);
  return others.map(({ build: { guid, version }, since }) => {
    return `kvdeploy rollback ${opened.flags} --to ${guid}   # ${version}, known-good since ${since}`;
  });
}

/** After a rollback that ended stuck, `--to` names its goal: the ledger still calls the build good that it was leaving. */
export function stuckTarget({ rollingBackTo }: Pick<History, 'rollingBackTo'>): string {
  return rollingBackTo === null ? '' : ` --to ${rollingBackTo}`;
}

/**
 * The rollback path that needs nothing else: node, and the program that lies with the pointer. It names the build with `--to` unless
 * the pointer itself names it. `goal`: the build to lead to, if it is not the one that the history says.
 */
export function breakGlassCommand(
  opened: Pick<Opened, 'scope' | 'pointerDirs' | 'history'>,
  io: Io,
  goal: string | undefined = rescueGoal(opened.history)?.build.guid,
): string {
  const [dir = ''] = opened.pointerDirs;
  const program = join(dir, RESCUE_FILE);
  const newest = opened.pointerDirs.flatMap((each) => readPointers(each, io.fs, opened.scope).newest ?? []);
  const [obeyed] = newest.toSorted((a, b) => b.generation - a.generation);
  const to = goal === undefined || obeyed?.knownGood.build.guid === goal ? '' : ` --to ${goal}`;
  return `node ${shellWord(program)} ${scopeFlags(opened.scope)}${to} --reason "…"`;
}

/** The build that an emergency during this rollout, or after it got stuck, leads to; undefined if it leaves none. */
export function goalOfRollout({ plan }: State): string | undefined {
  return plan.kind === 'rollback' ? plan.candidate.guid : plan.stable?.guid;
}
