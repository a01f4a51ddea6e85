/**
 * PromQL for every counter of both builds at once, each series labelled with what it counts, and the answer as raw counters by process and
 * slice. Must keep a user's query whole, and must not count a series whose labels do not say what it counts. No I/O.
 */

import type { ArmCounters, RawCounter, Target } from '../../core/gates/counting/counters.ts';
import { ALL_BUCKETS, BUCKET_PREFIX, type LatencyUnit } from '../../core/gates/counting/metric-counters.ts';
import { STATUS_METRICS, statusCounters } from '../../core/gates/counting/statuses.ts';
import { msText } from '../../core/text.ts';
import { briefly } from '../arms.ts';
import type { Pair, Question } from '../metric-source.ts';
import { duplicateText } from './duplicates.ts';
import { filled } from './placeholders.ts';
import type { Series } from './prometheus-answer.ts';
import { hiddenGrpc, type StatusReading, statusReading } from './prometheus-status.ts';

/** Labels that tell the parts of one answer apart. */
export const BUILD_LABEL = 'kvdeploy_build';

export const COUNTER_LABEL = 'kvdeploy_counter';

/** What tells one counting process from another; `exported_` where a federation put its own names above theirs. */
export const PROCESS_LABELS = ['job', 'instance', 'exported_job', 'exported_instance'] as const;

export type Arm = 'candidate' | 'stable';

/** `seen` is when the newest sample of each process was scraped, in seconds. */
export type Counter = 'requests' | 'errors' | 'latency' | 'seen';

export interface Queries {
  readonly requests: string;
  readonly errors?: string | undefined;
  readonly latency?: string | undefined;
}

/** One query for the requests and errors of both builds, and when they were scraped. */
export function countsQuery({ requests, errors }: Queries, pair: Pair): string {
  return union(pair, (question) => {
    const query = filled(requests, question);
    const seen = `max by (${PROCESS_LABELS.join(', ')}) (timestamp(\n${query}\n))`;
    return { requests: query, seen, ...(errors === undefined ? {} : { errors: filled(errors, question) }) };
  });
}

/** One query for the buckets of both builds. */
export function latencyQuery(latency: string, pair: Pair): string {
  return union(pair, (question) => ({ latency: filled(latency, question) }));
}

function union(pair: Pair, parts: (question: Question) => Partial<Record<Counter, string>>): string {
  const arms = [['candidate', pair.candidate] as const, ['stable', pair.stable] as const];
  const queries = arms.flatMap(([arm, question]) =>
    question === null ? [] : Object.entries(parts(question)).map(([counter, query]) => labelled(query, arm, counter)),
  );
  return queries.join(' or ');
}

/** Each query stands on lines of its own, so that a comment at its end hides nothing of ours. */
export function labelled(query: string, arm: Arm, counter: string): string {
  return `label_replace(label_replace(\n${query}\n, "${BUILD_LABEL}", "${arm}", "", ""), "${COUNTER_LABEL}", "${counter}", "", "")`;
}

// Series of one build as raw counters by process and slice. Must not count a series whose labels do not say what it counts. No I/O.

/** Which labels say what, and the build's queries as they were sent, for whoever must fix them. */
export interface Labelled {
  readonly url: string;
  readonly status?: string | undefined;
  readonly slices?: string | undefined;
  /** Statuses that are no failures. */
  readonly expected?: readonly string[] | undefined;
  /** Of the label le; seconds where it is left out. */
  readonly unit?: LatencyUnit | undefined;
  /** True where a query of its own counts errors. */
  readonly ownErrors: boolean;
  /** How old the newest sample of a process may be, milliseconds. */
  readonly oldestMs: number;
  readonly sent: Readonly<Partial<Record<Counter, string>>>;
  /** When the server was asked, by the asker's clock: servers' clocks may run backwards. Left out: the moment that was asked about. */
  readonly freshMs?: number;
}

/** What one process counted, in the making. */
interface Tally {
  readonly several: boolean;
  /** By slice, then status. */
  readonly statuses: Map<string, Record<string, number>>;
  /** By counter, then slice. */
  readonly counters: Map<string, Map<string, number>>;
  /** How many series each bucket has. */
  readonly buckets: Map<string, number>;
}

class Fault extends Error {}

