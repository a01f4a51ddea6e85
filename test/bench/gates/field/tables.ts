/** The tables of what gates meet in the field: one line for each world, one column for each gate. Must compute nothing but the cells. */
import { type Experiment, P0, percent, type Row } from '../cell.ts';
import { informationLimit } from '../sequential.ts';
import type { Summary } from '../simulate.ts';
import { aborted, badCell, minutes, number, type Table, toWhole } from '../table-cells.ts';
import {
  ANSWERS,
  CHURN,
  COLD,
  fieldName,
  HOURS,
  ONSET_P1,
  ONSET_TRAFFICS,
  ONSETS,
  onsetName,
  RETURNING,
  trafficOf,
  VALLEY,
  VALLEY_P1,
  valleyName,
} from './cells.ts';
import { nthOutage } from './worlds.ts';

/** One line: its workload, what stands before the gates, and how it writes a summary. */
interface Line {
  readonly workload: string;
  readonly before?: readonly string[];
  readonly cell: (summary: Summary) => string;
}

/** One column for each judge of the experiment, in the order in which they were first met. */
function lines(rows: readonly Row[], experiment: Experiment, first: readonly string[], all: readonly Line[]) {
  const own = rows.filter((row) => row.experiment === experiment);
  const judges = [...new Set(own.map(({ judge }) => judge))];
  const found = (workload: string, judge: string) => own.find((row) => row.workload === workload && row.judge === judge)?.summary;
  const cells = ({ workload, before = [], cell }: Line) => [
    workload,
    ...before,
    ...judges.map((judge) => {
      const summary = found(workload, judge);
      return summary === undefined ? '' : cell(summary);
    }),
  ];
  return { columns: [...first, ...judges.map(shortly)], rows: judges.length === 0 ? [] : all.map(cells) };
}

/** Without the rules, which stand in the tables above. */
function shortly(judge: string): string {
  return judge.replace(/:.*$/, '').replace('kvdeploy, default', 'kvdeploy');
}

const TRAFFIC = 'world; candidate of all requests a second';

function hourTable(rows: readonly Row[]): Table {
  const all = HOURS.flatMap(([world, , traffics]) =>
    traffics.map((traffic): Line => ({ workload: fieldName(world, traffic), cell: aborted })),
  );
  return {
    title: 'Healthy hours',
    ...lines(rows, 'hours', [TRAFFIC], all),
    notes: [
      'How many of the hours in which nothing was wrong with the candidate were ended, and the upper end of the 95 % interval. 0.1 % of the requests to both builds fail, where the line says nothing else. *Clusters of 20* are 20 failures on average in the same second, all on one build; *bursts of 20 over 5 s* are spread over 5 s.',
    ],
  };
}

function onsetTable(rows: readonly Row[]): Table {
  const all = ONSETS.flatMap(([onset]) =>
    ONSET_TRAFFICS.flatMap((traffic) =>
      ONSET_P1.map((p1): Line => {
        const limit = informationLimit(P0, p1, trafficOf(traffic).candidate).badAtPolls;
        return { workload: onsetName(onset, p1, traffic), before: [number(limit)], cell: badCell };
      }),
    ),
  );
  return {
    title: 'When a fault begins',
    ...lines(rows, 'onset', [TRAFFIC, '**limit, at polls of 1 s**'], all),
    notes: [
      'Bad requests from the first one on, in the runs that were not falsely ended before; up to an hour. The candidate stays at its share.',
    ],
  };
}

/** `25 (2nd time)`: how often the fault had come, at the median. */
function returned(periodS: number | null): (summary: Summary) => string {
  return (summary) => {
    const { medianRollbackS } = summary;
    if (medianRollbackS === null) return badCell(summary);
    const when = periodS === null ? minutes(medianRollbackS) : `time ${nthOutage(medianRollbackS, periodS)}`;
    return `${badCell(summary)}, ${when}`;
  };
}

function returningTable(rows: readonly Row[]): Table {
  const all = RETURNING.flatMap(([world, , periodS, traffics]) =>
    traffics.map((traffic): Line => ({ workload: fieldName(world, traffic), cell: returned(periodS) })),
  );
  return {
    title: 'Faults that come back, or grow',
    ...lines(rows, 'returning', [TRAFFIC], all),
    notes: [
      'Bad requests within an hour, and when most runs that were ended were ended: *time 2* is the second outage, minutes are from the start.',
    ],
  };
}

const isHealthy = (world: string) => world.includes('healthy');

function coldTable(rows: readonly Row[]): Table {
  const all = COLD.map(([workload]): Line => ({ workload, cell: isHealthy(workload) ? aborted : badCell }));
  return {
    title: 'Cold starts and `warmUp`',
    ...lines(rows, 'cold', ['world, 10 of 1,000 requests a second'], all),
    notes: [
      'How many healthy rollouts were ended, or bad requests of a candidate that is really bad. For ten seconds a cold start and a bad build look the same: `warmUp` says which it is.',
    ],
  };
}

function answerTable(rows: readonly Row[]): Table {
  const all = ANSWERS.map(([workload]): Line => ({ workload, cell: isHealthy(workload) ? aborted : badCell }));
  return {
    title: 'Answers other than 5xx',
    ...lines(rows, 'answers', ['the candidate answers, at 1 % of 1,000 requests a second'], all),
    notes: [
      'Bad requests within an hour, polled every 15 s. kvdeploy counts by itself here, by the code that counts in a rollout. The rules of the others see 5xx, as their documented queries do.',
    ],
  };
}

/** For rollouts through steps: how many healthy ones ended, and when the rest were through; or what a fault cost. */
function walked(healthy: boolean): (summary: Summary) => string {
  return (summary) => (healthy ? `${aborted(summary)}, ${toWhole(summary)}` : badCell(summary));
}

function churnTable(rows: readonly Row[]): Table {
  const all = CHURN.map(([workload]): Line => ({ workload, cell: walked(isHealthy(workload)) }));
  return {
    title: 'Pods that come and go',
    ...lines(rows, 'churn', ['world, ten pods for each build'], all),
    notes: [
      'A rollout through 1, 5, 25, 50, 100 % of 1,000 requests a second, polled every 15 s: how many healthy ones ended and when the others had all traffic; bad requests otherwise. What a pod counted after it was last read is lost with it. kvdeploy counts by itself, by the code that counts in a rollout.',
    ],
  };
}

function valleyTable(rows: readonly Row[]): Table {
  const all = VALLEY.flatMap(([when]) =>
    VALLEY_P1.map((p1): Line => ({ workload: valleyName(when, p1), cell: walked(p1 === P0) })),
  );
  return {
    title: 'A daily valley',
    ...lines(rows, 'valley', ['rollout'], all),
    notes: [
      `A rollout through 1, 5, 25, 50, 100 % of traffic that is 1,000 requests a second at noon and 50 at midnight, polled every 15 s, for up to four hours; ${percent(P0)} of the stable build's requests fail.`,
    ],
  };
}

/** In the order of the page. */
export function fieldTables(rows: readonly Row[]): readonly Table[] {
  return [hourTable, onsetTable, returningTable, coldTable, answerTable, churnTable, valleyTable].map((make) => make(rows));
}
