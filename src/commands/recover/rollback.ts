/** `rollback`: to the known-good build, or to an earlier one by `--to`. Never to a bad one, never to "the previous one". */
import { admit } from '../../core/admission/admission.ts';
import { notForeign, ownStamp } from '../../core/admission/build-checks.ts';
import { KvdeployError, refusalError } from '../../core/errors.ts';
import { type History, type KnownGood, openRollout, rescueGoal, servedBefore } from '../../core/ledger/history.ts';
import type { Build } from '../../core/manifest/manifest.ts';
import { rollbackPlan } from '../../core/rollout/make-plan.ts';
import type { Plan } from '../../core/rollout/plan.ts';
import type { State } from '../../core/rollout/rollout.ts';
import { type Guid, scopeText, shortGuid } from '../../core/scope.ts';
import { fileFacts } from '../../engine/facts.ts';
import { Wishes } from '../../lead/control.ts';
import { assertNoHold } from '../../lead/held.ts';
import { judgeRollback, rollbackSettings } from '../../lead/judge-rollback.ts';
import { beginNew, type Lead, lead } from '../../lead/lead.ts';
import { abortRollout, carryOn } from '../../lead/open-rollout.ts';
import { breakGlassCommand, earlierCommands } from '../../lead/outcome.ts';
import { guidOf } from '../../release/chosen-build.ts';
import { confirm } from '../../release/confirm.ts';
import { type Deps, type Outcome, reasonOf } from '../../release/deps.ts';
import { type Offers, offersIfReadable } from '../../release/offers.ts';
import { type Opened, openScope } from '../../release/open.ts';
import { planning } from '../../release/plan-parts.ts';
import { servingIn, shownTarget } from '../../release/traffic.ts';
import type { Reading } from '../../routers/router.ts';
import { assertOneWord, type BlameOptions, hasWord, marking, markNow, namesOf, settleBlame } from './blame.ts';

export interface RollbackOptions extends BlameOptions {
  readonly to?: string;
}

export async function rollback(options: RollbackOptions, deps: Deps): Promise<Outcome> {
  const opened = await openScope(deps, { config: 'optional' });
  assertNoHold(opened, deps);
  const to = await goalOf(opened, options, deps);
  assertOneWord(options);
  const left = servedBefore(opened.history, to.build.guid);
  const marked = options.bad === true && left.length > 0 ? `, and mark ${namesOf(guidsOf(left))} bad` : '';
  const what = `Roll back ${scopeText(opened.scope)} to ${shortGuid(to.build.guid)} (${to.build.version})${marked}`;
  await confirm(opened, what, options, deps);
  const outcome = await rollbackFrom(opened, { to, left }, options, deps);
  // Only now, so that no question keeps traffic on the build that is left.
  return settleBlame(outcome, guidsOf(left), opened, options, deps);
}

const guidsOf = (builds: readonly Build[]) => builds.map(({ guid }) => guid);

/** Where to, and the builds that are left. */
interface Goal {
  readonly to: KnownGood;
  readonly left: readonly Build[];
}

async function rollbackFrom(opened: Opened, goal: Goal, options: RollbackOptions, deps: Deps): Promise<Outcome> {
  const { to, left } = goal;
  const open = openRollout(opened.history);
  if (open === null) return rollbackTo(opened, goal, options, deps);
  if (leadsTo(open, to.build)) return leadRollback(opened, open.plan, marking(carryOn(undefined), left, options, deps), deps);
  const aborted = await abortRollout(opened, reasonOf(options) ?? 'rollback', deps);
  // Too late to abort, or a rollback to another build that was stopped where it was: this rollback begins from there.
  const stays = aborted.code !== null && aborted.code !== 'NOTHING_TO_DO' && open.plan.kind !== 'rollback';
  if (!stays && (aborted.code !== null || open.plan.stable?.guid !== to.build.guid))
    return rollbackTo(await openScope(deps, { config: 'optional' }), goal, options, deps);
  if (hasWord(options)) await markNow(guidsOf(left), options.bad === true, opened, options, deps);
  return aborted;
}

function leadRollback(opened: Opened, plan: Plan, begin: Lead['begin'], deps: Deps): Promise<Outcome> {
  return lead(opened, plan, deps, { command: 'rollback', control: new Wishes(deps), takeOver: false, begin });
}

