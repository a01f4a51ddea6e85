/** Leads one rollout from claim to outcome. Every command that moves traffic ends here. */
import { readHold } from '../base/pointer/hold.ts';
import { copyDir, pointerDir } from '../base/pointer/pointer.ts';
import type { Scope } from '../base/scope.ts';
import { KvdeployError } from '../core/errors.ts';
import { fold, type History, openRollout } from '../core/ledger/history.ts';
import type { OutputLine } from '../core/output.ts';
import type { Plan } from '../core/rollout/plan.ts';
import { type State, start } from '../core/rollout/rollout.ts';
import { scopeFlags, scopeText } from '../core/scope.ts';
import { assertNobodyLeads, takeLead } from '../engine/claim.ts';
import { diskDoubt } from '../engine/facts.ts';
import { phaseLine } from '../engine/narrate.ts';
import { pointerWriter } from '../engine/pointer-writer.ts';
import { type End, run } from '../engine/run.ts';
import { type Control, heldError, type Runner } from '../engine/runner.ts';
import { openTarget, type Target } from '../engine/target.ts';
import type { Deps, Outcome } from '../release/deps.ts';
import type { Opened } from '../release/open.ts';
import { groupOf, modesOf, recordStatePlaces } from '../release/state-dir.ts';
import { showTraffic } from '../release/traffic.ts';
import { breakGlassCommand } from './advice.ts';
import { listenForSignals } from './control.ts';
import { outcomeOf, supersededOutcome } from './outcome.ts';

/** What a command wants to happen once it leads. */
export interface Lead {
  readonly command: string;
  readonly control: Control;
  /** Take the claim from a living leader too (an abort that it did not honour in time). */
  readonly takeOver: boolean;
  /** Decides, from the ledger as it is under the claim, which rollout to walk. */
  readonly begin: (history: History, runner: Runner) => Promise<State>;
}

/** The router settings that a rollout runs on: those of its plan, never those of today's files. */
export function targetOfPlan(plan: Plan, deps: Deps): Target {
  return openTarget(plan.router, plan.identity, deps.io);
}

/**
 * Takes the claim, walks the rollout of `plan`, gives the claim back, and says how it ended. `plan` is the one to run on:
 * the open rollout's own, or a new one. Throws HELD, BUSY and what the store throws.
 */
export async function lead(opened: Opened, plan: Plan, deps: Deps, wants: Lead): Promise<Outcome> {
  const { scope, store } = opened;
  const pointerDirs = [pointerDir(opened.stateDir, scope), ...plan.copies.map((copy) => copyDir(copy, scope))];
  const hold = readHold(pointerDirs, deps.io.fs);
  if (hold !== undefined) throw heldError(scope, hold.text);
  recordStatePlaces([opened.stateDir, ...plan.copies], deps);
  const doubt = diskDoubt(opened.stateDir, deps.io);
  if (doubt !== undefined) deps.line({ type: 'note', level: 'warning', message: doubt });
  const target = targetOfPlan(plan, deps);
  const places = { scope, stateDir: opened.stateDir, copies: plan.copies, modes: modesOf(groupOf(opened.config, deps.io)) };
  const parts = {
    io: deps.io,
    store,
    scope,
    target,
    actor: opened.actor,
    control: wants.control,
    report: deps.line,
    pointerDirs,
    writePointer: pointerWriter(places, plan, target, deps.io),
  };
  const { runner, tornBytes, end } = await takeLead(parts, wants.command, { takeOver: wants.takeOver });
  if (tornBytes > 0) deps.line(tornNote(tornBytes));
  showTraffic(deps, target, new Map(buildsOf(plan)), () => runner.shiftedReading);
  const stopListening = listenForSignals(deps, wants.control, runner);
  try {
    const state = await wants.begin(runner.history, runner);
    deps.line(startedLine(state.plan, opened.actor, state.phase !== 'checking'));
    deps.line(phaseLine(new Date(deps.io.now()).toISOString(), state));
    const ended = await walk(runner, state, opened);
    return ended.how === 'superseded' ? await supersededOutcome(ended.state, opened, deps) : outcomeOf(ended, opened);
  } finally {
    stopListening();
    await end();
  }
}

