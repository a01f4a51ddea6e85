/**
 * `adopt`: the build currently serving becomes the first known-good build, after one bake with passing gates. Shifts nothing, unless a person
 * names the build with --to: that is the way out where the state is lost and traffic is split.
 */
import { ADOPTION_CHECKS, admit } from '../../core/admission/admission.ts';
import { answersText, whichBuild } from '../../core/admission/answers.ts';
import { forgetfulRefusal } from '../../core/admission/hazard-list.ts';
import type { Which } from '../../core/admission/named.ts';
import { clientsCounted, enoughUp, gatesSee, pointerFits, stepsPossible } from '../../core/admission/plan-checks.ts';
import { KvdeployError, refusalError } from '../../core/errors.ts';
import { currentKnownGood, openRollout } from '../../core/ledger/history.ts';
import { adoptionPlan } from '../../core/rollout/make-plan.ts';
import { splitsAgree, splitText } from '../../core/rollout/split.ts';
import { type Guid, sameScope, scopeText, shortGuid } from '../../core/scope.ts';
import { fileFacts } from '../../engine/facts.ts';
import type { Target } from '../../engine/target.ts';
import { Wishes } from '../../lead/control.ts';
import { assertNoHold } from '../../lead/held.ts';
import { beginNew, lead, refuseWhileOpen } from '../../lead/lead.ts';
import { targetRefusal } from '../../release/allowed-targets.ts';
import { guidOf } from '../../release/chosen-build.ts';
import { confirm } from '../../release/confirm.ts';
import type { Deps, Outcome } from '../../release/deps.ts';
import { type Judged, judgeBuild, judgeByWriting, judgeFilesAgain, mustBeAdmitted, mustPass } from '../../release/gatekeeper.ts';
import { knownBuilds, type Offers, readOffers } from '../../release/offers.ts';
import { type Opened, openScope, promotable } from '../../release/open.ts';
import { assertOwnTarget, isReplaceable, otherState } from '../../release/other-state.ts';
import { planFacts, planning, seenSettings } from '../../release/plan-parts.ts';
import { servingAlone, servingIn, shownTarget } from '../../release/traffic.ts';
import type { Reading } from '../../routers/router.ts';
import { placesToWrite } from './replicas.ts';

export interface AdoptOptions {
  readonly confirm?: string;
  readonly maxWait?: string;
  readonly to?: string;
}

export async function adopt(options: AdoptOptions, deps: Deps): Promise<Outcome> {
  const control = new Wishes(deps, options);
  const opened = await openScope(deps, { config: 'needed', anyState: true });
  if (!isReplaceable(opened.marking)) assertOwnTarget(opened, deps);
  assertNoHold(opened, deps);
  const open = openRollout(opened.history);
  if (open !== null) return refuseWhileOpen(opened, open, deps);
  const settings = promotable(opened);
  const target = shownTarget(opened, deps);
  // A new history begins only with a build that a person names.
  if (options.to === undefined && opened.marking.obstacle !== null)
    throw otherState(opened.marking.obstacle, opened.flags, deps.io, await adoptions(opened, null, target, await target.read()));
  const offers = await readOffers(opened, deps);
  const serving = options.to === undefined ? await servingBuild(opened, offers, target) : null;
  const { guid, place, moves } = serving ?? (await namedBuild(opened, offers, target, options.to ?? '', deps));
  const facts = await fileFacts({ ...opened, ...offers, guid }, deps.io);
  const judged = await judgeBuild(ADOPTION_CHECKS, facts, place, () => target);
  const reading = mustPass(listedFirst(judged, opened.flags), deps);
  const build = mustBeAdmitted(judged, place);
  const seen = await seenSettings(settings, { candidate: build, stable: null }, { target, reading }, deps.io);
  const plan = adoptionPlan(seen.settings, planning(opened, offers.sources, reading, deps), build, moves);
  // Whoever must bring traffic together waits for no metrics; without them the build does not become known-good.
  const silent = moves ? undefined : seen.silent;
  const planned = { ...facts, ...planFacts(plan, { settings, opened, target, reading }), silent };
  const refusal =
    admit({ ...planned, gathered: ['plan'] }, PLAN_CHECKS).refusal ??
    forgetfulRefusal(reading.forgetful) ??
    (await targetRefusal(opened, [build], { target, reading }, deps));
  // The way out of a lost state in mid-rollout: what only the next promotion needs does not stand in it.
  if (refusal !== undefined && !moves) throw refusalError(refusal);
  const name = `${shortGuid(build.guid)} (${build.version})`;
  const what = moves
    ? `Move all traffic of ${scopeText(opened.scope)} (now ${splitText(servingIn(reading))}) to ${name} at ${place}, and adopt it`
    : `Adopt ${name}, the build currently serving ${scopeText(opened.scope)}`;
  for (const message of new Set(seen.gates.flatMap(({ countable }) => countable?.notes ?? [])))
    deps.line({ type: 'note', level: 'info', message });
  for (const doubt of reading.doubts ?? []) deps.line({ type: 'note', level: 'warning', message: `Not verified: ${doubt}.` });
  await confirm(opened, what, options, deps);
  await judgeFilesAgain(ADOPTION_CHECKS, build.guid, opened, deps);
  judgeByWriting(judged.facts, opened, deps);
  const begin = beginNew(plan, opened.history, judged.facts.otherLedgers);
  return lead(opened, plan, deps, { command: 'adopt', control, takeOver: false, replacesMark: options.to !== undefined, begin });
}

