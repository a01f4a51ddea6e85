/** Checks: reads back the result of changes. Must never count a missing answer as success, or change anything. */
import { constants } from 'node:fs';
import { readAll, withFile } from '../durable/open-file.ts';
import { saysTheSame } from '../scope.ts';
import { firstOf, safeLine } from '../text.ts';
import {
  type Bits,
  type Check,
  type Checked,
  type Columns,
  elsewhereFor,
  type FileCheck,
  type HttpCheck,
  type Outside,
  type RowGroup,
  type Rows,
  type RunCheck,
  type TableCheck,
} from './change.ts';
import { type Heard, hearHttp, hearProgram, whereText } from './hear.ts';

/** What a row is that its table does not have. */
export const GONE = 'gone';

const OK: Checked = { ok: true };

const always = () => undefined;

/** Reads back one thing. Never throws. */
export async function check(wanted: Check, outside: Outside): Promise<Checked> {
  try {
    const there = elsewhereFor(wanted, outside);
    if (there !== undefined) return await there.ask({ do: 'check', check: wanted });
    switch (wanted.kind) {
      case 'file':
        return checkFile(wanted, outside);
      case 'http':
        return await checkHttp(wanted, outside);
      case 'run':
        return judged(await hearProgram(wanted, outside), wanted);
      case 'table':
        return await checkTable(wanted, outside);
    }
  } catch (error) {
    return { unknown: safeLine((error as Error).message) };
  }
}

function checkFile(wanted: FileCheck, { fs }: Outside): Checked {
  const expected = Buffer.from(wanted.content);
  if (!fs.existsSync(wanted.path)) return { ok: false, why: `${wanted.path} does not exist` };
  // Links are followed: the file that the router reads is the one that counts.
  return withFile(wanted.path, constants.O_RDONLY | constants.O_NONBLOCK, fs, (fd) => {
    const same = fs.fstatSync(fd).isFile() && readAll(fd, expected.length + 1, fs).equals(expected);
    return same ? OK : { ok: false, why: `${wanted.path} has different content` };
  });
}

async function checkHttp(wanted: HttpCheck, outside: Outside): Promise<Checked> {
  const { times = 1, settleMs = 0, timeoutMs } = wanted;
  // One answer has nothing to settle against.
  const answers = Math.max(times, settleMs > 0 ? 2 : 1);
  const until = outside.monotonic() + timeoutMs + settleMs;
  for (let count = 1; ; count += 1) {
    const leftMs = Math.floor(until - outside.monotonic());
    if (leftMs < 1) return { unknown: `${wanted.url} answered ${count - 1} of ${answers} times within ${timeoutMs} ms` };
    const answer = judged(await hearHttp(wanted, outside, Math.min(leftMs, timeoutMs)), wanted);
    if ('unknown' in answer || !answer.ok || count === answers) return answer;
    if (settleMs > 0) await outside.sleep(settleMs / (answers - 1));
  }
}

function judged(heard: Heard, wanted: HttpCheck | RunCheck): Checked {
  if (heard.redirect) return { unknown: `${heard.from} ${heard.answered}, a redirect` };
  const said = heard.said(wanted);
  const where = whereText(wanted);
  if (said === undefined) return { unknown: `${heard.from} ${heard.answered} without ${where}` };
  if (saysTheSame(said, wanted.equals)) return OK;
  return { ok: false, why: `${heard.from} returned ${heard.show(said)} in ${where}, not ${wanted.equals}` };
}

async function checkTable(wanted: TableCheck, outside: Outside): Promise<Checked> {
  const text = await outside.socket(wanted.address, wanted.command, wanted.timeoutMs, always);
  const table = parseTable(text, wanted.separator);
  const needed = [wanted.key, ...Object.keys(wanted.where), ...columnsOf(wanted)];
  const missing = needed.find((column) => !table.columns.includes(column));
  if (missing !== undefined) return { unknown: `${wanted.address} answered "${wanted.command}" without a column ${missing}` };
  const rows = table.rows.filter((row) => Object.entries(wanted.where).every(([column, value]) => row.get(column) === value));
  const named = namedRows(wanted);
  const there = new Set(rows.map((row) => row.get(wanted.key)));
  const absent = [...named].find(([name, { idle }]) => idle === undefined && !there.has(name));
  if (absent !== undefined) return { ok: false, why: `${wanted.address} has no ${absent[0]}` };
  const misfits = new Map<string, string | undefined>();
  for (const row of rows) {
    const name = row.get(wanted.key) ?? '';
    misfits.set(name, misfits.get(name) ?? rowTrouble(row, wanted, named));
  }
  const served = servedRows(wanted, misfits, rows);
  const told = served === undefined ? {} : { rows: served };
  const isOut = (name: string) => served?.out.has(name) === true;
  const wrong = [...misfits].find(([name, why]) => why !== undefined && !isOut(name))?.[1];
  const why = wrong ?? shortage(wanted, misfits);
  return why === undefined ? { ok: true, ...told } : { ok: false, why, ...told };
}

type Named = Pick<RowGroup, 'columns' | 'idle'>;

