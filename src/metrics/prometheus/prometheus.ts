/** Prometheus: raw counts of both builds by one instant query, and one more for latency. Must not let a query pass that counts something else. */

import * as z from 'zod';
import type { ArmCounters, Counters, Hidden } from '../../core/gates/counting/counters.ts';
import {
  ALL_BUCKETS,
  BUCKET_PREFIX,
  boundOf,
  type MetricCounters,
  slowerThan,
} from '../../core/gates/counting/metric-counters.ts';
import { CLASS_METRICS, GRPC_METRICS, grpcCode, metricsExcept, STATUS_METRICS } from '../../core/gates/counting/statuses.ts';
import { durationSchema, type Measurement } from '../../core/gates/verdict/gate.ts';
import { msText } from '../../core/text.ts';
import type { Io } from '../../io.ts';
import { measurementOf } from '../arms.ts';
import type { MetricSource, Pair, Question } from '../metric-source.ts';
import { accessShape, accessText, addressProblem, checkAccess, programsOf } from './access.ts';
import { filled, placeholderProblem, unaskable } from './placeholders.ts';
import {
  type Answer,
  askPrometheus,
  askPrometheusRange,
  type Range,
  type RangeAnswer,
  type Server,
} from './prometheus-answer.ts';
import { type Arm, armOf, countsQuery, type Labelled, latencyQuery } from './prometheus-counters.ts';
import { expectSchema } from './prometheus-status.ts';
import { sameSeriesIn, sharedSeries } from './same-series.ts';

/** A timeout is as long as the interval at most, or this. */
const SHORT_TIMEOUT_MS = 2000;

