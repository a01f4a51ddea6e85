/** `places`: what is at each place behind the router, member by member, and which place is free for the next build. Changes nothing. */
import { answersText, type MemberAnswer, whichBuild } from '../../../core/admission/answers.ts';
import { KvdeployError } from '../../../core/errors.ts';
import { isUnsettled } from '../../../core/ledger/expected.ts';
import { currentKnownGood, openRollout } from '../../../core/ledger/history.ts';
import { scopeText, shortGuid } from '../../../core/scope.ts';
import { assertNoOneLeads } from '../../../engine/claim.ts';
import type { Target } from '../../../engine/target.ts';
import { assertNoHold } from '../../../lead/held.ts';
import { refuseWhileOpen } from '../../../lead/lead.ts';
import { type Deps, done, type Outcome } from '../../../release/deps.ts';
import { knownBuilds, type Offers, offersIfReadable } from '../../../release/offers.ts';
import { type Opened, openScope, targetOf } from '../../../release/open.ts';
import { assertOwnTarget } from '../../../release/other-state.ts';
import { buildsAtPlaces, leftOutText, placesToAsk, servingIn, showTraffic } from '../../../release/traffic.ts';
import { type MemberAt, membersAt } from '../../../routers/places.ts';
import type { PlaceReading, Reading } from '../../../routers/router.ts';
import { table, widest } from '../../../terminal/layout.ts';
import { firstIdle, lastGoodAt, occupiedBecause } from './idle-place.ts';

export async function places({ idle = false }: { readonly idle?: boolean }, deps: Deps): Promise<Outcome> {
  const opened = await openScope(deps, { config: 'needed', anyState: true });
  if (idle) await assertAtRest(opened, deps);
  const target = targetOf(opened, deps, openRollout(opened.history) === null ? 'config' : 'ledger');
  showTraffic(deps, target, buildsAtPlaces(opened));
  const reading = await target.read();
  if (idle) assertSeen(opened, reading);
  const offers = await offersIfReadable(opened, deps);
  const { asked, leftOut } = placesToAsk(reading.places, opened, offers);
  const seen = await Promise.all(asked.map((place) => placeSeen(place, { target, reading }, opened)));
  const document = { ...documentOf(seen, reading, opened, offers), leftOut };
  deps.line({ type: 'document', name: 'places', data: document });
  if (idle) return idleOutcome(document, opened, deps);
  deps.print(textOf(document, opened).join('\n'));
  for (const message of reading.trouble) deps.line({ type: 'note', level: 'warning', message });
  const free = document.places.filter((one) => one.idle).map(({ place }) => place);
  const rest = leftOut === 0 ? '' : `; ${leftOutText(leftOut)}`;
  return done(`${seen.length} place${seen.length === 1 ? '' : 's'}; idle: ${free.join(', ') || 'none'}${rest}.`);
}

/** Nothing else uses the target, as far as this state knows. Throws HELD, BUSY, UNFINISHED and OTHER_STATE. */
async function assertAtRest(opened: Opened, deps: Deps): Promise<void> {
  const { history, store, scope, flags } = opened;
  assertOwnTarget(opened, deps);
  assertNoHold(opened, deps);
  const open = openRollout(history);
  if (open !== null) return refuseWhileOpen(opened, open, deps);
  await assertNoOneLeads({ io: deps.io, store, scope });
  if (!isUnsettled(history)) return;
  const message = `The last rollout of ${scopeText(scope)} is ${history.rollout?.phase}, so the ledger does not say which place is in use.`;
  throw new KvdeployError('UNFINISHED', { message, hint: `See where it stands: kvdeploy status ${flags}` });
}

/**
 * Throws UNREACHABLE where a location did not answer, SPLIT_IMPOSSIBLE where the router cannot be used as it is set up (servers that take traffic may
 * belong to no place), and NO_STATE where this machine cannot know what is known-good.
 */
function assertSeen({ history, scope, flags }: Opened, reading: Reading): void {
  const [silent] = reading.unseen ?? [];
  if (silent !== undefined) {
    const message = `What every location of the router serves is not known: ${silent.why.replace(/\.$/, '')}.`;
    throw new KvdeployError('UNREACHABLE', { message, hint: silent.cure });
  }
  if (reading.unusable !== undefined) {
    const message = `Which place is in use is not known: ${reading.unusable.why.replace(/\.$/, '')}.`;
    throw new KvdeployError('SPLIT_IMPOSSIBLE', { message, hint: reading.unusable.cure });
  }
  if (history.nextSeq > 1 || servingIn(reading).length === 0) return;
  throw new KvdeployError('NO_STATE', {
    message: `There is no state for ${scopeText(scope)} here, so which place is in use, or reserved by a rollout, is not known.`,
    hint: `Run this where the state is: --state-dir DIR. For a new service, adopt what serves first: kvdeploy adopt ${flags}`,
  });
}

interface MemberSeen extends MemberAt {
  /** Undefined where the router says no way to ask it. */
  readonly answer: MemberAnswer | undefined;
}

interface PlaceSeen extends PlaceReading {
  readonly members: readonly MemberSeen[];
  readonly occupied: string | null;
}

