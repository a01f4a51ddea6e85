/** Differences of counters as the blocks that gates judge: failures per metric, latency bounds, restarts. What does not fit is invalid. No I/O. */
import type { Block, Counted } from '../evidence/e-process.ts';
import { WHOLE } from '../gate-settings.ts';
import type { ArmDelta, Delta } from './counters.ts';
import { ALL_BUCKETS, BUCKET_PREFIX, boundOf, type MetricCounters, RESTARTS } from './metric-counters.ts';
import { type ArmState, type GatePoll, type SliceBlocks, unusable } from './poll.ts';

/** The gate's poll: each metric's blocks, the whole being the sum of all slices, and the restarts of targets. */
export function gatePollOf(delta: Delta, metrics: readonly MetricCounters[]): GatePoll {
  const buckets = bucketsFault(delta, metrics);
  if (buckets !== undefined) return unusable('invalid', buckets);
  const restarts: Block = { candidate: restartsOf(delta.candidate), stable: restartsOf(delta.stable) };
  const blocks = metrics.map((metric) => [metric.metric, sliceBlocks(delta, metric)] as const);
  return {
    candidate: stateOf(delta.candidate),
    stable: delta.stable.arm,
    blocks: { ...Object.fromEntries(blocks), [RESTARTS]: { [WHOLE]: restarts } },
  };
}

function restartsOf({ targets, restarts, crashes }: ArmDelta): Counted {
  return crashes ?? { requests: targets + restarts, failures: restarts };
}

/** What was certified before a crash says nothing of the process that came back, even where a router kept the counts. */
function stateOf({ arm, crashes }: ArmDelta): ArmState {
  const downs = crashes?.failures ?? 0;
  if (arm.state !== 'counted' || downs === 0) return arm;
  return { state: 'reset', why: `the router saw it go down ${downs === 1 ? 'once' : `${downs} times`}` };
}

function sliceBlocks(delta: Delta, metric: MetricCounters): SliceBlocks {
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

/** Both builds must have the same buckets, each holding at least what the one below it holds; without requests one may have none yet. */
function bucketsFault({ candidate, stable }: Delta, metrics: readonly MetricCounters[]): string | undefined {
  const [ours, theirs] = [boundsOf(candidate), boundsOf(stable)];
  if (ours.length > 0 && theirs.length > 0 && ours.join() !== theirs.join())
    return `the builds have different buckets: ${ours.join(' ')} and ${theirs.join(' ')}`;
  const arms = [['candidate', candidate] as const, ['stable', stable] as const];
  // A build that lost its histogram would otherwise silently be judged without its latency.
  const bare = arms.find(
    ([, delta]) => ours.length + theirs.length > 0 && boundsOf(delta).length === 0 && served(delta, metrics),
  );
  if (bare !== undefined) return `${bare[0]} had requests but has no buckets, unlike the other build`;
  for (const [arm, delta] of arms) {
    const fault = monotoneFault(delta);
    if (fault !== undefined) return `${arm}: ${fault}`;
  }
  return undefined;
}

/** Had requests, by whatever is counted beside the buckets. */
function served({ counts }: ArmDelta, metrics: readonly MetricCounters[]): boolean {
  const counters = new Set(metrics.map(({ requests }) => requests).filter((name) => !name.startsWith(BUCKET_PREFIX)));
  return [...counters].some((name) => [...(counts.get(name)?.values() ?? [])].some((requests) => requests > 0));
}

function boundsOf({ counts }: ArmDelta): string[] {
  const names = [...counts.keys()].filter((name) => name.startsWith(BUCKET_PREFIX));
  return names.toSorted((a, b) => boundOf(a) - boundOf(b));
}

function monotoneFault(delta: ArmDelta): string | undefined {
  const bounds = boundsOf(delta);
  if (bounds.length === 0) return undefined;
  if (bounds.some((name) => Number.isNaN(boundOf(name)))) return `${bounds.join(' ')} are not valid bounds`;
  if (bounds.at(-1) !== ALL_BUCKETS) return `there is no bucket ${ALL_BUCKETS}`;
  for (const slice of delta.counts.get(ALL_BUCKETS)?.keys() ?? []) {
    const counts = bounds.map((name) => delta.counts.get(name)?.get(slice) ?? 0);
    const at = counts.findIndex((count, index) => index > 0 && count < (counts[index - 1] ?? 0));
    if (at !== -1) return `bucket ${bounds[at]} has a lower count than bucket ${bounds[at - 1]}`;
  }
  return undefined;
}
