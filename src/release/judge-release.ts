/** What `plan` and `promote` share: from what was typed to a judged build and its plan. Must not change anything. */
import { admit, promotionChecks } from '../core/admission/admission.ts';
import { type Check, type Facts, ownRows } from '../core/admission/facts.ts';
import { type Hazard, hazardRefusal } from '../core/admission/hazard.ts';
import type { Refusal } from '../core/errors.ts';
import { currentKnownGood } from '../core/ledger/history.ts';
import { promotionPlan } from '../core/rollout/make-plan.ts';
import { sameScope, scopeText } from '../core/scope.ts';
import { fileFacts } from '../engine/facts.ts';
import { measureStable, silentGate, unfitGate } from '../engine/measure.ts';
import { targetRefusal } from './allowed-targets.ts';
import { otherHistory, type Wanted, wantedGuid } from './chosen-build.ts';
import { confirmation } from './confirm.ts';
import type { Deps } from './deps.ts';
import { type Judged, judgeBuild, showChecked } from './gatekeeper.ts';
import { type JudgedRelease, lookAtHazards } from './hazards.ts';
import { type Offers, readOffers, withListedLabels } from './offers.ts';
import { type Opened, type Promotable, promotable } from './open.ts';
import { planFacts as factsOfPlan, planning, seenSettings } from './plan-parts.ts';
import { shownTarget } from './traffic.ts';
import type { Withheld } from './trust/programs.ts';

/** A release with every check that was judged, and whether it may begin. */
export interface Release extends JudgedRelease {
  readonly hazards: readonly Hazard[];
}

interface Asked {
  readonly opened: Opened;
  readonly settings: Promotable;
  readonly offers: Offers;
  readonly checks: readonly Check[];
  readonly withheld: Withheld;
}

/** Judges a release by every check, then by its hazards, of which each must be controlled. Changes nothing. */
export async function judgeRelease(
  opened: Opened,
  wanted: Wanted,
  deps: Deps,
  given: { readonly confirm?: string | undefined; readonly withheld?: Withheld },
): Promise<Release> {
  const settings = promotable(opened);
  const offers = await readOffers(opened, deps);
  const guid = await wantedGuid(opened, offers, wanted, deps);
  const facts = await fileFacts({ ...opened, ...offers, guid }, deps.io);
  const checks = promotionChecks(settings.requires?.environment ?? null);
  const asked: Asked = { opened, settings, offers, checks, withheld: given.withheld ?? (() => undefined) };
  const byTarget = await judgeBuild(asked.checks, facts, ownRows(facts)[0]?.build.ref ?? '', () => shownTarget(opened, deps));
  const judged: JudgedRelease = {
    ...{ plan: null, measured: [], compared: [], read: offers.read },
    otherScopes: offers.scopes.filter((scope) => !sameScope(scope, opened.scope)).length,
    ...byTarget,
    ...(await judgePlan(byTarget, asked, deps)),
  };
  const hazards = lookAtHazards(judged, opened, confirmation(opened, given, deps), deps);
  return { ...judged, refusal: judged.refusal ?? hazardRefusal(hazards), hazards };
}

/** Makes the plan of an admitted build, asks its gates, and judges it; nothing where the build is refused. */
async function judgePlan(
  { build, facts, target, reading }: Judged,
  { opened, settings, offers, checks, withheld }: Asked,
  deps: Deps,
): Promise<Partial<JudgedRelease>> {
  const known = currentKnownGood(opened.history)?.build;
  if (build === null || known === undefined || target === null || reading === null) return {};
  const stable = withListedLabels(known, offers);
  const isAsked = (gate: Parameters<Withheld>[0]) => withheld(gate) === undefined;
  const compared = settings.compared.filter(isAsked);
  const seen = await seenSettings({ ...settings, compared }, { candidate: build, stable }, { target, reading }, deps.io);
  const plan = promotionPlan(seen.settings, planning(opened, offers.sources, reading, deps), build, stable);
  const measured = await measureStable({ ...plan, gates: plan.gates.filter(isAsked) }, reading, deps.io);
  const unfit = await unfitGate([...settings.gates, ...settings.compared].filter(isAsked), plan, deps.io);
  const planFacts: Facts = {
    ...facts,
    gathered: [...facts.gathered, 'plan'],
    required: await requiredOf(opened, settings, deps),
    ...factsOfPlan(plan, { settings, opened, target, reading }),
    silent: unfit ?? silentGate(plan, measured) ?? seen.silent,
    unasked: [...settings.gates, ...settings.compared].map(withheld).find((why) => why !== undefined),
  };
  const { checked, refusal } = admit(planFacts, checks);
  const refused = refusal ?? (await targetRefusal(opened, [build, stable], { target, reading }, deps));
  return { checked, refusal: refused, facts: planFacts, plan, measured, compared: seen.gates };
}

async function requiredOf(opened: Opened, { requires }: Promotable, deps: Deps): Promise<Facts['required']> {
  if (requires === null) return null;
  return { ...requires, there: await otherHistory(opened, requires.environment), nowMs: deps.io.now() };
}

/** True for a refusal that stands whatever else is going on. */
export function isForeign(refusal: Refusal | undefined): boolean {
  return refusal?.code === 'FOREIGN_BUILD' || refusal?.code === 'WRONG_SCOPE';
}

/** Shows every check of a release, and how many other scopes were seen: none is not verified, which is not the same as passed. */
export function showRelease({ checked, otherScopes: count }: Release, { scope }: Opened, deps: Deps): void {
  showChecked(checked, deps);
  const message =
    count === 0
      ? `no scope other than ${scopeText(scope)} is known, so another one may have the build`
      : `${count} other scope${count === 1 ? '' : 's'} checked`;
  deps.line({ type: 'check', name: 'other scopes', ok: count === 0 ? null : true, message });
}
