/** Prometheus's HTTP API v1, one query at a time at an instant or over a range, and its answer as series. Must not make a number of anything that is not one. */
import * as z from 'zod';
import type { Asking, HttpAnswer } from '../../base/changes/change.ts';
import type { Io } from '../../io.ts';
import { briefly } from '../arms.ts';
import type { Access } from './access.ts';

/** More series than this are refused: each poll would carry megabytes. */
export const MOST_SERIES = 50_000;

const MOST_BYTES = 16 * 1024 * 1024;

export interface Server {
  readonly url: string;
  /** Milliseconds. */
  readonly timeout: number;
  /** How old a sample may be, milliseconds. Newer servers look back no further; older ones ignore it and look back five minutes. */
  readonly lookBackMs: number;
  /** Milliseconds, up to which `timeout` can be raised. */
  readonly mostTimeoutMs: number;
  readonly access: Access;
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
  const beganMs = io.monotonic();
  let hidden: readonly string[] = [];
  const missing = (reason: string): Missing => ({
    missing: hidden.reduce((text, secret) => text.replaceAll(secret, '***'), reason),
  });
  try {
    const { forgetSecrets, openAccess } = await import('./open-access.ts');
    const { headers, tls, secrets } = await openAccess(server.access, server.timeout, io);
    hidden = secrets;
    const parameters = new URLSearchParams({
      ...server.access.query,
      ...what,
      timeout: `${server.timeout}ms`,
      lookback_delta: String(server.lookBackMs / 1000),
    }).toString();
    const left = Math.max(1, Math.ceil(server.timeout - (io.monotonic() - beganMs)));
    const more = { timeoutMs: left, mostBytes: MOST_BYTES, ...(tls === undefined ? {} : { tls }) };
    const address = `${server.url.replace(/\/+$/, '')}/api/v1/${path}`;
    const answer = await send(address, parameters, { accept: 'application/json', ...headers }, more, io);
    if (answer.status === 401 || answer.status === 403) forgetSecrets(server.access);
    const data = readData(answer, server, path);
    return 'missing' in data ? missing(data.missing) : data;
  } catch (error) {
    if (io.monotonic() - beganMs >= server.timeout - TIMER_SLACK_MS) return { missing: lateText(server) };
    return missing(`${server.url} cannot be queried: ${briefly(error instanceof Error ? error.message : String(error))}`);
  }
}

/** Timers may fire this much early by another clock. */
const TIMER_SLACK_MS = 5;

function lateText({ url, timeout, mostTimeoutMs }: Server): string {
  const raise = timeout < mostTimeoutMs ? `; timeout can be up to ${mostTimeoutMs / 1000} s, as long as the interval` : '';
  return `${url} timed out after ${timeout / 1000} s${raise}`;
}

/** Longer ones are sent as a form: proxies and servers refuse long addresses. */
const LONGEST_ADDRESS = 2000;

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

/** By GET; by POST where it is long, and by GET all the same where the server takes no POST. */
async function send(
  address: string,
  parameters: string,
  headers: Readonly<Record<string, string>>,
  more: Pick<Asking, 'timeoutMs' | 'mostBytes' | 'tls'>,
  io: Io,
): Promise<HttpAnswer> {
  const get = { method: 'GET', url: `${address}?${parameters}`, headers, ...more } as const;
  if (get.url.length <= LONGEST_ADDRESS) return io.http(get, () => undefined);
  const beganMs = io.monotonic();
  const post = { method: 'POST', url: address, headers: { ...headers, ...FORM }, body: parameters, ...more } as const;
  const answer = await io.http(post, () => undefined);
  if (answer.status !== 405 && answer.status !== 501) return answer;
  const timeoutMs = Math.max(1, Math.ceil(more.timeoutMs - (io.monotonic() - beganMs)));
  return io.http({ ...get, timeoutMs }, () => undefined);
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
    infos: z.array(z.string()).default([]),
    /** VictoriaMetrics: some of its storage nodes did not answer. */
    isPartial: z.boolean().default(false),
    data: z.object({ resultType: z.string(), result: z.unknown() }),
  }),
]);

/** Of a matrix each series has many samples, of a vector one. */
interface Sampled {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [seconds: number, value: string])[];
}

