/**
 * Latency as the blocks that gates judge: buckets of both builds, compared on the bounds that all of their processes have. What cannot be
 * compared is unseen, with the reason, and takes no other metric with it. No I/O.
 */
import { listText } from '../../text.ts';
import { type Block, NO_BLOCK } from '../evidence/e-process.ts';
import { WHOLE } from '../gate-settings.ts';
import { type GatePoll, type SliceBlocks, sliceBlocks } from './blocks.ts';
import type { CounterMemory } from './counter-memory.ts';
import type { ArmCounters, ArmDelta, Counters, Delta } from './counters.ts';
import {
  ALL_BUCKETS,
  BUCKET_PREFIX,
  boundOf,
  boundText,
  LATENCY,
  type LatencyUnit,
  type MetricCounters,
} from './metric-counters.ts';

/** What one poll says of latency. */
export interface Latency {
  /** By metric; of a bound that cannot be compared, no requests. */
  readonly blocks: Readonly<Record<string, SliceBlocks>>;
  /** Why none of it can be judged. */
  readonly unseen?: string;
  /** What is left out though the rest is judged. */
  readonly note?: string;
}

/** The buckets that all processes of each build have, smallest first: `le:0.5`; null where a build was not read. */
export interface Bounds {
  readonly candidate: readonly string[] | null;
  readonly stable: readonly string[] | null;
}

type Deltas = Pick<Delta, 'candidate' | 'stable'>;

/** Nothing of latency, for this reason; without one there is nothing new, and nothing wrong with that. */
export function noLatency(metrics: readonly string[], unseen?: string): Latency {
  const blocks = Object.fromEntries(metrics.map((metric) => [metric, { [WHOLE]: NO_BLOCK }]));
  return unseen === undefined ? { blocks } : { blocks, unseen };
}

/** The poll with what was found of its latency. */
export function withLatency(poll: GatePoll, { blocks, unseen, note }: Latency): GatePoll {
  return {
    ...poll,
    blocks: { ...poll.blocks, ...blocks },
    ...(unseen === undefined ? {} : { unseen: { ...poll.unseen, [LATENCY]: unseen } }),
    ...(note === undefined ? {} : { notes: [...(poll.notes ?? []), note] }),
  };
}

/**
 * Requests slower than each bound since the last reading of both builds' buckets. `judged`: the metrics that the rollout judges, as its plan
 * names them; `known`: how those that the buckets allow are made.
 */
export function latencyBlocks(
  deltas: Deltas,
  bounds: Bounds,
  judged: readonly string[],
  known: readonly MetricCounters[],
): Latency {
  const fault = unreadable(deltas) ?? boundsFault(bounds) ?? monotoneFault(deltas, shared(bounds));
  if (fault !== undefined) return noLatency(judged, fault);
  // A stable build that lost what it counted compares with nothing, until it counts again.
  if (deltas.stable.arm.state !== 'counted') return noLatency(judged);
  const common = shared(bounds);
  const comparable = known.filter(({ metric, failures }) => judged.includes(metric) && common.includes(failures));
  const unit = unitOf(judged);
  if (comparable.length === 0) return noLatency(judged, differentText(bounds, unit));
  const blocks = Object.fromEntries(comparable.map((metric) => [metric.metric, sliceBlocks(deltas, metric)]));
  const all = { ...noLatency(judged).blocks, ...blocks };
  if (bounds.candidate?.join() === bounds.stable?.join()) return { blocks: all };
  const left = judged.filter((metric) => !Object.hasOwn(blocks, metric));
  return { blocks: all, note: sharedText(common, unit, left) };
}

/** What a plan says of builds whose buckets differ, where both have some; `judged`: the metrics of latency. */
export function boundsNote(bounds: Bounds, judged: readonly MetricCounters[]): string | undefined {
  const { candidate, stable } = bounds;
  if (candidate === null || stable === null || candidate.length === 0 || candidate.join() === stable.join()) return undefined;
  const common = shared(bounds);
  const left = judged.filter(({ failures }) => !common.includes(failures)).map(({ metric }) => metric);
  const unit = unitOf(judged.map(({ metric }) => metric));
  return left.length === judged.length
    ? `latency cannot be judged, so the rollout would wait for it until patience ends: ${differentText(bounds, unit)}`
    : sharedText(common, unit, left);
}

function unitOf([first = '']: readonly string[]): LatencyUnit {
  return first.endsWith('ms') ? 'ms' : 's';
}

function sharedText(common: readonly string[], unit: LatencyUnit, left: readonly string[]): string {
  const not = left.length === 0 ? '' : `; not judged: ${listText(left)}`;
  return `latency is compared on the buckets that both builds have: ${boundsText(common, unit)}${not}`;
}

function unreadable({ candidate, stable }: Deltas): string | undefined {
  for (const [arm, { arm: state }] of [['candidate', candidate] as const, ['stable build', stable] as const])
    if (state.state === 'missing' || state.state === 'invalid') return `${arm}: ${state.why}`;
  return undefined;
}

function boundsFault(bounds: Bounds): string | undefined {
  for (const [arm, own] of [['candidate', bounds.candidate] as const, ['stable build', bounds.stable] as const]) {
    if (own === null) continue;
    const wrong = own.find((name) => Number.isNaN(boundOf(name)));
    if (wrong !== undefined) return `${arm}: ${wrong.slice(BUCKET_PREFIX.length)} is not a valid bound`;
    if (!own.includes(ALL_BUCKETS)) return `${arm}: there is no bucket +Inf in every process`;
  }
  return undefined;
}

