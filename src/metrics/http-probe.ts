/** Health by asking the build itself over HTTP. Must never take an unexpected answer for a good one. */
import * as z from 'zod';
import type { ArmCounters, Counters } from '../core/gates/counting/counters.ts';
import { durationSchema, type Measurement } from '../core/gates/verdict/gate.ts';
import { msText } from '../core/text.ts';
import type { Io } from '../io.ts';
import { bothBuilds } from './arms.ts';
import type { MetricSource, Pair, Question } from './metric-source.ts';

const AT_ONCE = 5;

/** A measurement ends within 2 s; the rest is for the machine to be slow. */
const BUDGET_MS = 1900;

/** Timers may fire this much early by another clock. */
const TIMER_SLACK_MS = 5;

const config = z.strictObject({
  path: z
    .string()
    .regex(/^\/[\x21-\x7e]*$/, 'a path starts with / and has no spaces')
    .default('/healthz')
    .describe('Path to request, with its query'),
  expectStatus: z
    .array(z.int().min(100).max(599))
    .min(1)
    .optional()
    .describe('Good status codes; default any 2xx. 401, 403 and 404 are failures unless listed here'),
  maxLatency: durationSchema.optional().describe('A slower response is a failure: 250ms'),
  header: z
    .strictObject({ name: z.string().regex(/^[A-Za-z0-9-]{1,64}$/), equals: z.string().max(1024) })
    .optional()
    .describe('A header of every good response, and its exact value'),
  bodyIncludes: z.string().min(1).max(1024).optional().describe('A text that every good response contains'),
  probes: z
    .int()
    .min(1)
    .max(100)
    .default(10)
    .describe('Requests per poll; fewer if the build responds slowly, because a poll ends within 2 s'),
  timeout: durationSchema
    .refine((ms) => ms >= 1 && ms <= 2000, 'at most 2s')
    .prefault('1s')
    .describe('A response that takes longer is a failure; at most 2s'),
});

export type HttpProbeConfig = z.infer<typeof config>;

/** Follows the MetricSource port; see there for what it owes. */
export const httpProbe: MetricSource<HttpProbeConfig> = {
  kind: 'http-probe',
  summary: 'sends HTTP requests to the build: checks status, latency, header or body',
  config,
  ofRouter: false,
  countsTraffic: () => false,
  measure,
  count,
  metrics: () => [{ metric: 'errors', requests: 'requests', failures: 'errors', counts: 'failures' }],
  lagMs: () => 0,
  unseen: ({ maxLatency }) => [
    ...(maxLatency === undefined ? ['latency: set maxLatency'] : []),
    ...['gRPC statuses', 'retries', 'slices', 'the requests of clients: it sends its own'],
  ],
  describe: (settings, { address }) =>
    `${settings.probes} x GET ${address ?? 'http://<address of the build>'}${settings.path}, expecting ${expectation(settings)}`,
};

/** One word or two about one probe (`200`, `401`, `timed out`), and whether it was good. */
interface Probe {
  readonly ok: boolean;
  readonly said: string;
}

async function measure(settings: HttpProbeConfig, question: Question, io: Io): Promise<Measurement> {
  const { address } = question;
  if (address === null) return { missing: `the router reports no address for ${question.place}, so its build cannot be probed` };
  const url = urlOf(address, settings.path);
  if (url === undefined) return { missing: `${address} is not an http address` };
  const probes = await probeAll(settings, url, io);
  return {
    requests: probes.length,
    errors: probes.filter(({ ok }) => !ok).length,
    counting: 'sample',
    detail: tally(probes),
  };
}

/** What this process has probed so far, by place: probes are counted by whoever sends them. */
const probed = new WeakMap<
  HttpProbeConfig,
  { readonly startedMs: number; readonly places: Map<string, { requests: number; errors: number }> }
>();

/** Both builds are probed at once, each as often as the other, so that the network's mishaps fall on both. */
function count(settings: HttpProbeConfig, pair: Pair, io: Io): Promise<Counters> {
  return bothBuilds(pair, (question) => probedArm(settings, question, io));
}

