/** Checks: reads back the result of changes. Must never count a missing answer as success, or change anything. */
import { constants } from 'node:fs';
import { readAll, withFile } from '../durable/open-file.ts';
import { saysTheSame } from '../scope.ts';
import { safeLine } from '../text.ts';
import type { Bits, Check, Columns, FileCheck, HttpCheck, Outside, TableCheck } from './change.ts';
import { textAt } from './json-path.ts';

/** `unknown`: the other side could not be queried, or its answer does not say. This never counts as success. */
export type Checked = { readonly ok: true } | { readonly ok: false; readonly why: string } | { readonly unknown: string };

const OK: Checked = { ok: true };

const always = () => undefined;

/** Reads back one thing. Never throws. */
export async function check(wanted: Check, outside: Outside): Promise<Checked> {
  try {
    switch (wanted.kind) {
      case 'file':
        return checkFile(wanted, outside);
      case 'http':
        return await checkHttp(wanted, outside);
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
  const answer = await outside.http({ method: 'GET', url: wanted.url, timeoutMs: wanted.timeoutMs }, always);
  if (answer.status >= 300 && answer.status < 400) return { unknown: `${wanted.url} answered ${answer.status}, a redirect` };
  const said = wanted.header === undefined ? textAt(answer.body, wanted.json ?? []) : answer.headers[wanted.header.toLowerCase()];
  const where = wanted.header ?? wanted.json?.join('.') ?? '';
  if (said === undefined) return { unknown: `${wanted.url} answered ${answer.status} without ${where}` };
  if (saysTheSame(said, wanted.equals)) return OK;
  return { ok: false, why: `${wanted.url} returned ${safeLine(said.slice(0, 80))} in ${where}, not ${wanted.equals}` };
}

async function checkTable(wanted: TableCheck, outside: Outside): Promise<Checked> {
  const text = await outside.socket(wanted.address, wanted.command, wanted.timeoutMs, always);
  const table = parseTable(text, wanted.separator);
  const needed = [wanted.key, ...Object.keys(wanted.where), ...columnsOf(wanted)];
  const missing = needed.find((column) => !table.columns.includes(column));
  if (missing !== undefined) return { unknown: `${wanted.address} answered "${wanted.command}" without a column ${missing}` };
  const rows = table.rows.filter((row) => Object.entries(wanted.where).every(([column, value]) => row.get(column) === value));
  const absent = Object.keys(wanted.rows).find((name) => !rows.some((row) => row.get(wanted.key) === name));
  if (absent !== undefined) return { ok: false, why: `${wanted.address} has no ${absent}` };
  const wrong = rows.map((row) => rowTrouble(row, wanted)).find((why) => why !== undefined);
  return wrong === undefined ? OK : { ok: false, why: wrong };
}

function columnsOf(wanted: TableCheck): string[] {
  return [...Object.values(wanted.rows), ...wanted.others].flatMap((columns) => Object.keys(columns));
}

type Row = ReadonlyMap<string, string>;

function rowTrouble(row: Row, wanted: TableCheck): string | undefined {
  const name = row.get(wanted.key) ?? '';
  const limits = Object.hasOwn(wanted.rows, name) ? wanted.rows[name] : undefined;
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