function shared({ candidate, stable }: Bounds): readonly string[] {
  return (candidate ?? []).filter((name) => stable?.includes(name) === true);
}

function boundsText(names: readonly string[], unit: LatencyUnit): string {
  const finite = names.filter((name) => name !== ALL_BUCKETS);
  return finite.length === 0 ? 'none but +Inf' : finite.map((name) => boundText(boundOf(name), unit)).join(' ');
}

function differentText({ candidate, stable }: Bounds, unit: LatencyUnit): string {
  const [ours, theirs] = [boundsText(candidate ?? [], unit), boundsText(stable ?? [], unit)];
  return `the builds share no bucket that is judged: the candidate has ${ours}, the stable build ${theirs}`;
}

/** Each bucket counts at least what the one below it counts. */
function monotoneFault({ candidate, stable }: Deltas, bounds: readonly string[]): string | undefined {
  for (const [arm, { counts }] of [['candidate', candidate] as const, ['stable build', stable] as const])
    for (const slice of counts.get(ALL_BUCKETS)?.keys() ?? []) {
      const inOrder = bounds.map((name) => counts.get(name)?.get(slice) ?? 0);
      const at = inOrder.findIndex((count, index) => index > 0 && count < (inOrder[index - 1] ?? 0));
      if (at !== -1) return `${arm}: bucket ${bounds[at]} has a lower count than bucket ${bounds[at - 1]}`;
    }
  return undefined;
}

// Which buckets there are, and who has none. Must not take a process without buckets for a fast one. No I/O.

/** The buckets that every process of each build has. A process that has none yet, and no counters at all, has counted nothing. */
export function boundsOf({ candidate, stable }: Counters): Bounds {
  return { candidate: commonBounds(candidate), stable: commonBounds(stable) };
}

function commonBounds(arm: ArmCounters): readonly string[] | null {
  if (!('targets' in arm)) return null;
  let common: Set<string> | undefined;
  for (const { counters } of Object.values(arm.targets)) {
    if (counters === null || counters.length === 0) continue;
    const own = new Set(counters.map(({ counter }) => counter).filter((name) => name.startsWith(BUCKET_PREFIX)));
    common = common === undefined ? own : new Set([...common].filter((name) => own.has(name)));
  }
  return inOrder(common ?? []);
}

/** The buckets of counts that were added up already. */
export function boundsCounted({ counts }: ArmDelta): readonly string[] {
  return inOrder([...counts.keys()].filter((name) => name.startsWith(BUCKET_PREFIX)));
}

function inOrder(names: Iterable<string>): string[] {
  return [...names].toSorted((a, b) => boundOf(a) - boundOf(b));
}

/**
 * Why the buckets of a build do not speak for all of it: a process that had requests has none, while others have some. Undefined where they
 * do, and where the two queries do not tell processes apart alike.
 */
export function bareProcess(counts: Counters, latency: Counters): string | undefined {
  for (const arm of ['candidate', 'stable'] as const) {
    const [all, own] = [counts[arm], latency[arm]];
    if (!('targets' in all && 'targets' in own)) continue;
    const names = Object.keys(own.targets);
    if (!names.some((name) => Object.hasOwn(all.targets, name))) continue;
    const bare = Object.entries(all.targets).find(
      ([name, { counters }]) =>
        !Object.hasOwn(own.targets, name) && counters?.some(({ counter, value }) => counter === 'requests' && value > 0),
    );
    if (bare !== undefined) return `${arm === 'stable' ? 'stable build' : arm}: ${bare[0]} had requests but has no buckets`;
  }
  return undefined;
}

/** So many requests that should be in the buckets are no chance any more. */
const EXPECTED = 10;

/**
 * Why buckets that stand still are not seen: the candidate had requests, as `requests` count them for both builds over about the same time, and
 * by what part of them the stable build has in its buckets, some should be in the candidate's.
 */
export function standingStill({ blocks }: Latency, requests: Block): string | undefined {
  const all = Object.values(blocks).flatMap((slices) => slices[WHOLE] ?? []);
  const [candidate, stable] = (['candidate', 'stable'] as const).map((arm) =>
    Math.max(0, ...all.map((one) => one[arm].requests)),
  );
  const expected = (requests.candidate.requests * (stable ?? 0)) / Math.max(1, requests.stable.requests);
  if (candidate !== 0 || expected < EXPECTED) return undefined;
  return `candidate: its buckets stand still, while it had ${requests.candidate.requests} requests`;
}

/** Buckets next to the counts of the same process, for whoever looks at all of a build at once. */
export function withBuckets(counts: ArmCounters, latency: ArmCounters): ArmCounters {
  if (!('targets' in counts && 'targets' in latency)) return counts;
  const targets = { ...counts.targets };
  for (const [name, target] of Object.entries(latency.targets)) {
    const known = Object.hasOwn(targets, name) ? targets[name] : undefined;
    targets[name] =
      known === undefined ? target : { ...known, counters: [...(known.counters ?? []), ...(target.counters ?? [])] };
  }
  return { targets };
}

/** What an older version kept of buckets with the counts: they have a memory of their own now, and begin anew. */
export function withoutBuckets({ candidate, stable }: CounterMemory): CounterMemory {
  const ofArm = (arm: CounterMemory['candidate']) => {
    const rest = Object.entries(arm.targets).map(([name, target]) => {
      const values = Object.entries(target.values).filter(([key]) => !key.startsWith(BUCKET_PREFIX));
      return [name, { ...target, values: Object.fromEntries(values) }] as const;
    });
    return { ...arm, targets: Object.fromEntries(rest) };
  };
  return { candidate: ofArm(candidate), stable: ofArm(stable) };
}