/** The reading of one build out of an answer about both, as of `atMs`. `main`: the part without which there is none. */
export function armOf(
  arm: Arm,
  series: readonly Series[],
  atMs: number,
  how: Labelled,
  main: 'requests' | 'latency' = 'requests',
): ArmCounters {
  const own = series.filter(({ labels }) => labels[BUILD_LABEL] === arm);
  if (!series.every(isAsked)) return { missing: `${how.url} returned series that were not requested` };
  try {
    if (partOf(own, main).length === 0) {
      const asked = how.sent[main] ?? main;
      return { missing: `${how.url} has no fresh series for ${asked} (looking back ${msText(how.oldestMs)})`, none: true };
    }
    const stale = staleProcesses(partOf(own, 'seen'), atMs, how);
    const twice = duplicateText(partOf(own, main), [BUILD_LABEL, COUNTER_LABEL, '__name__']);
    if (twice !== undefined) return { missing: twice };
    const tallies = new Map<string, Tally>();
    const requests = partOf(series, 'requests');
    const reading = readingOf(requests, how);
    const read = { ...how, reading };
    for (const part of ['requests', 'errors', 'latency'] as const)
      for (const each of partOf(own, part)) {
        const process = processOf(each.labels);
        if (!stale.has(process)) addSeries(tallyOf(tallies, process, each, how), part, each, read);
      }
    for (const tally of tallies.values()) dropPartly(tally);
    const targets = [...tallies].map(([name, tally]) => [name, targetOf(tally, how.freshMs ?? atMs, reading, how)] as const);
    for (const [name, target] of targets) checkErrors(name, target, how);
    const hidden = how.status === undefined ? undefined : hiddenGrpc(how.status, requests);
    return { targets: Object.fromEntries(targets), ...(hidden === undefined ? {} : { hidden }) };
  } catch (error) {
    if (error instanceof Fault) return { missing: error.message };
    throw error;
  }
}

const ARMS: readonly (string | undefined)[] = ['candidate', 'stable'] satisfies readonly Arm[];

const PARTS: readonly (string | undefined)[] = ['requests', 'errors', 'latency', 'seen'] satisfies readonly Counter[];

/** Labelled as the query labels all of its parts: what is not may be a part of the counts that lost its name. */
function isAsked({ labels }: Series): boolean {
  return ARMS.includes(labels[BUILD_LABEL]) && PARTS.includes(labels[COUNTER_LABEL]);
}

function partOf(series: readonly Series[], part: Counter): Series[] {
  return series.filter(({ labels }) => labels[COUNTER_LABEL] === part);
}

/**
 * Processes whose newest sample is too old: they count as not there. A server that scrapes no more goes on answering what it saw last, for up to
 * five minutes: where that is all that it has, it has nothing.
 */
function staleProcesses(seen: readonly Series[], atMs: number, { url, oldestMs }: Labelled): ReadonlySet<string | undefined> {
  const ages = seen.map(({ labels, value }) => ({ process: processOf(labels), oldMs: atMs - Number(value) * 1000 }));
  const stale = ages.filter(({ oldMs }) => !(Number.isFinite(oldMs) && oldMs <= oldestMs));
  const [first] = stale;
  if (first !== undefined && stale.length === ages.length) {
    const ago = msText(Math.max(0, first.oldMs));
    throw new Fault(`${url} scraped ${first.process ?? 'the build'} ${ago} ago, which is too long`);
  }
  return new Set(stale.map(({ process }) => process));
}

function addSeries(
  { statuses, counters, buckets }: Tally,
  part: 'requests' | 'errors' | 'latency',
  series: Series,
  how: Labelled & { readonly reading: StatusReading | undefined },
): void {
  const { labels } = series;
  const query = how.sent[part] ?? part;
  if (labels['quantile'] !== undefined && labels['le'] === undefined) {
    const fix = part === 'latency' ? 'export a histogram, and query its _bucket series' : 'query its _count series';
    throw new Fault(`these are quantiles of a summary, which are no counts; ${fix}: ${query}`);
  }
  const value = countOf(series.value, query);
  const slice = how.slices === undefined ? '' : labels[how.slices];
  if (slice === undefined || (how.slices !== undefined && slice === ''))
    throw new Fault(`some series do not have the slice label ${how.slices}; keep it in ${query}`);
  if (part !== 'latency' && labels['le'] !== undefined)
    throw new Fault(`these are buckets, which count a request several times: ${query}`);
  if (part === 'requests' && how.status !== undefined && how.reading !== undefined) {
    const status = how.reading.read(labels[how.status]);
    if (typeof status !== 'string')
      throw new Fault(status.fault.endsWith('keep it in') ? `${status.fault} ${query}` : status.fault);
    const byStatus = statuses.get(slice) ?? {};
    byStatus[status] = (byStatus[status] ?? 0) + value;
    statuses.set(slice, byStatus);
    return;
  }
  const counter = part === 'latency' ? bucketOf(labels, query, how.unit) : part;
  if (part === 'latency') buckets.set(counter, (buckets.get(counter) ?? 0) + 1);
  const bySlice = counters.get(counter) ?? new Map<string, number>();
  counters.set(counter, bySlice.set(slice, (bySlice.get(slice) ?? 0) + value));
}

