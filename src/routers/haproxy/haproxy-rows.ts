/** Rows of a check that are to be alike, named together: thousands of servers have few kinds of states. No I/O. */
import type { Columns, TableCheck } from '../../base/changes/change.ts';

/** Fewer rows than this are read more easily one by one. */
const WORTH_A_GROUP = 4;

/** The same expectations, with what many rows share said once. */
export function compactRows(rows: TableCheck['rows']): Pick<TableCheck, 'rows' | 'groups'> {
  const alike = new Map<string, { readonly keys: string[]; readonly columns: Columns }>();
  for (const [key, columns] of Object.entries(rows)) {
    const kind = JSON.stringify(columns);
    const group = alike.get(kind);
    if (group === undefined) alike.set(kind, { keys: [key], columns });
    else group.keys.push(key);
  }
  const groups = [...alike.values()].filter(({ keys }) => keys.length >= WORTH_A_GROUP);
  if (groups.length === 0) return { rows };
  const grouped = new Set(groups.flatMap(({ keys }) => keys));
  return { rows: Object.fromEntries(Object.entries(rows).filter(([key]) => !grouped.has(key))), groups };
}
