/** The stable build before the candidate gets its first request: what was counted of it, and whether a rollout may begin next to it. No I/O. */
import { countText, fractionText } from '../../text.ts';
import { type GatePoll, type SliceBlocks, streamBlocks } from '../counting/blocks.ts';
import { type Evidence, streamsKey } from '../evidence/evidence.ts';
import { failsAsInIncident, recentStable } from '../evidence/newest.ts';
import type { GateSettings, JudgedMetric } from '../gate-settings.ts';
import type { GateResult } from './verdict.ts';

type Pair = readonly [requests: number, failures: number];

/** By `gate/metric`: the newest requests and failures of the stable build, and all of this watch. */
export type WatchedCounts = Readonly<Record<string, { readonly newest: Pair; readonly all: Pair }>>;

/** The counts with those of one poll. */
export function watchedUpTo(
  { metrics }: GateSettings,
  counts: WatchedCounts,
  polls: Readonly<Record<string, GatePoll>>,
): WatchedCounts {
  const next = metrics.map((metric) => {
    const key = streamsKey(metric);
    const { newest, all } = counts[key] ?? { newest: [0, 0] as const, all: [0, 0] as const };
    const poll = Object.hasOwn(polls, metric.gate) ? polls[metric.gate] : undefined;
    const slices: SliceBlocks =
      (Object.hasOwn(poll?.blocks ?? {}, metric.metric) ? poll?.blocks[metric.metric] : undefined) ?? {};
    const { requests, failures } = streamBlocks(metric, slices)[0]?.stable ?? { requests: 0, failures: 0 };
    return [
      key,
      { newest: recentStable(newest, [0, 0, requests, failures]), all: [all[0] + requests, all[1] + failures] },
    ] as const;
  });
  return Object.fromEntries(next);
}

/**
 * What each gate says of the stable build: `hold` while it is not counted, or is in an incident of its own. Never `fail`. `spends`: patience
 * runs down. It does not while counting begins, nor for a reading that is merely late.
 */
export function judgeWatch(
  { metrics }: GateSettings,
  { gates }: Pick<Evidence, 'gates'>,
  counts: WatchedCounts,
  names: readonly string[],
): { readonly gates: readonly GateResult[]; readonly spends: boolean } {
  let spends = false;
  const results = names.map((gate): GateResult => {
    const own = metrics.filter((metric) => metric.gate === gate);
    const [requests, errors] = counts[`${gate}/${own[0]?.metric}`]?.all ?? [0, 0];
    const arm = gates[gate]?.stable ?? { state: 'missing', why: 'it is not counted', polls: 0 };
    const failing = own.find((metric) => isInIncident(metric, counts[streamsKey(metric)]?.newest ?? [0, 0]));
    if (failing !== undefined) {
      spends = true;
      return { gate, verdict: 'hold', why: incidentText(failing, counts), requests, errors };
    }
    if (arm.state === 'counted' || arm.state === 'reset')
      return { gate, verdict: 'pass', why: `the stable build: ${countText(errors, requests)} failed`, requests, errors };
    if (arm.state !== 'late' && arm.polls > 1) spends = true;
    return { gate, verdict: 'hold', why: `stable ${arm.state}${arm.why === '' ? '' : `: ${arm.why}`}`, requests, errors };
  });
  return { gates: results, spends };
}

function isInIncident(metric: JudgedMetric, [requests, failures]: Pair): boolean {
  return metric.holdsInIncident && metric.limit !== null && failsAsInIncident(metric, requests, failures);
}

function incidentText(metric: JudgedMetric, counts: WatchedCounts): string {
  const [requests, failures] = counts[streamsKey(metric)]?.newest ?? [0, 0];
  const limit = metric.limit === null ? '' : ` of ${fractionText(metric.limit)}`;
  return `the stable build fails: ${countText(failures, requests)} of the newest requests, more than half of the limit${limit} for ${metric.metric}`;
}

/** A gate's poll of the stable build alone: by plan the candidate gets nothing yet. `alone`: the poll in which it was the only build asked. */
export function ofStable(alone: GatePoll): GatePoll {
  const blocks = Object.entries(alone.blocks).map(([metric, slices]) => {
    const swapped = Object.entries(slices).map(([slice, { candidate, stable }]) => [
      slice,
      { candidate: stable, stable: candidate },
    ]);
    return [metric, Object.fromEntries(swapped) as SliceBlocks] as const;
  });
  return { ...alone, candidate: { state: 'absent' }, stable: alone.candidate, blocks: Object.fromEntries(blocks) };
}
