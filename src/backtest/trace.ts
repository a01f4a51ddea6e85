/** Recorded traces: what two builds served side by side, as CSV. Must read a trace whole or not at all. No I/O. */

import type { Finding } from '../core/errors.ts';
import { isInterim } from '../core/gates/counting/statuses.ts';
import { inFileOrder } from '../core/manifest/finding.ts';
import { didYouMean } from '../core/nearest.ts';

/** One line of a trace: what one build counted in the interval that ends at `tS`. */
export interface TraceRow {
  /** From 1, as an editor counts. */
  readonly line: number;
  /** Seconds since the rollout began. */
  readonly tS: number;
  /** Null: the whole service, or no slices at all. */
  readonly slice: string | null;
  readonly arm: 'candidate' | 'stable';
  /** With `status`: requests that ended in it. With `le`: requests that took at most so many seconds. */
  readonly requests: number;
  readonly errors: number;
  /** `503`, `5xx` or `none` (no response); null: every status together. */
  readonly status: string | null;
  /** Upper bound of a latency bucket in seconds, Infinity for all; null: the row counts requests, not a bucket. */
  readonly le: number | null;
}

const NEEDED = ['t_s', 'slice', 'build', 'requests', 'errors'] as const;

const KNOWN = [...NEEDED, 'status', 'le'] as const;

type Column = (typeof KNOWN)[number];

/** More is no count of one interval: beyond 2^53 whole numbers are not exact any more. */
const MOST = 1e12;

/** A year; a rollout does not take longer. */
const LONGEST_S = 31_536_000;

const FINDINGS_MAX = 50;

const FORM = 'a trace is CSV with the header t_s,slice,build,requests,errors and optionally status and le';

/**
 * Reads a trace. Findings name line and column; with any of them there are no rows, since half a trace would tell another
 * story. Rows come in the order of the file, whose time must not run backwards. `needs`: a calibration does without a candidate.
 */
export function readTrace(
  text: string,
  file: string,
  needs: 'both' | 'stable' = 'both',
): { readonly rows: readonly TraceRow[]; readonly findings: readonly Finding[] } {
  const reader = new Reader(text, file);
  reader.read(needs);
  const findings = inFileOrder(reader.findings);
  return findings.length > 0 ? { rows: [], findings } : { rows: reader.rows, findings };
}

class Reader {
  readonly rows: TraceRow[] = [];
  readonly findings: Finding[] = [];
  readonly #file: string;
  readonly #lines: readonly string[];
  /** Of the newest interval only: time never runs backwards. */
  readonly #seen = new Map<string, number>();

  constructor(text: string, file: string) {
    this.#file = file;
    this.#lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  }

  read(needs: 'both' | 'stable'): void {
    const columns = this.#header(this.#lines[0] ?? '');
    if (columns === undefined) return;
    for (const [index, text] of this.#lines.entries()) {
      if (index === 0 || text.trim() === '') continue;
      if (this.findings.length >= FINDINGS_MAX) return;
      this.#row(index + 1, text, columns);
    }
    if (this.findings.length > 0) return;
    if (this.rows.length === 0) this.#find(1, 0, 'the trace has a header but no data', FORM);
    for (const { line, message, fix } of sumFaults(this.rows, needs).slice(0, FINDINGS_MAX)) this.#find(line, 0, message, fix);
  }

  #header(text: string): readonly Column[] | undefined {
    const names = text.split(',').map((name) => name.trim());
    const missing = NEEDED.filter((name) => !names.includes(name));
    const [unknown] = names.filter((name) => !(KNOWN as readonly string[]).includes(name));
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (text.trim() === '') this.#find(1, 0, `the header has no ${missing.join(', no ')}`, FORM);
    else if (unknown !== undefined)
      this.#find(1, text.indexOf(unknown), `there is no column "${unknown}".${didYouMean(unknown, KNOWN)}`, FORM);
    else if (twice !== undefined) this.#find(1, text.lastIndexOf(twice), `the column ${twice} occurs twice`, FORM);
    else if (missing.length > 0) this.#find(1, 0, `the header has no ${missing.join(', no ')}`, FORM);
    return this.findings.length === 0 ? (names as Column[]) : undefined;
  }