async function probedArm(settings: HttpProbeConfig, question: Question, io: Io): Promise<ArmCounters> {
  const measurement = await measure(settings, question, io);
  if ('missing' in measurement) return { missing: measurement.missing };
  const memory = probed.get(settings) ?? { startedMs: io.now(), places: new Map() };
  probed.set(settings, memory);
  const before = memory.places.get(question.place) ?? { requests: 0, errors: 0 };
  const total = { requests: before.requests + measurement.requests, errors: before.errors + measurement.errors };
  memory.places.set(question.place, total);
  const counters = Object.entries(total).map(([counter, value]) => ({ counter, slice: '', value }));
  return { targets: { probes: { startedMs: memory.startedMs, freshMs: io.now(), counters } } };
}

async function probeAll(settings: HttpProbeConfig, url: string, io: Io): Promise<Probe[]> {
  const endsAt = io.monotonic() + BUDGET_MS;
  const probes: Probe[] = [];
  let sent = 0;
  const ask = async (): Promise<void> => {
    while (sent < settings.probes) {
      const leftMs = endsAt - io.monotonic();
      // A probe that could not have its whole timeout would blame the build for our own hurry.
      if (leftMs < settings.timeout && sent >= AT_ONCE) return;
      sent += 1;
      probes.push(await probe(settings, url, Math.max(1, Math.floor(Math.min(settings.timeout, leftMs))), io));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, ask));
  return probes;
}

async function probe(settings: HttpProbeConfig, url: string, timeoutMs: number, io: Io): Promise<Probe> {
  const startedAt = io.monotonic();
  try {
    const answer = await io.http({ method: 'GET', url, timeoutMs }, () => undefined);
    const tookMs = io.monotonic() - startedAt;
    const wrong = fault(settings, answer, tookMs);
    return wrong === undefined ? { ok: true, said: String(answer.status) } : { ok: false, said: wrong };
  } catch (error) {
    return { ok: false, said: io.monotonic() - startedAt >= timeoutMs - TIMER_SLACK_MS ? 'timed out' : reasonOf(error) };
  }
}

type Answer = Awaited<ReturnType<Io['http']>>;

function fault(settings: HttpProbeConfig, answer: Answer, tookMs: number): string | undefined {
  const { expectStatus, maxLatency, header, bodyIncludes } = settings;
  const good = expectStatus === undefined ? answer.status >= 200 && answer.status < 300 : expectStatus.includes(answer.status);
  if (!good) return String(answer.status);
  if (maxLatency !== undefined && tookMs > maxLatency) return `${answer.status} slower than ${msText(maxLatency)}`;
  if (header !== undefined && answer.headers[header.name.toLowerCase()] !== header.equals)
    return `${answer.status} with a different ${header.name}`;
  if (bodyIncludes !== undefined && !answer.body.includes(bodyIncludes)) return `${answer.status} without the expected text`;
  return undefined;
}

function expectation({ expectStatus, maxLatency, header, bodyIncludes }: HttpProbeConfig): string {
  const parts = [expectStatus === undefined ? 'any 2xx' : expectStatus.join(' or ')];
  if (maxLatency !== undefined) parts.push(`within ${msText(maxLatency)}`);
  if (header !== undefined) parts.push(`${header.name}: ${header.equals}`);
  if (bodyIncludes !== undefined) parts.push(`with ${JSON.stringify(bodyIncludes)} in it`);
  return parts.join(', ');
}

/** `17 x 200, 3 x 401`, the commonest first. */
function tally(probes: readonly Probe[]): string {
  const counts = new Map<string, number>();
  for (const { said } of probes) counts.set(said, (counts.get(said) ?? 0) + 1);
  return [...counts]
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .map(([said, count]) => `${count} x ${said}`)
    .join(', ');
}

function urlOf(address: string, path: string): string | undefined {
  try {
    const base = new URL(address);
    return base.protocol === 'http:' || base.protocol === 'https:' ? `${base.origin}${path}` : undefined;
  } catch {
    return undefined;
  }
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'ECONNREFUSED') return 'refused';
  if (code === 'ECONNRESET') return 'cut off';
  return (error instanceof Error ? error.message : String(error)).slice(0, 100);
}