/** True for an unfinished rollback to this very build: it is continued, since aborting it would leave traffic where it is. */
function leadsTo({ plan }: State, build: Build): boolean {
  return plan.kind === 'rollback' && plan.candidate.guid === build.guid;
}

/** The build to roll back to. Throws before anything is asked or changed. */
async function goalOf(opened: Opened, options: RollbackOptions, deps: Deps): Promise<KnownGood> {
  const { history, scope } = opened;
  const known = history.knownGood;
  if (options.to === undefined) {
    // The ledger still calls the build good that an unfinished rollback leaves: a rollback never returns to that one by itself.
    const current = rescueGoal(history);
    if (current !== null) return current;
    const message = `No build was ever known-good in ${scopeText(scope)}, so there is none to roll back to.`;
    throw new KvdeployError('NO_KNOWN_GOOD', { message, hint: `kvdeploy status ${opened.flags}` });
  }
  const guids = known.map((entry) => entry.build.guid);
  const offers = guids.some((each) => each.startsWith(String(options.to))) ? null : await offersIfReadable(opened, deps);
  // A build that was never known-good here may be another scope's: then that is what is wrong with it.
  const listed = offers?.listed.map(({ build }) => build.guid) ?? [];
  const guid = guidOf(options.to, [...guids, ...listed], `kvdeploy pointer show ${opened.flags}`);
  const found = known.find((entry) => entry.build.guid === guid);
  if (found !== undefined) return found;
  if (offers !== null) await mustNotBeForeign(guid, offers, opened, deps);
  throw new KvdeployError('NOT_KNOWN_GOOD', {
    message: `Build ${shortGuid(guid)} was never known-good in ${scopeText(scope)}; a rollback is only possible to builds that were.`,
    hint:
      known.length === 0
        ? `There are none. Adopt the build currently serving: kvdeploy adopt ${opened.flags}`
        : `See the known-good builds: kvdeploy pointer show ${opened.flags}`,
  });
}

async function mustNotBeForeign(guid: Guid, offers: Offers, opened: Opened, deps: Deps): Promise<void> {
  const { refusal } = admit(await fileFacts({ ...opened, ...offers, guid }, deps.io), [notForeign, ownStamp]);
  if (refusal !== undefined) throw refusalError(refusal);
}

async function rollbackTo(opened: Opened, { to, left }: Goal, options: RollbackOptions, deps: Deps): Promise<Outcome> {
  const rescue = breakGlassCommand(opened, deps.io, to.build.guid);
  const reading = await judgeRollback(opened, to.build, shownTarget(opened, deps), rescue, deps);
  const [only, ...others] = servingIn(reading);
  const serves = only?.place === to.build.ref && others.length === 0;
  if (options.to === undefined && serves) return knownGoodServes(opened, to);
  const stable = leftBuild(opened.history, to.build, reading);
  const plan = rollbackPlan(
    rollbackSettings(opened, rescue),
    planning(opened, [], reading, deps, reasonOf(options)),
    to.build,
    stable,
  );
  return leadRollback(opened, plan, marking(beginNew(plan, opened.history), left, options, deps), deps);
}

/** It turned out bad after it was promoted: say which builds were good before, and never guess among them. */
function knownGoodServes(opened: Opened, current: KnownGood): Outcome {
  const next = earlierCommands(opened, current.build.guid);
  return {
    code: 'KNOWN_GOOD_SERVES',
    message: `${shortGuid(current.build.guid)} (${current.build.version}) is the known-good build and already serves all traffic.`,
    hint:
      next.length === 0
        ? 'No earlier build was known-good here.'
        : 'If it turned out to be bad, roll back further with one of these:',
    next,
  };
}

/** The build that loses the most traffic, as far as the ledger knows it. */
function leftBuild(history: History, to: Build, reading: Reading): Build | null {
  const others = servingIn(reading).filter((member) => member.place !== to.ref);
  const [serving] = others.toSorted((a, b) => b.percent - a.percent);
  if (serving === undefined) return null;
  const plan = history.rollout?.plan;
  const builds = [plan?.candidate, plan?.stable, ...history.knownGood.map((known) => known.build)];
  return builds.find((build): build is Build => build?.ref === serving.place && build.guid !== to.guid) ?? null;
}
