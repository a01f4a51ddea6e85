/** `resume`: continue the rollout that the ledger holds open, from any process. Uses the ledger's plan, never today's files; the plan was confirmed when it began. */
import { KvdeployError } from '../../core/errors.ts';
import { isOver, type State } from '../../core/rollout/rollout.ts';
import { Wishes } from '../../lead/control.ts';
import { tellUnseenFiles } from '../../lead/files-again.ts';
import { assertNoHold } from '../../lead/held.ts';
import { lead } from '../../lead/lead.ts';
import { carryOn, mustBeOpen } from '../../lead/open-rollout.ts';
import type { Deps, Outcome } from '../../release/deps.ts';
import { foreignNow } from '../../release/gatekeeper.ts';
import { type Opened, openScope } from '../../release/open.ts';

export interface ResumeOptions {
  readonly until?: string;
  readonly maxWait?: string;
}

export async function resume(options: ResumeOptions, deps: Deps): Promise<Outcome> {
  const control = new Wishes(deps, options);
  const opened = await openScope(deps, { config: 'optional' });
  assertNoHold(opened, deps);
  const open = mustBeOpen(opened);
  assertSameTarget(opened, open);
  assertStillUnprotected(opened, open);
  tellUnseenFiles(opened, deps);
  const foreign = await foreignNow(opened, open, deps);
  return lead(opened, open.plan, deps, { command: 'resume', control, takeOver: false, begin: carryOn(foreign) });
}

/** Where today's files name another target, it is unclear which one is meant. */
function assertSameTarget(opened: Opened, open: State): void {
  const today = opened.settings?.router ?? null;
  if (today === null || isOver(open)) return;
  const differences = differencesOf(open.plan.router, today);
  if (differences.length === 0) return;
  const message = `The config names a different target than this rollout uses: ${differences.join('; ')}.`;
  throw new KvdeployError('TARGET_CHANGED', { message, hint: `Roll back on the old target: kvdeploy abort ${opened.flags}` });
}

/** What was planned while the environment was not protected asks builds for less than is needed now: it is not carried on. */
function assertStillUnprotected({ settings, flags }: Opened, open: State): void {
  if (settings?.protected !== true || open.plan.unprotected !== true || isOver(open)) return;
  const message =
    'The environment is protected now, and was not when this rollout was planned: its builds were not asked for all that this needs.';
  throw new KvdeployError('TARGET_CHANGED', { message, hint: `Roll back, then promote again: kvdeploy abort ${flags}` });
}

function differencesOf(planned: Readonly<Record<string, unknown>>, today: Readonly<Record<string, unknown>>): string[] {
  const keys = [...new Set([...Object.keys(planned), ...Object.keys(today)])];
  return keys
    .filter((key) => JSON.stringify(planned[key]) !== JSON.stringify(today[key]))
    .map((key) => `${key} was ${JSON.stringify(planned[key])}, is now ${JSON.stringify(today[key])}`);
}
