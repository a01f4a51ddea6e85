/** The tables of docs/gates-figures.md from the rows of a run. Must compute nothing but the cells. */
import { type Experiment, P0, percent, type Row, workloadName } from './cell.ts';
import { DOCUMENTED_WORKLOADS, HEALTHY, SLOWNESS, TENANTS, tenantWorkload } from './experiments.ts';
import { fieldTables } from './field/tables.ts';
import { bucketLimit } from './latency.ts';
import { informationLimit } from './sequential.ts';
import type { Summary } from './simulate.ts';
import { aborted, badCell, falseCell, minutes, number, type Table, toWhole } from './table-cells.ts';

const BAD = [0.002, 0.003, 0.005, 0.01, 0.05, 0.2, 1] as const;

type Column = readonly [title: string, workload: string, cell: (summary: Summary) => string];

/** One line for each judge of the experiment, in the order in which they were first met. */
function grid(rows: readonly Row[], experiment: Experiment, columns: readonly Column[]): Omit<Table, 'title' | 'notes'> {
  const own = rows.filter((row) => row.experiment === experiment);
  const workloads = new Set(columns.map(([, workload]) => workload));
  const judges = [...new Set(own.filter(({ workload }) => workloads.has(workload)).map(({ judge }) => judge))];
  const cellOf = (judge: string, [, workload, cell]: Column) => {
    const found = own.find((row) => row.judge === judge && row.workload === workload);
    return found === undefined ? '' : cell(found.summary);
  };
  return {
    columns: ['gate', ...columns.map(([title]) => title)],
    rows: judges.map((judge) => [judge, ...columns.map((column) => cellOf(judge, column))]),
  };
}

function limitLine(title: string, of: (p1: number) => number): readonly string[] {
  return [title, '', ...BAD.map((p1) => number(of(p1)))];
}

function holdTable(rows: readonly Row[], pollS: number): Table {
  const columns: Column[] = [
    ['healthy: false aborts', workloadName(P0, pollS), aborted],
    ...BAD.map((p1): Column => [percent(p1), workloadName(p1, pollS), badCell]),
  ];
  const found = grid(rows, 'hold', columns);
  const limits = [
    limitLine('**limit, request by request**', (p1) => informationLimit(P0, p1, 10).bad),
    limitLine(`**limit, at polls of ${pollS} s**`, (p1) => informationLimit(P0, p1, 10 * pollS).badAtPolls),
  ];
  return {
    title: `The candidate stays at 1 % of 1,000 requests per second, up to an hour, polled every ${pollS} s`,
    columns: found.columns,
    rows: [...limits, ...found.rows],
    notes: [
      'Bad requests served before the rollback (or in the whole hour without one), by failure rate of the candidate; the stable build fails 0.1 %. In brackets: the share of runs that were rolled back, if not all were.',
    ],
  };
}

function documentedTable(rows: readonly Row[], rps: number): Table {
  const workload = (name: string) => `${name}, ${rps} rps`;
  const columns = DOCUMENTED_WORKLOADS.flatMap(([name, p0, p1]): Column[] => {
    if (p1 > p0) return [[`${name} fail`, workload(name), badCell]];
    const abort: Column = [`${name}: false aborts`, workload(name), aborted];
    return [abort, ['time to 100 %', workload(name), toWhole]];
  });
  return {
    title: `Documented settings in their own steps, ${rps.toLocaleString('en-US')} requests a second`,
    ...grid(rows, 'documented', columns),
    notes: [
      'Bad requests until the rollback, or until the candidate has all the traffic, when most of these settings stop checking. kvdeploy uses steps of 1, 5, 25, 50 %. *Whole service* is the query as Argo documents it; *candidate only* is a fairer one, which Flagger documents. In the last two columns 1 % is the normal failure rate, so nothing is wrong there either.',
    ],
  };
}

function walkTable(rows: readonly Row[], pollS: number): Table {
  const columns: Column[] = [
    ['healthy: false aborts', workloadName(P0, pollS), aborted],
    ['time to 100 %', workloadName(P0, pollS), toWhole],
    ...BAD.map((p1): Column => [percent(p1), workloadName(p1, pollS), badCell]),
  ];
  return {
    title: `A whole rollout: 1, 5, 25, 50, 100 % of 1,000 requests per second, polled every ${pollS} s`,
    ...grid(rows, 'walk', columns),
    notes: [
      'Bad requests over the whole rollout plus ten minutes at 100 %. Rules that cannot return *advance* stay ten minutes at each step; Kayenta stays an hour at the first.',
    ],
  };
}