function readingOf(requests: readonly Series[], { status }: Labelled): StatusReading | undefined {
  if (status === undefined) return undefined;
  const texts = new Set<string>();
  for (const { labels } of requests) if (labels[status] !== undefined) texts.add(labels[status]);
  const reading = statusReading(status, [...texts]);
  if ('fault' in reading) throw new Fault(reading.fault);
  return reading;
}

/** A whole number. NaN, Inf and fractions are faults, and a fault is missing data: the gate holds. */
function countOf(text: string, query: string): number {
  const count = Number(text);
  if (/^[0-9.eE+]+$/.test(text) && Number.isSafeInteger(count)) return count;
  throw new Fault(`the query returns ${briefly(text)}, which is not a request count; query the raw counter total: ${query}`);
}

function bucketOf({ le }: Series['labels'], query: string, unit: LatencyUnit | undefined): string {
  if (le === undefined || le === '') throw new Fault(`some series do not have the bucket label le; keep it in ${query}`);
  const bound = Number(le);
  if (/^\+?inf(?:inity)?$/i.test(le)) return ALL_BUCKETS;
  if (!Number.isFinite(bound)) throw new Fault(`le="${briefly(le)}" is not a valid bucket bound: ${query}`);
  // Some clients write 1.0 where others write 1.
  return `${BUCKET_PREFIX}${unit === 'ms' ? bound / 1000 : bound}`;
}

function tallyOf(tallies: Map<string, Tally>, process: string | undefined, { labels }: Series, how: Labelled): Tally {
  const name = process ?? restOf(labels, how);
  const known = tallies.get(name);
  if (known !== undefined) return known;
  const tally: Tally = { several: process === undefined, statuses: new Map(), counters: new Map(), buckets: new Map() };
  tallies.set(name, tally);
  return tally;
}

/** One process by its labels; undefined for series that were added up over processes. */
function processOf(labels: Series['labels']): string | undefined {
  if (labels['instance'] === undefined) return undefined;
  let name = '';
  for (const label of PROCESS_LABELS) {
    const value = labels[label];
    if (value !== undefined) name += name === '' ? value : ` ${value}`;
  }
  return name;
}

function restOf(labels: Series['labels'], { status, slices }: Labelled): string {
  const known = [BUILD_LABEL, COUNTER_LABEL, '__name__', 'le', status, slices];
  const rest = Object.entries(labels).filter(([label]) => !known.includes(label));
  const sorted = rest.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return sorted.length === 0 ? 'the total' : `the total of ${sorted.map(([label, value]) => `${label}=${value}`).join(' ')}`;
}

function targetOf(
  { several, statuses, counters }: Tally,
  atMs: number,
  reading: StatusReading | undefined,
  { ownErrors, expected }: Labelled,
): Target {
  const metrics = reading?.metrics ?? STATUS_METRICS;
  const byStatus = [...statuses].flatMap(([slice, counts]) => statusCounters(counts, metrics, { slice, expected }));
  const own = [...counters].flatMap(([counter, slices]) =>
    [...slices].map(([slice, value]): RawCounter => ({ counter, slice, value })),
  );
  const all = [...byStatus.filter(({ counter }) => !(ownErrors && counter === 'errors')), ...own];
  return { startedMs: null, freshMs: atMs, counters: all, ...(several ? { several } : {}) };
}

/** A bound that not every histogram of a process has counts only some of its requests: no bound of that process. */
function dropPartly({ counters, buckets }: Tally): void {
  const all = buckets.get(ALL_BUCKETS) ?? 0;
  for (const [counter, count] of buckets) if (count < all) counters.delete(counter);
}

function checkErrors(name: string, { counters }: Target, { sent }: Labelled): void {
  const of = (wanted: string) =>
    new Map(counters?.flatMap(({ counter, slice, value }) => (counter === wanted ? [[slice, value]] : [])));
  const [requests, errors] = [of('requests'), of('errors')];
  if (errors.size > 0 && requests.size === 0)
    throw new Fault(
      `${name} has errors but no requests: both queries must keep the same labels: ${sent.requests} and ${sent.errors}`,
    );
  for (const [slice, failed] of errors) {
    const all = requests.get(slice) ?? 0;
    if (failed <= all) continue;
    const where = slice === '' ? '' : ` in ${slice}`;
    throw new Fault(`${name}: ${failed} errors of only ${all} requests${where}: the two queries do not count the same thing`);
  }
}
