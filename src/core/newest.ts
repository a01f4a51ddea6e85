/** What the newest requests say about now: an incident of the stable build, a fault that has just begun. Fit to hold, never to advance. No I/O. */
import type { Block, Margin } from './e-process.ts';
import type { JudgedMetric } from './gate-settings.ts';

type Pair = [requests: number, failures: number];
type Counts4 = readonly [requests: number, failures: number, stableRequests: number, stableFailures: number];

/** The counts of a stream that this looks at. */
interface Newest {
  readonly open: Counts4;
  readonly step: Counts4;
  readonly recent: Readonly<Pair>;
  readonly last: Readonly<Pair>;
}

/** A baseline of fewer requests says nothing about an incident: one failure in a small slice must not hold a rollout. */
const ENOUGH_STABLE_REQUESTS = 1000;

/** The newest block where it is large enough to speak alone, otherwise a sum that slowly forgets. */
export function recentStable([requests, failures]: Readonly<Pair>, [, , newest, failed]: Counts4): Pair {
  if (newest >= ENOUGH_STABLE_REQUESTS) return [newest, failed];
  const kept = requests >= 2 * ENOUGH_STABLE_REQUESTS ? 0.5 : 1;
  return [kept * requests + newest, kept * failures + failed];
}

/** True where enough of the stable build's newest requests say that it is in an incident of its own. */
export function stableInIncident(metric: JudgedMetric, { open, recent }: Newest): boolean {
  const spans = [
    { requests: open[2], failures: open[3] },
    { requests: recent[0], failures: recent[1] },
  ] as const;
  const enough = spans.filter(({ requests }) => requests >= ENOUGH_STABLE_REQUESTS);
  return enough.some((stable) => inIncident(metric, { candidate: stable, stable }));
}

/** A few failures are no sign of anything. */
const SOME_FAILURES = 3;

/**
 * True where the candidate's newest requests fail beyond the harm that its certificate rules out for the step so far: a fault that has just
 * begun. `harm` null: beyond the limit. A rule of thumb without a bound, fit to hold and for nothing else.
 */
export function failsNow(metric: JudgedMetric, stream: Newest, harm: Margin | null): boolean {
  const requests = stream.last[0] + stream.open[0];
  const failures = stream.last[1] + stream.open[1];
  const [, , stableRequests, stableFailures] = stream.step;
  const stableRate = stableRequests === 0 ? 0 : stableFailures / stableRequests;
  const most = harm === null ? (metric.limit ?? 1) : harm.times * stableRate + harm.plus;
  return failures >= SOME_FAILURES && failures > most * requests;
}

/** True where the stable build fails more than half of what the limit allows. */
export function inIncident(metric: JudgedMetric, { stable }: Block): boolean {
  return metric.limit !== null && stable.requests > 0 && stable.failures / stable.requests > metric.limit / 2;
}
