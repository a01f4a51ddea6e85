/**
 * One poll of the gates: differences of counters as blocks of counts by metric and slice, and for each build whether they are all that there
 * was. What makes no sense is invalid, never zero. No I/O.
 */
import { addBlocks, type Block, type Counted, NO_BLOCK } from '../evidence/e-process.ts';
import { type GateSettings, type JudgedMetric, LATER, OTHER, WHOLE } from '../gate-settings.ts';
import type { ArmDelta, ArmState, Counters, Delta } from './counters.ts';
import { crashedText } from './crashes.ts';
import { type MemberBlocks, memberBlocks } from './members.ts';
import { LATENCY, type MetricCounters, RESTARTS, SLOWER } from './metric-counters.ts';

/** Counts by slice; WHOLE is all of the traffic and must be there. */
export type SliceBlocks = Readonly<Record<string, Block>>;

/** What one gate's source said at one poll. `blocks` by metric: since the last poll that this gate could use, not since the last one at all. */
export interface GatePoll {
  readonly candidate: ArmState;
  readonly stable: ArmState;
  readonly blocks: Readonly<Record<string, SliceBlocks>>;
  /** The same by metric and member of the candidate, where its source counts members. */
  readonly members?: Readonly<Record<string, MemberBlocks>>;
  /** Metrics that could not be seen at this poll though the others were, or `latency` for all of its bounds: why. They hold, and count nothing. */
  readonly unseen?: Readonly<Record<string, string>>;
  /** What is worth saying of how it counts, and no reason to wait. */
  readonly notes?: readonly string[];
}

/** `atMs`: up to when every gate's blocks count. A gate that is not there has said nothing, which is missing data. */
export interface Poll {
  readonly atMs: number;
  readonly gates: Readonly<Record<string, GatePoll>>;
}

/** A poll of one gate that could not be made, or must not be used. */
export function unusable(state: 'late' | 'missing' | 'invalid', why: string): GatePoll {
  return { candidate: { state, why }, stable: { state, why }, blocks: {} };
}

const has = (arm: ArmState) => arm.state === 'counted' || arm.state === 'reset';

/** The gate's poll, or an unusable one with the reason where counts are missing or make no sense. */
export function checkedGatePoll(settings: GateSettings, gate: string, poll: GatePoll | undefined, share: number): GatePoll {
  if (poll === undefined) return unusable('missing', 'its source returned nothing');
  if (poll.candidate.state === 'absent' && share > 0) return unusable('missing', 'its source did not poll the candidate');
  if (poll.stable.state === 'absent' && share < 1) return unusable('missing', 'its source did not poll the stable build');
  if (!has(poll.candidate) && !has(poll.stable)) return poll;
  const own = settings.metrics.filter((metric) => metric.gate === gate);
  const faults = own.flatMap(({ metric }) => {
    if (isUnseen(poll, metric)) return [];
    const fault = faultOf(poll, ownOf(poll.blocks, metric)) ?? memberFault(ownOf(poll.members ?? {}, metric));
    return fault === undefined ? [] : [[metric, fault] as const];
  });
  const unseen = { ...poll.unseen, ...Object.fromEntries(faults) };
  const [first] = Object.entries(unseen);
  if (first === undefined) return poll;
  // One metric that makes no sense says nothing about the others; where none is left, nothing was counted.
  const left = own.some(({ metric, kind }) => kind === 'failures' && metric !== RESTARTS && !isUnseen({ unseen }, metric));
  if (!left) return unusable('invalid', `${first[0]}: ${first[1]}`);
  const blocks = own.flatMap(({ metric }) => (isUnseen({ unseen }, metric) ? [[metric, { [WHOLE]: NO_BLOCK }] as const] : []));
  const members = Object.entries(poll.members ?? {}).filter(([metric]) => !isUnseen({ unseen }, metric));
  return {
    ...poll,
    blocks: { ...poll.blocks, ...Object.fromEntries(blocks) },
    ...(members.length === 0 ? {} : { members: Object.fromEntries(members) }),
    unseen,
  };
}

