/** What a ledger means: who leads, what was known-good, what is bad, where the last rollout stands. A fold, no I/O. */
import { type AdmittedBuild, admittedBefore } from '../admission/admitted.ts';
import type { Build } from '../manifest/manifest.ts';
import type { Plan } from '../rollout/plan.ts';
import { apply, isOver, type Phase, type State, start } from '../rollout/rollout.ts';
import { type Guid, scopeText } from '../scope.ts';
import type { Claim, Event } from './events.ts';
import type { Entry } from './ledger.ts';

/** A build that passed 100 % with its bake, or that a person rolled back to. */
export interface KnownGood {
  readonly build: AdmittedBuild;
  /** RFC 3339: since when it has been the known-good build (its latest time). */
  readonly since: string;
  /** RFC 3339: when another build took its place; absent while it is the known-good build. */
  readonly until?: string;
  readonly rollout: string;
  /** Who took it over from another machine, and when; absent if it was promoted, adopted or rolled back to here. */
  readonly imported?: { readonly at: string; readonly by: string };
}

/** Who took the bad mark of a build away, when and why, and why it was there. */
export interface Pardon extends Pick<Entry, 'at' | 'actor'> {
  readonly reason: string;
  /** Null for a build that was only left, by a rollback that said nothing of it. */
  readonly was: string | null;
}

export interface History {
  /** Sequence of the next entry. */
  readonly nextSeq: number;
  /** The claim that no one has released; its process may be gone. */
  readonly leader: { readonly claim: Claim; readonly since: string } | null;
  /** Newest first, each build once; the first is the known-good build. */
  readonly knownGood: readonly KnownGood[];
  /** Why each bad build is bad. */
  readonly bad: ReadonlyMap<Guid, string>;
  /** Builds that a person called not bad, or pardoned, and that nothing made bad since: they may be promoted again. */
  readonly cleared: ReadonlySet<Guid>;
  /** The last pardon of each build that ever had one; it may have been marked bad again since. */
  readonly pardons: ReadonlyMap<Guid, Pardon>;
  /** The highest sequence ever known-good here. */
  readonly highestSequence: number | null;
  /** The last rollout, over or not. */
  readonly rollout: State | null;
  /** Where a rollback leads that is open or stuck, until it is finished or a person has reviewed a rescue since. */
  readonly rollingBackTo: Guid | null;
  /** A review since the last rollout found one build serving, so that the ledger says again which one should. */
  readonly settled: boolean;
  /** When the last rollout was planned, and when it last changed, RFC 3339. */
  readonly plannedAt: string | null;
  readonly changedAt: string | null;
  /** Every GUID that a plan of this scope ever named. */
  readonly guids: ReadonlySet<Guid>;
  /** Ids of the break-glass rescues that were reconciled. */
  readonly reviewed: ReadonlySet<string>;
  /** Other scopes, by name, whose ledgers were read for a plan of this one. */
  readonly seen: ReadonlySet<string>;
}

const EMPTY: History = {
  nextSeq: 1,
  leader: null,
  knownGood: [],
  bad: new Map(),
  cleared: new Set(),
  pardons: new Map(),
  highestSequence: null,
  rollout: null,
  rollingBackTo: null,
  settled: false,
  plannedAt: null,
  changedAt: null,
  guids: new Set(),
  reviewed: new Set(),
  seen: new Set(),
};

/** A history in the making. Its fields are set in place: a new object for each entry would make long ledgers slow. */
interface Making {
  readonly history: Own<History>;
  /** The GUIDs in `knownGood`, so that only a build that returns is looked for in the list. */
  readonly good: Set<Guid>;
}

type Own<H extends History> = { -readonly [Key in keyof H]: H[Key] } & {
  readonly knownGood: KnownGood[];
  readonly bad: Map<Guid, string>;
  readonly cleared: Set<Guid>;
  readonly pardons: Map<Guid, Pardon>;
  readonly guids: Set<Guid>;
  readonly reviewed: Set<string>;
  readonly seen: Set<string>;
};

