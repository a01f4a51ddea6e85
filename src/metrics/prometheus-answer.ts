/** Prometheus's HTTP API v1, one instant query at a time, and its answer as series. Must not make a number of anything that is not one. */
import * as z from 'zod';
import type { Io } from '../io.ts';

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
  const parameters = new URLSearchParams({
    query,
    timeout: `${server.timeout}ms`,
    lookback_delta: String(server.lookBackMs / 1000),
  });
  const url = `${server.url.replace(/\/+$/, '')}/api/v1/query?${parameters}`;
  try {
    const request = { method: 'GET', url, headers: { accept: 'application/json' }, timeoutMs: server.timeout } as const;
    const answer = await io.http({ ...request, mostBytes: MOST_BYTES }, () => undefined);
    return readAnswer(answer.status, answer.body, server.url);
  } catch (error) {
    return { missing: `${server.url} cannot be asked: ${briefly(error instanceof Error ? error.message : String(error))}` };
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
const vectorSchema = z.array(z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) }));

function readAnswer(status: number, body: string, url: string): Answer {
  const answer = answerSchema.safeParse(parseJson(body)).data;
  if (answer?.status === 'error') return { missing: `${url} refused the query (${answer.errorType}): ${briefly(answer.error)}` };
  if (status !== 200) return { missing: `${url} answered ${status}` };
  if (answer === undefined) return { missing: `${url} answered something that is not Prometheus's format` };
  const { warnings, data } = answer;
  if (warnings.length > 0) return { missing: `${url} gave only partial data: ${briefly(warnings.join('; '))}` };
  if (data.resultType !== 'vector') return { missing: `${url} answered a ${briefly(data.resultType)}, not a vector` };
  if (Array.isArray(data.result) && data.result.length > MOST_SERIES) {
    const fix = 'add them up by fewer labels: sum by (job, instance, …) (…)';
    return { missing: `${url} answered ${data.result.length} series, at most ${MOST_SERIES} are read; ${fix}` };
  }
  const samples = vectorSchema.safeParse(data.result).data;
  if (samples === undefined) return { missing: `${url} answered samples that are not plain numbers` };
  const seconds = samples[0]?.value[0];
  return {
    series: samples.map(({ metric, value }) => ({ labels: metric, value: value[1] })),
    atMs: seconds === undefined ? undefined : Math.round(seconds * 1000),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** One line of at most 200 characters. */
export function briefly(text: string): string {
  const plain = text.replace(/\p{Cc}+/gu, ' ').trim();
  return plain.length > 200 ? `${plain.slice(0, 200)}…` : plain;
}
