/**
 * Counts from the access log that kvdeploy documents: each try at each server, by its status. Follows the file by an open descriptor, so that a
 * rotation loses nothing; begins at its end. Must never take a log that cannot be read for one without errors.
 */
import type { Fs } from '../durable/fs.ts';

/** What one member did since this process began to read. */
export interface LogCounts {
  served: number;
  readonly byClass: Record<string, number>;
  answers: number;
  averageMs: number;
}

/** The log of one target, read as far as it goes. */
export interface LogReading {
  /** By member, and by the place for tries that reached no member. */
  readonly counts: ReadonlyMap<string, LogCounts>;
  /** Why the counts are not to be believed; undefined if they are. */
  readonly problem?: string;
}

interface Followed {
  fd: number;
  inode: number;
  offset: number;
  rest: string;
  readonly counts: Map<string, LogCounts>;
  unread: number;
  lines: number;
  /** When it last grew, monotonic milliseconds. */
  grewMs: number;
}

const CHUNK = 1024 * 1024;

/** More than this in one reading is left for the next one. */
const MOST_BYTES = 64 * CHUNK;

/** nginx may write a buffered log once a second, or less often; a reading comes at least as often as this. */
const STILL_MS = 30_000;

/** Averages follow the newest answers: about this many. */
const NEWEST = 1024;

const followed = new Map<string, Followed>();

/**
 * Reads on from where this process was. `toKey`: the member or place that a try counts for. Every reading of the router is in the log too, so
 * that a log which does not grow is not one of a calm night: it is the wrong one, or no one writes it.
 */
export function readLog(
  path: string,
  toKey: (address: string, place: string) => string | undefined,
  { fs, nowMs }: { readonly fs: Fs; readonly nowMs: number },
): LogReading {
  let one = followed.get(path);
  try {
    if (one === undefined) {
      one = open(path, fs, nowMs);
      // What stood there before belongs to no reading.
      one.offset = fs.fstatSync(one.fd).size;
      followed.set(path, one);
      return { counts: one.counts };
    }
    const next = fs.statSync(path);
    const before = one.lines;
    readOn(one, toKey, fs);
    if (next.ino !== one.inode) {
      fs.closeSync(one.fd);
      const { counts, unread, lines } = one;
      Object.assign(one, open(path, fs, nowMs), { counts, unread, lines });
      readOn(one, toKey, fs);
    }
    if (one.lines > before) one.grewMs = nowMs;
  } catch (error) {
    return {
      counts: new Map(),
      problem: `the log ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
  if (nowMs - one.grewMs > STILL_MS)
    return {
      counts: one.counts,
      problem: `the log ${path} does not grow, although nginx answers: its location for the probe logs elsewhere`,
    };
  if (one.unread === 0) return { counts: one.counts };
  return { counts: one.counts, problem: `${one.unread} lines of ${path} are not in the format that docs/nginx.md gives` };
}

/** The member that a log names, or else its place. */
export function keyBy(members: Readonly<Record<string, readonly string[]>>) {
  return (address: string, place: string): string | undefined => {
    if (!Object.hasOwn(members, place)) return undefined;
    return members[place]?.includes(address) === true ? address : place;
  };
}

function open(path: string, fs: Fs, nowMs: number): Followed {
  const fd = fs.openSync(path, 'r');
  return { fd, inode: fs.fstatSync(fd).ino, offset: 0, rest: '', counts: new Map(), unread: 0, lines: 0, grewMs: nowMs };
}

/** A file that is shorter than it was, was truncated after a copy: it begins anew. */
function readOn(one: Followed, toKey: Parameters<typeof readLog>[1], fs: Fs): void {
  const { size } = fs.fstatSync(one.fd);
  if (size < one.offset) {
    one.offset = 0;
    one.rest = '';
  }
  const buffer = Buffer.alloc(Math.min(CHUNK, Math.max(0, size - one.offset)));
  const until = Math.min(size, one.offset + MOST_BYTES);
  while (one.offset < until) {
    const read = fs.readSync(one.fd, buffer, 0, buffer.length, one.offset);
    if (read === 0) break;
    one.offset += read;
    const lines = (one.rest + buffer.toString('latin1', 0, read)).split('\n');
    one.rest = lines.pop() ?? '';
    one.lines += lines.length;
    for (const line of lines) if (!take(line, one.counts, toKey)) one.unread += 1;
  }
}

/** One request: every try of it. False if it is not such a line. */
function take(line: string, counts: Map<string, LogCounts>, toKey: Parameters<typeof readLog>[1]): boolean {
  let said: Record<string, unknown>;
  try {
    said = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return false;
  }
  const { p: place, s: status, us: statuses, ua: addresses, rt: seconds } = said;
  if (typeof place !== 'string' || typeof status !== 'number' || typeof statuses !== 'string' || typeof addresses !== 'string')
    return false;
  // nginx answered itself, as it does to the probe: no build had a part in it.
  if (addresses === '' || addresses === '-') return true;
  const tries = addresses.split(/, | : /);
  const ends = statuses.split(/, | : /);
  for (const [at, address] of tries.entries()) {
    const key = toKey(address, place);
    if (key === undefined) continue;
    const isLast = at === tries.length - 1;
    const end = /^\d{3}$/.test(ends[at] ?? '') ? String(ends[at]) : isLast && status >= 500 ? String(status) : 'none';
    // A client that leaves at once says nothing of the server.
    if (end === 'none' && status === 499 && Number(seconds) < LEFT_AT_ONCE_S) continue;
    add(counts, key, end, isLast && typeof seconds === 'number' ? seconds * 1000 : undefined);
  }
  return true;
}

const LEFT_AT_ONCE_S = 1;

function add(counts: Map<string, LogCounts>, key: string, end: string, ms: number | undefined): void {
  let own = counts.get(key);
  if (own === undefined) {
    own = { served: 0, byClass: {}, answers: 0, averageMs: 0 };
    counts.set(key, own);
  }
  own.served += 1;
  own.byClass[end] = (own.byClass[end] ?? 0) + 1;
  if (ms === undefined) return;
  own.answers += 1;
  own.averageMs += (ms - own.averageMs) / Math.min(own.answers, NEWEST);
}
