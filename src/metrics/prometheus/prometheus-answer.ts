/** Prometheus's HTTP API v1, one query at a time at an instant or over a range, and its answer as series. Must not make a number of anything that is not one. */
import * as z from 'zod';
import type { Io } from '../../io.ts';
import { briefly } from '../arms.ts';

/** More series than this are refused: each poll would carry megabytes. */
export const MOST_SERIES = 50_000;

const MOST_BYTES = 16 * 1024 * 1024;

export interface Server {
  readonly url: string;
  /** Milliseconds. */
  readonly timeout: number;
  /** How old a sample may be, milliseconds. Newer servers look back no further; older ones ignore it and look back five minutes. */
  readonly lookBackMs: number;
}

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: string;
}

/** `atMs`: for which moment the server answered, by its own clock; undefined where there are no series. */
export type Answer = { readonly series: readonly Series[]; readonly atMs: number | undefined } | { readonly missing: string };

/** Asks one query. Never rejects: whatever is not a whole vector is missing, with the reason. */
export async function askPrometheus(server: Server, query: string, io: Io): Promise<Answer> {
  const data = await asked(server, 'query', { query }, io);
  const read = 'missing' in data ? data : readMoments(data, 'vector', server.url);
  if ('missing' in read) return read;
  const [[seconds, series] = [undefined, []], ...others] = read.moments;
  if (others.length > 0) return { missing: `${server.url} returned samples of several moments` };
  return { series, atMs: seconds === undefined ? undefined : Math.round(seconds * 1000) };
}

/** Moments evenly apart, in seconds since 1970, both ends among them. */
export interface Range {
  readonly startS: number;
  readonly endS: number;
  readonly stepS: number;
}

/** The series at each moment of a range that has any, by its seconds since 1970. Never rejects either. */
export type RangeAnswer = { readonly moments: ReadonlyMap<number, readonly Series[]> } | { readonly missing: string };

export async function askPrometheusRange(server: Server, query: string, range: Range, io: Io): Promise<RangeAnswer> {
  const { startS, endS, stepS } = range;
  const data = await asked(server, 'query_range', { query, start: String(startS), end: String(endS), step: String(stepS) }, io);
  return 'missing' in data ? data : readMoments(data, 'matrix', server.url);
}

async function asked(server: Server, path: string, what: Readonly<Record<string, string>>, io: Io): Promise<Data | Missing> {
  const parameters = new URLSearchParams({
    ...what,
    timeout: `${server.timeout}ms`,
    lookback_delta: String(server.lookBackMs / 1000),
  });
  const url = `${server.url.replace(/\/+$/, '')}/api/v1/${path}?${parameters}`;
  try {
    const request = { method: 'GET', url, headers: { accept: 'application/json' }, timeoutMs: server.timeout } as const;
    const answer = await io.http({ ...request, mostBytes: MOST_BYTES }, () => undefined);
    return readData(answer.status, answer.body, server.url);
  } catch (error) {
    return { missing: `${server.url} cannot be queried: ${briefly(error instanceof Error ? error.message : String(error))}` };
  }
}

interface Missing {
  readonly missing: string;
}

interface Data {
  readonly resultType: string;
  readonly result: unknown;
}

const answerSchema = z.discriminatedUnion('status', [
  z.object({
    status: z.literal('error'),
    errorType: z.string().default('error'),
    error: z.string(),
  }),
  z.object({
    status: z.literal('success'),
    warnings: z.array(z.string()).default([]),
    data: z.object({ resultType: z.string(), result: z.unknown() }),
  }),
]);

const sample = z.tuple([z.number(), z.string()]);

const metric = z.record(z.string(), z.string());

/** Of a matrix each series has many samples, of a vector one. */
const seriesSchema = z.array(
  z.union([
    z.object({ metric, values: z.array(sample) }),
    z.object({ metric, value: sample }).transform(({ value, ...rest }) => ({ ...rest, values: [value] })),
  ]),
);

function readData(status: number, body: string, url: string): Data | Missing {
  const answer = answerSchema.safeParse(parseJson(body)).data;
  if (answer?.status === 'error') return { missing: `${url} refused the query (${answer.errorType}): ${briefly(answer.error)}` };
  if (status !== 200) return { missing: `${url} answered ${status}` };
  if (answer === undefined) return { missing: `${url} returned a response that is not in Prometheus's format` };
  const { warnings, data } = answer;
  return warnings.length > 0 ? { missing: `${url} gave only partial data: ${briefly(warnings.join('; '))}` } : data;
}

function readMoments({ resultType, result }: Data, wanted: 'vector' | 'matrix', url: string): RangeAnswer {
  if (resultType !== wanted) return { missing: `${url} answered a ${briefly(resultType)}, not a ${wanted}` };
  if (Array.isArray(result) && result.length > MOST_SERIES) {
    const fix = 'aggregate by fewer labels: sum by (job, instance, …) (…)';
    return { missing: `${url} returned ${result.length} series; the limit is ${MOST_SERIES}; ${fix}` };
  }
  const found = seriesSchema.safeParse(result).data;
  if (found === undefined)
    return { missing: `${url} returned ${isNative(result) ? NATIVE : 'samples that are not plain numbers'}` };
  const moments = new Map<number, Series[]>();
  for (const { metric, values } of found)
    for (const [seconds, value] of values) {
      const series = moments.get(seconds) ?? [];
      moments.set(seconds, series);
      series.push({ labels: metric, value });
    }
  return { moments };
}

/** What a native histogram needs: https://prometheus.io/docs/specs/native_histograms/ */
const NATIVE =
  'native histograms, which are no numbers and have no series per bucket; for latency, have the classic buckets scraped too (scrape_classic_histograms, since Prometheus 3 always_scrape_classic_histograms) and query NAME_bucket; for requests, query histogram_count(…)';

/** Such a sample is in `histogram`, in place of `value`: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-vectors */
function isNative(result: unknown): boolean {
  const has = (one: unknown) => typeof one === 'object' && one !== null && ('histogram' in one || 'histograms' in one);
  return Array.isArray(result) && result.some(has);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