/** What a runner cannot write down it does not do: a ledger that fails in the middle stops it, and traffic stays where it is. */
async function walk(runner: Runner, state: State, opened: Opened): Promise<End> {
  try {
    return await run(runner, state);
  } catch (error) {
    const { rollout } = runner.history;
    if (!(error instanceof KvdeployError) || rollout === null || rollout.phase === 'checking') throw error;
    const where = `${rollout.phase}, step ${rollout.step + 1} of ${rollout.plan.steps.length}`;
    throw new KvdeployError('STUCK', {
      message: `The rollout stops where it is (${where}), and nobody watches the gates: ${error.message.replace(/\.$/, '')}.`,
      hint: `${breakGlassCommand(opened)}   or, once the cause is mended: kvdeploy resume ${opened.flags}`,
      cause: error,
    });
  }
}

/** Begins a new rollout: nothing else may be open, and nothing may have happened since the plan was judged. */
export function beginNew(plan: Plan, judgedOn: History): Lead['begin'] {
  return async (history, runner) => {
    const open = openRollout(history);
    if (open !== null) throw unfinished(runner.parts.scope, open);
    assertSame(history, judgedOn, runner.parts.scope);
    if (!(await runner.append({ type: 'planned', atMs: runner.parts.io.now(), plan }))) {
      throw new KvdeployError('BUSY', {
        message: 'Another runner took over before the rollout could begin.',
        hint: `kvdeploy status ${scopeFlags(runner.parts.scope)}`,
      });
    }
    return start(plan);
  };
}

/** Claims and releases aside, the ledger must be the one that the locks looked at. Throws BUSY. */
function assertSame(history: History, judgedOn: History, scope: Scope): void {
  if (history.changedAt === judgedOn.changedAt && history.knownGood[0]?.rollout === judgedOn.knownGood[0]?.rollout) return;
  throw new KvdeployError('BUSY', {
    message: `Something else happened in ${scopeText(scope)} since this plan was judged.`,
    hint: 'Run the same command again: it will judge the world of now.',
  });
}

/** Before a refusal is believed: what the locks saw of the target may have been another rollout that has just begun. Throws BUSY or UNFINISHED then. */
export async function assertNothingBegan(opened: Opened, deps: Deps): Promise<void> {
  const { entries } = await opened.store.read(opened.scope);
  const history = fold(entries);
  const open = openRollout(history);
  if (open !== null) return refuseBeside(opened, open, deps);
  assertSame(history, opened.history, opened.scope);
}

/** The error of a scope whose last rollout nobody finished. */
function unfinished(scope: Scope, open: State): KvdeployError {
  const names = scopeFlags(scope);
  return new KvdeployError('UNFINISHED', {
    message: `Rollout ${open.plan.id} of ${scopeText(scope)} is not finished: ${open.phase} at step ${open.step + 1} of ${open.plan.steps.length}, and nobody watches it.`,
    hint: `Carry on: kvdeploy resume ${names}   or go back: kvdeploy abort ${names}`,
  });
}

/** Refuses to begin beside an open rollout: BUSY while somebody leads it, UNFINISHED when nobody does. */
export async function refuseBeside(opened: Opened, open: State, deps: Deps): Promise<never> {
  await assertNobodyLeads(opened.store, opened.scope, deps.io);
  throw unfinished(opened.scope, open);
}

function tornNote(bytes: number): OutputLine {
  return {
    type: 'note',
    level: 'warning',
    message: `${bytes} bytes that a crash had left half written were put aside from the ledger`,
  };
}

function* buildsOf(plan: Plan): Generator<[string, string]> {
  for (const member of plan.members) if (member.build !== null) yield [member.place, member.build];
}

function startedLine(plan: Plan, actor: string, resumed: boolean) {
  const summary = (build: Plan['candidate']) => ({
    guid: build.guid,
    version: build.version,
    ref: build.ref,
    sequence: build.sequence,
  });
  return {
    type: 'started',
    rollout: plan.id,
    kind: plan.kind,
    scope: plan.scope,
    actor,
    candidate: summary(plan.candidate),
    stable: plan.stable === null ? null : summary(plan.stable),
    steps: plan.steps,
    resumed,
  } as const;
}
