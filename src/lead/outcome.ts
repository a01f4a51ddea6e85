/** Turns the end of a run into what a person and a script are told. */
import { join } from 'node:path';
import { type Code, EXIT, EXIT_OF } from '../base/codes.ts';
import { RESCUE_FILE } from '../base/pointer/pointer.ts';
import { shellWord } from '../base/text.ts';
import { rollbackTargets } from '../core/ledger/history.ts';
import type { State } from '../core/rollout/rollout.ts';
import { scopeFlags, shortGuid } from '../core/scope.ts';
import { sameProcess } from '../engine/claim.ts';
import type { End } from '../engine/run.ts';
import type { Deps, Outcome } from '../release/deps.ts';
import type { Opened } from '../release/open.ts';
import { heldError } from './held.ts';

/** What to say about the end of a run that no one else took over. */
export function outcomeOf(end: Exclude<End, { how: 'superseded' }>, opened: Opened): Outcome {
  switch (end.how) {
    case 'over':
      return overOutcome(end.state, opened);
    case 'left':
      return leftOutcome(end.state, end.why, opened);
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
  return {
    code: 'BUSY',
    message: `${who} leads this rollout now. ${stoppedMidway(state)}`,
    hint: `See where it stands: kvdeploy status ${opened.flags}`,
  };
}

/** A runner that may not go on knows where it was, not where things are. */
function stoppedMidway(state: State): string {
  const { plan, phase, step } = state;
  const where = phase === 'checking' ? 'before its first shift' : `while ${phase} at ${plan.steps[step]?.percent ?? 0} %`;
  return `This runner stopped ${where} and changes nothing any more.`;
}

function overOutcome(state: State, opened: Opened): Outcome {
  const { plan } = state;
  const { flags } = opened;
  switch (state.phase) {
    case 'done':
      return {
        code: null,
        message: doneMessage(state),
        next: plan.kind === 'promote' ? [`kvdeploy rollback ${flags}${undoTo(state)}`] : [],
      };
    case 'refused': {
      const code = codeOf(state, 'UNEXPECTED_SPLIT');
      // Nothing was changed: whatever the code means elsewhere, here it is a refusal or something out of reach.
      const exitCode = EXIT_OF[code] === EXIT.unreachable ? EXIT.unreachable : EXIT.refused;
      return { code, exitCode, message: sentence(state.why), hint: `See what the target serves: kvdeploy status ${flags}` };
    }
    case 'reverted':
      return {
        code: state.abort === null ? 'REVERTED' : 'ABORTED',
        message: `${sentence(state.why)} Traffic is back on ${shortGuid(plan.stable?.guid ?? '')}; the known-good build is unchanged.`,
        hint: `See what happened: kvdeploy history ${flags}`,
      };
    case 'rescued':
      return {
        code: 'ABORTED',
        message: `The rollout ended with a break-glass rescue: ${state.why}.`,
        hint: `kvdeploy history ${flags}`,
      };
    case 'stuck':
    case 'checking':
    case 'shifting':
    case 'converging':
    case 'baking':
    case 'pointing':
    case 'reverting':
      return {
        code: codeOf(state, 'STUCK'),
        exitCode: EXIT.stuck,
        message: sentence(state.why),
        hint: breakGlassCommand(opened),
        next: [breakGlassCommand(opened)],
      };
  }
}

function codeOf(state: State, otherwise: Code): Code {
  return state.code !== null && state.code in EXIT_OF ? (state.code as Code) : otherwise;
}

function doneMessage(state: State): string {
  const { plan } = state;
  const name = `${shortGuid(plan.candidate.guid)} (${plan.candidate.version})`;
  switch (plan.kind) {
    case 'promote':
      return `${name} serves ${plan.scope.environment} and is the known-good build now.`;
    case 'adopt':
      return `${name} was taken over: it is the known-good build of ${plan.scope.environment} now.`;
    case 'rollback':
      return `Back on ${name}.${plan.stable === null ? '' : ` ${shortGuid(plan.stable.guid)} is marked bad.`}`;
  }
}

function undoTo(state: State): string {
  return state.plan.stable === null ? '' : ` --to ${state.plan.stable.guid}`;
}

function leftOutcome(state: State, why: 'interrupted' | 'max-wait' | 'until', opened: Opened): Outcome {
  const { flags } = opened;
  const percent = state.plan.steps[state.step]?.percent ?? 0;
  const unwatched = 'No one is watching the gates now.';
  const next = [`kvdeploy resume ${flags}`, `kvdeploy abort ${flags}`];
  const hint = `Carry on: ${next[0]}   or roll back: ${next[1]}`;
  switch (why) {
    case 'until':
      return { code: null, message: `Stopped before ${percent} %, as asked. ${unwatched}`, next };
    case 'max-wait':
      return {
        code: 'STILL_BAKING',
        message: `Still ${state.phase} at ${percent} %: --max-wait ran out. ${unwatched}`,
        hint,
        next,
      };
    case 'interrupted':
      return { code: 'INTERRUPTED', message: `Interrupted while ${state.phase} at ${percent} %. ${unwatched}`, hint, next };
  }
}

function sentence(text: string): string {
  const begun = `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

/** The earlier builds that a rollback can go to, each as the exact command. */
export function earlierCommands(opened: Opened, except: string): readonly string[] {
  return rollbackTargets(opened.history)
    .filter((known) => known.build.guid !== except)
    .map(
      (known) =>
        `kvdeploy rollback ${opened.flags} --to ${known.build.guid}   # ${known.build.version}, known-good since ${known.since}`,
    );
}

/** The rollback path that needs nothing else: node, and the program that lies with the pointer. */
export function breakGlassCommand(opened: Pick<Opened, 'scope' | 'pointerDirs'>): string {
  const program = join(opened.pointerDirs[0] ?? '', RESCUE_FILE);
  return `node ${shellWord(program)} ${scopeFlags(opened.scope)} --reason "…"`;
}
