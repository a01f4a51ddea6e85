/** What the benchmark's processes load: the cells of one part, and what is made of the rows of all. */
import { missedAims } from './aims.ts';
import type { Row } from './cell.ts';
import { cells } from './experiments.ts';
import { BEFORE_COMMIT, keptRows, withBefore } from './field/before.ts';
import type { Table } from './table-cells.ts';
import { tablesOf } from './tables.ts';

export interface Part {
  readonly part: number;
  readonly parts: number;
  /** 1 is the whole benchmark. */
  readonly scale: number;
  readonly seed: number;
  /** Only one experiment. */
  readonly only: string | undefined;
}

/** Runs every `parts`-th cell; what chance gives a cell does not depend on who runs it. */
export function runPart({ part, parts, scale, seed, only }: Part, done: (index: number, rows: readonly Row[]) => void): void {
  const own = cells(scale, seed).filter(({ experiment }) => only === undefined || experiment === only);
  for (const [index, { rows }] of own.entries()) if (index % parts === part) done(index, rows());
}

/** The tables show the version before next to this one; the aims are those of this one. */
export function comparisonOf(
  rows: readonly Row[],
  seed: number,
): { readonly tables: readonly Table[]; readonly missed: readonly string[] } {
  return { tables: tablesOf(withBefore(rows, seed)).filter((table) => table.rows.length > 0), missed: missedAims(rows) };
}

export { BEFORE_COMMIT, keptRows };
