/** How candidates fail in the field: late, slowly, again and again, or only while they start; and traffic that comes and goes by the hour. No chance here. */
import { HOUR_S, type Workload } from '../workloads.ts';

/** The failing share of a candidate by the second that ends at `tS`. */
export type Failing = (tS: number) => number;

/** All requests fail for `forS` seconds, `everyS` after the start and again after each such time; `usually` otherwise. */
export function outageEvery(everyS: number, forS: number, usually: number): Failing {
  return (tS) => (tS > everyS && (tS - 1) % everyS < forS ? 1 : usually);
}

/** Which of the outages of `outageEvery` was going on, or the last one, at `tS`: 1 is the first. */
export function nthOutage(tS: number, everyS: number): number {
  return Math.floor((tS - 1) / everyS);
}

/** `usually` at the start, doubled every `everyS`, up to all requests. */
export function doublingEvery(everyS: number, usually: number): Failing {
  return (tS) => Math.min(1, usually * 2 ** (tS / everyS));
}

/** From `usually` in a straight line to `most` after `overS`, and there it stays. */
export function rampTo(most: number, overS: number, usually: number): Failing {
  return (tS) => usually + (most - usually) * Math.min(1, tS / overS);
}

/** A process that is cold: `share` fail in the first `forS` seconds, `then` later. */
export function coldStart(share: number, forS: number, then: number): Failing {
  return (tS) => (tS <= forS ? share : then);
}

const DAY_S = 24 * HOUR_S;

/**
 * Traffic of a day: full at noon, `least` of it at midnight, a cosine between them. Seconds of full traffic from the start of a rollout, at
 * `fromHour`, to its second `s`.
 */
export function dailyValley(fromHour: number, least: number): NonNullable<Workload['fullSeconds']> {
  const [middle, swing] = [(1 + least) / 2, (1 - least) / 2];
  const integral = (s: number) => middle * s - (swing * DAY_S * Math.sin((2 * Math.PI * s) / DAY_S)) / (2 * Math.PI);
  return (s) => integral(fromHour * HOUR_S + s) - integral(fromHour * HOUR_S);
}