const querySchema = z
  .string()
  .min(1)
  .max(4096)
  .refine((text) => !/\p{Cc}/u.test(text.replace(/[\n\t]/g, '')), 'a query has no control characters')
  .superRefine((text, context) => {
    const message = placeholderProblem(text);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  })
  .refine(
    (text) => !/\b(?:rate|irate|increase)\s*\(/.test(text),
    'query the raw counter total, without rate() or increase(); kvdeploy calculates the difference itself',
  )
  .refine(
    (text) => !/\b(?:vector|absent|absent_over_time)\s*\(/.test(text),
    'vector() and absent() return values even for builds that do not exist, so missing data would look like zero; remove it',
  );

/** Not one of those that tell counters apart by themselves. */
const labelSchema = z
  .string()
  .regex(/^(?!__|kvdeploy_)[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'the name of a label, such as code')
  .refine((label) => label !== 'le', 'le names the bounds of buckets');

/** Metrics of the blackbox exporter: it counts its own probes, not the requests of clients. */
const BLACKBOX = /\bprobe_(?:success|duration_seconds|http_[a-z_]+)\b/;

const config = z
  .strictObject({
    url: z
      .url({
        protocol: /^https?$/,
        error: 'an address like http://127.0.0.1:9090',
      })
      .superRefine((text, context) => {
        const message = addressProblem(text);
        if (message !== undefined) context.addIssue({ code: 'custom', message });
      })
      .describe('Base URL of Prometheus, without /api/v1'),
    requests: querySchema.describe(
      `PromQL for all requests of one build, one series per process: http_requests_total{build="\${build}"}`,
    ),
    errors: querySchema
      .optional()
      .describe(`PromQL for its failed requests: http_requests_total{build="\${build}",code=~"5.."}; optional with status`),
    status: labelSchema
      .optional()
      .describe(
        'The label of requests that contains the HTTP status, such as code, or the gRPC code, such as grpc_code: 5xx, no response and faults of the server are errors; other statuses are judged separately',
      ),
    expect: expectSchema.optional(),
    slices: labelSchema
      .optional()
      .describe('The label that distinguishes slices of the traffic, such as region or tenant; each slice is judged separately'),
    latency: querySchema
      .optional()
      .describe(
        `PromQL for the buckets of a classic histogram, with the label le: http_request_duration_seconds_bucket{build="\${build}"}`,
      ),
    unit: z
      .enum(['s', 'ms'])
      .optional()
      .describe('The unit of the label le of latency: s or ms, as many service meshes have it; default s'),
    timeout: durationSchema
      .refine((ms) => ms >= 1, 'longer than 0')
      .prefault('1s')
      .describe('The maximum time for a response, such as 10s; at most the interval'),
    interval: durationSchema
      .refine((ms) => ms >= 1, 'longer than 0')
      .prefault('15s')
      .describe('The scrape interval; samples older than two intervals plus one second are refused'),
    ...accessShape,
  })
  .superRefine((settings, context) => {
    checkAccess(settings, context);
    const mostMs = mostTimeoutMs(settings);
    if (settings.timeout > mostMs) {
      const message = `at most ${msText(mostMs)}: a poll must end before the next scrape; a longer interval allows a longer timeout`;
      context.addIssue({ code: 'custom', path: ['timeout'], message });
    }
  })
  .refine(({ errors, status }) => errors !== undefined || status !== undefined, {
    path: ['errors'],
    error: 'define which requests failed: give the status label (status: code) or a separate query (errors: …)',
  })
  .refine(({ expect, status }) => expect === undefined || status !== undefined, {
    path: ['expect'],
    error: 'only statuses can be expected: give the status label too (status: code)',
  })
  .refine(({ slices, status }) => slices === undefined || slices !== status, {
    path: ['slices'],
    error: 'a slice is a part of the traffic, not its outcome; use a different label than status',
  })
  .refine(({ unit, latency }) => unit === undefined || latency !== undefined, { path: ['unit'], error: () => UNIT_ALONE });

const UNIT_ALONE = 'unit is the unit of the label le of latency: add a latency query, or remove it';

export type PrometheusConfig = z.infer<typeof config>;

function mostTimeoutMs({ interval }: { readonly interval: number }): number {
  return Math.max(interval, SHORT_TIMEOUT_MS);
}

/** Follows the MetricSource port. Protocol: Prometheus HTTP API v1, instant queries. */
export const prometheus: MetricSource<PrometheusConfig> = {
  kind: 'prometheus',
  summary: 'raw counts of both builds from a Prometheus server, with at most two queries per poll',
  config,
  ofRouter: false,
  countsTraffic: ({ requests }) => !BLACKBOX.test(requests),
  countsProcesses: true,
  programs: programsOf,
  measure,
  count,
  countLatency,
  metrics,
  unproven,
  notes,
  unaskable: (settings, pair) => unaskable(queriesOf(settings), pair),
  shared: (settings, pair, io) => sharedSeries(serverOf(settings), queriesOf(settings), pair, io),
  answerMs: ({ timeout }) => timeout,
  lagMs: ({ interval }) => interval,
  unseen,
  describe,
};

/** Both builds at one moment, which is how far their counts go. */
async function count(settings: PrometheusConfig, pair: Pair, io: Io): Promise<Counters> {
  const why = unaskable(countQueriesOf(settings), pair);
  if (why !== undefined) return bothArms(pair, () => ({ missing: why }));
  const freshMs = io.now();
  const counts = await askPrometheus(serverOf(settings), countsQuery(settings, pair), io);
  const same = 'missing' in counts ? undefined : sameSeriesIn(counts.series);
  if (same !== undefined) return bothArms(pair, () => ({ missing: same }));
  return bothArms(pair, (question, arm) => readArm(settings, question, arm, [counts, NO_SERIES], freshMs));
}

/** The same of their buckets, which take a server longest: at a moment of their own. */
function countLatency(settings: PrometheusConfig, pair: Pair, io: Io): Promise<Counters> | undefined {
  const { latency } = settings;
  if (latency === undefined) return undefined;
  const why = unaskable([latency], pair);
  if (why !== undefined) return Promise.resolve(bothArms(pair, () => ({ missing: why })));
  const freshMs = io.now();
  return askPrometheus(serverOf(settings), latencyQuery(latency, pair), io).then((buckets) =>
    bothArms(pair, (question, arm) => readBuckets(settings, question, arm, buckets, freshMs)),
  );
}

const NO_SERIES: Answer = { series: [], atMs: undefined };

function bothArms({ candidate, stable }: Pair, read: (question: Question, arm: Arm) => ArmCounters): Counters {
  return { candidate: read(candidate, 'candidate'), stable: stable === null ? { absent: true } : read(stable, 'stable') };
}

/** One build's buckets out of the answer to the latency query. */
function readBuckets(settings: PrometheusConfig, question: Question, arm: Arm, buckets: Answer, freshMs: number): ArmCounters {
  if ('missing' in buckets) return buckets;
  return armOf(arm, buckets.series, buckets.atMs ?? 0, labelled(settings, question, freshMs), 'latency');
}

/** Every query of a gate, as the config writes it. */
export function queriesOf(settings: PrometheusConfig): readonly string[] {
  return [...countQueriesOf(settings), ...(settings.latency === undefined ? [] : [settings.latency])];
}

function countQueriesOf({ requests, errors }: PrometheusConfig): readonly string[] {
  return errors === undefined ? [requests] : [requests, errors];
}

/** One build's reading out of the answers to both queries. */
export function readArm(
  settings: PrometheusConfig,
  question: Question,
  arm: Arm,
  [counts, buckets]: readonly [Answer, Answer],
  freshMs?: number,
): ArmCounters {
  if ('missing' in counts) return counts;
  if ('missing' in buckets) return buckets;
  return armOf(arm, [...counts.series, ...buckets.series], counts.atMs ?? 0, labelled(settings, question, freshMs));
}

function labelled(settings: PrometheusConfig, question: Question, freshMs: number | undefined): Labelled {
  const { requests, errors, latency } = settings;
  return {
    url: settings.url,
    status: settings.status,
    slices: settings.slices,
    expected: expectedOf(settings.expect),
    ownErrors: errors !== undefined,
    unit: settings.unit,
    oldestMs: serverOf(settings).lookBackMs,
    ...(freshMs === undefined ? {} : { freshMs }),
    sent: {
      requests: filled(requests, question),
      ...(errors === undefined ? {} : { errors: filled(errors, question) }),
      ...(latency === undefined ? {} : { latency: filled(latency, question) }),
    },
  };
}

/** A scrape takes its time, so two intervals and a second. */
export function serverOf(settings: PrometheusConfig): Server {
  const { url, timeout, interval } = settings;
  return { url, timeout, mostTimeoutMs: mostTimeoutMs(settings), lookBackMs: 2 * interval + 1000, access: settings };
}

async function measure(settings: PrometheusConfig, candidate: Question, io: Io): Promise<Measurement> {
  const { candidate: arm } = await count(settings, { candidate, stable: null }, io);
  return measurementOf(arm);
}

function metrics({ status, latency, unit, expect }: PrometheusConfig, seen?: Counters): readonly MetricCounters[] {
  const counters = new Set(seen === undefined ? [] : [...namesOf(seen.candidate), ...namesOf(seen.stable)]);
  const kind = counters.has('other gRPC codes') ? GRPC_METRICS : counters.has('4xx') ? CLASS_METRICS : STATUS_METRICS;
  const byStatus = metricsExcept(kind, expectedOf(expect));
  const bounds = [...counters].filter((name) => name.startsWith(BUCKET_PREFIX) && name !== ALL_BUCKETS);
  const slower = latency === undefined ? [] : bounds.map(boundOf).toSorted((a, b) => a - b);
  return [
    ...(status === undefined ? STATUS_METRICS.slice(0, 1) : byStatus),
    ...slower.map((seconds) => slowerThan(seconds, unit)),
  ];
}

/** As they are counted: `301`, `3xx`, `NOT_FOUND`. */
function expectedOf(expect: PrometheusConfig['expect']): readonly string[] {
  return (expect ?? []).map((status) => (typeof status === 'string' ? (grpcCode(status) ?? status) : String(status)));
}

/** What finds nothing, or is 200 whatever happens, looks like a service without errors. */
function unproven({ status, errors, latency }: PrometheusConfig, serving: ArmCounters): string | undefined {
  const counters = namesOf(serving);
  const { hidden } = 'targets' in serving ? serving : {};
  if (errors === undefined && hidden?.inAll === true) return `${hiddenText(status, hidden)}; write status: ${hidden.grpc}`;
  if (errors !== undefined && !counters.has('errors')) {
    const fix = 'initialize it to 0 (most client libraries can), fix the query, or use status: LABEL instead';
    return `its errors query returns no series for the build currently serving, so it may never return one; ${fix}`;
  }
  if (latency !== undefined && !counters.has(ALL_BUCKETS))
    return 'its latency query returns no bucket le="+Inf" for the build currently serving; use the _bucket series of a histogram';
  return undefined;
}

function hiddenText(status: string | undefined, { grpc, inAll }: Hidden): string {
  return `every ${status} is 2xx, and ${inAll ? 'all' : 'some'} series have ${grpc}, so their failures are not seen`;
}

function unseen(
  { status, slices, latency }: PrometheusConfig,
  { limited, seen }: { readonly limited: boolean; readonly seen?: ArmCounters | undefined },
): readonly string[] {
  const only = limited ? 'a fixed limit counts errors alone' : undefined;
  const isGrpc = /grpc/i.test(status ?? '') || (seen !== undefined && namesOf(seen).has('other gRPC codes'));
  const hidden = seen !== undefined && 'targets' in seen ? seen.hidden : undefined;
  return [
    ...(limited || latency === undefined ? [`latency: ${only ?? 'set latency'}`] : []),
    ...(limited || status === undefined ? [`statuses such as 302 and 401: ${only ?? 'set status'}`] : []),
    ...(isGrpc || hidden !== undefined ? [] : ['gRPC statuses: status counts those of HTTP']),
    ...(hidden === undefined
      ? []
      : [`gRPC statuses: ${hiddenText(status, hidden)}; ask for those with ${hidden.grpc} by a gate of their own`]),
    'retries: requests that are refused before they are counted, and answered elsewhere',
    ...(limited || slices === undefined ? [`slices: ${only ?? 'set slices'}`] : []),
  ];
}

/** Names that say milliseconds: `_ms_bucket` of linkerd, `_milliseconds_bucket` of Istio. */
const SAYS_MS = /_(?:ms|millis|milliseconds)_bucket\b/;

/** Bounds in seconds begin below ten of them, and rarely go to a quarter of an hour. */
const LOOKS_LIKE_MS = { leastAbove: 10, mostAbove: 1000 } as const;

/** A unit is never guessed: what looks like another one is said. */
function notes({ latency, unit }: PrometheusConfig, serving: ArmCounters): readonly string[] {
  if (latency === undefined || unit !== undefined) return [];
  const bounds = [...namesOf(serving)].filter((name) => name.startsWith(BUCKET_PREFIX) && name !== ALL_BUCKETS).map(boundOf);
  const [least, most] = [Math.min(...bounds), Math.max(...bounds)];
  const { leastAbove, mostAbove } = LOOKS_LIKE_MS;
  if (bounds.length === 0 || !(SAYS_MS.test(latency) || least >= leastAbove || most >= mostAbove)) return [];
  return [
    `the latency buckets (${least} to ${most}) look like milliseconds and are read as seconds: set unit: ms, or unit: s if they are`,
  ];
}

function namesOf(arm: ArmCounters): ReadonlySet<string> {
  if (!('targets' in arm)) return new Set();
  return new Set(Object.values(arm.targets).flatMap(({ counters }) => (counters ?? []).map(({ counter }) => counter)));
}

function describe(settings: PrometheusConfig, question: Question): string {
  const { url, requests, errors, status, slices, latency, unit } = settings;
  const parts = [`requests ${filled(requests, question)}`];
  parts.push(errors === undefined ? `errors by its label ${status}` : `errors ${filled(errors, question)}`);
  if (slices !== undefined) parts.push(`slices by its label ${slices}`);
  if (latency !== undefined) parts.push(`latency ${filled(latency, question)}${unit === undefined ? '' : ` in ${unit}`}`);
  return `${parts.join('; ')} at ${url}${accessText(settings)}`;
}

// A stretch of the past from Prometheus: both builds' counters at even moments, as a live gate would have read them. Must not fill gaps.

export interface Recorded {
  /** Seconds since 1970, and what was counted there. */
  readonly moments: readonly { readonly atS: number; readonly reading: Counters }[];
  readonly metrics: readonly MetricCounters[];
}

/** So many moments are asked for at once, so that an answer comes in time. */
const AT_ONCE = 100;

/** Asks the gate's own queries over a range. Never rejects; a part that is missing makes all of it missing, with the reason. */
export async function recordedCounts(
  settings: PrometheusConfig,
  pair: Pair,
  range: Range,
  io: Io,
): Promise<Recorded | { readonly missing: string }> {
  const moments: { atS: number; reading: Counters }[] = [];
  const count = momentsIn(range);
  for (let from = 0; from < count; from += AT_ONCE) {
    const some = { ...range, startS: at(range, from), endS: at(range, Math.min(count, from + AT_ONCE) - 1) };
    const [counts, buckets] = await Promise.all([
      askPrometheusRange(serverOf(settings), countsQuery(settings, pair), some, io),
      settings.latency === undefined
        ? NOTHING
        : askPrometheusRange(serverOf(settings), latencyQuery(settings.latency, pair), some, io),
    ]);
    if ('missing' in counts) return counts;
    if ('missing' in buckets) return buckets;
    for (let index = from; index < Math.min(count, from + AT_ONCE); index += 1) {
      const atS = at(range, index);
      const answers = [answerAt(counts, atS), answerAt(buckets, atS)] as const;
      const candidate = readArm(settings, pair.candidate, 'candidate', answers);
      const stable = pair.stable === null ? ({ absent: true } as const) : readArm(settings, pair.stable, 'stable', answers);
      moments.push({ atS, reading: { candidate, stable } });
    }
  }
  const seen = moments.find(({ reading }) => 'targets' in reading.stable)?.reading;
  return { moments, metrics: prometheus.metrics(settings, seen) };
}

const NOTHING: RangeAnswer = { moments: new Map() };

/** How many moments a range has. */
export function momentsIn({ startS, endS, stepS }: Range): number {
  return Math.floor((endS - startS) / stepS + 1e-9) + 1;
}

/** Whole milliseconds, as Prometheus counts. */
function at({ startS, stepS }: Range, index: number): number {
  return Math.round((startS + index * stepS) * 1000) / 1000;
}

function answerAt(answer: Exclude<RangeAnswer, { missing: string }>, atS: number): Answer {
  const series = answer.moments.get(atS) ?? [];
  return { series, atMs: Math.round(atS * 1000) };
}