function tenantTable(rows: readonly Row[]): Table {
  const columns: Column[] = [
    ...TENANTS.map(([rank, at]): Column => {
      const caught = ({ namedRight, rolledBack, medianRollbackS }: Summary) =>
        rolledBack === 0 ? '' : `, ${minutes(medianRollbackS)}, named ${namedRight} of ${rolledBack}`;
      return [tenantWorkload(rank, at), tenantWorkload(rank, at), (summary) => `${badCell(summary)}${caught(summary)}`];
    }),
    ['healthy: false aborts', 'healthy', aborted],
  ];
  return {
    title: 'One tenant of a hundred fails 20 %',
    ...grid(rows, 'tenant', columns),
    notes: ['Bad requests of that tenant before the rollback, median time, and how often exactly that tenant was blamed.'],
  };
}

function healthyTable(rows: readonly Row[], at: number): Table {
  const columns = HEALTHY.map(([name]): Column => [name, `${name}; candidate at ${at} %`, aborted]);
  return {
    title: `False aborts: a healthy candidate at ${at} % of the traffic for an hour`,
    ...grid(rows, 'healthy', columns),
    notes: [
      'In brackets: the upper end of the 95 % interval. The calibrated gate is given 1.5 times the true dispersion. A persistent difference between the builds is a bias; no test can distinguish it from a fault.',
    ],
  };
}

function lateTable(rows: readonly Row[]): Table {
  const columns = [0.005, 0.01, 0.05, 0.2, 1].map((p1): Column => [percent(p1), percent(p1), badCell]);
  const notes = [
    'The candidate begins to fail after 20 minutes at 1 %. Bad requests after that, in the runs that were not falsely aborted before.',
  ];
  return { title: 'A late fault', ...grid(rows, 'late', columns), notes };
}

function latencyTable(rows: readonly Row[]): Table {
  const [healthy, ...slow] = SLOWNESS;
  const columns = slow.map(([name]): Column => [name, name, (summary) => badCell(summary, ({ meanRequests }) => meanRequests)]);
  const found = grid(rows, 'latency', [['healthy: false aborts', healthy?.[0] ?? '', aborted], ...columns]);
  const limit = ['**limit, request by request**', '', ...slow.map(([, slowness]) => number(bucketLimit(slowness)))];
  const notes = [
    "Requests that the candidate served before the rollback, at 1 % of 1,000 per second, with Prometheus's default buckets. Healthy requests have a median of 40 ms and a 99th percentile of 257 ms.",
  ];
  return { title: 'A slow candidate', columns: found.columns, rows: [limit, ...found.rows], notes };
}

function boundaryTable(rows: readonly Row[]): Table {
  const workloads = [1, 5, 25, 50].flatMap((at) =>
    ['independent', 'clusters of 5', 'clusters of 20'].map((how) => `${at} %, ${how}`),
  );
  const advanced = (summary: Summary) => falseCell(summary.advanced, summary.runs);
  const columns = workloads.map((workload): Column => [workload, workload, advanced]);
  const notes = [
    "The candidate is exactly as bad as a non-inferiority bound must rule out (twice the stable build's rate plus the margin of the step). How often it advanced within an hour.",
  ];
  return { title: 'False advances', ...grid(rows, 'boundary', columns), notes };
}

/** In the order of the page. */
export function tablesOf(rows: readonly Row[]): readonly Table[] {
  return [
    documentedTable(rows, 1000),
    documentedTable(rows, 100),
    holdTable(rows, 15),
    holdTable(rows, 5),
    holdTable(rows, 1),
    walkTable(rows, 15),
    walkTable(rows, 5),
    tenantTable(rows),
    healthyTable(rows, 1),
    healthyTable(rows, 50),
    lateTable(rows),
    ...fieldTables(rows),
    latencyTable(rows),
    boundaryTable(rows),
  ];
}