function making(from: History): Making {
  const { knownGood, bad, cleared, pardons, guids, reviewed, seen } = from;
  const maps = { bad: new Map(bad), cleared: new Set(cleared), pardons: new Map(pardons) };
  const sets = { guids: new Set(guids), reviewed: new Set(reviewed), seen: new Set(seen) };
  const lists = { knownGood: [...knownGood], ...maps, ...sets };
  return { history: { ...from, ...lists }, good: new Set(knownGood.map(({ build }) => build.guid)) };
}

/**
 * Folds entries of one scope's ledger, oldest first: all of them, or those after `before`, which stays as it was. An event of a
 * rollout that no plan began changes nothing.
 */
export function fold(entries: readonly Entry[], before = EMPTY): History {
  const made = making(before);
  for (const entry of entries) add(made, entry);
  return made.history;
}

function add(making: Making, entry: Entry): void {
  const { history } = making;
  const { at, event } = entry;
  history.nextSeq = entry.seq + 1;
  if (event.type === 'claimed') {
    history.leader = { claim: event.claim, since: at };
    if (history.rollout !== null) history.rollout = apply(history.rollout, event);
  } else if (event.type === 'released') history.leader = null;
  else if (event.type === 'planned') planned(history, event, at);
  else if (event.type === 'imported') imported(making, event, { at, by: history.leader?.claim.actor ?? 'unknown' });
  else if (event.type === 'marked' || event.type === 'pardoned') judged(history, event, entry);
  else {
    if (event.type === 'reconciled') reconciled(making, event, at);
    afterRollout(making, event, at);
  }
}

function planned(history: Making['history'], { plan, seen }: Extract<Event, { type: 'planned' }>, at: string): void {
  for (const scope of seen ?? []) history.seen.add(scopeText(scope));
  history.guids.add(plan.candidate.guid);
  if (plan.stable !== null) history.guids.add(plan.stable.guid);
  history.rollout = start(plan);
  history.rollingBackTo = plan.kind === 'rollback' ? plan.candidate.guid : null;
  history.settled = false;
  history.plannedAt = at;
  history.changedAt = at;
}

/** A person's word on a build. Whoever planned on the word before must judge again. */
function judged(
  history: Making['history'],
  event: Extract<Event, { type: 'marked' | 'pardoned' }>,
  { at, actor }: Pick<Entry, 'at' | 'actor'>,
): void {
  history.changedAt = at;
  const { guid } = event;
  if (event.type === 'marked') {
    if (event.bad) markBad(history, guid, event.why);
    else if (!history.bad.has(guid)) history.cleared.add(guid);
    return;
  }
  history.pardons.set(guid, { at, actor, reason: event.reason, was: history.bad.get(guid) ?? null });
  history.bad.delete(guid);
  history.cleared.add(guid);
}

function markBad(history: Making['history'], guid: Guid, why: string): void {
  history.bad.set(guid, why);
  history.cleared.delete(guid);
}

function afterRollout(making: Making, event: Event, at: string): void {
  const { history } = making;
  const before = history.rollout;
  if (before === null) return;
  const after = apply(before, event);
  history.rollout = after;
  history.changedAt = at;
  if (event.type === 'reconciled' || (isOver(after) && after.phase !== 'stuck')) history.rollingBackTo = null;
  const { candidate, stable, kind, id, reason, marksNothing, converges } = after.plan;
  if (after.gateFailed && !before.gateFailed && kind === 'promote') markBad(history, candidate.guid, after.why);
  else if (after.phase === 'done' && before.phase !== 'done') {
    if (converges !== true) makeKnownGood(making, { build: admittedBefore(candidate), since: at, rollout: id }, at);
    if (kind === 'rollback' && stable !== null && marksNothing !== true)
      markBad(history, stable.guid, `rolled back from${reason === null ? '' : `: ${reason}`}`);
  }
}

