/** What the lines of a trace say together: sums that cannot be, and builds that never meet. Finds, never mends. No I/O. */
import type { TraceRow } from './trace.ts';

/** What is wrong, at which line. */
export interface SumFault {
  readonly line: number;
  readonly message: string;
  readonly fix: string;
}

type Arm = TraceRow['arm'];

/** Lines of one build, interval and slice. */
interface Cell {
  plain: TraceRow | undefined;
  /** Requests by status, added up, and the last line of them. */
  statuses: { requests: number; line: number } | undefined;
  readonly buckets: TraceRow[];
}

/** Every fault of rows that are in order of time. Without a build that is needed, or never with both at once, it is one fault more. */
export function sumFaults(rows: readonly TraceRow[], needs: 'both' | 'stable'): SumFault[] {
  const faults: SumFault[] = [];
  const seen: Record<Arm, boolean> = { candidate: false, stable: false };
  let together = false;
  for (const interval of byTime(rows)) {
    const arms = (['candidate', 'stable'] as const).filter((arm) => interval.some((row) => row.arm === arm));
    for (const arm of arms) {
      seen[arm] = true;
      faults.push(...armFaults(interval.filter((row) => row.arm === arm)));
    }
    together ||= arms.length === 2;
  }
  return [...faults, ...meetingFaults(rows, seen, together || (needs === 'stable' && seen.stable))];
}

/** Runs of rows with one time. */
export function* byTime(rows: readonly TraceRow[]): Generator<readonly TraceRow[]> {
  let from = 0;
  for (let at = 1; at <= rows.length; at += 1) {
    if (rows[at]?.tS === rows[from]?.tS) continue;
    yield rows.slice(from, at);
    from = at;
  }
}

function meetingFaults(rows: readonly TraceRow[], seen: Record<Arm, boolean>, together: boolean): SumFault[] {
  const last = rows.at(-1);
  if (last === undefined || together) return [];
  const absent = (['candidate', 'stable'] as const).find((arm) => !seen[arm]);
  if (absent !== undefined) {
    const message = `no line is of the ${absent} build, so there is nothing to compare`;
    return [{ line: last.line, message, fix: 'Record both builds over the same time.' }];
  }
  const message = 'no interval has lines of both builds';
  return [{ line: last.line, message, fix: 'Write the same t_s for both builds of an interval.' }];
}

function armFaults(rows: readonly TraceRow[]): SumFault[] {
  const cells = new Map<string | null, Cell>();
  for (const row of rows) {
    const cell = cells.get(row.slice) ?? { plain: undefined, statuses: undefined, buckets: [] };
    cells.set(row.slice, cell);
    if (row.le !== null) cell.buckets.push(row);
    else if (row.status === null) cell.plain = row;
    // Informational answers are no answers yet.
    else if (!row.status.startsWith('1'))
      cell.statuses = { requests: (cell.statuses?.requests ?? 0) + row.requests, line: row.line };
  }
  return [...[...cells.values()].flatMap(cellFaults), ...sliceFaults(cells)];
}

function cellFaults({ plain, statuses, buckets }: Cell): SumFault[] {
  const faults = bucketFaults(buckets);
  if (plain !== undefined && statuses !== undefined && statuses.requests > plain.requests)
    faults.push({
      line: statuses.line,
      message: `the statuses hold ${statuses.requests} requests, line ${plain.line} only ${plain.requests}`,
      fix: 'A line without a status counts the requests of every status together.',
    });
  return faults;
}

function bucketFaults(buckets: readonly TraceRow[]): SumFault[] {
  const sorted = buckets.toSorted((a, b) => (a.le ?? 0) - (b.le ?? 0));
  const last = sorted.at(-1);
  if (last === undefined) return [];
  const fix = 'Buckets are cumulative: each holds every request that took at most so long, +Inf holds all.';
  if (last.le !== Number.POSITIVE_INFINITY) return [{ line: last.line, message: 'there is no latency bound +Inf', fix }];
  return sorted.flatMap((row, index) => {
    const below = sorted[index - 1];
    if (below === undefined || below.requests <= row.requests) return [];
    const message = `${row.requests} requests up to ${boundText(row.le)}, but ${below.requests} up to ${boundText(below.le)}`;
    return [{ line: row.line, message, fix }];
  });
}

function boundText(le: number | null): string {
  return le === Number.POSITIVE_INFINITY ? '+Inf' : `${le} s`;
}

/** The whole service holds at least what its slices hold. */
function sliceFaults(cells: ReadonlyMap<string | null, Cell>): SumFault[] {
  const whole = cells.get(null)?.plain;
  if (whole === undefined) return [];
  const slices = [...cells].flatMap(([slice, { plain }]) => (slice === null || plain === undefined ? [] : [plain]));
  const requests = slices.reduce((sum, row) => sum + row.requests, 0);
  const errors = slices.reduce((sum, row) => sum + row.errors, 0);
  if (requests <= whole.requests && errors <= whole.errors) return [];
  const message = `the slices hold ${errors} errors of ${requests} requests, the whole service only ${whole.errors} of ${whole.requests}`;
  return [{ line: whole.line, message, fix: 'A line without a slice counts the whole service, its slices among it.' }];
}
