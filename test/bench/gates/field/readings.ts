/** Workloads that the product counts by itself: statuses and pods as a source would read them. Must not count anything for it. */

import type { ArmCounters, Target } from '../../../../src/core/gates/counting/counters.ts';
import type { MetricCounters } from '../../../../src/core/gates/counting/metric-counters.ts';
import { GRPC_METRICS, STATUS_METRICS, statusCounters } from '../../../../src/core/gates/counting/statuses.ts';
import type { Arm } from '../judge.ts';
import type { Random } from '../random.ts';
import { type Draw, HOUR_S, type Workload } from '../workloads.ts';

/** Shares of the answers by status; the rest is good. */
export type Answers = Readonly<Record<string, number>>;

/** What a source tells apart: HTTP statuses by themselves unless said, of which 200 is good. */
export interface Told {
  readonly good: '200' | 'OK';
  readonly metrics: readonly MetricCounters[];
}

export const HTTP: Told = { good: '200', metrics: STATUS_METRICS };

/** gRPC codes, all of them under HTTP 200. */
export const GRPC: Told = { good: 'OK', metrics: GRPC_METRICS };

const DAY_MS = 86_400_000;

/** One build whose answers a source counts. */
class Answering {
  readonly #shares: Answers;
  readonly #told: Told;
  readonly #totals: Record<string, number>;

  constructor(shares: Answers, told: Told) {
    this.#shares = shares;
    this.#told = told;
    this.#totals = { [told.good]: 0 };
  }

  /** How many of `requests` ended in each status. */
  answer(random: Random, requests: number): Readonly<Record<string, number>> {
    const statuses = [this.#told.good, ...Object.keys(this.#shares)];
    const shares = Object.values(this.#shares);
    const counts = random.multinomial(requests, [1 - shares.reduce((a, b) => a + b, 0), ...shares]);
    const found = Object.fromEntries(statuses.map((status, index) => [status, counts[index] ?? 0]));
    for (const [status, count] of Object.entries(found)) this.#totals[status] = (this.#totals[status] ?? 0) + count;
    return found;
  }

  reading(tS: number): ArmCounters {
    const target: Target = {
      startedMs: -DAY_MS,
      freshMs: 1000 * tS,
      counters: statusCounters(this.#totals, this.#told.metrics),
    };
    return { targets: { router: target } };
  }
}

/** What a rule sees that counts 5xx only. */
function fivexx(requests: number, found: Readonly<Record<string, number>>): Arm {
  const failures = Object.entries(found).reduce((sum, [status, count]) => sum + (status.startsWith('5') ? count : 0), 0);
  return { requests, failures };
}

/** A candidate at one share of 1,000 requests a second for an hour that answers otherwise than the stable build; all but the good answer is bad. */
export function answering(percent: number, stable: Answers, candidate: Answers, told = HTTP): Workload {
  const begin = (random: Random): Draw => {
    const [ours, theirs] = [new Answering(candidate, told), new Answering(stable, told)];
    return (tS, candidateRequests, stableRequests) => {
      const [found, theirsFound] = [ours.answer(random, candidateRequests), theirs.answer(random, stableRequests)];
      const reading = { candidate: ours.reading(tS), stable: theirs.reading(tS) };
      return {
        candidate: fivexx(candidateRequests, found),
        stable: fivexx(stableRequests, theirsFound),
        parts: { reading },
        bad: candidateRequests - (found[told.good] ?? 0),
      };
    };
  };
  const p0 = stable['500'] ?? stable['UNAVAILABLE'] ?? 0;
  return {
    rps: 1000,
    pollS: 15,
    percents: [percent],
    untilS: HOUR_S,
    bakeS: 0,
    p0,
    p1: p0,
    slices: [],
    hasCounters: true,
    begin,
  };
}

const PODS = 10;

/** So many pods, the oldest of which an autoscaler replaces every `replaceS`; what a pod counted after it was last read is lost with it. */
class Pods {
  readonly #name: string;
  readonly #replaceS: number;
  #made = PODS;
  #pods: { name: string; startedMs: number; requests: number; errors: number }[];
  #nextS: number;

  constructor(name: string, replaceS: number, firstS: number) {
    this.#name = name;
    this.#replaceS = replaceS;
    this.#nextS = firstS;
    this.#pods = Array.from({ length: PODS }, (_, pod) => ({
      name: `${name}-${pod}`,
      startedMs: -DAY_MS,
      requests: 0,
      errors: 0,
    }));
  }

  serve(tS: number, { requests, failures }: Arm, random: Random): void {
    let [requestsLeft, failuresLeft] = [requests, failures];
    const replaced = tS >= this.#nextS;
    if (replaced) this.#nextS += this.#replaceS;
    for (const [index, pod] of this.#pods.entries()) {
      const part = Math.round(requestsLeft / (PODS - index));
      const failed = Math.min(part, random.binomial(failuresLeft, 1 / (PODS - index)));
      [requestsLeft, failuresLeft] = [requestsLeft - part, failuresLeft - failed];
      pod.requests += part;
      pod.errors += failed;
    }
    if (replaced) this.#replace(tS);
  }

  #replace(tS: number): void {
    const name = `${this.#name}-${this.#made}`;
    this.#made += 1;
    this.#pods = [...this.#pods.slice(1), { name, startedMs: 1000 * tS - 500, requests: 0, errors: 0 }];
  }

  reading(tS: number): ArmCounters {
    const targets = this.#pods.map(({ name, startedMs, requests, errors }): [string, Target] => {
      const counters = [
        { counter: 'requests', slice: '', value: requests },
        { counter: 'errors', slice: '', value: errors },
      ];
      return [name, { startedMs, freshMs: 1000 * tS, counters }];
    });
    return { targets: Object.fromEntries(targets) };
  }
}

/** What pods count: requests and errors. */
export const POD_METRICS = STATUS_METRICS.slice(0, 1);

/** Both builds run in ten pods each, one of which is replaced every `replaceS`, through the steps of a rollout. */
export function churning(percents: readonly number[], replaceS: number, p0: number, p1: number, rps = 1000): Workload {
  const begin = (random: Random): Draw => {
    const [ours, theirs] = [new Pods('candidate', replaceS, replaceS), new Pods('stable', replaceS, replaceS / 2)];
    return (tS, candidateRequests, stableRequests) => {
      const candidate = { requests: candidateRequests, failures: random.binomial(candidateRequests, p1) };
      const stable = { requests: stableRequests, failures: random.binomial(stableRequests, p0) };
      ours.serve(tS, candidate, random);
      theirs.serve(tS, stable, random);
      const absent = { absent: true } as const;
      const reading = { candidate: ours.reading(tS), stable: stableRequests === 0 ? absent : theirs.reading(tS) };
      return { candidate, stable, parts: { reading } };
    };
  };
  return { rps, pollS: 15, percents, untilS: 4 * HOUR_S, bakeS: 600, p0, p1, slices: [], hasCounters: true, begin };
}
