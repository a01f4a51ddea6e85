/**
 * Members of a place, each judged by itself: its counts next to those of the whole stable build at its location. Must not let one stable member
 * decide what is usual. No I/O.
 */
import type { Block, Counted } from '../evidence/e-process.ts';
import type { MetricCounters } from './metric-counters.ts';

/** What a router calls one member, in words (`member green-3 at edge1`), and the location whose clients it serves. */
export interface MemberName {
  readonly name: string;
  readonly location: string;
}

/** What one member did between two readings, by counter. */
export interface MemberCounts extends MemberName {
  readonly counts: ReadonlyMap<string, number>;
}

/** By member. The same counts of the stable build are in the blocks of all members of one location. */
export type MemberBlocks = Readonly<Record<string, Block>>;

/**
 * One metric's block for each member of the candidate. Next to it stand all stable members of its location together: any of them would have
 * had its requests, from the same clients at the same time. A stable member that is itself bad raises what is usual by its part of the
 * requests: it hides no fault that is worse than that, and blames none.
 */
export function memberBlocks(
  candidate: readonly MemberCounts[],
  stable: readonly MemberCounts[],
  metric: MetricCounters,
): MemberBlocks {
  const usual = new Map<string, Counted>();
  for (const { location, counts } of stable) {
    const { requests, failures } = countedBy(counts, metric);
    const sum = usual.get(location) ?? { requests: 0, failures: 0 };
    usual.set(location, { requests: sum.requests + requests, failures: sum.failures + failures });
  }
  return Object.fromEntries(
    candidate.map(({ name, location, counts }) => [
      name,
      { candidate: countedBy(counts, metric), stable: usual.get(location) ?? { requests: 0, failures: 0 } },
    ]),
  );
}

function countedBy(counts: MemberCounts['counts'], metric: MetricCounters): Counted {
  const requests = counts.get(metric.requests) ?? 0;
  const found = counts.get(metric.failures) ?? 0;
  return { requests, failures: metric.counts === 'slower' ? requests - found : found };
}
