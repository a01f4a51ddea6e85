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
  return 'missing' in data ? data : readVector(data, server.url);
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
  return 'missing' in data ? data : readMatrix(data, server.url);
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

const vectorSchema = z.array(z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) }));

const matrixSchema = z.array(
  z.object({ metric: z.record(z.string(), z.string()), values: z.array(z.tuple([z.number(), z.string()])) }),
);

function readData(status: number, body: string, url: string): Data | Missing {
  const answer = answerSchema.safeParse(parseJson(body)).data;
  if (answer?.status === 'error') return { missing: `${url} refused the query (${answer.errorType}): ${briefly(answer.error)}` };
  if (status !== 200) return { missing: `${url} answered ${status}` };
  if (answer === undefined) return { missing: `${url} returned a response that is not in Prometheus's format` };
  const { warnings, data } = answer;
  return warnings.length > 0 ? { missing: `${url} gave only partial data: ${briefly(warnings.join('; '))}` } : data;
}

function readVector(data: Data, url: string): Answer {
  const samples = readSeries(data, 'vector', vectorSchema, url);
  if ('missing' in samples) return samples;
  const seconds = samples.series[0]?.value[0];
  return {
    series: samples.series.map(({ metric, value }) => ({ labels: metric, value: value[1] })),
    atMs: seconds === undefined ? undefined : Math.round(seconds * 1000),
  };
}

function readMatrix(data: Data, url: string): RangeAnswer {
  const found = readSeries(data, 'matrix', matrixSchema, url);
  if ('missing' in found) return found;
  const moments = new Map<number, Series[]>();
  for (const { metric, values } of found.series)
    for (const [seconds, value] of values) {
      const series = moments.get(seconds) ?? [];
      moments.set(seconds, series);
      series.push({ labels: metric, value });
    }
  return { moments };
}

function readSeries<T>(
  { resultType, result }: Data,
  wanted: string,
  schema: z.ZodType<T[]>,
  url: string,
): { readonly series: readonly T[] } | Missing {
  if (resultType !== wanted) return { missing: `${url} answered a ${briefly(resultType)}, not a ${wanted}` };
  if (Array.isArray(result) && result.length > MOST_SERIES) {
    const fix = 'aggregate by fewer labels: sum by (job, instance, …) (…)';
    return { missing: `${url} returned ${result.length} series; the limit is ${MOST_SERIES}; ${fix}` };
  }
  const series = schema.safeParse(result).data;
  return series === undefined ? { missing: `${url} returned samples that are not plain numbers` } : { series };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
