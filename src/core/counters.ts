/** Raw counters in, differences out: restarts, births, lateness and nonsense told apart, one window for both builds. Never guesses a count. No I/O. */
import * as z from 'zod';
import type { ArmState } from './poll.ts';

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
  /** It is a sum over processes that nobody can tell apart: a total that went back says nothing about what was counted since. */
  readonly several?: true;
}

/** `absent`: by plan nothing serves beside the candidate. Targets that are up but have counted nothing yet must be there, with no counters. */
export type ArmReading =
  | { readonly targets: Readonly<Record<string, Target>> }
  | { readonly missing: string }
  | { readonly absent: true };

export interface Reading {
  readonly candidate: ArmReading;
  readonly stable: ArmReading;
}

const targetMemorySchema = z.strictObject({
  startedMs: z.number().nullable(),
  freshMs: z.number(),
  /** By `counter|slice`. */
  values: z.record(z.string(), z.number()),
  several: z.literal(true).optional(),
});
const armMemorySchema = z.strictObject({ freshMs: z.number().nullable(), targets: z.record(z.string(), targetMemorySchema) });

/** What was counted last; it lives in the ledger beside the evidence, so that whoever resumes counts what happened meanwhile. */
export const counterMemorySchema = z.strictObject({ candidate: armMemorySchema, stable: armMemorySchema });

export type CounterMemory = z.infer<typeof counterMemorySchema>;
type ArmMemory = CounterMemory['candidate'];

/** What one build did between two readings. `counts` by counter, then slice; `restarts`: targets whose last counts are lost. */
export interface ArmDelta {
  readonly arm: ArmState;
  readonly counts: ReadonlyMap<string, ReadonlyMap<string, number>>;
  readonly targets: number;
  readonly restarts: number;
}

export interface Delta {
  readonly candidate: ArmDelta;
  readonly stable: ArmDelta;
  readonly memory: CounterMemory;
}

/** Nothing read yet. The first reading of each build is where counting begins. */
export const NO_COUNTERS: CounterMemory = { candidate: { freshMs: null, targets: {} }, stable: { freshMs: null, targets: {} } };

/**
 * The differences to the last reading that was used. `lagMs`: how far apart the two builds' windows may end, and how long a late one is
 * waited for. While one is late, or the candidate cannot be used, neither memory moves: the next difference spans the gap for both alike.
 */
export function countersSince(memory: CounterMemory, reading: Reading, lagMs: number): Delta {
  const candidate = armDelta(memory.candidate, reading.candidate);
  const stable = armDelta(memory.stable, reading.stable);
  const both = [candidate, stable];
  const [newest, oldest] = [Math.max(...both.map(({ freshMs }) => freshMs)), Math.min(...both.map(({ freshMs }) => freshMs))];
  const apart = both.every(({ has }) => has === 'window' || has === 'beginning') && newest - oldest > lagMs;
  if (apart) return waiting(memory, `the windows of the builds end ${(newest - oldest) / 1000} s apart`);
  const late = both.find(({ has }) => has === 'late');
  if (late !== undefined && newest - late.freshMs <= lagMs) return waiting(memory, whyOf(late.delta.arm));
  // A window of one build alone must not be compared with a longer one: where either begins, or goes on alone, both count from here.
  const anew = both.some(({ has }) => has === 'beginning') || candidate.has === 'window';
  const moved = ({ has, memory: now }: Read) => (has === 'window' || has === 'beginning' ? now : NO_COUNTERS.stable);
  return {
    candidate: overdue(candidate.delta),
    stable: candidate.has === 'window' ? overdue(stable.delta) : { ...overdue(stable.delta), counts: NO_COUNTS },
    memory: anew ? { candidate: moved(candidate), stable: moved(stable) } : memory,
  };
}

interface Read {
  /** A `window` can be judged; a `beginning` is a first reading, with nothing to subtract. */
  readonly has: 'window' | 'beginning' | 'late' | 'nothing';
  readonly delta: ArmDelta;
  readonly memory: ArmMemory;
  readonly freshMs: number;
}

function whyOf(arm: ArmState): string {
  return 'why' in arm ? arm.why : '';
}

const NO_COUNTS: ArmDelta['counts'] = new Map();

