/** The cells of what gates meet in the field: bursts, late faults, outages that return, cold starts, other statuses, pods that come and go, a day's traffic. */

import type { MetricCounters } from '../../../../src/core/gates/counting/metric-counters.ts';
import { CLASS_METRICS, GRPC_METRICS, STATUS_METRICS } from '../../../../src/core/gates/counting/statuses.ts';
import { type Cell, type Experiment, held, P0, percent } from '../cell.ts';
import { AtIntervals, type NewJudge } from '../judge.ts';
import { byDefaultOnly, evenPolls, ownPolls } from '../ours.ts';
import { walkOften } from '../simulate.ts';
import { argoBackground, flagger } from '../thresholds.ts';
import { type Failures, HOUR_S, holdAt, type Sample, type Workload, walkOf } from '../workloads.ts';
import { ecsCanaries } from './alarms.ts';
import { redispatched } from './haproxy-readings.ts';
import { answering, churning, GRPC, POD_METRICS } from './readings.ts';
import { coldStart, dailyValley, doublingEvery, type Failing, outageEvery, rampTo } from './worlds.ts';

type Runs = (of: number) => number;

/** Those that see the candidate alone, as the fairer of their queries do; everywhere in steps of ten minutes. They look once a minute at most. */
function fieldRivals(): readonly NewJudge[] {
  const all = [...ecsCanaries(), flagger(5, 'candidate', 600), argoBackground('candidate', { firstS: 300, dwellS: 600 })];
  return all.map((make) => () => new AtIntervals(make(), 15));
}

/** The candidate's requests a second, of all. */
export type Traffic = `${number} of ${number}`;

/** What `5 of 500` says. */
export function trafficOf(traffic: Traffic): { readonly candidate: number; readonly all: number } {
  const [candidate = 0, all = 0] = traffic.split(' of ').map(Number);
  return { candidate, all };
}

function at(traffic: Traffic, failures: Failures): Workload {
  const { candidate, all } = trafficOf(traffic);
  return holdAt((100 * candidate) / all, failures, 1, all);
}

const healthy = (failures: Omit<Failures, 'p0' | 'p1'> = {}): Failures => ({ p0: P0, p1: P0, ...failures });

const bursts = (clusterMean: number, clusterLasts = 1) => healthy({ clusterMean, clusterLasts });

const RARE = { perInterval: 1 / HOUR_S, mean: 50, lasts: 10 };

const incident = (seconds: number, share: number) => healthy({ incident: { fromS: 1200, toS: 1200 + seconds, share } });

/** An hour in which nothing is wrong with the candidate. */
export const HOURS: readonly (readonly [string, Failures, readonly Traffic[]])[] = [
  ['independent, 0.1 %', healthy(), ['5 of 500', '10 of 1000', '500 of 1000']],
  ['independent, 1 %', { p0: 0.01, p1: 0.01 }, ['10 of 1000', '500 of 1000']],
  ['clusters of 5', bursts(5), ['10 of 1000', '10 of 100', '500 of 1000']],
  ['clusters of 20', bursts(20), ['10 of 1000', '10 of 100', '500 of 1000']],
  ['bursts of 10 over 2 s', bursts(10, 2), ['25 of 100']],
  ['bursts of 20 over 5 s', bursts(20, 5), ['5 of 500', '10 of 100', '50 of 100']],
  ['bursts of 50 over 10 s', bursts(50, 10), ['5 of 500', '10 of 100', '50 of 100']],
  ['bursts of 100 over 30 s', bursts(100, 30), ['10 of 1000', '10 of 100']],
  ['rare: one burst an hour, 50 over 10 s', healthy({ rare: RARE }), ['10 of 1000', '10 of 100']],
  ['both builds fail 10 % for 3 minutes', incident(180, 0.1), ['10 of 1000', '50 of 100']],
  ['both builds fail 60 % for 5 s', incident(5, 0.6), ['10 of 1000', '50 of 100']],
  ['noise of the candidate, sd 1', healthy({ candidateSd: 1 }), ['10 of 1000', '500 of 1000']],
  ['noise in each build, sd 1', healthy({ candidateSd: 1, stableSd: 1 }), ['10 of 1000', '500 of 1000']],
];

/** A workload of one world at one traffic. */
export function fieldName(world: string, traffic: Traffic): string {
  return `${world}; ${traffic}`;
}

