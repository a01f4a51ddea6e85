/** How the tables of docs/gates-figures.md write a summary. Must compute nothing but the cell. */
import { type Summary, upperBound } from './simulate.ts';

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly notes: readonly string[];
}

export function number(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: value < 100 ? 1 : 0 });
}

function share(part: number, whole: number): string {
  return `${Number(((100 * part) / whole).toPrecision(2))} %`;
}

/** `71 (2 %)`: mean bad requests, and how many runs were ended where not all of them were. */
export function badCell(summary: Summary, of: (summary: Summary) => number = ({ meanBad }) => meanBad): string {
  if (summary.runs === 0) return 'ended before';
  const ended = summary.rolledBack === summary.runs ? '' : ` (${share(summary.rolledBack, summary.runs)})`;
  return `${number(of(summary))}${ended}`;
}

/** `0 of 2,000 (≤ 0.15 %)`: with the upper end of the 95 % interval. */
export function falseCell(found: number, runs: number): string {
  const bound = `≤ ${Number((100 * upperBound(found, runs)).toPrecision(2))} %`;
  return `${found.toLocaleString('en-US')} of ${runs.toLocaleString('en-US')} (${bound})`;
}

export function minutes(seconds: number | null): string {
  return seconds === null ? 'never' : `${number(seconds / 60)} min`;
}

export const aborted = ({ rolledBack, runs }: Summary) => falseCell(rolledBack, runs);

export const toWhole = ({ medianWholeS }: Summary) => minutes(medianWholeS);