function silent(arm: ArmState): ArmDelta {
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

function armDelta(memory: ArmMemory, reading: ArmReading): Read {
  const kept = { has: 'nothing' as const, memory, freshMs: memory.freshMs ?? Number.NEGATIVE_INFINITY };
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
      freshMs,
      delta: silent({ state: 'missing', why: 'counting begins with this reading' }),
    };
  if (freshMs <= memory.freshMs)
    return { ...kept, has: 'late', delta: silent({ state: 'late', why: 'nothing newer than what was judged' }) };
  const delta = differences(memory, now);
  return delta.arm.state === 'invalid' ? { ...kept, delta } : { has: 'window', memory: now, freshMs, delta };
}

function targetFault(name: string, { counters, freshMs }: Target): ArmState | undefined {
  if (counters === null) return { state: 'missing', why: `${name} does not answer` };
  const wrong = counters.find(({ value }) => !(Number.isSafeInteger(value) && value >= 0));
  if (wrong !== undefined) return { state: 'invalid', why: `${name}: ${keyOf(wrong)} is ${wrong.value}, not a count` };
  const keys = new Set(counters.map(keyOf));
  if (keys.size !== counters.length) return { state: 'invalid', why: `${name}: a counter is there more than once` };
  return Number.isFinite(freshMs) ? undefined : { state: 'invalid', why: `${name}: nobody knows when it was asked` };
}

function keyOf({ counter, slice }: RawCounter): string {
  return `${counter}|${slice}`;
}

function remembered({ startedMs, freshMs, counters, several }: Target): ArmMemory['targets'][string] {
  const values = Object.fromEntries((counters ?? []).map((raw) => [keyOf(raw), raw.value]));
  return { startedMs, freshMs, values, ...(several === undefined ? {} : { several }) };
}

function differences(before: ArmMemory, now: ArmMemory): ArmDelta {
  const sums = new Map<string, Map<string, number>>();
  const lost = Object.keys(before.targets).filter((name) => !Object.hasOwn(now.targets, name));
  const troubles = lost.map((name) => `${name} is gone`);
  for (const [name, target] of Object.entries(now.targets)) {
    const was = Object.hasOwn(before.targets, name) ? before.targets[name] : undefined;
    const from = origin(was, target, before.freshMs ?? Number.POSITIVE_INFINITY);
    if (from === 'invalid') return silent({ state: 'invalid', why: `${name}: a counter is gone or went back without a restart` });
    if (from === 'reset' || from === 'restarted') troubles.push(`${name} restarted`);
    if (from === 'anew') troubles.push(`${name} went back`);
    for (const [key, value] of Object.entries(target.values)) add(sums, key, value - since(from, was, key, value));
  }
  const arm: ArmState = troubles.length === 0 ? { state: 'counted' } : { state: 'reset', why: troubles.join(', ') };
  return { arm, counts: sums, targets: Object.keys(now.targets).length, restarts: troubles.length };
}

type Origin = 'known' | 'restarted' | 'reset' | 'anew' | 'born' | 'unknown' | 'invalid';

/** Where a target's counters count from: a target that is new and began before we looked keeps what it counted then to itself. */
function origin(was: ArmMemory['targets'][string] | undefined, now: ArmMemory['targets'][string], lookedMs: number): Origin {
  if (was === undefined) return now.startedMs !== null && now.startedMs > lookedMs ? 'born' : 'unknown';
  const dated = was.startedMs !== null && now.startedMs !== null;
  if (dated && was.startedMs !== now.startedMs) return 'restarted';
  const back = Object.entries(was.values).some(([key, value]) => (now.values[key] ?? value) < value);
  const gone = Object.keys(was.values).some((key) => !Object.hasOwn(now.values, key));
  if (now.several === true && (back || gone)) return 'anew';
  if (back) return dated ? 'invalid' : 'reset';
  // An answer cut short looks like this too, and its missing part would come back as if all of it were new.
  return gone ? 'invalid' : 'known';
}

/** What a counter showed when its difference begins. One that was not there while its target was up was born at its first event: 0. */
function since(from: Origin, was: ArmMemory['targets'][string] | undefined, key: string, value: number): number {
  if (from === 'unknown' || from === 'anew') return value;
  if (from === 'born' || from === 'restarted') return 0;
  const before = was?.values[key] ?? 0;
  // After a restart at an unknown time the lesser of both readings of it is a lower bound, and all that is known.
  return value < before ? 0 : before;
}

function add(sums: Map<string, Map<string, number>>, key: string, difference: number): void {
  const bar = key.indexOf('|');
  const counter = key.slice(0, bar);
  const slices = sums.get(counter) ?? new Map<string, number>();
  slices.set(key.slice(bar + 1), (slices.get(key.slice(bar + 1)) ?? 0) + difference);
  sums.set(counter, slices);
}