  #row(line: number, text: string, columns: readonly Column[]): void {
    if (text.includes('"')) {
      this.#find(line, text.indexOf('"'), 'quoted cells are not supported', 'Write slices without quotes and commas.');
      return;
    }
    const cells = text.split(',').map((cell) => cell.trim());
    if (cells.length !== columns.length) {
      this.#find(line, 0, `${cells.length} cells under ${columns.length} columns`, FORM);
      return;
    }
    const at = (column: Column) => starts(text, columns.indexOf(column));
    const before = this.findings.length;
    const read = <T>(column: Column, { value, wants, fix }: CellForm<T>): T | undefined => {
      const cell = cells[columns.indexOf(column)] ?? '';
      const found = value(cell);
      if (found === undefined) this.#find(line, at(column), `${JSON.stringify(cell)} is ${wants(cell)}`, fix);
      return found;
    };
    const row: TraceRow = {
      line,
      tS: read('t_s', SECONDS) ?? Number.NaN,
      slice: cells[columns.indexOf('slice')] || null,
      arm: read('build', BUILD) ?? 'stable',
      requests: read('requests', COUNT) ?? Number.NaN,
      errors: read('errors', COUNT) ?? Number.NaN,
      status: read('status', STATUS) ?? null,
      le: read('le', BOUND) ?? null,
    };
    if (this.findings.length === before) this.#fits(row, at);
  }

  /** What no cell shows alone: more errors than requests, time that runs backwards, a line that repeats another. */
  #fits(row: TraceRow, at: (column: Column) => number): void {
    const { line, tS, slice, arm, status, le } = row;
    const last = this.rows.at(-1);
    if (last !== undefined && tS > last.tS) this.#seen.clear();
    const key = JSON.stringify([slice, arm, status, String(le)]);
    const twin = this.#seen.get(key);
    if (row.errors > row.requests)
      this.#find(
        line,
        at('errors'),
        `${row.errors} errors of only ${row.requests} requests`,
        'Errors are included in the requests.',
      );
    else if (status !== null && le !== null)
      this.#find(line, at('le'), 'a line has a status or a latency bound, not both', 'Write two lines.');
    else if (last !== undefined && tS < last.tS)
      this.#find(line, at('t_s'), `time runs backwards from ${last.tS} to ${tS}`, 'Sort the trace by t_s.');
    else if (twin !== undefined)
      this.#find(line, 0, `line ${twin} already has this interval, slice and build`, 'Keep one of the two lines.');
    else {
      this.#seen.set(key, line);
      this.rows.push(row);
    }
  }

  #find(line: number, index: number, message: string, fix: string): void {
    const text = this.#lines[line - 1] ?? '';
    const rest = text.slice(Math.max(0, index));
    const length = Math.max(1, /^[^,]*/.exec(rest)?.[0].length ?? 1);
    const column = Math.max(0, index) + 1;
    const at = { file: this.#file, line, column, frame: { text, length } };
    this.findings.push({ code: 'TRACE_INVALID', kind: 'syntax', ...at, message, fix });
  }
}

/** How a cell is read: `value` undefined for one that says nothing, which `wants` and `fix` then say. */
interface CellForm<T> {
  readonly value: (text: string) => T | undefined;
  readonly wants: (text: string) => string;
  readonly fix: string;
}

const DECIMAL = /^\d+(?:\.\d+)?$/;

const SECONDS: CellForm<number> = {
  value: (text) => (DECIMAL.test(text) && Number(text) <= LONGEST_S ? Number(text) : undefined),
  wants: () => `not seconds from 0 to ${LONGEST_S}`,
  fix: FORM,
};

const COUNT: CellForm<number> = {
  value: (text) => (DECIMAL.test(text) && Number(text) <= MOST && Number.isSafeInteger(Number(text)) ? Number(text) : undefined),
  wants: () => `not a whole number from 0 to ${MOST}`,
  fix: 'Counts are per interval, never negative.',
};

const BUILD: CellForm<TraceRow['arm']> = {
  value: (text) => (text === 'candidate' || text === 'stable' ? text : undefined),
  wants: (text) => `neither candidate nor stable.${didYouMean(text, ['candidate', 'stable'])}`,
  fix: 'Call the new build candidate.',
};

const STATUS: CellForm<string | null> = {
  value: (text) => (text === '' ? null : /^(?:[1-5](?:\d\d|xx)|other [234]xx|none)$/.test(text) ? text : undefined),
  wants: () => 'not a status',
  fix: 'A status is written 503, 5xx, or none for no response.',
};

const BOUND: CellForm<number | null> = {
  value: (text) => {
    if (text === '' || text === '+Inf') return text === '' ? null : Number.POSITIVE_INFINITY;
    return /^\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(text) && Number.isFinite(Number(text)) ? Number(text) : undefined;
  },
  wants: () => 'not a latency bound',
  fix: 'Bounds are seconds, such as 0.25, or +Inf.',
};

/** Where the cell of a column begins in its line. */
function starts(text: string, column: number): number {
  let at = 0;
  for (let index = 0; index < column; index += 1) at = text.indexOf(',', at) + 1;
  return at + (/^\s*/.exec(text.slice(at))?.[0].length ?? 0);
}

// What the lines of a trace say together: sums that cannot be, and builds that never meet. Finds errors, never fixes them. No I/O.

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

/** Every fault of rows that are in order of time. Without the stable build, or never with both at once, it is one fault more. */
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
  // A candidate that is never counted is a verdict, and no fault of the trace.
  return [...faults, ...meetingFaults(rows, seen, together || (seen.stable && (needs === 'stable' || !seen.candidate)))];
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
  if (!seen.stable) {
    const message = 'there is no line for the stable build, so there is nothing to compare with';
    return [{ line: last.line, message, fix: 'Record both builds over the same time.' }];
  }
  const message = 'no interval has lines for both builds';
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
    else if (!isInterim(row.status)) cell.statuses = { requests: (cell.statuses?.requests ?? 0) + row.requests, line: row.line };
  }
  return [...[...cells.values()].flatMap(cellFaults), ...sliceFaults(cells)];
}

function cellFaults({ plain, statuses, buckets }: Cell): SumFault[] {
  const faults = bucketFaults(buckets);
  if (plain !== undefined && statuses !== undefined && statuses.requests > plain.requests)
    faults.push({
      line: statuses.line,
      message: `the statuses add up to ${statuses.requests} requests, but line ${plain.line} has only ${plain.requests}`,
      fix: 'A line without a status counts the requests of all statuses.',
    });
  return faults;
}

function bucketFaults(buckets: readonly TraceRow[]): SumFault[] {
  const sorted = buckets.toSorted((a, b) => (a.le ?? 0) - (b.le ?? 0));
  const last = sorted.at(-1);
  if (last === undefined) return [];
  const fix = 'Buckets are cumulative: each counts all requests up to its bound, and +Inf counts all requests.';
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
  const message = `the slices add up to ${errors} errors of ${requests} requests, but the whole service has only ${whole.errors} of ${whole.requests}`;
  return [{ line: whole.line, message, fix: 'A line without a slice counts the whole service, including all slices.' }];
}
