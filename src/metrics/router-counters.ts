/** The router's own counters: no scrape between a request and its count. Must not count what another location counted. */

import * as z from 'zod';
import { picked } from '../base/shape.ts';
import type { ArmCounters, Target } from '../core/gates/counting/counters.ts';
import type { MetricCounters } from '../core/gates/counting/metric-counters.ts';
import {
  CLASS_METRICS,
  isExpected,
  isInterim,
  metricsExcept,
  STATUS_METRICS,
  statusCounters,
} from '../core/gates/counting/statuses.ts';
import type { Measurement, Part } from '../core/gates/verdict/gate.ts';
import { membersAt } from '../routers/places.ts';
import type { MemberCounters } from '../routers/router.ts';
import { bothBuilds } from './arms.ts';
import type { MetricSource, Question } from './metric-source.ts';

const NO_FAILURE = 'a status from 101 to 499 other than 200; 5xx are always errors';

const single = z
  .int()
  .min(101, NO_FAILURE)
  .max(499, NO_FAILURE)
  .refine((status) => status !== 200, NO_FAILURE)
  .transform(String);

const ONE_CLASS =
  'HAProxy counts classes of statuses: write [3xx], after which every redirect is expected, or [4xx] for 401 too, or count single statuses with prometheus';

const CLASSES = ['1xx', '3xx', '4xx'];

/** Read as any status, so that a single one is answered with more than what is allowed. */
const wholeClass = z
  .union([z.string(), z.number()])
  .refine((status) => CLASSES.includes(String(status)), ONE_CLASS)
  .transform(String)
  .meta({ enum: CLASSES });

const coarseLatency = z
  .boolean()
  .optional()
  .describe('false if the new build is meant to be far slower: then its average response time does not hold the rollout');

/** HAProxy's `show stat`: classes of statuses only. */
export const haproxyCounters = routerCounters(
  'haproxy',
  CLASS_METRICS,
  wholeClass,
  'the counters of the HAProxy servers: status classes and missing responses',
  [
    'latency beyond a coarse look: below three times the stable build and 100 ms on average, and at 100 %, slow answers are not seen',
    'gRPC statuses: HAProxy counts HTTP statuses, and gRPC answers 200',
    'retries: an attempt that succeeds when repeated on the same server (wretr)',
    'single statuses: HAProxy counts classes, so 401 and 404 are one',
    'slices',
  ],
);

/** What `kvdeploy serve` counts: single statuses. */
export const localCounters = routerCounters(
  'local',
  STATUS_METRICS,
  single,
  'the counters of `kvdeploy serve`: individual statuses and missing responses',
  ['latency', 'gRPC statuses: `kvdeploy serve` counts HTTP statuses, and gRPC answers 200', 'slices'],
);

/** The access log of nginx: single statuses of every try, also of those that nginx repeated elsewhere. */
export const nginxCounters = routerCounters(
  'nginx',
  STATUS_METRICS,
  single,
  'the access log of nginx: individual statuses of each try, and missing responses',
  [
    'latency beyond a coarse look: below three times the stable build and 100 ms on average, and at 100 %, slow answers are not seen',
    'gRPC statuses: the log has HTTP statuses, and gRPC answers 200',
    'slices',
  ],
);

interface RouterCountersConfig {
  /** Statuses, or classes of them, that are no failures. */
  readonly expect?: readonly string[] | undefined;
  /** False where the average response time does not hold the rollout. */
  readonly latency?: boolean | undefined;
}

function routerCounters(
  kind: 'haproxy' | 'local' | 'nginx',
  metrics: readonly MetricCounters[],
  status: z.ZodType<string>,
  summary: string,
  unseen: readonly string[],
): MetricSource<RouterCountersConfig> {
  const example = kind === 'haproxy' ? '[3xx]' : '[301]';
  return {
    kind,
    summary,
    config: z.strictObject({
      expect: z
        .array(status)
        .min(1)
        .max(100)
        .optional()
        .describe(`Statuses that the new build is meant to answer, such as ${example}: they are never failures`),
      ...(kind !== 'local' ? { latency: coarseLatency } : {}),
    }),
    ofRouter: true,
    countsTraffic: () => true,
    metrics: ({ expect }) => metricsExcept(metrics, expect),
    lagMs: () => 0,
    unseen: ({ latency }, { limited }) => [
      ...(limited ? ['redirects (3xx) and 1xx: a fixed limit cannot know which are usual; compare to judge them'] : []),
      ...unseen.map((one) => (one.startsWith('latency') && (limited || latency === false) ? 'latency' : one)),
    ],
    measure: async (config, question) => limited(question, config.expect ?? []),
    count: ({ expect }, pair, io) => {
      const atMs = io.now();
      return bothBuilds(pair, (question) => armOf(question, metrics, expect, atMs));
    },
    describe: ({ expect }, { place }) =>
      `the router's counts for ${place}: 5xx and missing responses are errors; with a fixed limit 4xx too${expect === undefined ? '' : `; expected: ${expect.join(', ')}`}`,
  };
}

/** For a fixed limit every failure counts, 4xx too: a build that refuses each client with 401 is an outage. */
function limited(question: Question, expected: readonly string[]): Measurement {
  const counted = answersOf(question);
  if ('missing' in counted) return counted;
  const several = counted.members.length > 1;
  const parts = counted.members.map(({ key, words, byClass }) => {
    return [key, { ...partOf(byClass, expected), ...(several ? { member: words } : {}) }] as const;
  });
  const sum = (key: 'requests' | 'errors') => parts.reduce((total, [, part]) => total + part[key], 0);
  return { requests: sum('requests'), errors: sum('errors'), counting: 'total', parts: Object.fromEntries(parts) };
}

function partOf(byClass: Readonly<Record<string, number>>, expected: readonly string[]): Part {
  const failed: Record<string, number> = {};
  let [requests, errors] = [0, 0];
  for (const [status, count] of Object.entries(byClass)) {
    if (isInterim(status)) continue;
    requests += count;
    if (/^[1-3]/.test(status) || isExpected(status, expected)) continue;
    errors += count;
    failed[status] = count;
  }
  return { requests, errors, failed };
}

function armOf(
  question: Question,
  metrics: readonly MetricCounters[],
  expected: readonly string[] | undefined,
  atMs: number,
): ArmCounters {
  const counted = answersOf(question);
  if ('missing' in counted) return counted;
  const targets = counted.members.map(({ key, words: name, location, byClass, downs = null }): [string, Target] => {
    const counters = statusCounters(byClass, metrics, { expected });
    return [key, { startedMs: null, freshMs: atMs, counters, downs, member: { name, location } }];
  });
  return { targets: Object.fromEntries(targets) };
}

interface Counted extends Required<Pick<MemberCounters, 'byClass'>>, Pick<MemberCounters, 'downs'> {
  readonly key: string;
  /** `member green-3 at edge1`. */
  readonly words: string;
  readonly location: string;
}

function answersOf({ router, place }: Question): { readonly members: readonly Counted[] } | { readonly missing: string } {
  if (router === null || router === undefined) return { missing: 'the router cannot be read' };
  const members = membersAt(router, place);
  if (members.length === 0) return { missing: `the router has no place ${place}` };
  const counted = members.flatMap(({ key, location, words, member: { counters } }) => {
    const { byClass } = counters;
    return byClass === undefined ? [] : [{ key, words, location, byClass, ...picked(counters, 'downs') }];
  });
  if (counted.length < members.length)
    return {
      missing: 'this router does not count responses (HAProxy: not in HTTP mode; nginx: no log, or one that cannot be read)',
    };
  return { members: counted };
}
