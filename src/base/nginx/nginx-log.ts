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

/** The servers of each place, as nginx writes them. */
export type LogMembers = Readonly<Record<string, readonly string[]>>;

/** The log of one target, read as far as it goes. */
export interface LogReading {
  /** By member, and by the place for tries that reached no member. */
  readonly counts: ReadonlyMap<string, LogCounts>;
  /** Why the counts are not to be believed; undefined if they are. */
  readonly problem?: string;
}

/** One file of the log: the newest, or one that was renamed and may still be written. */
interface Source {
  readonly fd: number;
  readonly inode: number;
  offset: number;
  /** The line under way. */
  rest: string;
  /** Its beginning is missing, or it is too long: it is not read. */
  isTorn: boolean;
  grewMs: number;
}

interface Followed {
  /** The newest is last. */
  sources: readonly Source[];
  readonly counts: Map<string, LogCounts>;
  unread: number;
  /** When the last line came that could not be read, monotonic milliseconds. */
  unreadMs: number;
}

const CHUNK = 1024 * 1024;

/** More than this in one reading is left for the next one. */
const MOST_BYTES = 64 * CHUNK;

/** No line of this format is longer: a hundred tries make about 4 KiB. */
const LONGEST = 64 * 1024;

/** nginx writes the documented log at once, or a buffered one once a second (`flush=1s`); it has a line of every question of a reading. */
const STILL_MS = 10_000;

/** For so long a line that could not be read leaves the counts in doubt. */
const DOUBT_MS = 30_000;

/** Averages follow the newest answers: about this many. */
const NEWEST = 1024;

/** By the path and the members: several targets may share a log. */
const followed = new Map<string, Followed>();

type ToKey = (address: string, place: string) => string | undefined;

/**
 * Reads on from where this process was. Every reading of the router is in the log too, so that a log which does not grow is not one of a calm
 * night: it is the wrong one, or no one writes it.
 */
export function readLog(
  path: string,
  members: LogMembers,
  { fs, nowMs }: { readonly fs: Fs; readonly nowMs: number },
): LogReading {
  const key = JSON.stringify([path, members]);
  const one = followed.get(key);
  const toKey = keyBy(members);
  try {
    if (one === undefined) {
      const first = openNearEnd(path, fs, nowMs);
      const begun: Followed = { sources: [first], counts: new Map(), unread: 0, unreadMs: 0 };
      readOn(first, begun, toKey, { fs, nowMs });
      // What was written before, in another format maybe, is no fault of today.
      followed.set(key, Object.assign(begun, { unread: 0, unreadMs: Number.NEGATIVE_INFINITY }));
      return { counts: begun.counts };
    }
    rotated(one, path, fs, nowMs);
    for (const source of one.sources) readOn(source, one, toKey, { fs, nowMs });
    one.sources = one.sources.filter(
      (source, at) => at === one.sources.length - 1 || !isStill(source, nowMs) || close(source, fs),
    );
  } catch (error) {
    return {
      counts: new Map(),
      problem: `the log ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
  const { counts, sources, unread, unreadMs } = one;
  if (sources.every((source) => isStill(source, nowMs)))
    return {
      counts,
      problem: `the log ${path} does not grow, although nginx answers: its location for the probe logs elsewhere`,
    };
  if (nowMs - unreadMs > DOUBT_MS) return { counts };
  return { counts, problem: `the log ${path} has lines in another format than docs/nginx.md gives: ${unread} so far` };
}

/** The member that a log names, of whatever place: `error_page` may send a request on to another one. Any other address counts for its place. */
function keyBy(members: LogMembers): ToKey {
  const all = new Set(Object.values(members).flat());
  return (address, place) => {
    if (all.has(address)) return address;
    return Object.hasOwn(members, place) ? place : undefined;
  };
}

const isStill = ({ grewMs }: Source, nowMs: number) => nowMs - grewMs > STILL_MS;

function close({ fd }: Source, fs: Fs): false {
  fs.closeSync(fd);
  return false;
}

/** With the newest part of what stands there, so that one reading alone shows whether anything is counted. */
function openNearEnd(path: string, fs: Fs, nowMs: number): Source {
  const source = open(path, fs, nowMs);
  source.offset = Math.max(0, fs.fstatSync(source.fd).size - CHUNK);
  source.isTorn = source.offset > 0;
  return source;
}

function open(path: string, fs: Fs, nowMs: number): Source {
  const fd = fs.openSync(path, 'r');
  return { fd, inode: fs.fstatSync(fd).ino, offset: 0, rest: '', isTorn: false, grewMs: nowMs };
}

/**
 * After a rename, workers write the old file until each of them has opened the new one (USR1): both are read, until the old one is still.
 * Between the two there may be no file of this name.
 */
function rotated(one: Followed, path: string, fs: Fs, nowMs: number): void {
  let inode: number;
  try {
    inode = fs.statSync(path).ino;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    throw error;
  }
  if (one.sources.every((source) => source.inode !== inode)) one.sources = [...one.sources, open(path, fs, nowMs)];
}

/** A file that is shorter than it was, was truncated after a copy: it begins anew. */
function readOn(source: Source, one: Followed, toKey: ToKey, { fs, nowMs }: { readonly fs: Fs; readonly nowMs: number }): void {
  const { size } = fs.fstatSync(source.fd);
  if (size < source.offset) Object.assign(source, { offset: 0, rest: '', isTorn: false });
  const buffer = Buffer.alloc(Math.min(CHUNK, Math.max(0, size - source.offset)));
  const until = Math.min(size, source.offset + MOST_BYTES);
  while (source.offset < until) {
    const read = fs.readSync(source.fd, buffer, 0, buffer.length, source.offset);
    if (read === 0) break;
    source.offset += read;
    const lines = (source.rest + buffer.toString('latin1', 0, read)).split('\n');
    source.rest = lines.pop() ?? '';
    for (const line of lines) {
      source.grewMs = nowMs;
      if (!source.isTorn && !take(line, one.counts, toKey)) missed(one, nowMs);
      source.isTorn = false;
    }
    if (source.rest.length <= LONGEST) continue;
    if (!source.isTorn) missed(one, nowMs);
    Object.assign(source, { rest: '', isTorn: true });
  }
}

function missed(one: Followed, nowMs: number): void {
  one.unread += 1;
  one.unreadMs = nowMs;
}

/** One request: every try of it. False if it is not such a line. */
function take(line: string, counts: Map<string, LogCounts>, toKey: ToKey): boolean {
  let said: Record<string, unknown>;
  try {
    // nginx pads a status to three digits: 000 is no JSON.
    said = JSON.parse(line.replace(/"s":0+(?=\d)/, '"s":')) as Record<string, unknown>;
  } catch {
    return false;
  }
  if (typeof said !== 'object' || said === null) return false;
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
    // A client that leaves at once, or is cut off by a reload, says nothing of the server.
    if (end === 'none' && (status === 499 || status === 0) && isLast && Number(seconds) < LEFT_AT_ONCE_S) continue;
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
