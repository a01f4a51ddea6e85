/** The workloads in which gates are compared: traffic, failures, noise, slices, durations. Must not know who judges. */
import type { Arm, Parts, SliceArms } from './judge.ts';
import type { Random } from './random.ts';

export interface Sample {
  readonly candidate: Arm;
  readonly stable: Arm;
  readonly parts?: Parts;
  /** Requests of the candidate that went wrong for a user, where they are others than the failures that are counted. */
  readonly bad?: number;
}

/** Draws the interval that ends at `tS` of one run. */
export type Draw = (tS: number, candidateRequests: number, stableRequests: number) => Sample;

export interface Workload {
  readonly rps: number;
  readonly pollS: number;
  /** The candidate's share in each step, in percent. */
  readonly percents: readonly number[];
  /** Whoever has not decided by then is not asked any more. */
  readonly untilS: number;
  /** Seconds watched in a last step of 100 %, before which nobody can hand over. */
  readonly bakeS: number;
  readonly p0: number;
  readonly p1: number;
  readonly slices: readonly string[];
  /** How many seconds of full traffic have passed by second `s`, where traffic changes; `s` itself otherwise. */
  readonly fullSeconds?: (s: number) => number;
  /** Its samples carry counters, which go on from the watch. */
  readonly hasCounters?: true;
  /** Begins a run. */
  readonly begin: (random: Random) => Draw;
}

export const HOUR_S = 3600;

/** How the two builds fail. All shares are fractions of 1; every noise factor has mean 1. */
export interface Failures {
  readonly p0: number;
  readonly p1: number;
  /** Seconds after the start from which the candidate fails at `p1`; `p0` before. */
  readonly onsetS?: number;
  /** The candidate's failing share by the second, in place of both. */
  readonly failing?: (tS: number) => number;
  /** Requests come by chance (Poisson) instead of evenly. */
  readonly areArrivalsRandom?: boolean;
  /** Failures come in clusters of geometric size with this mean. */
  readonly clusterMean?: number;
  /** Each cluster is spread by chance over so many intervals; 1 unless said. */
  readonly clusterLasts?: number;
  /** Bursts of failures that come besides, each on one build by its part of the traffic, spread over so many intervals. */
  readonly rare?: { readonly perInterval: number; readonly mean: number; readonly lasts: number };
  /** Standard deviations of the logarithms of factors drawn for every interval: one for both builds, one for each alone. */
  readonly sharedSd?: number;
  readonly candidateSd?: number;
  readonly stableSd?: number;
  /** A factor of the candidate that stays as it is for the whole run. */
  readonly biasSd?: number;
  /** Both builds fail at this share meanwhile. */
  readonly incident?: { readonly fromS: number; readonly toS: number; readonly share: number };
}

/** Failures among so many requests: independent ones, or clusters that come by themselves (compound Poisson). */
function failuresOf(random: Random, requests: number, share: number, clusterMean: number, most = requests): number {
  if (clusterMean <= 1) return random.binomial(requests, share);
  const clusters = random.poisson((requests * share) / clusterMean);
  let failures = 0;
  for (let cluster = 0; cluster < clusters; cluster += 1) failures += random.geometric(clusterMean);
  return Math.min(most, failures);
}

/** Those of `begun` failures, and of earlier ones, that come in this interval; `later` keeps the others by how many intervals they are away. */
function spread(random: Random, begun: number, intervals: number, later: number[]): number {
  for (let one = 0; one < begun; one += 1) {
    const away = Math.floor(random.unit() * intervals);
    later[away] = (later[away] ?? 0) + 1;
  }
  return later.shift() ?? 0;
}

function withBursts(
  random: Random,
  { perInterval, mean, lasts }: NonNullable<Failures['rare']>,
  { candidate, stable }: Sample,
  [ours, theirs]: readonly [number[], number[]],
): Sample {
  const share = candidate.requests / (candidate.requests + stable.requests);
  const begun = [0, 0] as [number, number];
  for (let burst = random.poisson(perInterval); burst > 0; burst -= 1)
    begun[random.unit() < share ? 0 : 1] += random.geometric(mean);
  const more = (arm: Arm, failures: number, later: number[]): Arm => {
    const all = arm.failures + spread(random, failures, lasts, later);
    return { requests: arm.requests, failures: Math.min(arm.requests, all) };
  };
  return { candidate: more(candidate, begun[0], ours), stable: more(stable, begun[1], theirs) };
}

