/** `adopt`: what serves now becomes the first known-good build, after one bake with passing gates. Shifts nothing. */
import { ADOPT_LOCKS } from '../../core/admission/admission.ts';
import { headline } from '../../core/admission/facts.ts';
import { KvdeployError, refusalError } from '../../core/errors.ts';
import { currentKnownGood, openRollout } from '../../core/ledger/history.ts';
import { adoptionPlan } from '../../core/rollout/make-plan.ts';
import { splitText } from '../../core/rollout/split.ts';
import { type Guid, sameScope, scopeText, shortGuid } from '../../core/scope.ts';
import { fileFacts, targetFacts } from '../../engine/facts.ts';
import { lookAtComparison } from '../../engine/look-at-gates.ts';
import type { Target } from '../../engine/target.ts';
import { Wishes } from '../../lead/control.ts';
import { assertNoHold } from '../../lead/held.ts';
import { beginNew, lead, refuseBeside } from '../../lead/lead.ts';
import { confirm } from '../../release/confirm.ts';
import type { Deps, Outcome } from '../../release/deps.ts';
import { admitByLooking, assertDiskKeeps, silentRefusal } from '../../release/further-checks.ts';
import { again, buildsAtPlaces, mustHave, planning } from '../../release/judge-release.ts';
import { readOffers } from '../../release/offers.ts';
import { type Opened, openScope, targetOf } from '../../release/open.ts';
import { showTraffic } from '../../release/traffic.ts';

export interface AdoptOptions {
  readonly confirm?: string;
  readonly maxWait?: string;
}

export async function adopt(options: AdoptOptions, deps: Deps): Promise<Outcome> {
  const control = new Wishes(deps, options);
  const opened = await openScope(deps, { config: 'needed' });
  assertNoHold(opened, deps);
  const open = openRollout(opened.history);
  if (open !== null) return refuseBeside(opened, open, deps);
  const settings = mustHave(opened);
  const target = targetOf(opened, deps);
  showTraffic(deps, target, buildsAtPlaces(opened));
  const serving = await servingBuild(opened, target);
  if (currentKnownGood(opened.history)?.build.guid === serving.guid) {
    throw new KvdeployError('NOTHING_TO_DO', {
      message: `${shortGuid(serving.guid)} serves, and is the known-good build already.`,
      hint: `kvdeploy status ${opened.flags}`,
    });
  }
  const offers = await readOffers(opened, deps);
  const files = await fileFacts(
    {
      ...opened,
      guid: serving.guid,
      listed: offers.listed,
      atPlace: offers.atPlace,
      environments: offers.environments,
      pointerDir: opened.pointerDirs[0] ?? '',
    },
    deps.io,
  );
  const { facts, reading } = await targetFacts(files.facts, target, serving.place);
  const { checked } = admitByLooking(facts, ADOPT_LOCKS, opened, deps);
  for (const { name, refusal } of checked)
    deps.line({ type: 'check', name, ok: refusal === undefined, message: refusal?.message ?? '' });
  const refusal = headline(checked) ?? offers.refusal;
  if (refusal !== undefined) throw refusalError(refusal);
  const listed = offers.listed.find((entry) => entry.build.guid === serving.guid && sameScope(entry.scope, opened.scope));
  if (listed === undefined) throw new Error('an admitted build is listed');
  if (listed.build.ref !== serving.place) {
    throw new KvdeployError('BUILD_GONE', {
      message: `Build ${shortGuid(serving.guid)} serves at ${serving.place}, but its manifest says that its place is ${listed.build.ref}.`,
      hint: `Mend the ref in ${listed.file}.`,
      places: [{ file: listed.file, line: listed.line, column: listed.column }],
    });
  }
  const builds = { scope: opened.scope, candidate: listed.build, stable: null };
  const seen = await lookAtComparison(settings.compared, settings.evidence, builds, reading, again(target), deps.io);
  const silent = seen.gates.find((gate) => gate.silent !== undefined)?.silent;
  if (silent !== undefined) throw refusalError(silentRefusal(silent));
  const plan = adoptionPlan(
    { ...settings, comparison: seen.comparison, router: settings.router ?? { kind: '' } },
    planning(opened, offers, reading, deps),
    listed.build,
  );
  await confirm(
    opened,
    `Take over ${shortGuid(serving.guid)} (${listed.build.version}), which serves ${scopeText(opened.scope)}`,
    options,
    deps,
  );
  assertDiskKeeps(opened, deps);
  return lead(opened, plan, deps, { command: 'adopt', control, takeOver: false, begin: beginNew(plan, opened.history) });
}

/** The one build that serves everything, by what it says of itself. Throws UNEXPECTED_SPLIT or BUILD_GONE. */
async function servingBuild(opened: Opened, target: Target): Promise<{ readonly guid: Guid; readonly place: string }> {
  const reading = await target.read();
  const serving = reading.members.filter((member) => member.percent > 0);
  const only = serving[0];
  if (only === undefined || serving.length !== 1) {
    throw new KvdeployError('UNEXPECTED_SPLIT', {
      message: `${scopeText(opened.scope)} serves ${splitText(reading.members)}; only one build at 100 % can be taken over.`,
      hint: 'Bring the traffic to one build first.',
    });
  }
  const answer = await target.ask(only.place, reading);
  if (answer === null || 'unreachable' in answer || answer.guid === null) {
    const why = answer === null ? 'the target has no such place' : 'unreachable' in answer ? answer.unreachable : answer.said;
    throw new KvdeployError('BUILD_GONE', {
      message: `The build at ${only.place} does not say which one it is: ${why}.`,
      hint: 'Let the build tell its GUID as identity in the config says.',
    });
  }
  return { guid: answer.guid, place: only.place };
}
