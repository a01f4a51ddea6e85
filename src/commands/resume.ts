/** `resume`: carry on with the rollout that the ledger holds open, from any process. Uses the ledger's plan, never today's files; the plan was confirmed when it began. */
import { KvdeployError } from '../core/errors.ts';
import { openRollout } from '../core/history.ts';
import { isOver, type State } from '../core/rollout.ts';
import { scopeFlags, scopeText } from '../core/scope.ts';
import type { Deps, Outcome } from './command.ts';
import { controlOf } from './control.ts';
import { foreignNow } from './foreign.ts';
import { assertNoHold } from './hold.ts';
import { type Lead, lead } from './lead.ts';
import { type Opened, openScope } from './open.ts';

export interface ResumeOptions {
  readonly until?: string;
  readonly maxWait?: string;
}

export async function resume(options: ResumeOptions, deps: Deps): Promise<Outcome> {
  const control = controlOf(deps, options);
  const opened = await openScope(deps, { config: 'optional' });
  assertNoHold(opened, deps);
  const open = mustBeOpen(opened);
  assertSameTarget(opened, open);
  const foreign = await foreignNow(opened, open, deps);
  return lead(opened, open.plan, deps, { command: 'resume', control, takeOver: false, begin: carryOn(foreign) });
}

/** The open rollout, or NOTHING_TO_DO. */
export function mustBeOpen(opened: Opened): State {
  const open = openRollout(opened.history);
  if (open !== null) return open;
  const last = opened.history.rollout;
  throw new KvdeployError('NOTHING_TO_DO', {
    message:
      last === null
        ? `There was never a rollout in ${scopeText(opened.scope)}.`
        : `The last rollout of ${scopeText(opened.scope)} is over: ${last.phase}.`,
    hint: `kvdeploy status ${opened.flags}`,
  });
}

/** Goes on where the ledger stands; a build that has become foreign meanwhile is aborted instead. */
export function carryOn(foreign: string | undefined): Lead['begin'] {
  return async (history, runner) => {
    const open = openRollout(history);
    if (open === null)
      throw new KvdeployError('NOTHING_TO_DO', {
        message: 'The rollout ended while this command was starting.',
        hint: `kvdeploy status ${scopeFlags(runner.parts.scope)}`,
      });
    if (foreign === undefined || open.plan.kind !== 'promote') return open;
    return askAbort(runner, open, 'kvdeploy', foreign);
  };
}

/** Writes an abort down and returns the state that it leads to. */
export async function askAbort(runner: Parameters<Lead['begin']>[1], open: State, actor: string, reason: string): Promise<State> {
  await runner.append({ type: 'abort-requested', atMs: runner.parts.io.now(), actor, reason });
  runner.abortSeen = true;
  return runner.history.rollout ?? open;
}

/** Where today's files name another target, nobody can know which one is meant. */
function assertSameTarget(opened: Opened, open: State): void {
  const today = opened.settings?.router ?? null;
  if (today === null || isOver(open)) return;
  const differences = differencesOf(open.plan.router, today);
  if (differences.length === 0) return;
  throw new KvdeployError('TARGET_CHANGED', {
    message: `The config names another target than this rollout runs on: ${differences.join('; ')}.`,
    hint: `Go back on the old target: kvdeploy abort ${opened.flags}`,
  });
}

function differencesOf(planned: Readonly<Record<string, unknown>>, today: Readonly<Record<string, unknown>>): string[] {
  const keys = [...new Set([...Object.keys(planned), ...Object.keys(today)])];
  return keys
    .filter((key) => JSON.stringify(planned[key]) !== JSON.stringify(today[key]))
    .map((key) => `${key} was ${JSON.stringify(planned[key])}, is ${JSON.stringify(today[key])}`);
}