/** Whether a metric cannot be seen by itself: what its blocks say is nothing. */
export function isUnseen({ unseen = {} }: Pick<GatePoll, 'unseen'>, metric: string): boolean {
  return Object.hasOwn(unseen, metric) || (metric.startsWith(SLOWER) && Object.hasOwn(unseen, LATENCY));
}

function faultOf(poll: GatePoll, slices: SliceBlocks | undefined): string | undefined {
  const whole = slices?.[WHOLE];
  if (slices === undefined || whole === undefined) return 'its source did not count it';
  const names = Object.keys(slices);
  return (
    (has(poll.candidate) ? armFault('candidate', names, slices, whole) : undefined) ??
    (has(poll.stable) ? armFault('stable', names, slices, whole) : undefined)
  );
}

function memberFault(members: MemberBlocks = {}): string | undefined {
  for (const [name, { candidate, stable }] of Object.entries(members)) {
    const fault = countsFault(candidate) ?? countsFault(stable);
    if (fault !== undefined) return `${name}: ${fault}`;
  }
  return undefined;
}

/** A metric may be called as anything is that every object has. */
function ownOf<A>(record: Readonly<Record<string, A>>, key: string): A | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

function armFault(arm: 'candidate' | 'stable', names: readonly string[], slices: SliceBlocks, whole: Block): string | undefined {
  const sum = { requests: 0, failures: 0 };
  for (const name of names) {
    const counted = (slices[name] ?? whole)[arm];
    const fault = countsFault(counted);
    if (fault !== undefined) return `${arm}${name === WHOLE ? '' : ` in ${name}`}: ${fault}`;
    if (name === WHOLE) continue;
    sum.requests += counted.requests;
    sum.failures += counted.failures;
  }
  const all = whole[arm];
  if (sum.requests <= all.requests && sum.failures <= all.failures) return undefined;
  const text = ({ requests, failures }: Counted) => `${failures} of ${requests}`;
  return `${arm}: its slices add up to ${text(sum)}, more than the total of ${text(all)}`;
}

/** What is wrong with counts, or undefined: whole numbers, none below 0, no more failures than requests. */
export function countsFault(counted: Counted): string | undefined {
  const { requests, failures } = counted;
  if (!Number.isSafeInteger(requests) || !Number.isSafeInteger(failures))
    return `${failures} of ${requests} are not valid counts`;
  if (requests < 0 || failures < 0) return `${failures} of ${requests} are negative`;
  if (failures > requests) return `${failures} failures but only ${requests} requests`;
  return undefined;
}

/**
 * The metric's blocks in the order of its streams: the whole, then each slice or member. One that was not known before the rollout goes to
 * the last one where there is one, and otherwise counts in the whole alone.
 */
export function streamBlocks(metric: JudgedMetric, slices: SliceBlocks, members: MemberBlocks = {}): Block[] {
  const whole = slices[WHOLE] ?? NO_BLOCK;
  const parts = metric.byMember === true ? members : slices;
  const known = new Set(metric.slices.map(({ name }) => name));
  const late = Object.entries(parts).flatMap(([name, block]) => (name === WHOLE || known.has(name) ? [] : [block]));
  const streams = metric.slices.map(({ name }) => {
    const block = ownOf(parts, name) ?? NO_BLOCK;
    if (name !== (metric.byMember === true ? LATER : OTHER) || late.length === 0) return block;
    const all = late.reduce(addBlocks, block);
    // What stands next to members is the same for all of them: it counts once.
    return metric.byMember === true ? { candidate: all.candidate, stable: whole.stable } : all;
  });
  return [whole, ...streams];
}

// When comparing gates look again: what a look costs is little, and what is not looked at goes on failing. No I/O, no clock.

/**
 * Milliseconds to the next poll: every second, since a poll's wait is what a plain fault costs, and evidence runs by time and not by polls.
 * `floorMs` is the source's own interval: no poll sees more often than that, and share x requests per second x floor is the least that a
 * fault can cost.
 */
