/** Health by asking the build itself over HTTP. Must never take an unexpected answer for a good one. */
import * as z from 'zod';
import type { Asked as AskedOverHttp } from '../base/changes/change.ts';
import { prepare } from '../base/changes/prepare.ts';
import type { ArmCounters, Counters, Target } from '../core/gates/counting/counters.ts';
import { durationSchema, type Measurement, type Part } from '../core/gates/verdict/gate.ts';
import { msText } from '../core/text.ts';
import type { Io } from '../io.ts';
import { type MemberAt, membersAt } from '../routers/places.ts';
import type { Ask } from '../routers/router.ts';
import { bothBuilds } from './arms.ts';
import type { MetricSource, Pair, Question } from './metric-source.ts';

/** Requests on their way at once: as many as there are members, within these bounds. */
const AT_ONCE = { least: 5, most: 20 };

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
    .describe(
      'Requests per poll, shared out between the members of the place, at least one for each; fewer if they respond slowly, because a poll ends within 2 s',
    ),
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
  describe: (settings) =>
    `${settings.probes} x GET http://<address of the build>${settings.path}, expecting ${expectation(settings)}`,
};

/** One word or two about one probe (`200`, `401`, `timed out`), and whether it was good. */
interface Probe {
  readonly ok: boolean;
  readonly said: string;
}

async function measure(settings: HttpProbeConfig, question: Question, io: Io): Promise<Measurement> {
  const asked = membersOf(question);
  if ('missing' in asked) return asked;
  const said = await probeAll(settings, question.place, asked.members, io);
  const all = said.flatMap(({ probes }) => probes);
  const isOne = asked.members.length + asked.down.length === 1;
  const bad = said.filter(({ probes }) => probes.some(({ ok }) => !ok));
  const details = [
    `${tally(all)}${isOne || bad.length === 0 ? '' : ` (${bad.map(({ words, probes }) => `${words}: ${tally(probes)}`).join('; ')})`}`,
    ...asked.down.map((words) => `${words} is down and was not probed`),
  ];
  return {
    requests: all.length,
    errors: all.filter(({ ok }) => !ok).length,
    counting: 'sample',
    detail: details.join('; '),
    ...(isOne ? {} : { parts: Object.fromEntries(said.map((one) => [one.key, partOf(one)])) }),
  };
}

function partOf({ words, probes }: Awaited<ReturnType<typeof probeAll>>[number]): Part {
  const bad = probes.filter(({ ok }) => !ok);
  const failed: Record<string, number> = {};
  for (const { said } of bad) failed[said] = (failed[said] ?? 0) + 1;
  return { requests: probes.length, errors: bad.length, failed, member: words };
}

interface Probed {
  readonly startedMs: number;
  freshMs: number;
  requests: number;
  errors: number;
}

/** What this process has probed so far: probes are counted by whoever sends them. */
interface ProbeMemory {
  /** By place, the member that is next: a poll that ends too soon for all of them begins with the others next time. */
  readonly turns: Map<string, number>;
  /** By place and member. */
  readonly counts: Map<string, Probed>;
}

const memories = new WeakMap<HttpProbeConfig, ProbeMemory>();

function memoryOf(settings: HttpProbeConfig): ProbeMemory {
  const memory = memories.get(settings) ?? { turns: new Map(), counts: new Map() };
  memories.set(settings, memory);
  return memory;
}

/** Both builds are probed at once, each as often as the other, so that the network's mishaps fall on both. */
function count(settings: HttpProbeConfig, pair: Pair, io: Io): Promise<Counters> {
  return bothBuilds(pair, (question) => probedArm(settings, question, io));
}

async function probedArm(settings: HttpProbeConfig, question: Question, io: Io): Promise<ArmCounters> {
  const asked = membersOf(question);
  if ('missing' in asked) return asked;
  const startedMs = io.now();
  const said = await probeAll(settings, question.place, asked.members, io);
  const { counts } = memoryOf(settings);
  const nowMs = io.now();
  const targets = said.map(({ key, words: name, location, probes }): [string, Target] => {
    const total = counts.get(`${question.place} ${key}`) ?? { startedMs, freshMs: startedMs, requests: 0, errors: 0 };
    counts.set(`${question.place} ${key}`, total);
    total.requests += probes.length;
    total.errors += probes.filter(({ ok }) => !ok).length;
    if (probes.length > 0) total.freshMs = nowMs;
    const counters = (['requests', 'errors'] as const).map((counter) => ({ counter, slice: '', value: total[counter] }));
    return [key, { startedMs: total.startedMs, freshMs: total.freshMs, counters, member: { name, location } }];
  });
  return { targets: Object.fromEntries(targets) };
}

