/** The cells of the comparison: which judges, in which workloads, how often. Must name every workload as the tables do. */
import { AB, type Cell, held, P0, percent, workloadName } from './cell.ts';
import { ecsCanaries } from './field/alarms.ts';
import { fieldCells } from './field/cells.ts';
import type { NewJudge } from './judge.ts';
import { flaggerDuration, kayentaDuration, type Slowness, slowerThanBaseline, slowWorkload } from './latency.ts';
import { DOCUMENTED, figuresOnly, holders, tenantRivals, walkers } from './line-ups.ts';
import { harmAtBound, ours } from './ours.ts';
import { oracle, peekedZ } from './sequential.ts';
import { walkOften } from './simulate.ts';
import { flagger } from './thresholds.ts';
import { type Failures, holdAt, oneBadTenant, type Sample, tenantName, type Workload, walkOf } from './workloads.ts';

/** E1. The finer polls are only for those who use them. */
function holdCells(runs: (of: number) => number, seed: number): readonly Cell[] {
  const every15 = AB.map((p1) =>
    held('hold', workloadName(p1), holdAt(1, { p0: P0, p1 }), [...ours(), ...holders()], runs(p1 === P0 ? 3000 : 400), seed),
  );
  const finer = [5, 1].flatMap((pollS) =>
    AB.map((p1) =>
      held(
        'hold',
        workloadName(p1, pollS),
        holdAt(1, { p0: P0, p1 }, pollS),
        [...ours(), oracle(), peekedZ()],
        runs(pollS === 5 ? 150 : 30),
        seed,
      ),
    ),
  );
  return [...every15, ...finer];
}

/** p0 and p1 of both: the last is a service whose normal rate is 1 %. */
export const DOCUMENTED_WORKLOADS = [
  ['healthy', P0, P0],
  ['1 %', P0, 0.01],
  ['5 %', P0, 0.05],
  ['20 %', P0, 0.2],
  ['100 %', P0, 1],
  ['healthy, 1 % is normal', 0.01, 0.01],
] as const;

export function documentedWorkload(percents: readonly number[], p0: number, p1: number, rps: number): Workload {
  return walkOf(percents, { p0, p1, areArrivalsRandom: true }, 15, rps, 0);
}

/** The documented settings in their own steps, ours in 1, 5, 25, 50 % at the same traffic. */
function documentedCells(runs: (of: number) => number, seed: number): readonly Cell[] {
  const all = [...ours().map((make) => [[1, 5, 25, 50], make] as const), ...DOCUMENTED];
  return [100, 1000].flatMap((rps) =>
    DOCUMENTED_WORKLOADS.map(([name, p0, p1]): Cell => {
      const [experiment, workload] = ['documented' as const, `${name}, ${rps} rps`];
      const rows = () =>
        all.map(([percents, make]) => ({
          experiment,
          workload,
          judge: make().name,
          summary: walkOften(`documented ${workload}`, documentedWorkload(percents, p0, p1, rps), make, runs(150), seed),
        }));
      return { experiment, workload, rows };
    }),
  );
}

function walkCells(runs: (of: number) => number, seed: number): readonly Cell[] {
  const cell = (p1: number, pollS: number, judges: readonly NewJudge[]): Cell => {
    const [experiment, workload] = ['walk' as const, workloadName(p1, pollS)];
    const place = walkOf([1, 5, 25, 50, 100], { p0: P0, p1 }, pollS);
    const often = runs(p1 === P0 ? 400 : 150);
    const rows = () =>
      judges.map((make) => ({
        experiment,
        workload,
        judge: make().name,
        summary: walkOften(`walk ${workload}`, place, make, often, seed),
      }));
    return { experiment, workload, rows };
  };
  return [...AB.map((p1) => cell(p1, 15, [...ours(), ...walkers()])), ...AB.map((p1) => cell(p1, 5, ours()))];
}

/** E3: rank of the bad tenant among 100, and the candidate's share. */
export const TENANTS = [
  [10, 1],
  [50, 1],
  [100, 1],
  [10, 5],
  [50, 5],
] as const;

export function tenantWorkload(rank: number, share: number): string {
  return `${percent(1 / rank / 5.187377517639621)} of the traffic, candidate at ${share} %`;
}

function tenantCells(runs: (of: number) => number, seed: number): readonly Cell[] {
  const judges = [...ours(), ...tenantRivals()];
  const bad = TENANTS.map(([rank, share]) => {
    const badOf = ({ parts }: Sample) => parts?.slices?.[rank - 1]?.candidate.failures ?? 0;
    const counting = { badSlice: tenantName(rank - 1), badOf };
    return held('tenant', tenantWorkload(rank, share), oneBadTenant(share, rank - 1, P0, 0.2), judges, runs(50), seed, counting);
  });
  return [...bad, held('tenant', 'healthy', oneBadTenant(1, -1, P0, P0), judges, runs(60), seed)];
}

