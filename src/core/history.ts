/** What a ledger means: who leads, what was known-good, what is bad, where the last rollout stands. A fold, no I/O. */
import type { Claim, Event } from './events.ts';
import type { Entry } from './ledger.ts';
import type { Build } from './manifest.ts';
import { apply, isOver, type State, start } from './rollout.ts';
import type { Guid } from './scope.ts';

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

/** A history whose lists are its own, and grow in place: copying them for each entry would make long ledgers quadratic. */
interface Growing extends History {
  readonly knownGood: KnownGood[];
  readonly bad: Map<Guid, string>;
  readonly guids: Set<Guid>;
  readonly reviewed: Set<string>;
  /** The GUIDs in `knownGood`, so that only a build that returns is looked for in the list. */
  readonly good: Set<Guid>;
}

function growing(history: History): Growing {
  const { knownGood, bad, guids, reviewed } = history;
  const lists = { knownGood: [...knownGood], bad: new Map(bad), guids: new Set(guids), reviewed: new Set(reviewed) };
  return { ...history, ...lists, good: new Set(knownGood.map(({ build }) => build.guid)) };
}

/** Folds the entries of one scope's ledger, oldest first. */
export function fold(entries: readonly Entry[]): History {
  return entries.reduce(grown, growing(EMPTY));
}

/** One entry more. An event of a rollout that no plan began changes nothing. */
export function foldEntry(history: History, entry: Entry): History {
  return grown(growing(history), entry);
}

function grown(history: Growing, entry: Entry): Growing {
  const seen = { ...history, nextSeq: entry.seq + 1 };
  const { event } = entry;
  switch (event.type) {
    case 'claimed':
      return { ...seen, leader: { claim: event.claim, since: entry.at } };
    case 'released':
      return { ...seen, leader: null };
    case 'planned': {
      const state = start(event.plan);
      seen.guids.add(event.plan.candidate.guid);
      if (event.plan.stable !== null) seen.guids.add(event.plan.stable.guid);
      return { ...seen, rollout: state, plannedAt: entry.at, changedAt: entry.at };
    }
    case 'imported':
      return imported(seen, event, entry.at);
    case 'reconciled':
      return afterRollout(reconciled(seen, event, entry.at), entry, event);
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
      return afterRollout(seen, entry, event);
  }
}

function afterRollout(history: Growing, entry: Entry, event: Event): Growing {
  if (history.rollout === null) return history;
  const before = history.rollout;
  const after = apply(before, event);
  const changed = { ...history, rollout: after, changedAt: entry.at };
  if (after.gateFailed && !before.gateFailed && after.plan.kind === 'promote')
    return markBad(changed, after.plan.candidate.guid, after.why);
  if (after.phase !== 'done' || before.phase === 'done') return changed;
  return becameKnownGood(changed, after, entry.at);
}

function becameKnownGood(history: Growing, state: State, at: string): Growing {
  const { candidate, stable, kind, id, reason } = state.plan;
  const next = withKnownGood(history, { build: candidate, since: at, rollout: id }, at);
  if (kind !== 'rollback' || stable === null) return next;
  return markBad(next, stable.guid, `rolled back from${reason === null ? '' : `: ${reason}`}`);
}

/** The build becomes the known-good build; the one before it was so until `at`. */
function withKnownGood(history: Growing, entry: KnownGood, at: string): Growing {
  const { knownGood, guids, good } = history;
  const { guid } = entry.build;
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
  return { ...history, highestSequence: Math.max(history.highestSequence ?? 0, entry.build.sequence) };
}

function imported(history: Growing, event: Extract<Event, { type: 'imported' }>, at: string): Growing {
  const marked = event.bad.reduce((sum, guid) => markBad(sum, guid, 'marked bad where it was imported from'), history);
  return withKnownGood(marked, { build: event.build, since: event.since, rollout: 'imported' }, at);
}

function reconciled(history: Growing, event: Extract<Event, { type: 'reconciled' }>, at: string): Growing {
  for (const { id } of event.records) history.reviewed.add(id);
  const marked = event.bad.reduce((sum, guid) => markBad(sum, guid, `left by break-glass: ${event.reason}`), history);
  const serving = marked.knownGood.find((known) => known.build.guid === event.serving);
  if (serving === undefined || serving === marked.knownGood[0]) return marked;
  return withKnownGood(marked, { build: serving.build, since: at, rollout: serving.rollout }, at);
}

function markBad(history: Growing, guid: Guid, why: string): Growing {
  history.bad.set(guid, why);
  return history;
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
