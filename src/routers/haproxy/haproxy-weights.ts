/** Weights: the integers from 1 to 256 that make HAProxy give each place its percentage. No I/O. */

/** HAProxy accepts weights from 0 to 256; a place that gets traffic needs at least 1. */
const MAX_WEIGHT = 256;

const ROUNDING = 1e-12;

/** The smallest percentage that two weights can express: 1 of 257. */
export const SMALLEST_PERCENT = 100 / (MAX_WEIGHT + 1);

/**
 * One weight for each percentage above 0, in the same order. Whole percentages are used as weights, so the result is exact;
 * two others get the nearest a/(a+b), which is within 1 % of the smaller one if that is at least SMALLEST_PERCENT.
 */
export function weightsFor(percents: readonly number[]): number[] {
  if (percents.every((percent) => Number.isInteger(percent))) return [...percents];
  const [first, second] = percents;
  if (percents.length === 2 && first !== undefined && second !== undefined) return nearestPair(first / (first + second));
  const unit = MAX_WEIGHT / Math.max(...percents);
  return percents.map((percent) => Math.max(1, Math.round(percent * unit)));
}

/** The percentage that the first of two places actually gets for `percent`. */
export function nearestPercent(percent: number): number {
  if (percent <= 0 || percent >= 100) return percent;
  const [a = 1, b = 1] = weightsFor([percent, 100 - percent]);
  return (100 * a) / (a + b);
}

function nearestPair(share: number): number[] {
  let best = [1, 1];
  let bestError = Number.POSITIVE_INFINITY;
  for (let a = 1; a <= MAX_WEIGHT; a += 1) {
    const b = Math.min(MAX_WEIGHT, Math.max(1, Math.round(a / share - a)));
    const error = Math.abs(a / (a + b) - share);
    // Of equally good pairs the larger one: it is close to the weights of other splits, with which it is mixed during a shift.
    const asGood = error < bestError + ROUNDING && a + b <= MAX_WEIGHT;
    if (error < bestError - ROUNDING || asGood) [best, bestError] = [[a, b], error];
  }
  return best;
}