/** The build becomes the known-good build; the one before it was so until `at`. */
function makeKnownGood({ history, good }: Making, entry: KnownGood, at: string): void {
  const { knownGood } = history;
  const { guid, sequence } = entry.build;
  const [last] = knownGood;
  if (last !== undefined && last.until === undefined) knownGood[0] = { ...last, until: at };
  const earlier = good.has(guid) ? knownGood.findIndex(({ build }) => build.guid === guid) : -1;
  if (earlier >= 0) knownGood.splice(earlier, 1);
  knownGood.unshift(entry);
  history.cleared.delete(guid);
  good.add(guid);
  history.guids.add(guid);
  history.highestSequence = Math.max(history.highestSequence ?? 0, sequence);
}

function imported(making: Making, event: Extract<Event, { type: 'imported' }>, by: { at: string; by: string }): void {
  for (const guid of event.bad) markBad(making.history, guid, 'marked bad on the machine it was imported from');
  makeKnownGood(making, { build: admittedBefore(event.build), since: event.since, rollout: 'imported', imported: by }, by.at);
}

function reconciled(making: Making, event: Extract<Event, { type: 'reconciled' }>, at: string): void {
  const { knownGood, bad, cleared, reviewed } = making.history;
  making.history.settled = event.serving !== null;
  for (const { id } of event.records) reviewed.add(id);
  for (const guid of event.notBad ?? []) if (!bad.has(guid)) cleared.add(guid);
  for (const guid of event.bad) markBad(making.history, guid, `rolled back by break-glass: ${event.reason}`);
  const serving = knownGood.find((known) => known.build.guid === event.serving);
  if (serving !== undefined && serving !== knownGood[0])
    makeKnownGood(making, { build: serving.build, since: at, rollout: serving.rollout }, at);
}

/** The build that a plan rolls back to, as this ledger recorded it: it was known-good here, or was when its plan was written down. */
export function recordedBuild({ knownGood, plannedAt }: History, plan: Plan, build: Build | null): KnownGood {
  if (build === null) throw new Error(`plan ${plan.id} has no build to roll back to`);
  const known = knownGood.find((one) => one.build.guid === build.guid);
  return known ?? { build: admittedBefore(build), since: plannedAt ?? '', rollout: plan.id };
}

/** The rollout that still has something to do, or null. */
export function openRollout(history: History): State | null {
  return history.rollout !== null && !isOver(history.rollout) ? history.rollout : null;
}

/** Known-good builds that a rollback can go to, newest first: never a bad one. */
export function rollbackTargets(history: History): readonly KnownGood[] {
  return history.knownGood.filter((known) => !history.bad.has(known.build.guid));
}

/** The build that a revert restores, or null when none was ever known-good. */
export function currentKnownGood(history: History): KnownGood | null {
  return history.knownGood[0] ?? null;
}

/** After these, a promotion's candidate gets no traffic by the ledger's word, or is the known-good build. */
const SETTLED: readonly Phase[] = ['checking', 'watching', 'done', 'refused', 'reverted'];

/**
 * The builds that a rollback to `to` leaves and that really served, by the ledger's word: the candidate of a promotion that did not end
 * well, and the known-good build. Never one that only has traffic: drift says nothing about a build.
 */
export function servedBefore({ rollout, knownGood }: Pick<History, 'rollout' | 'knownGood'>, to: Guid): readonly Build[] {
  const begun = rollout?.plan.kind === 'promote' && !SETTLED.includes(rollout.phase) ? [rollout.plan.candidate] : [];
  const builds = [...begun, ...knownGood.slice(0, 1).map(({ build }) => build)].filter(({ guid }) => guid !== to);
  return builds.filter(({ guid }, index) => builds.findIndex((build) => build.guid === guid) === index);
}

/**
 * The build that traffic is to go to in an emergency: where a rollback that is not finished (open, or stuck) leads, although the ledger
 * still calls the build good that it leaves; otherwise the known-good build.
 */
export function rescueGoal(history: History): KnownGood | null {
  const { rollingBackTo, knownGood } = history;
  return knownGood.find(({ build }) => build.guid === rollingBackTo) ?? currentKnownGood(history);
}
