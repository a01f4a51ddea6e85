/** Raw counters in, differences out: restarts, births, lateness and nonsense told apart, one window for both builds. Never guesses a count. No I/O. */
import * as z from 'zod';
import type { Counted } from '../evidence/e-process.ts';

/** One raw counter of one target: `requests`, `errors`, `401`, `le:0.5`; the slice is empty where it has none. */
export interface RawCounter {
  readonly counter: string;
  readonly slice: string;
  readonly value: number;
}

/** One process that counts. `freshMs`: when it was last asked; `startedMs`: when it began to count; `counters` null: it does not answer. */
export interface Target {
  readonly startedMs: number | null;
  readonly freshMs: number;
  readonly counters: readonly RawCounter[] | null;
  /** It is a sum over processes that cannot be told apart: a total that went back says nothing about what was counted since. */
  readonly several?: true;
  /**
   * Where it is no process of the build, but watches them (a router with health checks): how often it saw one go down, null while it cannot
   * tell. Absent where it is such a process itself.
   */
  readonly downs?: number | null;
}

/** `absent`: by plan the candidate serves alone. Targets that are up but have counted nothing yet must be there, with no counters. */
export type ArmCounters =
  | { readonly targets: Readonly<Record<string, Target>> }
  | { readonly missing: string }
  | { readonly absent: true };

/** Totals by counter, over all targets and slices of a reading; empty where there is none. */
export function counterTotals(arm: ArmCounters): ReadonlyMap<string, number> {
  const totals = new Map<string, number>();
  if (!('targets' in arm)) return totals;
  for (const { counters } of Object.values(arm.targets))
    for (const { counter, value } of counters ?? []) totals.set(counter, (totals.get(counter) ?? 0) + value);
  return totals;
}

/** `unseen`: what could not be read though the rest was, by metric, and why: the others are judged as always. */
export interface Counters {
  readonly candidate: ArmCounters;
  readonly stable: ArmCounters;
  readonly unseen?: Readonly<Record<string, string>>;
}

const targetMemorySchema = z.strictObject({
  startedMs: z.number().nullable(),
  freshMs: z.number(),
  /** By `counter|slice`. */
  values: z.record(z.string(), z.number()),
  several: z.literal(true).optional(),
  downs: z.number().nullable().optional(),
  /** How often it saw the build go down since it was first looked at, however often it began anew. */
  crashes: z.number().optional(),
  /** Since which answer, in an unbroken row of answers, a counter of `values` has not been there. */
  goneMs: z.number().optional(),
  /** Counters that were given up as gone: one that comes back begins with that reading, since it is unknown from where it counts. */
  gone: z.array(z.string()).optional(),
});

const armMemorySchema = z.strictObject({ freshMs: z.number().nullable(), targets: z.record(z.string(), targetMemorySchema) });

/** What was counted last; it lives in the ledger with the evidence, so that whoever resumes counts what happened meanwhile. */
export const counterMemorySchema = z.strictObject({ candidate: armMemorySchema, stable: armMemorySchema });

export type CounterMemory = z.infer<typeof counterMemorySchema>;

export type ArmMemory = CounterMemory['candidate'];

export type TargetMemory = ArmMemory['targets'][string];

/**
 * What one build did between two readings. `counts` by counter, then slice; `restarts`: targets whose last counts are lost; `crashes`: how often
 * it went down in how many seconds, where its targets watch it.
 */
export interface ArmDelta {
  readonly arm: ArmState;
  readonly counts: ReadonlyMap<string, ReadonlyMap<string, number>>;
  readonly targets: number;
  readonly restarts: number;
  readonly crashes?: Counted;
}

export interface Delta {
  readonly candidate: ArmDelta;
  readonly stable: ArmDelta;
  readonly memory: CounterMemory;
}

/** Nothing read yet. The first reading of each build is where counting begins. */
export const NO_COUNTERS: CounterMemory = { candidate: { freshMs: null, targets: {} }, stable: { freshMs: null, targets: {} } };

/** True where counting went on from another reading: memory may also change by what it merely noticed. */
export function hasMoved(before: CounterMemory, after: CounterMemory): boolean {
  return before.candidate.freshMs !== after.candidate.freshMs || before.stable.freshMs !== after.stable.freshMs;
}

/**
 * The differences to the last reading that was used. `lagMs`: how far apart the two builds' windows may end, and how long a late one is
 * waited for, and a counter that is gone: an answer cut short looks the same. While one is late, or the candidate cannot be used, neither
 * memory moves: the next difference spans the gap for both alike.
 */
