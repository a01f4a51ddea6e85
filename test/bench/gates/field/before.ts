/** What the version before came to in the same cells with the same seeds, as it was recorded. Must not be changed by hand. */
import type { Experiment, Row } from '../cell.ts';
import type { Summary } from '../simulate.ts';
import recorded from './before.json' with { type: 'json' };

const FIGURES = [
  'runs',
  'rolledBack',
  'meanBad',
  'meanRequests',
  'medianRollbackS',
  'medianWholeS',
  'advanced',
  'namedRight',
] as const;

/** One row as it is kept: experiment, workload, judge, and the figures in the order of FIGURES. */
type Kept = readonly [string, string, string, ...(number | null)[]];

/** kvdeploy's own rows, small enough for the repository; not those of settings that the version before does not have. */
export function keptRows(rows: readonly Row[]): readonly Kept[] {
  const rounded = (value: number | null) => (value === null ? null : Number(value.toPrecision(6)));
  return rows
    .filter(({ judge }) => judge.startsWith('kvdeploy') && !judge.includes('warmUp'))
    .map(
      ({ experiment, workload, judge, summary }): Kept => [
        experiment,
        workload,
        judge,
        ...FIGURES.map((name) => rounded(summary[name])),
      ],
    );
}

function rowOf([experiment, workload, judge, ...values]: Kept): Row {
  const figures = Object.fromEntries(FIGURES.map((name, index) => [name, values[index] ?? null]));
  const summary = { errorOfMeanBad: 0, medianAdvanceS: null, ...figures } as unknown as Summary;
  return { experiment: experiment as Experiment, workload, judge: beforeName(judge), summary };
}

export function beforeName(judge: string): string {
  return `${judge} (version before)`;
}

/** The commit that was the version before: its product code under this benchmark. */
export const BEFORE_COMMIT: string = recorded.commit;

/** The rows, each followed by that of the version before, if it was recorded with this seed. */
export function withBefore(rows: readonly Row[], seed: number): readonly Row[] {
  if (seed !== recorded.seed) return rows;
  const before = (recorded.rows as unknown as readonly Kept[]).map(rowOf);
  const key = ({ experiment, workload }: Row, judge: string) => `${experiment}|${workload}|${judge}`;
  const byKey = new Map(before.map((row) => [key(row, row.judge), row]));
  return rows.flatMap((row) => {
    const was = byKey.get(key(row, beforeName(row.judge)));
    return was === undefined ? [row] : [row, was];
  });
}
