/** Prometheus: raw counts of one build by two instant queries. Must not make a number of anything that is not exactly one sample. */
import * as z from 'zod';
import type { ArmReading, Reading as Counters } from '../core/counters.ts';
import { durationSchema, durationText, type Measurement } from '../core/gate.ts';
import type { Io } from '../io.ts';
import type { MetricSource, Pair, Question } from './metric-source.ts';

const MAX_TIMEOUT_MS = 2000;

const querySchema = z
  .string()
  .min(1)
  .max(4096)
  .refine((text) => !/\p{Cc}/u.test(text.replace(/[\n\t]/g, '')), 'a query has no control characters')
  .refine(
    (text) => /\$\{(?:build|place)\}/.test(text),
    `the query has neither \${build} nor \${place}, so it would count every build together and could not tell a bad one from a good one`,
  )
  .refine(
    (text) =>
      [...text.matchAll(/\$\{([^}]*)\}?/g)].every(
        ([whole, name]) => whole.endsWith('}') && (name === 'build' || name === 'place'),
      ),
    `the only placeholders are \${build} (the GUID) and \${place} (what the router calls its place)`,
  )
  .refine(
    (text) => !/\b(?:rate|irate|increase)\s*\(/.test(text),
    'ask for the raw counter total, without rate() or increase(); kvdeploy takes the difference itself',
  );

const config = z.strictObject({
  url: z
    .url({
      protocol: /^https?$/,
      error: 'an address like http://127.0.0.1:9090',
    })
    .refine((text) => /^[^?#@]+$/.test(text), 'no password, no ? and no # in the address')
    .describe('Where Prometheus answers, without /api/v1'),
  requests: querySchema.describe(`PromQL for all requests of one build: sum(http_requests_total{build="\${build}"})`),
  errors: querySchema.describe(`PromQL for its failed requests: sum(http_requests_total{build="\${build}",code=~"5.."})`),
  timeout: durationSchema
    .refine((ms) => ms >= 1 && ms <= MAX_TIMEOUT_MS, 'at most 2s')
    .prefault('1s')
    .describe('How long an answer may take; at most 2s'),
  interval: durationSchema
    .refine((ms) => ms >= 1, 'longer than nothing')
    .prefault('15s')
    .describe('The scrape interval; samples older than two of them are refused where the server can say so'),
});

export type PrometheusConfig = z.infer<typeof config>;

/** Follows the MetricSource port. Protocol: Prometheus HTTP API v1, instant queries. */
export const prometheus: MetricSource<PrometheusConfig> = {
  kind: 'prometheus',
  summary: 'raw counts of each build from a Prometheus server, by two queries',
  config,
  ofRouter: false,
  countsTraffic: true,
  measure,
  count,
  metrics: () => [{ metric: 'errors', requests: 'requests', failures: 'errors', counts: 'failures' }],
  lagMs: ({ interval }) => interval,
  describe: (settings, question) =>
    `requests ${filled(settings.requests, question)}; errors ${filled(settings.errors, question)} at ${settings.url}`,
};

/** A count, an empty result, or why there is no answer. */
type Answer = { readonly count: number } | 'empty' | { readonly missing: string };

async function measure(settings: PrometheusConfig, question: Question, io: Io): Promise<Measurement> {
  // One time for both, so that they are counted from the same scrape.
  const time = (io.now() / 1000).toFixed(3);
  const [requests, errors] = await Promise.all([
    ask(settings, filled(settings.requests, question), time, io),
    ask(settings, filled(settings.errors, question), time, io),
  ]);
  if (requests === 'empty') {
    const query = filled(settings.requests, question);
    return {
      missing: `${settings.url} has no fresh series for ${query} (scrape interval ${durationText(settings.interval)})`,
    };
  }
  if ('missing' in requests) return requests;
  // An error series is born with its first error.
  const failed = errors === 'empty' ? { count: 0 } : errors;
  if ('missing' in failed) return failed;
  if (failed.count > requests.count) {
    return {
      missing: `${failed.count} errors of only ${requests.count} requests: the two queries do not count the same thing`,
    };
  }
  return { requests: requests.count, errors: failed.count, counting: 'total' };
}

async function count(settings: PrometheusConfig, { candidate, stable }: Pair, io: Io): Promise<Counters> {
  const [ours, theirs] = await Promise.all([
    countedArm(settings, candidate, io),
    stable === null ? ({ absent: true } as const) : countedArm(settings, stable, io),
  ]);
  return { candidate: ours, stable: theirs };
}

async function countedArm(settings: PrometheusConfig, question: Question, io: Io): Promise<ArmReading> {
  const measurement = await measure(settings, question, io);
  if ('missing' in measurement) return { missing: measurement.missing };
  const { requests, errors } = measurement;
  const counters = Object.entries({ requests, errors }).map(([counter, value]) => ({ counter, slice: '', value }));
  return { targets: { [settings.url]: { startedMs: null, freshMs: io.now(), counters } } };
}

async function ask(settings: PrometheusConfig, query: string, time: string, io: Io): Promise<Answer> {
  const parameters = new URLSearchParams({
    query,
    time,
    timeout: `${settings.timeout}ms`,
    // Newer servers look back no further than this; older ones ignore it and look back five minutes.
    lookback_delta: String((2 * settings.interval) / 1000),
  });
  const url = `${settings.url.replace(/\/+$/, '')}/api/v1/query?${parameters}`;
  try {
    const answer = await io.http(
      {
        method: 'GET',
        url,
        headers: { accept: 'application/json' },
        timeoutMs: settings.timeout,
      },
      () => undefined,
    );
    return readAnswer(answer.status, answer.body, query, settings.url);
  } catch (error) {
    return {
      missing: `${settings.url} cannot be asked: ${briefly(error instanceof Error ? error.message : String(error))}`,
    };
  }
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
const vectorSchema = z.array(z.object({ value: z.tuple([z.number(), z.string()]) }));

function readAnswer(status: number, body: string, query: string, url: string): Answer {
  const answer = answerSchema.safeParse(parseJson(body)).data;
  if (answer?.status === 'error')
    return {
      missing: `${url} refused the query (${answer.errorType}): ${briefly(answer.error)}`,
    };
  if (status !== 200) return { missing: `${url} answered ${status}` };
  if (answer === undefined)
    return {
      missing: `${url} answered something that is not Prometheus's format`,
    };
  if (answer.warnings.length > 0)
    return {
      missing: `${url} gave only partial data: ${briefly(answer.warnings.join('; '))}`,
    };
  if (answer.data.resultType !== 'vector')
    return {
      missing: `the query gives a ${briefly(answer.data.resultType)}, not a vector: ${query}`,
    };
  const samples = vectorSchema.safeParse(answer.data.result).data;
  if (samples === undefined)
    return {
      missing: `${url} answered samples that are not plain numbers to ${query}`,
    };
  const [first, ...more] = samples;
  if (first === undefined) return 'empty';
  if (more.length > 0)
    return {
      missing: `the query gives ${samples.length} series; put sum(…) around it: ${query}`,
    };
  return countOf(first.value[1], query);
}

function countOf(text: string, query: string): Answer {
  const count = Number(text);
  if (/^[0-9.eE+]+$/.test(text) && Number.isSafeInteger(count)) return { count };
  return {
    missing: `the query gives ${briefly(text)}, which is not a count of requests; ask for the raw counter total: ${query}`,
  };
}

function filled(query: string, { build, place }: Question): string {
  return query.replace(/\$\{(build|place)\}/g, (_whole, name: string) => quoted(name === 'build' ? build : place));
}

/** Safe inside a PromQL string, whichever of the two quotes it stands in. */
function quoted(value: string): string {
  return value.replace(/[\\"'`]/g, '\\$&').replace(/\n/g, '\\n');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function briefly(text: string): string {
  const plain = text.replace(/\p{Cc}+/gu, ' ').trim();
  return plain.length > 200 ? `${plain.slice(0, 200)}…` : plain;
}