export function countersSince(memory: CounterMemory, reading: Counters, lagMs: number): Delta {
  const candidate = armDelta(memory.candidate, reading.candidate, lagMs);
  const stable = armDelta(memory.stable, reading.stable, lagMs);
  const both = [candidate, stable];
  const noticed = candidate.unmoved !== memory.candidate || stable.unmoved !== memory.stable;
  const unmoved = noticed ? { candidate: candidate.unmoved, stable: stable.unmoved } : memory;
  const [newest, oldest] = [Math.max(...both.map(({ freshMs }) => freshMs)), Math.min(...both.map(({ freshMs }) => freshMs))];
  const apart = both.every(({ has }) => has === 'window' || has === 'beginning') && newest - oldest > lagMs;
  if (apart) return waiting(unmoved, `the windows of the builds end ${(newest - oldest) / 1000} s apart`);
  const late = both.find(({ has }) => has === 'late');
  if (late !== undefined && newest - late.freshMs <= lagMs) return waiting(unmoved, whyOf(late.delta.arm));
  // A window of one build alone must not be compared with a longer one: where either begins, or goes on alone, both count from here.
  const anew = both.some(({ has }) => has === 'beginning') || candidate.has === 'window';
  const moved = ({ has, memory: now }: Read) => (has === 'window' || has === 'beginning' ? now : NO_COUNTERS.stable);
  return {
    candidate: overdue(candidate.delta),
    stable: candidate.has === 'window' ? overdue(stable.delta) : { ...overdue(stable.delta), counts: NO_COUNTS },
    memory: anew ? { candidate: moved(candidate), stable: moved(stable) } : unmoved,
  };
}

interface Read {
  /** A `window` can be judged; a `beginning` is a first reading, with nothing to subtract. */
  readonly has: 'window' | 'beginning' | 'late' | 'nothing';
  readonly delta: ArmDelta;
  readonly memory: ArmMemory;
  /** The memory for where it must not move: it only knows since when counters are gone. */
  readonly unmoved: ArmMemory;
  readonly freshMs: number;
}

function whyOf(arm: ArmState): string {
  return 'why' in arm ? arm.why : '';
}

const NO_COUNTS: ArmDelta['counts'] = new Map();

export function silent(arm: ArmState): ArmDelta {
  return { arm, counts: NO_COUNTS, targets: 0, restarts: 0 };
}

function waiting(memory: CounterMemory, why: string): Delta {
  const late = silent({ state: 'late', why });
  return { candidate: late, stable: late, memory };
}

/** Lateness that was waited for long enough is missing data. */
function overdue(delta: ArmDelta): ArmDelta {
  return delta.arm.state === 'late' ? { ...delta, arm: { state: 'missing', why: delta.arm.why } } : delta;
}

function armDelta(memory: ArmMemory, reading: ArmCounters, lagMs: number): Read {
  const kept = { has: 'nothing' as const, memory, unmoved: memory, freshMs: memory.freshMs ?? Number.NEGATIVE_INFINITY };
  if ('missing' in reading) return { ...kept, delta: silent({ state: 'missing', why: reading.missing }) };
  if ('absent' in reading) return { ...kept, delta: silent({ state: 'absent' }) };
  const targets = Object.entries(reading.targets);
  if (targets.length === 0) return { ...kept, delta: silent({ state: 'missing', why: 'there is no target' }) };
  const fault = targets.map(([name, target]) => targetFault(name, target)).find((found) => found !== undefined);
  if (fault !== undefined) return { ...kept, delta: silent(fault) };
  const freshMs = Math.min(...targets.map(([, target]) => target.freshMs));
  const now: ArmMemory = { freshMs, targets: Object.fromEntries(targets.map(([name, target]) => [name, remembered(target)])) };
  if (memory.freshMs === null)
    return {
      has: 'beginning',
      memory: now,
      unmoved: memory,
      freshMs,
      delta: silent({ state: 'missing', why: 'counting starts with this reading' }),
    };
  if (freshMs <= memory.freshMs)
    return { ...kept, has: 'late', delta: silent({ state: 'late', why: 'no data newer than what was already judged' }) };
  const unmoved = noticing(memory, now);
  const { delta, given } = differences(unmoved, now, lagMs);
  return delta.arm.state === 'invalid' ? { ...kept, unmoved, delta } : { has: 'window', memory: given, unmoved, freshMs, delta };
}

function targetFault(name: string, { counters, freshMs }: Target): ArmState | undefined {
  // Whoever reads the ledger leaves a key of this name out, and what was counted with it.
  if (name === '__proto__') return { state: 'invalid', why: 'a target cannot be called __proto__' };
  if (counters === null) return { state: 'missing', why: `${name} does not answer` };
  const wrong = counters.find(({ value }) => !(Number.isSafeInteger(value) && value >= 0));
  if (wrong !== undefined) return { state: 'invalid', why: `${name}: ${keyOf(wrong)} is ${wrong.value}, not a count` };
  const keys = new Set(counters.map(keyOf));
  if (keys.size !== counters.length) return { state: 'invalid', why: `${name}: a counter occurs more than once` };
  return Number.isFinite(freshMs) ? undefined : { state: 'invalid', why: `${name}: the time of the reading is unknown` };
}

