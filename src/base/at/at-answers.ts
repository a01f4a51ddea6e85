/** What comes back from another host, read as strictly as any file: it may be broken, or another program. Later keys are optional ones. No I/O. */
import type { Checked, Deed, Done, Environment, Rows } from '../changes/change.ts';
import type { LogCounts } from '../nginx/nginx-log.ts';
import { list, mapOf, oneOf, orNull, type Reader, shape, text, whole } from '../shape.ts';
import { safeLine } from '../text.ts';
import { MOST_LINE_BYTES, type Reply } from './at-format.ts';

/** What is said to people. */
const MOST_SAID = 2000;

const long = text(MOST_LINE_BYTES);

/** For people: on one line, and not endless. */
const said: Reader<string> = (value, at) => safeLine(long(value, at).slice(0, MOST_SAID));

const count = whole(0, Number.MAX_SAFE_INTEGER);

const duration: Reader<number> = (value, at) => {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
  throw new Error(`${at} must be a number from 0`);
};

const done = oneOf(true);

const rowName = text(1024);

const rowPairs = list(list(rowName, 2, 2), 65_536);

const rowsReader: Reader<Rows> = (value, at) => {
  const { serving, out } = shape({ serving: list(rowName, 65_536), out: rowPairs })(value, at);
  return { serving, out: new Map(out.map(([name = '', is = '']) => [name, is])) };
};

const checkedReader: Reader<Checked> = (value, at) => {
  const given = Object(value) as Readonly<Record<string, unknown>>;
  if (Object.hasOwn(given, 'unknown')) return shape({ unknown: said })(value, at);
  if (given['ok'] === true) return shape({ ok: oneOf(true) }, { rows: rowsReader })(value, at);
  return shape({ ok: oneOf(false), why: said }, { rows: rowsReader })(value, at);
};

const environmentReader: Reader<Environment> = (value, at) =>
  (Object(value) as { kind?: unknown }).kind === 'own'
    ? shape({ kind: oneOf('own') })(value, at)
    : shape({ kind: oneOf('other', 'unsaid'), why: said })(value, at);

const countsReader: Reader<LogCounts> = shape({
  served: count,
  byClass: mapOf(count, 1000),
  answers: count,
  averageMs: duration,
});

const readers: { readonly [K in keyof Done]: Reader<Done[K]> } = {
  hello: shape({ version: text(64) }),
  make: done,
  may: done,
  check: checkedReader,
  question: environmentReader,
  hear: shape({ status: whole(100, 999), headers: mapOf(text(65_536), 1000), body: long }),
  socket: long,
  run: shape({ exitCode: whole(0, 255), stdout: long, stderr: long }),
  read: long,
  log: shape({ counts: mapOf(countsReader, 100_100) }, { problem: said }),
  workers: shape(
    { leaving: orNull(count), youngestMs: orNull(duration) },
    { unusable: shape({ why: said, cure: said }), doubt: said },
  ),
};

/** A check as it is sent: JSON has no maps. */
export function sentChecked(checked: Checked): unknown {
  if ('unknown' in checked || checked.rows === undefined) return checked;
  return { ...checked, rows: { serving: checked.rows.serving, out: [...checked.rows.out] } };
}

/** What was done. Throws an Error that says where it is no answer to this deed. */
export function readDone<D extends Deed>(deed: D, value: unknown): Done[D['do']] {
  const reader = readers[deed.do] as Reader<Done[D['do']]>;
  return reader(value, 'its answer');
}

const head = { id: whole(-1, Number.MAX_SAFE_INTEGER), nowMs: duration };

const anything: Reader<unknown> = (value) => value;

/** Reads one line; undefined where it is no reply: a greeting of the host's, or the output of another program. */
export function parseReply(line: string): Reply | undefined {
  try {
    const reply = JSON.parse(line) as Readonly<Record<string, unknown>>;
    if (Object.hasOwn(reply, 'done')) return shape({ ...head, done: anything })(reply, 'reply');
    if (Object.hasOwn(reply, 'failed')) return shape({ ...head, failed: said })(reply, 'reply');
    if (Object.hasOwn(reply, 'held')) return shape({ ...head, held: said })(reply, 'reply');
    return shape({ ...head, refused: said, fix: said })(reply, 'reply');
  } catch {
    return undefined;
  }
}
