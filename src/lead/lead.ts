/** Leads one rollout from claim to outcome. Every command that moves traffic ends here. */
import { giveBack } from '../base/durable/reserve.ts';
import { readHold } from '../base/pointer/hold.ts';
import type { Scope } from '../base/scope.ts';
import type { Facts } from '../core/admission/facts.ts';
import { KvdeployError } from '../core/errors.ts';
import type { Event } from '../core/ledger/events.ts';
import { fold, type History, openRollout } from '../core/ledger/history.ts';
import type { Build } from '../core/manifest/manifest.ts';
import type { OutputLine } from '../core/output.ts';
import { kindOf, type Plan, stableSplit } from '../core/rollout/plan.ts';
import { isUntouched, type State, start } from '../core/rollout/rollout.ts';
import { scopeFlags, scopeText } from '../core/scope.ts';
import { systemError } from '../core/system-error.ts';
import { assertNoOneLeads, takeLead } from '../engine/claim.ts';
import { diskDoubt } from '../engine/facts.ts';
import { phaseLine } from '../engine/narrate.ts';
import { ledgerReserve, pointerDirsOf, reservesOf } from '../engine/pointer-writer.ts';
import { type End, run } from '../engine/run.ts';
import { type Runner, runnerOf } from '../engine/runner.ts';
import { openTarget, type Target } from '../engine/target.ts';
import type { Deps, Outcome } from '../release/deps.ts';
import { markTarget, othersMark } from '../release/mark-target.ts';
import { environmentsOf, type Opened } from '../release/open.ts';
import { marksOf } from '../release/other-state.ts';
import { groupOf, modesOf, recordStatePlaces } from '../release/state-dir.ts';
import { showTraffic } from '../release/traffic.ts';
import { mayRunBy, refuseStrangePrograms } from '../release/trust/programs.ts';
import type { Wishes } from './control.ts';
import { filesAgain } from './files-again.ts';
import { heldError } from './held.ts';
import { breakGlassCommand, goalOfRollout, outcomeOf, supersededOutcome } from './outcome.ts';
import { lostOutcome } from './state-lost.ts';

/** What a command wants to happen once it leads. */
export interface Lead {
  readonly command: string;
  readonly control: Wishes;
  /** Take the claim from a living leader too. */
  readonly takeOver: boolean;
  /** Replace a marker at the target whose state is gone. */
  readonly replacesMark?: boolean;
  /** Decides, from the ledger as it is under the claim, which rollout to walk. */
  readonly begin: (runner: Runner) => Promise<State>;
}

/** The router settings that a rollout runs on: those of its plan, never those of today's files. */
export function targetOfPlan(plan: Plan, deps: Deps): Target {
  refuseStrangePrograms(plan.router, plan.scope, deps.io);
  return openTarget(plan.router, plan.identity, deps.io, { layout: plan.layout, mayRun: mayRunBy(deps), scope: plan.scope });
}

/**
 * Takes the claim, walks the rollout of `plan`, gives the claim back, and says how it ended. `plan` is the one to run on:
 * the open rollout's own, or a new one. Throws HELD, BUSY and what the store throws.
 */
export async function lead(opened: Opened, plan: Plan, deps: Deps, wants: Lead): Promise<Outcome> {
  const { scope, store, stateDir, actor, claims } = opened;
  const { io } = deps;
  const warn = (message: string) => deps.line({ type: 'note', level: 'warning', message });
  const environments = environmentsOf(opened);
  const places = { scope, stateDir, copies: plan.copies, modes: modesOf(groupOf(opened.config, io)), environments };
  const holdDirs = opened.marking.twin === null ? [] : [opened.marking.twin];
  const hold = readHold([...pointerDirsOf(places), ...holdDirs], io.fs);
  if (hold !== undefined) throw heldError(scope, hold.text);
  recordStatePlaces([stateDir, ...plan.copies], deps);
  const doubt = diskDoubt(stateDir, io);
  if (doubt !== undefined) warn(doubt);
  const target = targetOfPlan(plan, deps);
  const own = markTarget(opened, target.marks, deps, wants.replacesMark);
  const led = await takeLead({ io, store, scope, actor, claims }, wants.command, { takeOver: wants.takeOver });
  const marks = { holdDirs, othersTarget: () => othersMark(own, io), files: filesAgain(opened, deps) };
  const runner = runnerOf({ io, store, target, control: wants.control, report: deps.line, places, ...marks }, led);
  if (led.tornBytes > 0) warn(`${led.tornBytes} bytes that a crash had left half written were put aside from the ledger`);
  const builds = plan.members.flatMap(({ place, build }) => (build === null ? [] : [[place, build] as const]));
  showTraffic(deps, target, new Map(builds), () => runner.readBack.since);
  const stopListening = wants.control.listen(runner);
  try {
    const state = await wants.begin(runner);
    deps.line(startedLine(state.plan, actor, state.phase !== 'checking'));
    deps.line(phaseLine(new Date(io.now()).toISOString(), state));
    const ended = await walk(runner, state, opened);
    if (ended.how === 'lost') return lostOutcome(ended.state, ended.why, runner, opened, deps);
    return ended.how === 'superseded' ? await supersededOutcome(ended.state, opened, deps) : outcomeOf(ended, opened, deps);
  } finally {
    stopListening();
    // What was put by for a rollback.
    const back = plan.stable === null ? [] : target.changes(stableSplit(plan), 'at-once');
    for (const { file } of [ledgerReserve(places), ...reservesOf(back, io)]) giveBack(file, io.fs);
    await led.end();
  }
}