function keyOf({ counter, slice }: RawCounter): string {
  return `${counter}|${slice}`;
}

function remembered({ startedMs, freshMs, counters, several, downs }: Target): TargetMemory {
  const values = Object.fromEntries((counters ?? []).map((raw) => [keyOf(raw), raw.value]));
  return { startedMs, freshMs, values, ...(several === undefined ? {} : { several }), ...(downs === undefined ? {} : { downs }) };
}

/** `given`: what is remembered next, with the counters that were given up. */
function differences(before: ArmMemory, now: ArmMemory, lagMs: number): { readonly delta: ArmDelta; readonly given: ArmMemory } {
  const sums = new Map<string, Map<string, number>>();
  const lost = Object.keys(before.targets).filter((name) => !Object.hasOwn(now.targets, name));
  const restarts = lost.map((name) => `${name} is gone`);
  const expired: string[] = [];
  const given: Record<string, TargetMemory> = {};
  for (const [name, target] of Object.entries(now.targets)) {
    const was = Object.hasOwn(before.targets, name) ? before.targets[name] : undefined;
    const from = origin(was, target, before.freshMs ?? Number.POSITIVE_INFINITY, lagMs);
    if (from === 'invalid')
      return {
        delta: silent({ state: 'invalid', why: `${name}: a counter disappeared or decreased without a restart` }),
        given: before,
      };
    if (from === 'reset' || from === 'restarted') restarts.push(`${name} restarted`);
    if (from === 'anew') restarts.push(`a counter of ${name} decreased`);
    if (from === 'expired' && was !== undefined) expired.push(`${name} no longer has ${keysText(goneFrom(was, target))}`);
    for (const [key, value] of Object.entries(target.values)) add(sums, key, value - since(from, was, key, value));
    given[name] = withCrashes(was, withGivenUp(from, was, target));
  }
  const troubles = [...restarts, ...expired];
  const arm: ArmState = troubles.length === 0 ? { state: 'counted' } : { state: 'reset', why: troubles.join(', ') };
  const crashes = crashesSeen(before, { ...now, targets: given });
  const counted = { arm, counts: sums, targets: Object.keys(now.targets).length, restarts: restarts.length };
  const delta = crashes === undefined ? counted : { ...counted, crashes };
  return { delta, given: { ...now, targets: given } };
}

function add(sums: Map<string, Map<string, number>>, key: string, difference: number): void {
  const bar = key.indexOf('|');
  const counter = key.slice(0, bar);
  const slices = sums.get(counter) ?? new Map<string, number>();
  slices.set(key.slice(bar + 1), (slices.get(key.slice(bar + 1)) ?? 0) + difference);
  sums.set(counter, slices);
}

// Where counters count from: known, born, restarted, gone back or gone for good. Must not call anything new that may have been there. No I/O.

/** Counters that were there and are not now. */
export function goneFrom(was: TargetMemory, now: TargetMemory): string[] {
  return Object.keys(was.values).filter((key) => !Object.hasOwn(now.values, key));
}

/** The memory, with since when counters have been gone; the very same where there is no news. */
export function noticing(before: ArmMemory, now: ArmMemory): ArmMemory {
  const targets = Object.entries(before.targets).map(([name, was]) => {
    const target = Object.hasOwn(now.targets, name) ? now.targets[name] : undefined;
    if (target === undefined) return [name, was] as const;
    const { goneMs, ...rest } = was;
    const isGone = goneFrom(was, target).length > 0;
    if (isGone === (goneMs !== undefined)) return [name, was] as const;
    return [name, isGone ? { ...rest, goneMs: target.freshMs } : rest] as const;
  });
  return targets.every(([name, was]) => was === before.targets[name])
    ? before
    : { ...before, targets: Object.fromEntries(targets) };
}

/** `errors of eu and 2 more`. */
export function keysText([key = '', ...more]: readonly string[]): string {
  const [counter, slice] = [key.slice(0, key.indexOf('|')), key.slice(key.indexOf('|') + 1)];
  return `${counter}${slice === '' ? '' : ` of ${slice}`}${more.length === 0 ? '' : ` and ${more.length} more`}`;
}

