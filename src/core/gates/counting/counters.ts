/** Raw counters in, differences out: restarts, births, lateness and nonsense told apart, one window for both builds. Never guesses a count. No I/O. */
import type { Counted } from '../evidence/e-process.ts';
import type { ArmMemory, CounterMemory, TargetMemory } from './counter-memory.ts';
import { type Crashed, crashedMost, crashesSeen, withCrashes } from './crashes.ts';
import { departures, isHere } from './departures.ts';
import type { MemberCounts, MemberName } from './members.ts';
import { goneFrom, keysText, noticing, type Origin, origin, since, withGivenUp } from './origins.ts';
import { type CrossCheck, crossCheck, jumpText } from './served.ts';
import { climber, isBack, turnsText, withPast } from './turns.ts';

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
  /** Where it is one member of a place, as a router counts it. */
  readonly member?: MemberName;
}

/**
 * `absent`: by plan the candidate serves alone. `none`: nothing was counted yet, as before a first request. Targets that are up but have
 * counted nothing yet must be there, with no counters.
 */
export type ArmCounters =
  | { readonly targets: Readonly<Record<string, Target>>; readonly hidden?: Hidden }
  | { readonly missing: string; readonly none?: true }
  | { readonly absent: true };

/** `grpc`: a label with gRPC codes next to HTTP statuses that are all 2xx, whatever happens; `inAll`: every series has it. */
export interface Hidden {
  readonly grpc: string;
  readonly inAll: boolean;
}

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
  /** What the router served of each build's requests, where it counts and is not itself the source. */
  readonly served?: Partial<Readonly<Record<'candidate' | 'stable', number>>>;
  readonly unseen?: Readonly<Record<string, string>>;
}

/**
 * What one build did between two readings. `counts` by counter, then slice; `restarts`: targets whose last counts are lost; `crashes`: how often
 * it went down in how many seconds, where its targets watch it.
 */
export interface ArmDelta {
  readonly arm: ArmState;
  readonly counts: ReadonlyMap<string, ReadonlyMap<string, number>>;
  readonly targets: number;
  readonly restarts: number;
  /** Some of its processes were not counted for all of the time: what failed is whole, its share of the requests is not. */
  readonly partial?: true;
  readonly crashes?: Counted;
  /** The same counts by member, where they are known by member. */
  readonly members?: readonly MemberCounts[];
  /** Which of several members went down most, and how often, since counting began. */
  readonly crashed?: Crashed;
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
  const candidate = armDelta(memory.candidate, reading.candidate, lagMs, reading.served?.candidate);
  const stable = armDelta(memory.stable, reading.stable, lagMs, reading.served?.stable);
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
    stable: candidate.has === 'window' ? overdue(stable.delta) : { ...overdue(stable.delta), counts: NO_COUNTS, members: [] },
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

function armDelta(memory: ArmMemory, reading: ArmCounters, lagMs: number, served?: number): Read {
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
      memory: withServed(now, crossCheck(undefined, served, 0)),
      unmoved: memory,
      freshMs,
      delta: silent({ state: 'missing', why: 'counting starts with this reading' }),
    };
  if (freshMs <= memory.freshMs)
    return { ...kept, has: 'late', delta: silent({ state: 'late', why: 'no data newer than what was already judged' }) };
  const unmoved = noticing(memory, now, lagMs);
  const { delta, given } = differences(unmoved, now, reading.targets, lagMs);
  if (delta.arm.state === 'invalid') return { ...kept, unmoved, delta };
  const check = crossCheck(memory.served, served, sumOf(delta.counts.get('requests')));
  const next = { has: 'window' as const, memory: withServed(given, check), unmoved, freshMs };
  if (check.jump === undefined) return { ...next, delta };
  return { ...next, delta: silent({ state: 'invalid', why: jumpText(climber(unmoved, now), check.jump) }) };
}

function sumOf(slices: ReadonlyMap<string, number> | undefined): number {
  return [...(slices?.values() ?? [])].reduce((sum, count) => sum + count, 0);
}