function beginFailing(failures: Failures): (random: Random) => Draw {
  const {
    p0,
    p1,
    onsetS = 0,
    clusterMean = 1,
    clusterLasts = 1,
    failing = (tS: number) => (tS > onsetS ? p1 : p0),
    rare,
    sharedSd = 0,
    candidateSd = 0,
    stableSd = 0,
    biasSd = 0,
    incident,
  } = failures;
  const arrived = (random: Random, requests: number) => (failures.areArrivalsRandom ? random.poisson(requests) : requests);
  return (random) => {
    const factor = (sd: number) => (sd === 0 ? 1 : random.lognormal(sd));
    const bias = factor(biasSd);
    const late: readonly [number[], number[]] = [[], []];
    return (tS, candidateRequests, stableRequests) => {
      const isIncident = incident !== undefined && tS > incident.fromS && tS <= incident.toS;
      const shared = factor(sharedSd);
      const candidateShare = isIncident ? incident.share : failing(tS) * bias * shared * factor(candidateSd);
      const stableShare = isIncident ? incident.share : p0 * shared * factor(stableSd);
      const arm = (expected: number, share: number, later: number[]): Arm => {
        const requests = arrived(random, expected);
        const begun = failuresOf(random, requests, Math.min(1, share), clusterMean, clusterLasts * requests);
        const failures = clusterLasts === 1 ? begun : spread(random, begun, clusterLasts, later);
        return { requests, failures: Math.min(requests, failures) };
      };
      const candidate = arm(candidateRequests, candidateShare, late[0]);
      const stable = arm(stableRequests, stableShare, late[1]);
      return rare === undefined ? { candidate, stable } : withBursts(random, rare, { candidate, stable }, late);
    };
  };
}

/** E1, E4, E5, E7: the candidate stays at one share for up to an hour. */
export function holdAt(percent: number, failures: Failures, pollS = 15, rps = 1000): Workload {
  const { p0, p1 } = failures;
  return { rps, pollS, percents: [percent], untilS: HOUR_S, bakeS: 0, p0, p1, slices: [], begin: beginFailing(failures) };
}

/** E2 and the documented walks: through steps, then watched for `bakeS` if the last of them is 100 %. */
export function walkOf(percents: readonly number[], failures: Failures, pollS = 15, rps = 1000, bakeS = 600): Workload {
  const { p0, p1 } = failures;
  return { rps, pollS, percents, untilS: 4 * HOUR_S, bakeS, p0, p1, slices: [], begin: beginFailing(failures) };
}

/** Shares of so many customers, the k-th of whom has 1/k of the first one's traffic. */
export function zipf(count: number): readonly number[] {
  const weights = Array.from({ length: count }, (_, index) => 1 / (index + 1));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

export function tenantName(index: number): string {
  return `tenant-${String(index + 1).padStart(3, '0')}`;
}

/** E3: a hundred tenants, one of whom fails at `p1` on the candidate; everybody else at `p0`. `badIndex` -1: nobody. */
export function oneBadTenant(percent: number, badIndex: number, p0: number, p1: number, count = 100, rps = 1000): Workload {
  const shares = zipf(count);
  const names = shares.map((_, index) => tenantName(index));
  const begin = (random: Random): Draw => {
    const arm = (requests: number, share: number): Arm => {
      const arrived = random.poisson(requests);
      return { requests: arrived, failures: random.binomial(arrived, share) };
    };
    return (_tS, candidateRequests, stableRequests) => {
      const slices: SliceArms[] = shares.map((share, index) => ({
        name: names[index] ?? '',
        candidate: arm(candidateRequests * share, index === badIndex ? p1 : p0),
        stable: arm(stableRequests * share, p0),
      }));
      return { candidate: sum(slices, 'candidate'), stable: sum(slices, 'stable'), parts: { slices } };
    };
  };
  return { rps, pollS: 15, percents: [percent], untilS: HOUR_S, bakeS: 0, p0, p1, slices: names, begin };
}

function sum(slices: readonly SliceArms[], side: 'candidate' | 'stable'): Arm {
  let [requests, failures] = [0, 0];
  for (const slice of slices) {
    requests += slice[side].requests;
    failures += slice[side].failures;
  }
  return { requests, failures };
}