/** What fails in the middle otherwise than the outside does stops the runner, and traffic stays where it is. */
async function walk(runner: Runner, state: State, opened: Opened): Promise<End> {
  try {
    return await run(runner, state);
  } catch (thrown) {
    const { rollout } = runner.ledger.history;
    const error = systemError(thrown);
    if (error === undefined || rollout === null || isUntouched(rollout)) throw thrown;
    const where = `${rollout.phase}, step ${rollout.step + 1} of ${rollout.plan.steps.length}`;
    const message = `The rollout stops where it is (${where}), and no one is watching the gates: ${error.message.replace(/\.$/, '')}.`;
    const hint = `${breakGlassCommand(opened, runner.io, goalOfRollout(rollout))}   or, once the cause is fixed: kvdeploy resume ${opened.flags}`;
    throw new KvdeployError('STUCK', { message, hint, cause: error });
  }
}

/**
 * Begins a new rollout: nothing else may be open, and nothing may have happened since the plan was judged. `ledgers` are those of
 * other scopes that were read for it.
 */
export function beginNew(plan: Plan, judgedOn: History, ledgers: Facts['otherLedgers'] = []): Lead['begin'] {
  return async ({ ledger, io }) => {
    const open = openRollout(ledger.history);
    if (open !== null) throw unfinished(plan.scope, open);
    assertSame(ledger.history, judgedOn, plan.scope);
    const seen = ledgers.map(({ scope }) => scope);
    if (await ledger.append({ type: 'planned', atMs: io.now(), plan, ...(seen.length > 0 && { seen }) })) return start(plan);
    const message = 'Another runner took over before the rollout could begin.';
    throw new KvdeployError('BUSY', { message, hint: `kvdeploy status ${scopeFlags(plan.scope)}` });
  };
}

/** Claims and releases aside, the ledger must be the one that the checks looked at. Throws BUSY. */
function assertSame(history: History, judgedOn: History, scope: Scope): void {
  if (history.changedAt === judgedOn.changedAt && history.knownGood[0]?.rollout === judgedOn.knownGood[0]?.rollout) return;
  const message = `The ledger of ${scopeText(scope)} has changed since this plan was checked.`;
  throw new KvdeployError('BUSY', { message, hint: 'Run the same command again: it will judge everything as it is now.' });
}

/** Before a refusal is believed: what the checks saw of the target may have been another rollout that has just begun. Throws BUSY or UNFINISHED then. */
export async function assertNothingBegan(opened: Opened, deps: Deps): Promise<void> {
  const history = fold((await opened.store.read(opened.scope)).entries);
  const open = openRollout(history);
  if (open !== null) return refuseWhileOpen(opened, open, deps);
  assertSame(history, opened.history, opened.scope);
}

/** The error of a scope whose last rollout no one finished. */
function unfinished(scope: Scope, open: State): KvdeployError {
  const where = `${open.phase} at step ${open.step + 1} of ${open.plan.steps.length}`;
  const message = `Rollout ${open.plan.id} of ${scopeText(scope)} is not finished: ${where}, and no one is watching it.`;
  const hint = `Continue: kvdeploy resume ${scopeFlags(scope)}   or roll back: kvdeploy abort ${scopeFlags(scope)}`;
  return new KvdeployError('UNFINISHED', { message, hint });
}

/** Refuses to begin while another rollout is open: BUSY while someone leads it, UNFINISHED when no one does. */
export async function refuseWhileOpen(opened: Opened, open: State, deps: Deps): Promise<never> {
  await assertNoOneLeads({ io: deps.io, store: opened.store, scope: opened.scope });
  throw unfinished(opened.scope, open);
}

/**
 * Takes the claim, appends `event` to a ledger that no rollout is walking, does `then` with the history that it leads to and the hash of
 * the new last line, gives the claim back. When `then` throws the event stays written. Throws BUSY when another process leads.
 */
export async function recordEvent<T>(
  opened: Opened,
  what: Pick<Lead, 'command' | 'takeOver' | 'replacesMark'> & { readonly event: Event },
  deps: Deps,
  then: (history: History, ledgerHead: string) => T | Promise<T>,
): Promise<T> {
  const { store, scope, actor, claims, settings, history } = opened;
  const { io } = deps;
  markTarget(opened, marksOf(settings?.router ?? history.rollout?.plan.router ?? null), deps, what.replacesMark);
  const { ledger, end } = await takeLead({ io, store, scope, actor, claims }, what.command, { takeOver: what.takeOver });
  try {
    if (!(await ledger.append(what.event)))
      throw new KvdeployError('BUSY', { message: 'Another process took the claim.', hint: `Run ${what.command} again.` });
    return await then(ledger.history, await ledger.head());
  } finally {
    await end();
  }
}

function startedLine(plan: Plan, actor: string, resumed: boolean): OutputLine {
  const summary = ({ guid, version, ref, sequence }: Build) => ({ guid, version, ref, sequence });
  const { id: rollout, scope, steps } = plan;
  const kind = kindOf(plan);
  const stable = plan.stable === null ? null : summary(plan.stable);
  return { type: 'started', rollout, kind, scope, actor, candidate: summary(plan.candidate), stable, steps, resumed };
}