function withServed({ served: _, ...memory }: ArmMemory, { served }: CrossCheck): ArmMemory {
  return served === undefined ? memory : { ...memory, served };
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

/** What a build's processes did by themselves, besides what they counted. */
interface Happened {
  /** By process, in words: what it alone has lost. */
  readonly lost: readonly string[];
  readonly restarts: number;
  /** A sum over several processes decreased. */
  readonly sums: boolean;
  /** Processes that began to be counted, or whose counts span more than this window. */
  readonly others: number;
}

/** `given`: what is remembered next, with the counters that were given up and the processes that left. */
function differences(
  before: ArmMemory,
  now: ArmMemory,
  said: Readonly<Record<string, Target>>,
  lagMs: number,
): { readonly delta: ArmDelta; readonly given: ArmMemory } {
  const counts = new Map<string, Map<string, number>>();
  const members: MemberCounts[] = [];
  const lost: string[] = [];
  let [restarts, sums, others] = [0, false, 0];
  const given: Record<string, TargetMemory> = {};
  for (const [name, target] of Object.entries(now.targets)) {
    const was = Object.hasOwn(before.targets, name) ? before.targets[name] : undefined;
    const from = origin(was, target, before.freshMs ?? Number.POSITIVE_INFINITY, lagMs);
    if (from === 'invalid' || from === 'turns') {
      const why = from === 'turns' ? turnsText(name) : strangeText(name, was, target);
      return { delta: silent({ state: 'invalid', why }), given: before };
    }
    const trouble = troubleOf(name, from, was, target);
    if (trouble !== undefined) lost.push(trouble);
    if (trouble !== undefined && from !== 'expired' && from !== 'lowered') restarts += 1;
    sums ||= trouble !== undefined && target.several === true;
    if (was === undefined || !isHere(was)) others += 1;
    const own = new Map(Object.entries(target.values).map(([key, value]) => [key, value - since(from, was, key, value)]));
    for (const [key, more] of own) add(counts, key, more);
    const member = said[name]?.member;
    if (member !== undefined) members.push({ ...member, counts: withoutSlice(own) });
    const goesOn = from === 'known' || from === 'expired';
    given[name] = withCrashes(was, withGivenUp(from, was, withPast(was, target, lagMs, goesOn, from === 'lowered')));
  }
  const { arm, memory, deaths, partial } = afterChurn(
    before,
    { ...now, targets: given },
    { lost, restarts, sums, others },
    lagMs,
  );
  const counted = { arm, counts, targets: Object.keys(now.targets).length, restarts: restarts + deaths };
  const crashes = crashesSeen(before, memory);
  const crashed = members.length < 2 ? undefined : crashedMost(memory, (name) => said[name]?.member?.name);
  return {
    delta: {
      ...counted,
      ...(partial ? { partial: true as const } : {}),
      ...(crashes === undefined ? {} : { crashes }),
      ...(members.length === 0 ? {} : { members }),
      ...(crashed === undefined ? {} : { crashed }),
    },
    given: memory,
  };
}

/** What is strange about a reading that is not counted, in words of what may be behind it. */
function strangeText(name: string, was: TargetMemory | undefined, now: TargetMemory): string {
  if (was !== undefined && isBack(was, now))
    return `${name}: a total decreased, though the process did not restart: is it a gauge, or several processes behind one scrape address?`;
  if (was !== undefined && goneFrom(was, now).length > 0) return `${name} no longer has ${keysText(goneFrom(was, now))}`;
  return `${name}: its totals jump up again: are there several processes behind one scrape address?`;
}

function troubleOf(name: string, from: Origin, was: TargetMemory | undefined, now: TargetMemory): string | undefined {
  if (from === 'anew' && now.several === true) return sumText(name);
  if (from === 'reset' || from === 'restarted' || from === 'anew') return `${name} restarted`;
  if (from === 'lowered') return `a counter of ${name} decreased`;
  return from === 'expired' && was !== undefined ? `${name} no longer has ${keysText(goneFrom(was, now))}` : undefined;
}

function sumText(name: string): string {
  return `${name} decreased: it is a sum over processes that cannot be told apart, so what one of them took away is unknown`;
}

/** The split is tolerated to be off by more than so many of a build's processes make up. */
const PART = 1 / 8;

interface Churn {
  readonly arm: ArmState;
  readonly memory: ArmMemory;
  /** Processes that left and count as restarts. */
  readonly deaths: number;
  readonly partial: boolean;
}

/**
 * A process that leaves or begins again costs only what it alone had not yet told. Where more than half of them do at once, or a sum of several
 * decreases, what is left says too little: the build counts as restarted, and every one of them with it.
 */
function afterChurn(before: ArmMemory, now: ArmMemory, { lost, sums, others }: Happened, lagMs: number): Churn {
  const known = Object.entries(before.targets).filter(([, was]) => isHere(was));
  const missing = known.flatMap(([name]) => (Object.hasOwn(now.targets, name) ? [] : [name]));
  const troubles = [...missing.map((name) => `${name} is gone`), ...lost];
  if (sums || troubles.length > known.length / 2)
    return {
      arm: { state: 'reset', why: troubles.join(', ') },
      memory: { ...now, spare: 0 },
      deaths: missing.length,
      partial: true,
    };
  const { left, deaths, spare } = departures(before, now, lagMs);
  const leaving = Object.values(left).filter(({ departed }) => departed !== true).length;
  const memory =
    Object.keys(left).length > 0 || before.spare !== undefined ? { ...now, targets: { ...now.targets, ...left }, spare } : now;
  const partial = Math.max(leaving + lost.length, others) > known.length * PART;
  return { arm: { state: 'counted' }, memory, deaths, partial };
}

/** A member's counters have no slices. */
function withoutSlice(own: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  return new Map([...own].flatMap(([key, more]) => (key.endsWith('|') ? [[key.slice(0, -1), more] as const] : [])));
}

function add(sums: Map<string, Map<string, number>>, key: string, difference: number): void {
  const bar = key.indexOf('|');
  const counter = key.slice(0, bar);
  const slices = sums.get(counter) ?? new Map<string, number>();
  slices.set(key.slice(bar + 1), (slices.get(key.slice(bar + 1)) ?? 0) + difference);
  sums.set(counter, slices);
}

/**
 * How much one build's counts can be trusted. `reset`: counted, but what came before a restart is lost. `late`: nothing newer than what was
 * judged before. `absent`: by plan there is no stable build next to the candidate.
 */
export type ArmState =
  | { readonly state: 'counted' | 'absent' }
  | { readonly state: 'reset' | 'late' | 'missing' | 'invalid'; readonly why: string };
