/** The rollout that the ledger has open: going on with it, and aborting it. Uses the ledger's plan, never today's files. */
import { EXIT } from '../base/codes.ts';
import { KvdeployError } from '../core/errors.ts';
import { fold, openRollout } from '../core/ledger/history.ts';
import type { State } from '../core/rollout/rollout.ts';
import { scopeFlags, scopeText, shortGuid } from '../core/scope.ts';
import { claimedOf } from '../engine/claim.ts';
import type { Runner } from '../engine/runner.ts';
import { type Deps, done, type Outcome } from '../release/deps.ts';
import type { Opened } from '../release/open.ts';
import { showTraffic } from '../release/traffic.ts';
import { Wishes } from './control.ts';
import { type Lead, lead, targetOfPlan } from './lead.ts';

/** The open rollout. Throws NOTHING_TO_DO. */
export function mustBeOpen({ history, scope, flags }: Opened): State {
  const { rollout } = history;
  const open = openRollout(history);
  if (open !== null) return open;
  if (rollout === null) throw nothing(`There was never a rollout in ${scopeText(scope)}.`, flags);
  throw nothing(`The last rollout of ${scopeText(scope)} is over: ${rollout.phase}.`, flags);
}

function nothing(message: string, flags: string): KvdeployError {
  return new KvdeployError('NOTHING_TO_DO', { message, hint: `kvdeploy status ${flags}` });
}

/** Continues where the ledger stands; a build that has become foreign in the meantime is aborted instead. */
export function carryOn(foreign: string | undefined): Lead['begin'] {
  return async (runner) => {
    const open = openRollout(runner.ledger.history);
    if (open === null) throw nothing('The rollout ended while this command was starting.', scopeFlags(runner.places.scope));
    if (foreign === undefined || open.plan.kind !== 'promote') return open;
    return askAbort(runner, open, 'kvdeploy', foreign);
  };
}

/** Writes an abort down and returns the state that it leads to. */
export async function askAbort({ ledger, io }: Runner, open: State, actor: string, reason: string): Promise<State> {
  await ledger.append({ type: 'abort-requested', atMs: io.now(), actor, reason });
  return ledger.history.rollout ?? open;
}

/** How long a living leader gets to revert before the claim is taken from it. */
const LEADER_MS = 5000;

const LOOK_MS = 200;

/** Asks the leader to revert, and takes over when there is none or it does not. Exit 0 when traffic is back on stable. */
export async function abortRollout(opened: Opened, reason: string, deps: Deps): Promise<Outcome> {
  const open = mustBeOpen(opened);
  const { plan } = open;
  if (leaderMayAnswer(opened, deps) && (await leaderAborts(opened, reason, deps))) {
    showTraffic(deps, targetOfPlan(plan, deps), new Map([[plan.stable?.ref ?? '', plan.stable?.guid ?? '']]));
    const message = `Its own runner aborted the rollout; all traffic is on ${shortGuid(plan.stable?.guid ?? plan.candidate.guid)}.`;
    return done(message, [`kvdeploy history ${opened.flags}`]);
  }
  const outcome = await lead(opened, plan, deps, {
    command: 'abort',
    control: new Wishes(deps),
    takeOver: true,
    begin: async (runner) => {
      const { history } = runner.ledger;
      const now = openRollout(history);
      return now === null ? (history.rollout ?? open) : askAbort(runner, now, opened.actor, reason);
    },
  });
  // What was asked for has happened: for this command that is success.
  if (outcome.code === 'ABORTED' || outcome.code === 'REVERTED') return { ...outcome, code: null, exitCode: EXIT.done };
  if (outcome.code !== null) return outcome;
  const message = `Too late to abort: the rollout has finished. ${outcome.message}`;
  const hint = `To roll back a finished rollout: kvdeploy rollback ${opened.flags}`;
  return { ...outcome, code: 'NOTHING_TO_DO', message, hint };
}

/** False when no one leads, or the process that did is known to be gone: then there is no one to wait for. */
function leaderMayAnswer(opened: Opened, deps: Deps): boolean {
  const { leader } = opened.history;
  return leader !== null && deps.io.lookFor(claimedOf(leader.claim, opened)).is !== 'gone';
}

/** True once the leader has reverted by itself within its time. */
async function leaderAborts(opened: Opened, reason: string, deps: Deps): Promise<boolean> {
  const { store, scope } = opened;
  await store.requestAbort(scope, { actor: opened.actor, reason, atMs: deps.io.now() });
  const message = `asked the leading runner to revert; taking over in ${LEADER_MS / 1000}s if it does not`;
  deps.line({ type: 'note', level: 'info', message });
  const endMs = deps.io.monotonic() + LEADER_MS;
  while (deps.io.monotonic() < endMs) {
    await deps.io.sleep(LOOK_MS);
    const { rollout } = fold((await store.read(scope)).entries);
    if (rollout !== null && rollout.abort !== null && (rollout.phase === 'reverted' || rollout.phase === 'refused')) return true;
  }
  return false;
}
