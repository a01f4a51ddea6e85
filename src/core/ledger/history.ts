/** What a ledger means: who leads, what was known-good, what is bad, where the last rollout stands. A fold, no I/O. */
import type { Build } from '../manifest/manifest.ts';
import type { Plan } from '../rollout/plan.ts';
import { apply, isOver, type State, start } from '../rollout/rollout.ts';
import type { Guid } from '../scope.ts';
import type { Claim, Event } from './events.ts';
import type { Entry } from './ledger.ts';

/** A build that passed 100 % with its bake, or that a person went back to. */
export interface KnownGood {
  readonly build: Build;
  /** RFC 3339: since when it has been the known-good build (its latest time). */
  readonly since: string;
  /** RFC 3339: when another build took its place; absent while it is the known-good build. */
  readonly until?: string;
  readonly rollout: string;
}

export interface History {
  /** Sequence of the next entry. */
  readonly nextSeq: number;
  /** The claim that nobody has released; its process may be gone. */
  readonly leader: { readonly claim: Claim; readonly since: string } | null;
  /** Newest first, each build once; the first is the known-good build. */
  readonly knownGood: readonly KnownGood[];
  /** Why each bad build is bad. */
  readonly bad: ReadonlyMap<Guid, string>;
  /** The highest sequence ever known-good here. */
  readonly highestSequence: number | null;
  /** The last rollout, over or not. */
  readonly rollout: State | null;
  /** When the last rollout was planned, and when it last changed, RFC 3339. */
  readonly plannedAt: string | null;
  readonly changedAt: string | null;
  /** Every GUID that a plan of this scope ever named. */
  readonly guids: ReadonlySet<Guid>;
  /** Ids of the break-glass rescues that were reconciled. */
  readonly reviewed: ReadonlySet<string>;
}

const EMPTY: History = {
  nextSeq: 1,
  leader: null,
  knownGood: [],
  bad: new Map(),
  highestSequence: null,
  rollout: null,
  plannedAt: null,
  changedAt: null,
  guids: new Set(),
  reviewed: new Set(),
};

/** A history in the making. Its fields are set in place: a new object for each entry would make long ledgers slow. */
interface Making {
  readonly history: { -readonly [Key in keyof History]: History[Key] };
  /** Lists that may grow in place; undefined while they are those of an earlier history. */
  lists: Lists | undefined;
}

interface Lists {
  readonly knownGood: KnownGood[];
  readonly bad: Map<Guid, string>;
  readonly guids: Set<Guid>;
  readonly reviewed: Set<string>;
  /** The GUIDs in `knownGood`, so that only a build that returns is looked for in the list. */
  readonly good: Set<Guid>;
}

/** The lists of the history that is made, copied the first time: most entries change none of them. */
function own(making: Making): Lists {
  if (making.lists !== undefined) return making.lists;
  const { knownGood, bad, guids, reviewed } = making.history;
  const lists = { knownGood: [...knownGood], bad: new Map(bad), guids: new Set(guids), reviewed: new Set(reviewed) };
  Object.assign(making.history, lists);
  making.lists = { ...lists, good: new Set(knownGood.map(({ build }) => build.guid)) };
  return making.lists;
}

/** Folds the entries of one scope's ledger, oldest first. */
export function fold(entries: readonly Entry[]): History {
  const making: Making = { history: { ...EMPTY }, lists: undefined };
  for (const entry of entries) add(making, entry);
  return making.history;
}

/** One entry more; `history` stays as it was. An event of a rollout that no plan began changes nothing. */
export function foldEntry(history: History, entry: Entry): History {
  const making: Making = { history: { ...history }, lists: undefined };
  add(making, entry);
  return making.history;
}

