/** When comparing gates look again: what a look costs is little, and what is not looked at goes on failing. No I/O, no clock. */

const MINUTE_MS = 60_000;

/** After the first minute of a step. Four of these outlast a block of failures that come together. */
const LATER_MS = 5000;

/**
 * Milliseconds to the next poll: often while a step is young, since a poll's wait is what a plain fault costs; seldomer later. It depends on
 * the clock alone: each poll is a bet on the limit, and polls that were quicker while something fails would bet on one burst many times.
 * `floorMs` is the source's own interval: no poll sees more often than that, and share x requests per second x floor is the least that a
 * fault can cost.
 */
export function pollEveryMs(sinceStepMs: number, floorMs: number): number {
  return Math.max(floorMs, sinceStepMs < MINUTE_MS ? 1000 : LATER_MS);
}