/** A build that serves and is in no manifest is to be listed; another one to promote is no help. */
function listedFirst(judged: Judged, flags: string): Judged {
  const { refusal } = judged;
  if (refusal?.code !== 'UNLISTED_BUILD' || (refusal.places ?? []).length > 0) return judged;
  return {
    ...judged,
    refusal: { ...refusal, hint: `List it, if it belongs here: kvdeploy builds add --live ${flags} --version V` },
  };
}

interface Chosen {
  readonly guid: Guid;
  readonly place: string;
  /** Traffic is not all there yet. */
  readonly moves: boolean;
}

/** The build that a person names, after showing what every place that serves says that it is. Only where nothing is known-good. */
async function namedBuild(opened: Opened, offers: Offers, target: Target, to: string, deps: Deps): Promise<Chosen> {
  const { scope, flags, history } = opened;
  const known = currentKnownGood(history)?.build.guid;
  const own = offers.listed.filter((row) => sameScope(row.scope, scope)).map(({ build }) => build);
  const guid = guidOf(
    to,
    own.map((build) => build.guid),
    `kvdeploy builds ${flags}`,
  );
  if (known !== undefined) {
    const message = `The state is not lost: ${shortGuid(known)} is known-good here, so its ledger says where traffic belongs.`;
    throw new KvdeployError('NOTHING_TO_DO', { message, hint: `kvdeploy rollback ${flags} --to ${guid}` });
  }
  const place = own.find((build) => build.guid === guid)?.ref ?? '';
  const reading = await target.read();
  const shown = reading.places.filter((member) => member.percent > 0 || member.place === place);
  for (const member of shown) {
    const message = `${member.place}, ${member.percent} %: ${answersText(await target.ask(member.place, reading))}`;
    deps.line({ type: 'note', level: 'info', message });
  }
  return { guid, place, moves: !splitsAgree(reading.places, [{ place, percent: 100 }]) };
}

/** What the next promotion would be refused for: an adoption must not promise a rollback path that could not be used. */
const PLAN_CHECKS = [stepsPossible, enoughUp, pointerFits, clientsCounted, gatesSee];

/** The one build that serves everything, by the word of every member. Throws UNEXPECTED_SPLIT, BUILD_GONE, or what the core says of it. */
async function servingBuild(opened: Opened, offers: Offers, target: Target): Promise<Chosen> {
  const reading = await target.read();
  const serving = await servingAlone(target, reading);
  if (serving === null) throw await splitError(opened, offers, target, reading);
  const { place, answers } = serving;
  const which = whichBuild(answers, knownBuilds(opened, offers));
  if (which.is === 'none') throw unknownBuild(place, which, opened, target);
  const { guid } = which;
  const known = currentKnownGood(opened.history)?.build;
  // Known-good at a place that the router does not have any more: then it is adopted at its place of today.
  const isThere = known !== undefined && reading.places.some((one) => one.place === known.ref);
  if (known?.guid === guid && isThere) {
    const message = `${shortGuid(guid)} serves and is the known-good build already.`;
    throw new KvdeployError('NOTHING_TO_DO', { message, hint: `kvdeploy status ${opened.flags}` });
  }
  return { guid, place, moves: false };
}

const HINTS = {
  BUILD_GONE:
    'Run one build at every member, saying which one it is as identity in the config describes, and list it: kvdeploy builds add --live',
  FOREIGN_BUILD: 'Deploy a build that was made for this environment, and list it here.',
  IDENTITY_UNCLEAR: 'Let builds say their GUID or digest, or keep one row: see docs/identity.md.',
} as const;

function unknownBuild(place: string, { why, code }: Extract<Which, { is: 'none' }>, { flags }: Opened, target: Target) {
  if (target.identityOf(place) === 'none') {
    const message = `Which build serves at ${place} is not known: the config says identity: none.`;
    return new KvdeployError('BUILD_GONE', { message, hint: `Name it: kvdeploy adopt ${flags} --to GUID` });
  }
  const known = code ?? 'BUILD_GONE';
  const message = `The members at ${place} do not all say that they are one build of this scope: ${why}.`;
  return new KvdeployError(known, { message, hint: HINTS[known] });
}

/** Several builds serve: which one is to stay is a person's decision, so there is one command for each. */
async function splitError(opened: Opened, offers: Offers, target: Target, reading: Reading): Promise<KvdeployError> {
  const { scope, flags, history } = opened;
  const { router } = promotable(opened);
  const message = `${scopeText(scope)} serves ${splitText(servingIn(reading))}; only one build at 100 % can be adopted.`;
  if (currentKnownGood(history) !== null)
    return new KvdeployError('UNEXPECTED_SPLIT', {
      message,
      hint: `Send all traffic to the known-good build: kvdeploy rollback ${flags}`,
    });
  const replicas = await placesToWrite(router, target, reading, opened, offers);
  if (replicas !== undefined) return new KvdeployError('UNEXPECTED_SPLIT', { message, hint: replicas });
  const hint = `Name the build that is to serve: ${await adoptions(opened, offers, target, reading)}`;
  return new KvdeployError('UNEXPECTED_SPLIT', { message, hint });
}

/** One command for each build that serves by its own word. */
async function adoptions(opened: Opened, offers: Offers | null, target: Target, reading: Reading): Promise<string> {
  const asked = await Promise.all(servingIn(reading).map(({ place }) => target.ask(place, reading)));
  const which = asked.map((answers) => whichBuild(answers, knownBuilds(opened, offers)));
  const guids = [...new Set(which.flatMap((one) => (one.is === 'one' ? [one.guid] : [])))];
  return (guids.length === 0 ? ['GUID'] : guids).map((guid) => `kvdeploy adopt ${opened.flags} --to ${guid}`).join('   or: ');
}
