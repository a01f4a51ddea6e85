/** A stretch of the past from Prometheus: both builds' counters at even moments, as a live gate would have read them. Must not fill gaps. */

import type { Counters } from '../../core/gates/counting/counters.ts';
import type { MetricCounters } from '../../core/gates/counting/metric-counters.ts';
import type { Io } from '../../io.ts';
import type { Pair } from '../metric-source.ts';
import { type PrometheusConfig, prometheus, readArm, serverOf } from './prometheus.ts';
import { type Answer, askPrometheusRange, type Range, type RangeAnswer } from './prometheus-answer.ts';
import { countsQuery, latencyQuery } from './prometheus-query.ts';

export interface Recorded {
  /** Seconds since 1970, and what was counted there. */
  readonly moments: readonly { readonly atS: number; readonly reading: Counters }[];
  readonly metrics: readonly MetricCounters[];
}

/** So many moments are asked for at once, so that an answer comes in time. */
const AT_ONCE = 100;

/** Asks the gate's own queries over a range. Never rejects; a part that is missing makes all of it missing, with the reason. */
export async function recordedCounts(
  settings: PrometheusConfig,
  pair: Pair,
  range: Range,
  io: Io,
): Promise<Recorded | { readonly missing: string }> {
  const moments: { atS: number; reading: Counters }[] = [];
  const count = momentsIn(range);
  for (let from = 0; from < count; from += AT_ONCE) {
    const some = { ...range, startS: at(range, from), endS: at(range, Math.min(count, from + AT_ONCE) - 1) };
    const [counts, buckets] = await Promise.all([
      askPrometheusRange(serverOf(settings), countsQuery(settings, pair), some, io),
      settings.latency === undefined
        ? NOTHING
        : askPrometheusRange(serverOf(settings), latencyQuery(settings.latency, pair), some, io),
    ]);
    if ('missing' in counts) return counts;
    if ('missing' in buckets) return buckets;
    for (let index = from; index < Math.min(count, from + AT_ONCE); index += 1) {
      const atS = at(range, index);
      const answers = [answerAt(counts, atS), answerAt(buckets, atS)] as const;
      const candidate = readArm(settings, pair.candidate, 'candidate', answers);
      const stable = pair.stable === null ? ({ absent: true } as const) : readArm(settings, pair.stable, 'stable', answers);
      moments.push({ atS, reading: { candidate, stable } });
    }
  }
  const seen = moments.find(({ reading }) => 'targets' in reading.stable)?.reading;
  return { moments, metrics: prometheus.metrics(settings, seen) };
}

const NOTHING: RangeAnswer = { moments: new Map() };

/** How many moments a range has. */
export function momentsIn({ startS, endS, stepS }: Range): number {
  return Math.floor((endS - startS) / stepS + 1e-9) + 1;
}

/** Whole milliseconds, as Prometheus counts. */
function at({ startS, stepS }: Range, index: number): number {
  return Math.round((startS + index * stepS) * 1000) / 1000;
}

function answerAt(answer: Exclude<RangeAnswer, { missing: string }>, atS: number): Answer {
  const series = answer.moments.get(atS) ?? [];
  return { series, atMs: Math.round(atS * 1000) };
}