function add(making: Making, entry: Entry): void {
  const { history } = making;
  const { event } = entry;
  history.nextSeq = entry.seq + 1;
  switch (event.type) {
    case 'claimed':
      history.leader = { claim: event.claim, since: entry.at };
      if (history.rollout !== null) history.rollout = apply(history.rollout, event);
      return;
    case 'released':
      history.leader = null;
      return;
    case 'planned':
      planned(making, event.plan, entry.at);
      return;
    case 'imported':
      imported(making, event, entry.at);
      return;
    case 'reconciled':
      reconciled(making, event, entry.at);
      afterRollout(making, entry, event);
      return;
    case 'prepared':
    case 'refused':
    case 'shifted':
    case 'shift-failed':
    case 'converged':
    case 'not-converged':
    case 'polled':
    case 'drifted':
    case 'pointed':
    case 'point-failed':
    case 'abort-requested':
    case 'left':
      afterRollout(making, entry, event);
  }
}

function planned(making: Making, plan: Plan, at: string): void {
  const { history } = making;
  const guids = [plan.candidate.guid, ...(plan.stable === null ? [] : [plan.stable.guid])];
  for (const guid of guids) if (!history.guids.has(guid)) own(making).guids.add(guid);
  history.rollout = start(plan);
  history.plannedAt = at;
  history.changedAt = at;
}

function afterRollout(making: Making, entry: Entry, event: Event): void {
  const { history } = making;
  const before = history.rollout;
  if (before === null) return;
  const after = apply(before, event);
  history.rollout = after;
  history.changedAt = entry.at;
  if (after.gateFailed && !before.gateFailed && after.plan.kind === 'promote')
    markBad(making, after.plan.candidate.guid, after.why);
  else if (after.phase === 'done' && before.phase !== 'done') becameKnownGood(making, after, entry.at);
}

function becameKnownGood(making: Making, state: State, at: string): void {
  const { candidate, stable, kind, id, reason } = state.plan;
  makeKnownGood(making, { build: candidate, since: at, rollout: id }, at);
  if (kind !== 'rollback' || stable === null) return;
  markBad(making, stable.guid, `rolled back from${reason === null ? '' : `: ${reason}`}`);
}

/** The build becomes the known-good build; the one before it was so until `at`. */
function makeKnownGood(making: Making, entry: KnownGood, at: string): void {
  const { knownGood, guids, good } = own(making);
  const { guid, sequence } = entry.build;
  const [last] = knownGood;
  if (last !== undefined && last.until === undefined) knownGood[0] = { ...last, until: at };
  if (good.has(guid))
    knownGood.splice(
      knownGood.findIndex((known) => known.build.guid === guid),
      1,
    );
  knownGood.unshift(entry);
  good.add(guid);
  guids.add(guid);
  making.history.highestSequence = Math.max(making.history.highestSequence ?? 0, sequence);
}

function imported(making: Making, event: Extract<Event, { type: 'imported' }>, at: string): void {
  for (const guid of event.bad) markBad(making, guid, 'marked bad where it was imported from');
  makeKnownGood(making, { build: event.build, since: event.since, rollout: 'imported' }, at);
}

function reconciled(making: Making, event: Extract<Event, { type: 'reconciled' }>, at: string): void {
  for (const { id } of event.records) own(making).reviewed.add(id);
  for (const guid of event.bad) markBad(making, guid, `left by break-glass: ${event.reason}`);
  const { knownGood } = making.history;
  const serving = knownGood.find((known) => known.build.guid === event.serving);
  if (serving !== undefined && serving !== knownGood[0])
    makeKnownGood(making, { build: serving.build, since: at, rollout: serving.rollout }, at);
}

function markBad(making: Making, guid: Guid, why: string): void {
  own(making).bad.set(guid, why);
}

/** The rollout that still has something to do, or null. */
export function openRollout(history: History): State | null {
  return history.rollout !== null && !isOver(history.rollout) ? history.rollout : null;
}

/** Known-good builds that may be gone back to, newest first: never a bad one. */
export function waysBack(history: History): readonly KnownGood[] {
  return history.knownGood.filter((known) => !history.bad.has(known.build.guid));
}

/** The build to go back to, or null when none was ever known-good. */
export function currentKnownGood(history: History): KnownGood | null {
  return history.knownGood[0] ?? null;
}
