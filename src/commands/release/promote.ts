/** `promote`: judge the release, ask, then lead its rollout. */
import { shellWord } from '../../base/text.ts';
import { CHECKS } from '../../core/admission/admission.ts';
import { KvdeployError, refusalError } from '../../core/errors.ts';
import { openRollout } from '../../core/ledger/history.ts';
import type { PlanFile } from '../../core/rollout/plan-file.ts';
import { scopeText, shortGuid } from '../../core/scope.ts';
import { Wishes } from '../../lead/control.ts';
import { assertNoHold } from '../../lead/held.ts';
import { assertNothingBegan, beginNew, lead } from '../../lead/lead.ts';
import type { Wanted } from '../../release/chosen-build.ts';
import { confirm } from '../../release/confirm.ts';
import type { Deps, Outcome } from '../../release/deps.ts';
import { judgeByWriting, judgeFilesAgain } from '../../release/gatekeeper.ts';
import { warnOfHazards } from '../../release/hazards.ts';
import { isForeign, judgeRelease, showRelease } from '../../release/judge-release.ts';
import { type Opened, openScope } from '../../release/open.ts';
import { readPlanFile, staleness } from '../../release/saved-plan.ts';

export interface PromoteOptions extends Wanted {
  readonly confirm?: string;
  readonly until?: string;
  readonly maxWait?: string;
  /** A file of `plan --out`, in place of --build and --from. */
  readonly plan?: string;
}

export async function promote(options: PromoteOptions, deps: Deps): Promise<Outcome> {
  const control = new Wishes(deps, options);
  const opened = await openScope(deps, { config: 'needed' });
  assertNoHold(opened, deps);
  const file = options.plan === undefined ? null : { name: options.plan, made: plannedIn(options.plan, options, opened, deps) };
  const wanted = file === null ? options : { build: file.made.plan.candidate.guid };
  const release = await judgeRelease(opened, wanted, deps, { confirm: options.confirm });
  // A foreign build is refused as one, whatever else is going on; the rest is judged by a target that a rollout may be changing.
  const foreign = isForeign(release.refusal);
  if (!foreign && (openRollout(opened.history) !== null || release.refusal !== undefined)) await assertNothingBegan(opened, deps);
  showRelease(release, opened, deps);
  const stale = file === null || foreign ? undefined : staleness(file.name, file.made, release, opened, deps);
  const refusal = stale ?? release.refusal;
  if (refusal !== undefined) throw refusalError(refusal);
  // Whether the disk keeps its word is tried below.
  const others = release.hazards.filter(({ id }) => id !== 'disk');
  warnOfHazards(others, deps);
  const plan = file?.made.plan ?? release.plan;
  if (plan === null) throw new Error('a release without refusal has a plan');
  const steps = plan.steps.map((step) => `${step.percent} %`).join(' → ');
  await confirm(
    opened,
    `Promote ${shortGuid(plan.candidate.guid)} (${plan.candidate.version}) to ${scopeText(opened.scope)}: ${steps}`,
    options,
    deps,
  );
  await judgeFilesAgain(CHECKS, plan.candidate.guid, opened, deps);
  judgeByWriting(release.facts, opened, deps);
  return lead(opened, plan, deps, {
    command: 'promote',
    control,
    takeOver: false,
    begin: beginNew(plan, opened.history, release.facts.otherLedgers),
  });
}

/** The plan of `--plan`, which says itself which build it is about. */
function plannedIn(file: string, { build, from }: PromoteOptions, opened: Opened, deps: Deps): PlanFile {
  if (build === undefined && from === undefined) return readPlanFile(file, opened, deps);
  const message = `--plan ${file} already names the build; it cannot be used with --build or --from.`;
  throw new KvdeployError('USAGE', { message, hint: `kvdeploy promote ${opened.flags} --plan ${shellWord(file)}` });
}