/** Where one hour of a hundred is the aim, or none: an hour of polls every second takes long to simulate. */
const LOOKED_AT = /^(?:independent, 0.1|clusters|bursts of (?:20|50))/;

function hourCells(runs: Runs, seed: number): readonly Cell[] {
  const judges = [ownPolls(), evenPolls(15), ...fieldRivals()];
  return HOURS.flatMap(([world, failures, traffics]) =>
    traffics.map((traffic) => {
      const often = runs(LOOKED_AT.test(world) ? 200 : 60);
      return held('hours', fieldName(world, traffic), at(traffic, failures), judges, often, seed);
    }),
  );
}

/** When a fault begins, in seconds of a step: between two polls, where a fault begins in life as well. */
export const ONSETS: readonly (readonly [string, number])[] = [
  ['from the start', 0],
  ['at 75 s', 77],
  ['after 30 minutes', 1802],
];
export const ONSET_TRAFFICS: readonly Traffic[] = ['5 of 500', '10 of 1000', '100 of 1000'];
export const ONSET_P1 = [0.01, 0.05, 0.2, 1] as const;

export function onsetName(onset: string, p1: number, traffic: Traffic): string {
  return fieldName(`${percent(p1)} fail ${onset}`, traffic);
}

function onsetCells(runs: Runs, seed: number): readonly Cell[] {
  const judges = [ownPolls(), evenPolls(15), ...fieldRivals()];
  return ONSETS.flatMap(([onset, onsetS]) =>
    ONSET_TRAFFICS.flatMap((traffic) =>
      ONSET_P1.map((p1) => {
        const badOf = (sample: Sample, tS: number) => (tS > onsetS ? sample.candidate.failures : 0);
        const place = at(traffic, { p0: P0, p1, onsetS });
        return held('onset', onsetName(onset, p1, traffic), place, judges, runs(100), seed, { badOf, fromS: onsetS });
      }),
    ),
  );
}

/** A candidate whose fault comes back, or grows. The period is that of its outages, where it has some. */
export const RETURNING: readonly (readonly [string, Failing, periodS: number | null, readonly Traffic[]])[] = [
  ['3 s of total failure every 10 minutes', outageEvery(600, 3, P0), 600, ['5 of 500', '10 of 200', '100 of 1000']],
  ['a crash every 10 minutes, 8 s without an answer', outageEvery(600, 8, P0), 600, ['5 of 500', '10 of 200']],
  ['a crash loop: 5 s of each minute without an answer', outageEvery(60, 5, P0), 60, ['5 of 500', '10 of 200']],
  ['a leak: 0.1 % fail, doubled every 5 minutes', doublingEvery(300, P0), null, ['5 of 500', '100 of 1000']],
  ['a slow ramp: from 0.1 to 10 % in 30 minutes', rampTo(0.1, 1800, P0), null, ['5 of 500', '100 of 1000']],
];

function returningCells(runs: Runs, seed: number): readonly Cell[] {
  const judges = [ownPolls(), evenPolls(15), ...fieldRivals()];
  return RETURNING.flatMap(([world, failing, , traffics]) =>
    traffics.map((traffic) => {
      const place = at(traffic, { p0: P0, p1: 1, failing });
      return held('returning', fieldName(world, traffic), place, judges, runs(60), seed);
    }),
  );
}

const WARM_UPS_S = [12, 20, 60] as const;

/** What happens in the first seconds, at 10 of 1,000 requests a second. */
export const COLD: readonly (readonly [string, Failing])[] = [
  ['healthy, but 20 % fail in the first 10 s', coldStart(0.2, 10, P0)],
  ['healthy, but 5 % fail in the first 10 s', coldStart(0.05, 10, P0)],
  ['5 % fail from the start', () => 0.05],
  ['20 % fail from the start', () => 0.2],
  ['100 % fail from the start', () => 1],
];

function coldCells(runs: Runs, seed: number): readonly Cell[] {
  const judges = [ownPolls(), ...WARM_UPS_S.map((warmUpS) => ownPolls({ warmUpS })), ...fieldRivals()];
  return COLD.map(([world, failing]) =>
    held('cold', world, { ...at('10 of 1000', { p0: P0, p1: 1, failing }), untilS: 1200 }, judges, runs(100), seed),
  );
}

