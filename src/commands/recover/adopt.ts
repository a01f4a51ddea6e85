/** `adopt`: the build currently serving becomes the first known-good build, after one bake with passing gates. Shifts nothing. */
import { ADOPTION_CHECKS, admit } from '../../core/admission/admission.ts';
import { answersText, guidOfAll } from '../../core/admission/answers.ts';
import { forgetfulRefusal } from '../../core/admission/hazard-list.ts';
import { clientsCounted, gatesSee, pointerFits, stepsPossible } from '../../core/admission/plan-checks.ts';
import { KvdeployError, refusalError } from '../../core/errors.ts';
import { currentKnownGood, openRollout } from '../../core/ledger/history.ts';
import { adoptionPlan } from '../../core/rollout/make-plan.ts';
import { splitText } from '../../core/rollout/split.ts';
import { type Guid, scopeText, shortGuid } from '../../core/scope.ts';
import { fileFacts } from '../../engine/facts.ts';
import type { Target } from '../../engine/target.ts';
import { Wishes } from '../../lead/control.ts';
import { assertNoHold } from '../../lead/held.ts';
import { beginNew, lead, refuseWhileOpen } from '../../lead/lead.ts';
import { confirm } from '../../release/confirm.ts';
import type { Deps, Outcome } from '../../release/deps.ts';
import { judgeBuild, judgeByWriting, judgeFilesAgain, mustBeAdmitted, mustPass } from '../../release/gatekeeper.ts';
import { readOffers } from '../../release/offers.ts';
import { type Opened, openScope, promotable } from '../../release/open.ts';
import { planFacts, planning, seenSettings } from '../../release/plan-parts.ts';
import { servingAlone, shownTarget } from '../../release/traffic.ts';

export interface AdoptOptions {
  readonly confirm?: string;
  readonly maxWait?: string;
}

export async function adopt(options: AdoptOptions, deps: Deps): Promise<Outcome> {
  const control = new Wishes(deps, options);
  const opened = await openScope(deps, { config: 'needed' });
  assertNoHold(opened, deps);
  const open = openRollout(opened.history);
  if (open !== null) return refuseWhileOpen(opened, open, deps);
  const settings = promotable(opened);
  const target = shownTarget(opened, deps);
  const serving = await servingBuild(opened, target);
  if (currentKnownGood(opened.history)?.build.guid === serving.guid) {
    const message = `${shortGuid(serving.guid)} serves and is the known-good build already.`;
    throw new KvdeployError('NOTHING_TO_DO', { message, hint: `kvdeploy status ${opened.flags}` });
  }
  const offers = await readOffers(opened, deps);
  const facts = await fileFacts({ ...opened, ...offers, guid: serving.guid }, deps.io);
  const judged = await judgeBuild(ADOPTION_CHECKS, facts, serving.place, () => target);
  const reading = mustPass(judged, deps);
  const build = mustBeAdmitted(judged, serving.place);
  const seen = await seenSettings(settings, { candidate: build, stable: null }, { target, reading }, deps.io);
  const plan = adoptionPlan(seen.settings, planning(opened, offers.sources, reading, deps), build);
  const planned = { ...facts, ...planFacts(plan, { settings, opened, target, reading }), silent: seen.silent };
  const refusal = admit({ ...planned, gathered: ['plan'] }, PLAN_CHECKS).refusal ?? forgetfulRefusal(reading.forgetful);
  if (refusal !== undefined) throw refusalError(refusal);
  const what = `Adopt ${shortGuid(build.guid)} (${build.version}), the build currently serving ${scopeText(opened.scope)}`;
  await confirm(opened, what, options, deps);
  await judgeFilesAgain(ADOPTION_CHECKS, build.guid, opened, deps);
  judgeByWriting(judged.facts, opened, deps);
  return lead(opened, plan, deps, { command: 'adopt', control, takeOver: false, begin: beginNew(plan, opened.history) });
}

/** What the next promotion would be refused for: an adoption must not promise a rollback path that could not be used. */
const PLAN_CHECKS = [stepsPossible, pointerFits, clientsCounted, gatesSee];

/** The one build that serves everything, by its own word. Throws UNEXPECTED_SPLIT or BUILD_GONE. */
async function servingBuild(opened: Opened, target: Target): Promise<{ readonly guid: Guid; readonly place: string }> {
  const reading = await target.read();
  const serving = await servingAlone(target, reading);
  if (serving === null) {
    const message = `${scopeText(opened.scope)} serves ${splitText(reading.members)}; only one build at 100 % can be adopted.`;
    throw new KvdeployError('UNEXPECTED_SPLIT', { message, hint: 'Shift all traffic to one build first.' });
  }
  const { place, answers } = serving;
  const guid = guidOfAll(answers);
  if (guid !== null) return { guid, place };
  const message = `The build at ${place} does not report its GUID, or not the same one everywhere: ${answersText(answers)}.`;
  throw new KvdeployError('BUILD_GONE', { message, hint: 'Make the build report its GUID as identity in the config says.' });
}