/** A process that began again has given nothing up. */
export function withGivenUp(from: Origin, was: TargetMemory | undefined, now: TargetMemory): TargetMemory {
  if (was === undefined || (from !== 'known' && from !== 'expired')) return now;
  const all = [...(was.gone ?? []), ...(from === 'expired' ? goneFrom(was, now) : [])];
  const gone = all.filter((key) => !Object.hasOwn(now.values, key));
  return gone.length === 0 ? now : { ...now, gone };
}

/** `expired`: counters went for good while their target went on, as an exporter drops series that stood still; it is no restart. */
type Origin = 'known' | 'restarted' | 'reset' | 'anew' | 'expired' | 'born' | 'unknown' | 'invalid';

/** Where a target's counters count from: a target that is new and began before we looked keeps what it counted then to itself. */
export function origin(was: TargetMemory | undefined, now: TargetMemory, lookedMs: number, lagMs: number): Origin {
  if (was === undefined) return now.startedMs !== null && now.startedMs > lookedMs ? 'born' : 'unknown';
  const dated = was.startedMs !== null && now.startedMs !== null;
  if (dated && was.startedMs !== now.startedMs) return 'restarted';
  const back = Object.entries(was.values).some(([key, value]) => (now.values[key] ?? value) < value);
  const gone = goneFrom(was, now).length > 0;
  if (now.several === true && (back || gone)) return 'anew';
  if (back) return dated ? 'invalid' : 'reset';
  if (!gone) return 'known';
  // An answer cut short looks like this too, and its missing part would come back as if all of it were new: once is not enough.
  return now.freshMs - (was.goneMs ?? now.freshMs) > lagMs ? 'expired' : 'invalid';
}

/** What a counter showed when its difference begins. One that was not there while its target was up was born at its first event: 0. */
export function since(from: Origin, was: TargetMemory | undefined, key: string, value: number): number {
  if (from === 'unknown' || from === 'anew' || from === 'expired') return value;
  if (from === 'born' || from === 'restarted') return 0;
  if (from === 'known' && was?.gone?.includes(key) === true) return value;
  const before = was?.values[key] ?? 0;
  // After a restart at an unknown time the lesser of both readings of it is a lower bound, and all that is known.
  return value < before ? 0 : before;
}

// Crashes as a router's own health checks see them: how many, in how much time. Must not count one crash twice. No I/O.

/** How often a healthy build may go down of its own accord while the stable build does not, per second that it is watched: once an hour. */
export const CRASH_LIMIT = 1 / 3600;

/** What is remembered of one router: what it saw since the last look is added. One that began anew counts from 0, and nothing is counted again. */
export function withCrashes(was: TargetMemory | undefined, now: TargetMemory): TargetMemory {
  if (now.downs === undefined) return now;
  const more = typeof now.downs === 'number' && typeof was?.downs === 'number' ? Math.max(0, now.downs - was.downs) : 0;
  return { ...now, crashes: (was?.crashes ?? 0) + more };
}

/**
 * Seconds that a build was watched, and how often it went down in them. Every router sees the same crash, sooner or later, so the one that saw
 * most counts. Undefined if no one watches by plan.
 */
export function crashesSeen(before: ArmMemory, now: ArmMemory): Counted | undefined {
  const watchers = Object.entries(now.targets).filter(([, { downs }]) => downs !== undefined);
  if (watchers.length === 0) return undefined;
  const watched = watchers.some(([name, { downs }]) => {
    const was = Object.hasOwn(before.targets, name) ? before.targets[name] : undefined;
    return typeof downs === 'number' && typeof was?.downs === 'number';
  });
  if (!watched) return { requests: 0, failures: 0 };
  // Differences of whole seconds add up to the whole time, whatever parts it is counted in.
  const seconds = Math.floor((now.freshMs ?? 0) / 1000) - Math.floor((before.freshMs ?? 0) / 1000);
  const failures = Math.max(0, mostSeen(now) - mostSeen(before));
  return { requests: seconds + failures, failures };
}

function mostSeen({ targets }: ArmMemory): number {
  return Math.max(0, ...Object.values(targets).map(({ crashes = 0 }) => crashes));
}

/** `the candidate went down 4 times in 47 s, the stable build not once`. */
export function crashesText(candidate: Counted, stable: Counted): string {
  const times = ({ failures }: Counted) => (failures === 0 ? 'not once' : failures === 1 ? 'once' : `${failures} times`);
  return `the candidate went down ${times(candidate)} in ${candidate.requests} s, the stable build ${times(stable)}`;
}

/**
 * How much one build's counts can be trusted. `reset`: counted, but what came before a restart is lost. `late`: nothing newer than what was
 * judged before. `absent`: by plan there is no stable build next to the candidate.
 */
export type ArmState =
  | { readonly state: 'counted' | 'absent' }
  | { readonly state: 'reset' | 'late' | 'missing' | 'invalid'; readonly why: string };