/** What the candidate answers, next to a stable build of which 0.1 % fail with 500, and what a source tells apart of it. */
export const ANSWERS: readonly (readonly [string, Workload, counted: readonly MetricCounters[]])[] = [
  ...(
    [
      ['302 (to a sign-in page) to everybody', { 302: 1 }],
      ['302 to 5 %', { 302: 0.05, 500: P0 }],
      ['401 to 5 %', { 401: 0.05, 500: P0 }],
      ['503 to 5 %', { 503: 0.05, 500: P0 }],
      ['as the stable build (healthy)', { 500: P0 }],
    ] as const
  ).map(([world, answers]) => [world, answering(1, { 500: P0 }, answers), STATUS_METRICS] as const),
  ['gRPC: UNAVAILABLE to 5 %', answering(1, { UNAVAILABLE: P0 }, { UNAVAILABLE: 0.05 }, GRPC), GRPC_METRICS],
  [
    'gRPC: UNAUTHENTICATED to 5 %',
    answering(1, { UNAVAILABLE: P0 }, { UNAUTHENTICATED: 0.05, UNAVAILABLE: P0 }, GRPC),
    GRPC_METRICS,
  ],
  ['HAProxy sends 5 % to the stable build in a retry', redispatched(1, 0.05, P0), CLASS_METRICS],
  ['HAProxy, no retries (healthy)', redispatched(1, 0, P0), CLASS_METRICS],
];

function answerCells(runs: Runs, seed: number): readonly Cell[] {
  return ANSWERS.map(([world, place, counted]) =>
    held('answers', world, place, [byDefaultOnly({ counted }), ...fieldRivals()], runs(60), seed),
  );
}

const STEPS = [1, 5, 25, 50, 100];

function walkCell(
  experiment: Experiment,
  workload: string,
  place: Workload,
  judges: readonly NewJudge[],
  often: number,
  seed: number,
): Cell {
  const rows = () =>
    judges.map((make) => ({
      experiment,
      workload,
      judge: make().name,
      summary: walkOften(`${experiment} ${workload}`, place, make, often, seed),
    }));
  return { experiment, workload, rows };
}

export const CHURN: readonly (readonly [string, replaceS: number, p1: number])[] = [
  ['healthy, no pod is replaced', Number.POSITIVE_INFINITY, P0],
  ['healthy, one pod of ten replaced every 90 s', 90, P0],
  ['healthy, one pod of ten replaced every 30 s', 30, P0],
  ['5 % fail, one pod of ten replaced every 90 s', 90, 0.05],
  ['100 % fail, one pod of ten replaced every 90 s', 90, 1],
];

function churnCells(runs: Runs, seed: number): readonly Cell[] {
  const judges = [byDefaultOnly({ counted: POD_METRICS }), ...fieldRivals()];
  return CHURN.map(([world, replaceS, p1]) =>
    walkCell('churn', world, churning(STEPS, replaceS, P0, p1), judges, runs(60), seed),
  );
}

/** The hour at which a rollout begins; traffic is 1,000 requests a second at noon and 50 at midnight. */
export const VALLEY: readonly (readonly [string, fromHour: number])[] = [
  ['begun at noon', 12],
  ['begun at 20:00, while traffic falls', 20],
  ['begun at midnight', 0],
];
export const VALLEY_P1 = [P0, 0.01, 0.05, 0.2, 1] as const;

export function valleyName(when: string, p1: number): string {
  return `${when}, ${p1 === P0 ? 'healthy' : `${percent(p1)} fail`}`;
}

function valleyCells(runs: Runs, seed: number): readonly Cell[] {
  const judges = [byDefaultOnly(), ...fieldRivals()];
  return VALLEY.flatMap(([when, fromHour]) =>
    VALLEY_P1.map((p1) => {
      const place = { ...walkOf(STEPS, { p0: P0, p1 }), fullSeconds: dailyValley(fromHour, 0.05) };
      return walkCell('valley', valleyName(when, p1), place, judges, runs(60), seed);
    }),
  );
}

export function fieldCells(runs: Runs, seed: number): readonly Cell[] {
  return [hourCells, onsetCells, returningCells, coldCells, answerCells, churnCells, valleyCells].flatMap((make) =>
    make(runs, seed),
  );
}
