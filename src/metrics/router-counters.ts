/** The router's own counters: no scrape between a request and its count. Must not count what another location counted. */
import * as z from 'zod';
import type { ArmCounters } from '../core/gates/counting/counters.ts';
import type { MetricCounters } from '../core/gates/counting/metric-counters.ts';
import { bothBuilds, CLASS_METRICS, measurementOf, STATUS_METRICS, statusCounters } from './arms.ts';
import type { MetricSource, Question } from './metric-source.ts';

const config = z.strictObject({});

/** HAProxy's `show stat`: classes of statuses only. */
export const haproxyCounters = routerCounters(
  'haproxy',
  CLASS_METRICS,
  'the counters of the HAProxy servers: status classes and missing responses',
);

/** What `kvdeploy serve` counts: single statuses. */
export const localCounters = routerCounters(
  'local',
  STATUS_METRICS,
  'the counters of `kvdeploy serve`: individual statuses and missing responses',
);

function routerCounters(kind: string, metrics: readonly MetricCounters[], summary: string): MetricSource<unknown> {
  return {
    kind,
    summary,
    config,
    ofRouter: true,
    countsTraffic: true,
    metrics: () => metrics,
    lagMs: () => 0,
    measure: async (_config, question) => measurementOf(armOf(question, metrics, 0)),
    count: (_config, pair, io) => {
      const atMs = io.now();
      return bothBuilds(pair, (question) => armOf(question, metrics, atMs));
    },
    describe: (_config, { place }) => `the router's counts for ${place}: 5xx and missing responses are errors`,
  };
}

function armOf({ router, place }: Question, metrics: readonly MetricCounters[], atMs: number): ArmCounters {
  if (router === null || router === undefined) return { missing: 'the router cannot be read' };
  const member = router.members.find((one) => one.place === place);
  if (member === undefined) return { missing: `the router has no place ${place}` };
  if (member.answers === undefined) return { missing: 'this router does not count responses (HAProxy: not in HTTP mode)' };
  const targets = member.answers.map(({ location, byClass }) => {
    const downs = member.downs?.[location] ?? null;
    return [location, { startedMs: null, freshMs: atMs, counters: statusCounters(byClass, metrics), downs }] as const;
  });
  return { targets: Object.fromEntries(targets) };
}
