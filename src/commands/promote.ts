/** `promote`: judge the release, ask, then lead its rollout. */
import { type Refusal, refusalError } from '../core/errors.ts';
import { openRollout } from '../core/history.ts';
import { scopeText, shortGuid } from '../core/scope.ts';
import type { Deps, Outcome } from './command.ts';
import { confirm } from './confirm.ts';
import { controlOf } from './control.ts';
import { assertNoHold } from './hold.ts';
import { beginNew, lead, refuseBeside } from './lead.ts';
import { openScope } from './open.ts';
import { showChecks } from './plan.ts';
import { judgeRelease, type Wanted } from './release.ts';

export interface PromoteOptions extends Wanted {
  readonly confirm?: string;
  readonly until?: string;
  readonly maxWait?: string;
}

export async function promote(options: PromoteOptions, deps: Deps): Promise<Outcome> {
  const control = controlOf(deps, options);
  const opened = await openScope(deps, { config: 'needed' });
  assertNoHold(opened, deps);
  const open = openRollout(opened.history);
  const release = await judgeRelease(opened, options, deps, open === null ? 'in earnest' : 'looking');
  // A foreign build is refused as one, whatever else is going on; the rest is judged by a world that a rollout is changing.
  if (open !== null && !isForeign(release.refusal)) return refuseBeside(opened, open, deps);
  showChecks(release, opened, deps);
  if (release.refusal !== undefined) throw refusalError(release.refusal);
  if (release.plan === null) throw new Error('a release without refusal has a plan');
  const { plan } = release;
  const steps = plan.steps.map((step) => `${step.percent} %`).join(' → ');
  await confirm(
    opened,
    `Promote ${shortGuid(plan.candidate.guid)} (${plan.candidate.version}) to ${scopeText(opened.scope)}: ${steps}`,
    options,
    deps,
  );
  return lead(opened, plan, deps, { command: 'promote', control, takeOver: false, begin: beginNew(plan, opened.history) });
}

function isForeign(refusal: Refusal | undefined): boolean {
  return refusal?.code === 'FOREIGN_BUILD' || refusal?.code === 'WRONG_SCOPE';
}