async function placeSeen(
  place: PlaceReading,
  { target, reading }: { readonly target: Target; readonly reading: Reading },
  { history }: Opened,
): Promise<PlaceSeen> {
  const answers = await target.ask(place.place, reading);
  const by = new Map(answers.flatMap((one) => (one.of ?? []).map((key) => [key, one] as const)));
  const members = membersAt(reading, place.place).map((one) => ({ ...one, answer: by.get(one.key) }));
  return { ...place, members, occupied: occupiedBecause(place, reading, history) };
}

function documentOf(seen: readonly PlaceSeen[], reading: Reading, opened: Opened, offers: Pick<Offers, 'listed'> | null) {
  const { history, scope } = opened;
  const known = currentKnownGood(history)?.build;
  const builds = { ...knownBuilds(opened, offers), isProtected: true };
  const guidOf = (answers: readonly MemberAnswer[]) => {
    const which = whichBuild(answers, builds);
    return which.is === 'one' ? which.guid : null;
  };
  const listed = [...history.knownGood.map(({ build }) => build), ...(offers?.listed.map(({ build }) => build) ?? [])];
  const places = seen.map(({ place, percent, realPercent, members, occupied }) => {
    const guid = guidOf(members.flatMap(({ answer }) => answer ?? []));
    const isSeen = reading.unseen === undefined;
    return {
      place,
      percent,
      /** What members that are up really get. */
      realPercent,
      /** What all members say that they are; null where one is silent, or they differ. */
      build: guid === null ? null : { guid, version: listed.find((build) => build.guid === guid)?.version ?? null },
      knownGood: known?.ref === place,
      idle: isSeen && occupied === null,
      /** Why it is not idle. */
      why: isSeen ? occupied : 'a location of the router did not answer',
      lastGoodAt: lastGoodAt(place, history),
      members: members.map((member) => memberOf(member, guidOf)),
    };
  });
  return { scope, places, trouble: reading.trouble };
}

type PlacesDocument = ReturnType<typeof documentOf>;

function memberOf({ location, member, answer }: MemberSeen, guidOf: (answers: readonly MemberAnswer[]) => string | null) {
  const { name, up, draining, parked, percent, ask } = member;
  return {
    ...{ name, location, up, draining, parked, percent },
    address: ask.address,
    build: answer === undefined ? null : guidOf([answer]),
    /** What it says, or why it says nothing. */
    answer: answersText(answer === undefined ? [] : [answer]),
  };
}

/** The name alone on stdout; everything else on stderr. Throws NO_IDLE_PLACE. */
function idleOutcome({ places }: PlacesDocument, { history, scope, flags }: Opened, deps: Deps): Outcome {
  const free = places.filter((one) => one.idle);
  const name = firstIdle(
    free.map(({ place }) => place),
    history,
  );
  if (name === undefined) {
    const why = places.map((one) => `${one.place}: ${one.why}`).join('; ');
    const message = `No place of ${scopeText(scope)} is idle${why === '' ? ': the router has none' : `: ${why}`}.`;
    throw new KvdeployError('NO_IDLE_PLACE', { message, hint: `See what is at each place: kvdeploy places ${flags}` });
  }
  const draining = places.find(({ place }) => place === name)?.members.some((member) => member.draining);
  if (draining === true) {
    const message = `${name} is draining: clients that are bound to it may still be there.`;
    deps.line({ type: 'note', level: 'warning', message });
  }
  deps.write(`${name}\n`, 'stdout');
  return { ...done(name), silent: deps.globals.json !== true };
}

function textOf({ places }: PlacesDocument, { scope }: Opened): readonly string[] {
  const heads = table(places.map((one) => [one.place, shareOf(one), buildOf(one), stateOf(one)]));
  const several = new Set(places.flatMap(({ members }) => members.map(({ location }) => location))).size > 1;
  const where = ({ name, location }: MemberRow) => (several ? `${name} at ${location}` : name);
  const rows = places.map((one) => one.members.map((member) => [where(member), wordsOf(member), member.answer]));
  const widths = widest(rows.flat());
  const members = rows.map((lines) => table(lines, widths));
  return [
    scopeText(scope),
    ...places.flatMap((_, at) => [`  ${heads[at]}`, ...(members[at] ?? []).map((line) => `      ${line}`)]),
  ];
}

type PlaceRow = PlacesDocument['places'][number];
type MemberRow = PlaceRow['members'][number];

function shareOf({ percent, realPercent }: PlaceRow): string {
  const [set, real] = [percent, realPercent].map((share) => `${Math.round(share * 10) / 10} %`);
  return set === real ? `${set}` : `${set}, in fact ${real}`;
}

function buildOf({ build }: PlaceRow): string {
  return build === null ? 'build not known' : `${shortGuid(build.guid)}  ${build.version ?? 'not listed'}`;
}

function stateOf({ knownGood, idle, why }: PlaceRow): string {
  return knownGood ? 'known-good' : idle ? 'idle' : (why ?? '');
}

function wordsOf({ up, draining, parked }: MemberRow): string {
  return [up ? 'up' : 'DOWN', ...(parked ? ['in maintenance'] : draining ? ['draining'] : [])].join(', ');
}