/** E4 and E5: nothing is wrong with the candidate. */
export const HEALTHY: readonly (readonly [string, Omit<Failures, 'p1'>])[] = [
  ['independent, 0.1 %', { p0: P0 }],
  ['independent, 1 %', { p0: 0.01 }],
  ['clusters of 5', { p0: P0, clusterMean: 5 }],
  ['clusters of 20', { p0: P0, clusterMean: 20 }],
  ['both fail 10 % for 3 minutes', { p0: P0, incident: { fromS: 1200, toS: 1380, share: 0.1 } }],
  ['noise in both builds, sd 1', { p0: P0, sharedSd: 1 }],
  ['noise of the candidate, sd 1', { p0: P0, candidateSd: 1 }],
  ['independent noise in each build, sd 1', { p0: P0, candidateSd: 1, stableSd: 1 }],
  ['persistent bias, sd 0.5', { p0: P0, biasSd: 0.5 }],
];

/** Variance over mean of the candidate's failures in one poll: of clusters 2 x mean - 1, and the variance of its own noise times the mean. */
function dispersionOf({ p0, clusterMean = 1, candidateSd = 0 }: Omit<Failures, 'p1'>, requests: number): number {
  return 2 * clusterMean - 1 + (Math.exp(candidateSd ** 2) - 1) * requests * p0;
}

function healthyCells(runs: (of: number) => number, seed: number): readonly Cell[] {
  return [1, 50].flatMap((share) =>
    HEALTHY.map(([name, failures]) => {
      const rivals = [...figuresOnly(), flagger(10, 'candidate', 600), flagger(5, 'candidate', 600), ...ecsCanaries()];
      const place = holdAt(share, { ...failures, p1: failures.p0 });
      const judges = [...ours({ dispersion: dispersionOf(failures, share * 150) }), ...rivals];
      return held('healthy', `${name}; candidate at ${share} %`, place, judges, runs(300), seed);
    }),
  );
}

/** E7: the candidate begins to fail after 20 minutes; what fails before is not counted, nor is a run that was ended before. */
const ONSET_S = 1200;

function lateCells(runs: (of: number) => number, seed: number): readonly Cell[] {
  const badOf = (sample: Sample, tS: number) => (tS > ONSET_S ? sample.candidate.failures : 0);
  return [0.005, 0.01, 0.05, 0.2, 1].map((p1) => {
    const place = holdAt(1, { p0: P0, p1, onsetS: ONSET_S });
    return held('late', percent(p1), place, [...ours(), ...holders()], runs(150), seed, { badOf, fromS: ONSET_S });
  });
}

export const SLOWNESS: readonly (readonly [string, Slowness])[] = [
  ['healthy', { share: 0, factor: 1, plusS: 0 }],
  ['all ×1.1', { share: 1, factor: 1.1, plusS: 0 }],
  ['all ×1.25', { share: 1, factor: 1.25, plusS: 0 }],
  ['all ×2', { share: 1, factor: 2, plusS: 0 }],
  ['5 % ×5', { share: 0.05, factor: 5, plusS: 0 }],
  ['1 % +2 s', { share: 0.01, factor: 1, plusS: 2 }],
];

function latencyCells(runs: (of: number) => number, seed: number): readonly Cell[] {
  const judges = [...ours({ latency: true }), flaggerDuration(), slowerThanBaseline(), kayentaDuration()];
  return SLOWNESS.map(([name, slow]) =>
    held('latency', name, slowWorkload(slow), judges, runs(name === 'healthy' ? 150 : 50), seed),
  );
}

/** E8: the candidate is exactly as bad as the non-inferiority bound must refuse to let on. */
function boundaryCells(runs: (of: number) => number, seed: number): readonly Cell[] {
  return [1, 5, 25, 50].flatMap((share) =>
    [1, 5, 20].map((clusterMean) => {
      const p1 = harmAtBound(share, P0);
      const workload = `${share} %, ${clusterMean === 1 ? 'independent' : `clusters of ${clusterMean}`}`;
      const place = holdAt(share, { p0: P0, p1, clusterMean });
      return held('boundary', workload, place, ours({ dispersion: 2 * clusterMean - 1 }), runs(200), seed);
    }),
  );
}

/** Every cell; `scale` 1 is the whole benchmark, and a small part of it is quick. */
export function cells(scale: number, seed: number): readonly Cell[] {
  const runs = (of: number) => Math.max(4, Math.round(of * scale));
  return [
    holdCells,
    documentedCells,
    walkCells,
    tenantCells,
    healthyCells,
    lateCells,
    latencyCells,
    boundaryCells,
    fieldCells,
  ].flatMap((make) => make(runs, seed));
}
