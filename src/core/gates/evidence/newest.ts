/** What the newest requests say about now: an incident of the stable build, a fault that has just begun. Fit to hold, never to advance. No I/O. */
import type { JudgedMetric } from '../gate-settings.ts';
import type { Block, Margin } from './e-process.ts';

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

/** With little traffic a whole step is looked at, of at least so many. */
const SOME_STABLE_REQUESTS = 100;

/** The newest block where it is large enough to speak alone, otherwise a sum that slowly forgets. */
export function recentStable(recent: Readonly<Pair>, open: Counts4): Pair {
  const sum: Pair = [...recent];
  const kept = open[2] >= ENOUGH_STABLE_REQUESTS ? 0 : recent[0] >= 2 * ENOUGH_STABLE_REQUESTS ? 0.5 : 1;
  sum[0] = kept * recent[0] + open[2];
  sum[1] = kept * recent[1] + open[3];
  return sum;
}

/** Requests and failures of the candidate in the block that ends. */
export function lastOfCandidate(last: Readonly<Pair>, open: Counts4): Pair {
  const newest: Pair = [...last];
  newest[0] = open[0];
  newest[1] = open[1];
  return newest;
}

/** True where enough of the stable build's newest requests say that it is in an incident of its own. */
export function stableInIncident(metric: JudgedMetric, { open, recent }: Newest): boolean {
  return failsEnough(metric, open[2], open[3]) || failsEnough(metric, recent[0], recent[1]);
}

function failsEnough(metric: JudgedMetric, requests: number, failures: number): boolean {
  return requests >= ENOUGH_STABLE_REQUESTS && isIncident(metric, requests, failures);
}

/** A burst or two of a service with little traffic is no incident. */
export const MANY_FAILURES = 10;

/** The same of counts without a step: where there are too few to see half of the limit, many failures beyond all of it. */
export function failsAsInIncident(metric: JudgedMetric, requests: number, failures: number): boolean {
  const beyond = failures >= MANY_FAILURES && metric.limit !== null && failures / requests > metric.limit;
  return beyond || failsEnough(metric, requests, failures);
}

/**
 * The part of the newest requests that both builds together fail, each weighed by its share of the traffic (`share`: the candidate's, 0..1).
 * With little traffic, of all requests of the step. 0 where too few were asked to tell.
 */
export function failingTogether({ open, recent, last, step }: Newest, share: number): number {
  const [requests, failures] = open[2] >= ENOUGH_STABLE_REQUESTS ? [open[2], open[3]] : recent;
  if (requests < ENOUGH_STABLE_REQUESTS) return step[2] < SOME_STABLE_REQUESTS ? 0 : weighed(step, share);
  return weighed([last[0] + open[0], last[1] + open[1], requests, failures], share);
}

function weighed([requests, failures, stableRequests, stableFailures]: Counts4, share: number): number {
  const stable = stableFailures / stableRequests;
  const candidate = requests === 0 ? stable : failures / requests;
  return share * candidate + (1 - share) * stable;
}

/** A few failures are no sign of anything. */
const SOME_FAILURES = 3;

/**
 * True where the candidate's newest requests fail beyond the harm that its non-inferiority bound rules out for the step so far: a fault that has just
 * begun. `harm` null: beyond the limit. A rule of thumb without a bound, fit to hold and for nothing else.
 */
export function failsNow(metric: JudgedMetric, stream: Newest, harm: Margin | null): boolean {
  const requests = stream.last[0] + stream.open[0];
  const failures = stream.last[1] + stream.open[1];
  if (failures < SOME_FAILURES) return false;
  const [, , stableRequests, stableFailures] = stream.step;
  const stableRate = stableRequests === 0 ? 0 : stableFailures / stableRequests;
  const most = harm === null ? (metric.limit ?? 1) : harm.times * stableRate + harm.plus;
  return failures > most * requests;
}

/** So many standard deviations beyond what is tolerated are no chance. */
const NO_CHANCE = 3;

/**
 * True where the candidate's failures of this step are evidently more than is tolerated compared with the stable build's: for what no non-inferiority bound
 * speaks of, as latency. A rule of thumb too.
 */
export function exceedsTolerated({ tolerated, dispersion }: JudgedMetric, { step }: Newest): boolean {
  const [requests, failures, stableRequests, stableFailures] = step;
  if (failures < SOME_FAILURES || stableRequests === 0) return false;
  const { times, plus } = tolerated;
  const most = requests * ((times * stableFailures) / stableRequests + plus);
  // By the rate of both together: a small slice of the stable build without a failure would seem to be sure of having none.
  const rate = (failures + stableFailures) / (requests + stableRequests);
  const variance = dispersion * rate * requests * (1 + times ** 2 * (requests / stableRequests));
  return failures > most + NO_CHANCE * Math.sqrt(variance);
}

/** True where the stable build fails more than half of what the limit allows. */
export function inIncident(metric: JudgedMetric, { stable }: Block): boolean {
  return isIncident(metric, stable.requests, stable.failures);
}

function isIncident({ limit }: JudgedMetric, requests: number, failures: number): boolean {
  return limit !== null && requests > 0 && failures / requests > limit / 2;
}

/** With fewer requests to the stable build it is unknown whether it fails as well: some tenants are refused whatever serves them. */
const ENOUGH_TO_KNOW = 20;

/** True where the stable build was asked often enough, with this block, and rarely failed until then. */
export function stableIsWell(metric: JudgedMetric, [, , requests, failures]: Counts4, { stable }: Block): boolean {
  return requests + stable.requests >= ENOUGH_TO_KNOW && !isIncident(metric, requests, failures);
}