/** Undefined where any of it is not as it should be. Read by hand: ten thousand series cost a schema more time than all the rest of a poll. */
function sampledOf(result: unknown): readonly Sampled[] | undefined {
  if (!Array.isArray(result)) return undefined;
  const found: Sampled[] = [];
  for (const each of result as readonly Readonly<Record<string, unknown>>[]) {
    if (each === null || typeof each !== 'object') return undefined;
    const { metric, value, values = [value] } = each;
    if (!isLabels(metric) || !Array.isArray(values) || !values.every(isSample)) return undefined;
    found.push({ metric, values });
  }
  return found;
}

function isLabels(metric: unknown): metric is Sampled['metric'] {
  if (metric === null || typeof metric !== 'object' || Array.isArray(metric)) return false;
  for (const label in metric) if (typeof (metric as Record<string, unknown>)[label] !== 'string') return false;
  return true;
}

function isSample(sample: unknown): sample is Sampled['values'][number] {
  return Array.isArray(sample) && sample.length === 2 && Number.isFinite(sample[0]) && typeof sample[1] === 'string';
}

function readData({ status, headers, body }: HttpAnswer, server: Server, path: string): Data | Missing {
  const { url } = server;
  const answer = answerSchema.safeParse(parseJson(body)).data;
  if (answer?.status === 'error') {
    if (answer.errorType === 'timeout') return { missing: lateText(server) };
    return { missing: `${url} refused the query (${answer.errorType}): ${briefly(answer.error)}` };
  }
  if (status >= 300 && status < 400 && headers['location'] !== undefined)
    return {
      missing: `${url} redirects to ${targetOf(headers['location'], url, path)}; redirects are not followed: write the final address as url`,
    };
  if (status !== 200) return { missing: `${url} answered ${status}${wants(status, server.access)}` };
  if (answer === undefined) return { missing: `${url} returned a response that is not in Prometheus's format` };
  const partial = partsMissing(answer);
  return partial === undefined ? answer.data : { missing: `${url} gave only partial data: ${briefly(partial)}` };
}

function wants(status: number, { headers, bearer, basic, cert }: Access): string {
  if (status !== 401 && status !== 403) return '';
  if ((bearer ?? basic ?? cert) !== undefined) return ': it does not accept what it was given';
  if (headers !== undefined) return ': it does not accept these headers; bearer or basic may be missing';
  return ': it wants bearer, basic, or a header such as X-Scope-OrgID';
}

/** Where a redirect leads, as `url` would be written, without what may be secret in it. */
function targetOf(location: string, url: string, path: string): string {
  if (!URL.canParse(location, url)) return 'an address that is not valid';
  const { origin, pathname } = new URL(location, url);
  return briefly(`${origin}${pathname.replace(new RegExp(`/+api/v1/${path}/?$`), '')}`);
}

/**
 * What an answer says of parts that it lacks, or undefined. Annotations of PromQL are about the query, not about its data, unless something was
 * left out: https://github.com/prometheus/prometheus/blob/main/util/annotations/annotations.go. Every other warning is about missing data.
 */
function partsMissing({
  warnings,
  infos,
  isPartial,
}: {
  warnings: string[];
  infos: string[];
  isPartial: boolean;
}): string | undefined {
  const isPart = (text: string) => !/^PromQL (?:info|warning)\b/.test(text) || /ignored|mix of|incompatible/.test(text);
  const parts = [...warnings.filter(isPart), ...infos.filter((text) => /ignored|mix of|incompatible/.test(text))];
  if (parts.length > 0) return parts.join('; ');
  return isPartial ? 'not every storage node answered (isPartial)' : undefined;
}

function readMoments({ resultType, result }: Data, wanted: 'vector' | 'matrix', url: string): RangeAnswer {
  if (resultType !== wanted) return { missing: `${url} answered a ${briefly(resultType)}, not a ${wanted}` };
  if (Array.isArray(result) && result.length > MOST_SERIES) {
    const fix = 'aggregate by fewer labels: sum by (job, instance, …) (…)';
    return { missing: `${url} returned ${result.length} series; the limit is ${MOST_SERIES}; ${fix}` };
  }
  const found = sampledOf(result);
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