export function pollEveryMs(floorMs: number): number {
  return Math.max(floorMs, 1000);
}

// Differences of counters as the blocks that gates judge: failures per metric, restarts. What does not fit is invalid. No I/O.

/** Every request, and no failure: what the split is held against. Of a build that was counted in part it says nothing. */
const TRAFFIC = 'traffic';

/** The gate's poll: each metric's blocks, the whole being the sum of all slices, and the restarts of targets. `unseen` as its source says. */
export function gatePollOf(delta: Delta, metrics: readonly MetricCounters[], unseen: Counters['unseen'] = undefined): GatePoll {
  const restarts: Block = { candidate: restartsOf(delta.candidate), stable: restartsOf(delta.stable) };
  const partial = delta.candidate.partial === true || delta.stable.partial === true;
  const blocks = metrics.map((metric) => {
    return [metric.metric, partial && metric.metric === TRAFFIC ? { [WHOLE]: NO_BLOCK } : sliceBlocks(delta, metric)] as const;
  });
  return {
    candidate: stateOf(delta.candidate),
    stable: delta.stable.arm,
    blocks: { ...Object.fromEntries(blocks), [RESTARTS]: { [WHOLE]: restarts } },
    ...membersOf(delta, metrics),
    ...(delta.candidate.crashed === undefined ? {} : { notes: [crashedText(delta.candidate.crashed)] }),
    ...(unseen === undefined ? {} : { unseen }),
  };
}

function membersOf({ candidate, stable }: Delta, metrics: readonly MetricCounters[]): Pick<GatePoll, 'members'> {
  const { members = [] } = candidate;
  if (members.length === 0) return {};
  const judged = metrics.filter(({ metric }) => metric !== TRAFFIC);
  return {
    members: Object.fromEntries(judged.map((metric) => [metric.metric, memberBlocks(members, stable.members ?? [], metric)])),
  };
}

function restartsOf({ targets, restarts, crashes }: ArmDelta): Counted {
  return crashes ?? { requests: targets + restarts, failures: restarts };
}

/** What was certified before a crash says nothing of the process that came back, even where a router kept the counts. */
function stateOf({ arm, crashes, crashed }: ArmDelta): ArmState {
  const downs = crashes?.failures ?? 0;
  if (arm.state !== 'counted' || downs === 0) return arm;
  return { state: 'reset', why: `the router saw ${crashed?.name ?? 'it'} go down ${downs === 1 ? 'once' : `${downs} times`}` };
}

/** One metric's blocks by slice, and their sum as the whole. */
export function sliceBlocks(delta: Pick<Delta, 'candidate' | 'stable'>, metric: MetricCounters): SliceBlocks {
  const slices = new Set([...slicesOf(delta.candidate, metric), ...slicesOf(delta.stable, metric)]);
  const parts = [...slices].map((slice) => {
    const block: Block = { candidate: countedOf(delta.candidate, metric, slice), stable: countedOf(delta.stable, metric, slice) };
    return [slice, block] as const;
  });
  const sum = (arm: 'candidate' | 'stable'): Counted => ({
    requests: parts.reduce((total, [, block]) => total + block[arm].requests, 0),
    failures: parts.reduce((total, [, block]) => total + block[arm].failures, 0),
  });
  const named = parts.filter(([slice]) => slice !== WHOLE);
  return { ...Object.fromEntries(named), [WHOLE]: { candidate: sum('candidate'), stable: sum('stable') } };
}

function slicesOf({ counts }: ArmDelta, { requests, failures }: MetricCounters): string[] {
  return [...(counts.get(requests)?.keys() ?? []), ...(counts.get(failures)?.keys() ?? [])];
}

/** A counter of failures that is not there while requests are counted is zero failures: it is born with the first. */
function countedOf({ counts }: ArmDelta, metric: MetricCounters, slice: string): Counted {
  const requests = counts.get(metric.requests)?.get(slice) ?? 0;
  const found = counts.get(metric.failures)?.get(slice) ?? 0;
  return { requests, failures: metric.counts === 'slower' ? requests - found : found };
}
