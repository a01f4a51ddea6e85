/** One cell of the comparison: which judges, in which workload, how often. Must name every workload as the tables do. */
import type { NewJudge } from './judge.ts';
import { type Counting, holdOften, type Summary } from './simulate.ts';
import type { Workload } from './workloads.ts';

export type Experiment =
  | 'documented'
  | 'hold'
  | 'walk'
  | 'tenant'
  | 'healthy'
  | 'late'
  | 'latency'
  | 'boundary'
  | 'hours'
  | 'onset'
  | 'returning'
  | 'cold'
  | 'answers'
  | 'churn'
  | 'valley';

/** One judge in one workload. */
export interface Row {
  readonly experiment: Experiment;
  readonly workload: string;
  readonly judge: string;
  readonly summary: Summary;
}

/** One workload with all of its judges. */
export interface Cell {
  readonly experiment: Experiment;
  readonly workload: string;
  readonly rows: () => readonly Row[];
}

export const P0 = 0.001;
export const AB = [0.001, 0.002, 0.003, 0.005, 0.01, 0.05, 0.2, 1] as const;

export function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}

/** `p0` of both builds is written as healthy. */
export function workloadName(p1: number, pollS = 15): string {
  return `${p1 === P0 ? 'healthy' : percent(p1)}, ${pollS} s`;
}

/** All of `judges` beside each other in the same runs. */
export function held(
  experiment: Experiment,
  workload: string,
  place: Workload,
  judges: readonly NewJudge[],
  runs: number,
  seed: number,
  counting?: Counting,
): Cell {
  const rows = () => {
    const found = holdOften(`${experiment} ${workload}`, place, judges, runs, seed, counting);
    return found.map((summary, nth) => ({ experiment, workload, judge: judges[nth]?.().name ?? '', summary }));
  };
  return { experiment, workload, rows };
}
