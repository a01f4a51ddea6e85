/**
 * Totals that go back and forth, told by a process's own past from one that begins again: several processes behind one address show their totals
 * in turn, and a gauge goes up and down. Must not take what one of them shows for what another counted. No I/O.
 */
import type { ArmMemory, TargetMemory } from './counter-memory.ts';
import { ALL_BUCKETS } from './metric-counters.ts';

/** So many turns within this time are no accident, such as an answer cut short. */
const TURNS = 3;

const TURNS_WITHIN_MS = 600_000;

/** After the last turn totals are not believed for so long, or so many lags. */
const UNBELIEVED_MS = 60_000;

const UNBELIEVED_LAGS = 4;

/** A climb by fewer requests than this says nothing. */
const CLIMB_LEAST = 20;

/** Requests that a target has counted, in all slices. */
function totalOf({ values }: TargetMemory): number {
  let [requests, buckets] = [0, 0];
  for (const [key, value] of Object.entries(values)) {
    if (key.startsWith('requests|')) requests += value;
    else if (key.startsWith(`${ALL_BUCKETS}|`)) buckets += value;
  }
  return requests > 0 ? requests : buckets;
}

export function isBack(was: TargetMemory, now: TargetMemory): boolean {
  return Object.entries(was.values).some(([key, value]) => (now.values[key] ?? value) < value);
}

/**
 * A total that is lower than it was: `restarted`, with what is counted since, or `anew`, where no one knows that; `doubtful`, since a process that
 * begins again has less than half of what it had, and does not come to stand right above where it climbed from in one window.
 */
export function lowered(was: TargetMemory, now: TargetMemory, lagMs: number): 'restarted' | 'anew' | 'doubtful' {
  const [before, total] = [totalOf(was), totalOf(now)];
  if (total > before / 2 || isWhereItWas(was, before, total)) return 'doubtful';
  return total <= couldCount(was, now, lagMs) ? 'restarted' : 'anew';
}

/**
 * Right above where the last great climb began, as another process that was seen before. A process that crashes again and again lands below what it
 * counts in one window, which in its later lives is all of a climb.
 */
function isWhereItWas({ past }: TargetMemory, before: number, total: number): boolean {
  const { from = 0, climb = 0, again } = past ?? {};
  if (from < CLIMB_LEAST || climb < CLIMB_LEAST || before - from > 2 * climb || (again === true && from <= climb)) return false;
  return total >= from && total <= from + Math.min((before - from) / 10, from);
}

/** Twice as many requests as it counted in the busiest of its windows, but for the last, which may have been another's. */
function couldCount({ past, freshMs }: TargetMemory, now: TargetMemory, lagMs: number): number {
  if (past?.pace === undefined) return CLIMB_LEAST;
  return CLIMB_LEAST + (2 * past.pace * (now.freshMs - freshMs + lagMs)) / 1000;
}

/** Climbs at once over the total at which it was given up: the other one is back. */
export function leaps(was: TargetMemory, now: TargetMemory, lagMs: number): boolean {
  const former = was.past?.former;
  if (former === undefined) return false;
  const [before, total] = [totalOf(was), totalOf(now)];
  return before < former && total >= former && total - before > couldCount(was, now, lagMs);
}

/** The memory of a target where it must not move, with what this reading shows of turns. */
export function noticingTurns(was: TargetMemory, now: TargetMemory, lagMs: number): TargetMemory {
  if (was.several === true) return was;
  const { backMs, ...past } = was.past ?? {};
  const back = isBack(was, now);
  const doubtful = back && isUndated(was, now) && lowered(was, now, lagMs) === 'doubtful';
  const turn = doubtful ? backMs === undefined && isWhereItWas(was, totalOf(was), totalOf(now)) : backMs !== undefined && !back;
  const turned = turn || leaps(was, now, lagMs) ? oneMore(past, now.freshMs) : past;
  if (doubtful) return { ...was, past: { ...turned, backMs: backMs ?? now.freshMs } };
  return turned === past && backMs === undefined ? was : { ...was, past: turned };
}

function isUndated(was: TargetMemory, now: TargetMemory): boolean {
  return was.startedMs === null || now.startedMs === null;
}

type Past = NonNullable<TargetMemory['past']>;

function oneMore(past: Past, atMs: number): Past {
  const recent = past.turnsMs !== undefined && atMs - past.turnsMs <= TURNS_WITHIN_MS;
  return { ...past, turns: (recent ? (past.turns ?? 0) : 0) + 1, turnsMs: atMs };
}

export function takesTurns({ past }: TargetMemory, nowMs: number, lagMs: number): boolean {
  if (past?.turns === undefined || past.turnsMs === undefined || past.turns < TURNS) return false;
  return nowMs - past.turnsMs <= Math.max(UNBELIEVED_MS, UNBELIEVED_LAGS * lagMs);
}

export function turnsText(name: string): string {
  const what = 'its totals go back and forth: several processes behind one scrape address show theirs in turn, or it is a gauge';
  return `${name}: ${what}; scrape each process by itself, each with its own instance label, and query a counter`;
}

/** The target that climbed most between two readings. */
export function climber(before: ArmMemory, now: ArmMemory): string {
  const climbs = Object.entries(now.targets).map(([name, target]) => {
    const was = Object.hasOwn(before.targets, name) ? before.targets[name] : undefined;
    return { name, climb: was === undefined ? 0 : totalOf(target) - totalOf(was) };
  });
  return climbs.toSorted((a, b) => b.climb - a.climb)[0]?.name ?? '';
}

/** Half of a pace is forgotten in so many seconds. */
const PACE_HALVES_S = 300;

/** What is remembered of a target's own past after a window. `goesOn`: it counted on from where it was; `former`: it was given up there. */
export function withPast(
  was: TargetMemory | undefined,
  now: TargetMemory,
  lagMs: number,
  goesOn: boolean,
  givenUp: boolean,
): TargetMemory {
  if (was === undefined || now.several === true) return now;
  const { turns, turnsMs, pace, rate, from, climb = 0, former, again } = was.past ?? {};
  const [before, total] = [totalOf(was), totalOf(now)];
  const kept = turns === undefined ? {} : { turns, turnsMs };
  if (!goesOn)
    return { ...now, past: { ...kept, ...(pace === undefined ? {} : { pace }), ...(givenUp ? { former: before } : {}) } };
  const seconds = (now.freshMs - was.freshMs) / 1000;
  const slower = Math.max((pace ?? 0) * 2 ** (-seconds / PACE_HALVES_S), rate ?? 0);
  const rise = total - before;
  return {
    ...now,
    past: {
      ...kept,
      ...(again === undefined ? {} : { again }),
      rate: rounded(rise / Math.max(seconds, lagMs / 1000)),
      ...(rate === undefined && pace === undefined ? {} : { pace: rounded(slower) }),
      ...(rise >= climb ? { from: before, climb: rise } : { from, climb }),
      ...(former === undefined || total >= former ? {} : { former }),
    },
  };
}

function rounded(rate: number): number {
  return Math.round(rate * 1000) / 1000;
}
