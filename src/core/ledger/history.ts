/** What a ledger means: who leads, what was known-good, what is bad, where the last rollout stands. A fold, no I/O. */
import type { Build } from '../manifest/manifest.ts';
import type { Plan } from '../rollout/plan.ts';
import { apply, isOver, type State, start } from '../rollout/rollout.ts';
import type { Guid } from '../scope.ts';
import type { Claim, Event } from './events.ts';
import type { Entry } from './ledger.ts';

/** A build that passed 100 % with its bake, or that a person rolled back to. */
export interface KnownGood {
  readonly build: Build;
  /** RFC 3339: since when it has been the known-good build (its latest time). */
  readonly since: string;
  /** RFC 3339: when another build took its place; absent while it is the known-good build. */
  readonly until?: string;
  readonly rollout: string;
  /** Who took it over from another machine, and when; absent if it was promoted, adopted or rolled back to here. */
  readonly imported?: { readonly at: string; readonly by: string };
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
  readonly history: Own<History>;
  /** The GUIDs in `knownGood`, so that only a build that returns is looked for in the list. */
  readonly good: Set<Guid>;
}

type Own<H extends History> = { -readonly [Key in keyof H]: H[Key] } & {
  readonly knownGood: KnownGood[];
  readonly bad: Map<Guid, string>;
  readonly guids: Set<Guid>;
  readonly reviewed: Set<string>;
};

function making(from: History): Making {
  const { knownGood, bad, guids, reviewed } = from;
  const lists = { knownGood: [...knownGood], bad: new Map(bad), guids: new Set(guids), reviewed: new Set(reviewed) };
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
  else if (event.type === 'planned') planned(history, event.plan, at);
  else if (event.type === 'imported') imported(making, event, { at, by: history.leader?.claim.actor ?? 'unknown' });
  else {
    if (event.type === 'reconciled') reconciled(making, event, at);
    afterRollout(making, event, at);
  }
}

function planned(history: Making['history'], plan: Plan, at: string): void {
  history.guids.add(plan.candidate.guid);
  if (plan.stable !== null) history.guids.add(plan.stable.guid);
  history.rollout = start(plan);
  history.plannedAt = at;
  history.changedAt = at;
}

function afterRollout(making: Making, event: Event, at: string): void {
  const { history } = making;
  const before = history.rollout;
  if (before === null) return;
  const after = apply(before, event);
  history.rollout = after;
  history.changedAt = at;
  const { candidate, stable, kind, id, reason } = after.plan;
  if (after.gateFailed && !before.gateFailed && kind === 'promote') history.bad.set(candidate.guid, after.why);
  else if (after.phase === 'done' && before.phase !== 'done') {
    makeKnownGood(making, { build: candidate, since: at, rollout: id }, at);
    if (kind === 'rollback' && stable !== null)
      history.bad.set(stable.guid, `rolled back from${reason === null ? '' : `: ${reason}`}`);
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
  good.add(guid);
  history.guids.add(guid);
  history.highestSequence = Math.max(history.highestSequence ?? 0, sequence);
}

function imported(making: Making, event: Extract<Event, { type: 'imported' }>, by: { at: string; by: string }): void {
  for (const guid of event.bad) making.history.bad.set(guid, 'marked bad on the machine it was imported from');
  makeKnownGood(making, { build: event.build, since: event.since, rollout: 'imported', imported: by }, by.at);
}

function reconciled(making: Making, event: Extract<Event, { type: 'reconciled' }>, at: string): void {
  const { knownGood, bad, reviewed } = making.history;
  for (const { id } of event.records) reviewed.add(id);
  for (const guid of event.bad) bad.set(guid, `rolled back by break-glass: ${event.reason}`);
  const serving = knownGood.find((known) => known.build.guid === event.serving);
  if (serving !== undefined && serving !== knownGood[0])
    makeKnownGood(making, { build: serving.build, since: at, rollout: serving.rollout }, at);
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