interface Asked extends Pick<MemberAt, 'key' | 'words' | 'location'> {
  /** Without a path. */
  readonly request: Request;
}

type Request = Omit<AskedOverHttp, 'kind' | 'timeoutMs'>;

/** The way that the router itself takes to a member; undefined where it has no address or an odd one. */
function requestTo({ address, unixSocket, ...way }: Ask): Request | undefined {
  const origin = address === null ? undefined : originOf(address);
  if (unixSocket !== undefined) return { url: origin ?? 'http://localhost', unixSocket, ...way };
  return origin === undefined ? undefined : { url: origin, ...way };
}

/**
 * The members of a place that take requests, each once however many locations send there, and in words those that are down: their requests go to
 * the others, so what they would answer fails no one. Where none takes requests, all of them.
 */
function membersOf({ router, place }: Question): Members | { readonly missing: string } {
  if (router === null || router === undefined) return { missing: 'the router cannot be read' };
  const all = membersAt(router, place);
  const taking = all.filter(({ member }) => member.up && !member.draining && !member.parked);
  const members = new Map<string, Asked>();
  for (const { key, words, location, member } of taking.length === 0 ? all : taking) {
    const { name, ask } = member;
    const who = name === place ? place : `${name} of ${place}`;
    if (ask.at !== undefined)
      return { missing: `${who} is reached from ${ask.at} only, and http-probe sends its requests from here` };
    const request = requestTo(ask);
    if (request === undefined && ask.address !== null) return { missing: `${ask.address} is not an http address` };
    if (request === undefined) return { missing: `the router reports no address for ${who}, so its build cannot be probed` };
    const way = JSON.stringify(request);
    if (!members.has(way)) members.set(way, { key, words, location, request });
  }
  if (members.size === 0) return { missing: `the router has no place ${place}` };
  const down = taking.length === 0 ? [] : all.filter(({ member }) => !member.up).map(({ words }) => words);
  return { members: [...members.values()], down };
}

interface Members {
  readonly members: readonly Asked[];
  readonly down: readonly string[];
}

/** Asks the members in turn, so that each gets as many requests as the others, or one more. */
async function probeAll(
  settings: HttpProbeConfig,
  place: string,
  members: readonly Asked[],
  io: Io,
): Promise<readonly (Asked & { readonly probes: readonly Probe[] })[]> {
  const endsAt = io.monotonic() + BUDGET_MS;
  const { turns } = memoryOf(settings);
  const first = turns.get(place) ?? 0;
  const atOnce = Math.min(AT_ONCE.most, Math.max(AT_ONCE.least, members.length));
  const requests = Math.max(settings.probes, members.length);
  const probes = members.map((): Probe[] => []);
  let sent = 0;
  const ask = async (): Promise<void> => {
    while (sent < requests) {
      const leftMs = endsAt - io.monotonic();
      // A probe that could not have its whole timeout would blame the build for our own hurry.
      if (leftMs < settings.timeout && sent >= atOnce) return;
      const at = (first + sent) % members.length;
      sent += 1;
      const timeoutMs = Math.max(1, Math.floor(Math.min(settings.timeout, leftMs)));
      const member = members[at];
      if (member !== undefined) probes[at]?.push(await probe(settings, member.request, timeoutMs, io));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, ask));
  turns.set(place, (first + sent) % members.length);
  return members.map((member, index) => ({ ...member, probes: probes[index] ?? [] }));
}

async function probe(settings: HttpProbeConfig, request: Request, timeoutMs: number, io: Io): Promise<Probe> {
  const startedAt = io.monotonic();
  try {
    const url = `${request.url}${settings.path}`;
    const { asking } = await prepare({ kind: 'http', ...request, url, timeoutMs }, io);
    const answer = await io.http(asking, () => undefined);
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

function originOf(address: string): string | undefined {
  if (!URL.canParse(address)) return undefined;
  const { protocol, origin } = new URL(address);
  return protocol === 'http:' || protocol === 'https:' ? origin : undefined;
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'ECONNREFUSED') return 'refused';
  if (code === 'ECONNRESET') return 'cut off';
  return (error instanceof Error ? error.message : String(error)).slice(0, 100);
}
