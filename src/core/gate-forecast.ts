/** What a comparing gate will catch, in one sentence for the plan: worked out with the evidence itself, at the traffic of now. No I/O. */

import { SLOWER } from './buckets.ts';
import { requestsToCertify } from './certificate.ts';
import type { Comparison } from './comparison.ts';
import { type Detection, detection, type Traffic } from './detection.ts';
import { durationText, percentText } from './gate.ts';
import type { JudgedMetric } from './gate-settings.ts';
import { pollEveryMs } from './poll-schedule.ts';

/** What is known of the service before the rollout. */
export interface Outlook {
  readonly comparison: Comparison;
  /** Undefined where no traffic was seen. */
  readonly traffic: Pick<Traffic, 'requestsPerSecond' | 'stableRate'> | undefined;
  /** The candidate's share at the first step, 0..1. */
  readonly share: number;
  readonly floorMs: number;
}

const RATES = [1, 0.2, 0.05, 0.01] as const;

/** One sentence per claim: what is found after how many bad requests, what a good build needs, and what the interval costs. */
export function forecast(gate: string, { comparison, traffic, share, floorMs }: Outlook): readonly string[] {
  const metric = comparison.settings.metrics.find((one) => one.gate === gate && one.metric === 'errors');
  if (metric === undefined) return [];
  if (traffic === undefined) return ['no traffic was seen just now, so nobody can say how soon it decides'];
  const at = { requestsPerSecond: traffic.requestsPerSecond, share, stableRate: traffic.stableRate };
  const stream = { metric, weight: metric.weight };
  const found = RATES.map((rate) => ({ rate, found: detection(comparison.settings, stream, { traffic: at, rate, floorMs }) }));
  return [
    `at ${requestsText(at)} ${foundText(found)}`,
    certificateText(comparison, metric, at),
    ...(metric.limit === null
      ? []
      : [`neither build may fail more than ${percentText(metric.limit)}; it holds while the stable build fails half of that`]),
    ...besidesText(gate, comparison),
    floorText(at, floorMs, comparison),
  ];
}

/** What else it goes back for; of the bounds of latency the first and the last. */
function besidesText(gate: string, { settings }: Comparison): string[] {
  const others = settings.metrics.filter((one) => one.gate === gate && one.metric !== 'errors').map(({ metric }) => metric);
  const slower = others.filter((metric) => metric.startsWith(SLOWER));
  const [first, last] = [slower.at(0), slower.at(-1)];
  const named = others.flatMap((metric) =>
    slower.includes(metric) ? (metric === first ? [bounds(metric, last)] : []) : [metric],
  );
  return named.length === 0 ? [] : [`beside errors it goes back for: ${named.join(', ')}`];
}

function bounds(first: string, last = first): string {
  return first === last ? first : `${first} to ${last.slice(SLOWER.length)}`;
}

function requestsText({ requestsPerSecond, share }: Traffic): string {
  return `${rounded(requestsPerSecond)} requests a second and ${percentText(share)} of them`;
}

function foundText(found: readonly { readonly rate: number; readonly found: Detection | undefined }[]): string {
  const caught = found.flatMap(({ rate, found: one }) =>
    one === undefined
      ? []
      : [`${percentText(rate)} failing is found after ${one.badRequests} bad requests (${durationText(one.afterMs)})`],
  );
  const missed = found.filter((one) => one.found === undefined).map(({ rate }) => percentText(rate));
  if (caught.length === 0) return 'it finds nothing within an hour: there is too little traffic';
  return `${caught.join(', ')}${missed.length === 0 ? '' : `; ${missed.join(' and ')} failing not within an hour`}`;
}

function certificateText({ settings }: Comparison, metric: JudgedMetric, traffic: Traffic): string {
  const needed = requestsToCertify(settings, metric, traffic.share, traffic.stableRate);
  const perSecond = traffic.requestsPerSecond * traffic.share;
  if (!Number.isFinite(needed)) return 'a good build cannot be certified here: the stable build fails too often for this limit';
  const tookMs = Math.max(settings.dwellMs, (needed / perSecond) * 1000);
  return `a good build needs about ${needed} of its own requests to go on (${durationText(tookMs)})`;
}

/** No test can undo what is served between two looks. */
function floorText({ requestsPerSecond, share }: Traffic, floorMs: number, { settings }: Comparison): string {
  const [firstMs, laterMs] = [pollEveryMs(0, floorMs), pollEveryMs(Number.POSITIVE_INFINITY, floorMs)];
  const bad = (everyMs: number) => Math.ceil((requestsPerSecond * share * everyMs) / 1000);
  const later = laterMs === firstMs ? '' : `, and every ${durationText(laterMs)} after a minute, up to ${bad(laterMs)}`;
  return `it looks every ${durationText(firstMs)}, which alone costs up to ${bad(firstMs)} bad requests${later}; a false alarm comes in at most ${percentText(settings.alpha)} of rollouts`;
}

function rounded(value: number): string {
  return value >= 10 ? String(Math.round(value)) : value.toFixed(1);
}
