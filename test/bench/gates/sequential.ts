/** The statistical rivals that look at every poll, and the information limit that no gate can pass. Must not be given more than they know. */
import type { Arm, Judge, NewJudge, Setting, Verdict } from './judge.ts';

export const ALPHA = 0.01;

/** Counts of all polls so far, and a rule over them. */
class Cumulative implements Judge {
  readonly name: string;
  readonly #rule: (candidate: Arm, stable: Arm, setting: Setting) => Verdict;
  #setting: Setting | undefined;
  #sums = [0, 0, 0, 0] as [number, number, number, number];

  constructor(name: string, rule: (candidate: Arm, stable: Arm, setting: Setting) => Verdict) {
    this.name = name;
    this.#rule = rule;
  }

  start(setting: Setting): void {
    this.#setting = setting;
    this.#sums = [0, 0, 0, 0];
  }

  poll(_tS: number, candidate: Arm, stable: Arm): Verdict {
    if (this.#setting === undefined) throw new Error('not started');
    const [nc, kc, nb, kb] = this.#sums;
    this.#sums = [nc + candidate.requests, kc + candidate.failures, nb + stable.requests, kb + stable.failures];
    const [requests, failures, stableRequests, stableFailures] = this.#sums;
    return this.#rule({ requests, failures }, { requests: stableRequests, failures: stableFailures }, this.#setting);
  }
}

/** The one-sided z-test of two proportions, pooled, at p < 0.01, looked at in every poll as if it were the only one. */
export function peekedZ(): NewJudge {
  const rule = (candidate: Arm, stable: Arm): Verdict => {
    const all = candidate.requests + stable.requests;
    const pooled = (candidate.failures + stable.failures) / all;
    const error = Math.sqrt(pooled * (1 - pooled) * (1 / candidate.requests + 1 / stable.requests));
    const z = (candidate.failures / candidate.requests - stable.failures / stable.requests) / error;
    return z > 2.3263478740408408 ? 'rollback' : 'hold';
  };
  return () => new Cumulative('z-test, p < 0.01, at each poll', rule);
}

function logRatio({ requests, failures }: Arm, p0: number, p1: number): number {
  const passed = requests - failures;
  return failures * Math.log(p1 / p0) + (passed === 0 ? 0 : passed * Math.log((1 - p1) / (1 - p0)));
}

/** Wald's test of 0.1 % against 1 %, alpha and beta 1 %. Once it has accepted it looks no more. */
export function sprt(): NewJudge {
  return () => {
    let hasAccepted = false;
    const rule = (candidate: Arm): Verdict => {
      const log = logRatio(candidate, 0.001, 0.01);
      hasAccepted ||= log <= Math.log(ALPHA / (1 - ALPHA));
      return !hasAccepted && log >= Math.log((1 - ALPHA) / ALPHA) ? 'rollback' : 'hold';
    };
    return new Cumulative('SPRT 0.1 % against 1 %', rule);
  };
}

/** Knows both rates beforehand, which nobody does; never accepts. */
export function oracle(): NewJudge {
  const rule = (candidate: Arm, _stable: Arm, { p0, p1 }: Setting): Verdict =>
    p1 > p0 && logRatio(candidate, p0, p1) >= Math.log(1 / ALPHA) ? 'rollback' : 'hold';
  return () => new Cumulative('oracle SPRT (knows both rates)', rule);
}

/** KL divergence of two Bernoulli distributions, in nats. */
export function divergence(p1: number, p0: number): number {
  const rest = p1 >= 1 ? 0 : (1 - p1) * Math.log((1 - p1) / (1 - p0));
  return (p1 <= 0 ? 0 : p1 * Math.log(p1 / p0)) + rest;
}

export interface Limit {
  readonly requests: number;
  readonly bad: number;
  /** The same when the counts come only at the end of each interval. */
  readonly badAtPolls: number;
}

/**
 * The fewest candidate requests, and bad ones among them, that any rule with power 1 needs on average so that at most `alpha` of the
 * healthy rollouts end: ln(1/alpha) / KL(p1‖p0), Wald's bound, with the baseline's rate known; never below one bad request.
 */
export function informationLimit(p0: number, p1: number, requestsPerPoll: number, alpha = ALPHA): Limit {
  const requests = Math.max(Math.log(1 / alpha) / divergence(p1, p0), 1 / p1);
  return { requests, bad: requests * p1, badAtPolls: Math.ceil(requests / requestsPerPoll - 1e-9) * requestsPerPoll * p1 };
}
