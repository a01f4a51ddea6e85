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

/** By gate, what is wrong with counters of a candidate that has no requests yet. That they are missing is not: series are born with the first one. */
export function astrayIn(polls: Readonly<Record<string, GatePoll>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(polls).flatMap(([gate, { candidate }]) => (candidate.state === 'invalid' ? [[gate, candidate.why]] : [])),
  );
}

/** What was seen up to now. `astray` by gate: what is wrong with the candidate's counters, which would be evidence against it once it has requests. */
export interface Watched {
  readonly evidence: Pick<Evidence, 'gates'>;
  readonly counts: WatchedCounts;
  readonly astray: Readonly<Record<string, string>>;
}

/**
 * What each gate says of the stable build: `hold` while it is not counted, or is in an incident of its own, or while the candidate's counters make
 * no sense. Never `fail`. `spends`: patience runs down. It does not while counting begins, nor for a reading that is merely late. `again`: only
 * what is watched from here on counts, since one look at totals that go back and forth shows nothing wrong.
 */
export function judgeWatch(
  { metrics }: GateSettings,
  { evidence: { gates }, counts, astray }: Watched,
  names: readonly string[],
): { readonly gates: readonly GateResult[]; readonly spends: boolean; readonly again: boolean } {
  let [spends, again] = [false, false];
  const results = names.map((gate): GateResult => {
    const own = metrics.filter((metric) => metric.gate === gate);
    const [requests, errors] = counts[`${gate}/${own[0]?.metric}`]?.all ?? [0, 0];
    const wrong = Object.hasOwn(astray, gate) ? astray[gate] : undefined;
    if (wrong !== undefined) {
      [spends, again] = [true, true];
      return { gate, verdict: 'hold', why: `candidate: ${wrong}`, requests, errors };
    }
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
  return { gates: results, spends, again };
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
export function ofStable({ members: _, ...alone }: GatePoll): GatePoll {
  const blocks = Object.entries(alone.blocks).map(([metric, slices]) => {
    const swapped = Object.entries(slices).map(([slice, { candidate, stable }]) => [
      slice,
      { candidate: stable, stable: candidate },
    ]);
    return [metric, Object.fromEntries(swapped) as SliceBlocks] as const;
  });
  return { ...alone, candidate: { state: 'absent' }, stable: alone.candidate, blocks: Object.fromEntries(blocks) };
}