/** What is expected of each row that is named. */
function namedRows({ rows, groups = [] }: TableCheck): ReadonlyMap<string, Named> {
  const single = Object.entries(rows).map(([name, columns]) => [name, { columns }] as const);
  return new Map<string, Named>([...single, ...groups.flatMap((group) => group.keys.map((key) => [key, group] as const))]);
}

type Misfits = ReadonlyMap<string, string | undefined>;

/** The rows of the groups that are to serve, by what they do; undefined where no group says how many must. */
function servedRows({ key, groups = [] }: TableCheck, misfits: Misfits, rows: readonly Row[]): Rows | undefined {
  const toServe = groups.filter(({ least }) => least !== undefined);
  if (toServe.length === 0) return undefined;
  const byName = new Map(rows.map((row) => [row.get(key) ?? '', row]));
  const out = new Map<string, string>();
  for (const { keys, idle = [] } of toServe) {
    for (const name of keys) {
      const row = byName.get(name);
      const is = row === undefined ? GONE : idle.find(({ columns }) => misfit(row, columns) === undefined)?.is;
      if (is !== undefined && (row === undefined || misfits.get(name) !== undefined)) out.set(name, is);
    }
  }
  const serving = toServe.flatMap(({ keys }) => keys.filter((name) => misfits.has(name) && misfits.get(name) === undefined));
  return { serving, out };
}

/** Why too few of a group serve. */
function shortage({ address, groups = [] }: TableCheck, misfits: Misfits): string | undefined {
  for (const { keys, least = 0 } of groups) {
    const serve = keys.filter((name) => misfits.has(name) && misfits.get(name) === undefined);
    if (serve.length >= least) continue;
    const each = keys.map((name) => (misfits.has(name) ? misfits.get(name) : `it has no ${safeLine(name)}`));
    return `at ${address}, ${serve.length} of ${keys.length} members serve: ${firstOf(each.filter((why) => why !== undefined)).join(', ')}`;
  }
  return undefined;
}

function columnsOf({ rows, groups = [], others }: TableCheck): string[] {
  const grouped = groups.flatMap(({ columns, idle = [] }) => [columns, ...idle.map((one) => one.columns)]);
  const all = [...Object.values(rows), ...grouped, ...others];
  return [...new Set(all.flatMap((columns) => Object.keys(columns)))];
}

type Row = ReadonlyMap<string, string>;

function rowTrouble(row: Row, wanted: TableCheck, named: ReadonlyMap<string, Named>): string | undefined {
  const name = row.get(wanted.key) ?? '';
  const limits = named.get(name)?.columns;
  if (limits !== undefined) {
    const wrong = misfit(row, limits);
    return wrong === undefined ? undefined : `${safeLine(name)} has ${wrong}`;
  }
  const misfits = wanted.others.map((other) => misfit(row, other));
  if (misfits.includes(undefined)) return undefined;
  return `the unknown member ${safeLine(name)} may still serve: it has ${misfits.join(', ')}`;
}

function misfit(row: Row, limits: Columns): string | undefined {
  const wrong = Object.entries(limits).find(([column, allowed]) => !fits(row.get(column) ?? '', allowed));
  if (wrong === undefined) return undefined;
  const [column, allowed] = wrong;
  const expected = isTexts(allowed) ? `not ${allowed.join(' or ')}` : bitsText(allowed);
  return `${column} ${safeLine(row.get(column) ?? '')}, ${expected}`;
}

const isTexts = (allowed: readonly string[] | Bits): allowed is readonly string[] => Array.isArray(allowed);

function fits(text: string, allowed: readonly string[] | Bits): boolean {
  if (isTexts(allowed)) return allowed.includes(text);
  if (!/^\d{1,9}$/.test(text)) return false;
  return 'any' in allowed ? (Number(text) & allowed.any) !== 0 : (Number(text) & allowed.none) === 0;
}

function bitsText(bits: Bits): string {
  const [word, mask] = 'any' in bits ? ['without', bits.any] : ['with', bits.none];
  const each = Array.from({ length: 31 }, (_, at) => 2 ** at).filter((bit) => (mask & bit) !== 0);
  return `${word} any of the bits ${each.join(', ')}`;
}

interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly ReadonlyMap<string, string>[];
}

/** The header is the first line that starts with `#` (as HAProxy prints it), else the first line. */
function parseTable(text: string, separator: ' ' | ','): Table {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const marked = lines.findIndex((line) => line.startsWith('#'));
  const at = marked === -1 ? 0 : marked;
  const columns = cellsOf((lines[at] ?? '').replace(/^#\s*/, ''), separator);
  const rows = lines.slice(at + 1).map((line) => {
    const values = cellsOf(line, separator);
    return new Map(columns.map((column, index) => [column, values[index] ?? '']));
  });
  return { columns, rows };
}

/** The cells of one line of a table; with commas, cells in double quotes may contain them. */
export function cellsOf(line: string, separator: ' ' | ','): string[] {
  if (separator === ' ') return line.trim().split(/\s+/);
  const found = line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g);
  return [...found].map(([, quoted, plain]) => (quoted === undefined ? (plain ?? '').trim() : quoted.replaceAll('""', '"')));
}
