/** Weights: the integers from 1 to 256 that make HAProxy give each place its percentage, whatever its number of members. No I/O. */

/** HAProxy accepts weights from 0 to 256; a member that gets traffic needs at least 1. */
const MAX_WEIGHT = 256;

const ROUNDING = 1e-12;

/** The part of its smaller share by which a split may be off. */
const TOLERANCE = 0.01;

/** A place that gets traffic: its percentage, and how many members share it. */
export interface Part {
  readonly percent: number;
  readonly members: number;
}

/**
 * The weight of every member of each place, in the same order. Percentages above 0. With as many members on both sides, whole percentages are
 * used as weights, so the result is exact. Two others get weights by which the smaller share is right within 1 %, if there are any, else the
 * nearest; of those, the ones whose sum is closest to 100 for each member of the smaller place: weights of two splits are mixed during a
 * shift, and no place then gets more than its old or its new share if both have the same sum.
 */
export function weightsFor(parts: readonly Part[]): number[] {
  const [first, second] = parts;
  if (first === undefined || second === undefined) return parts.map(() => 100);
  if (parts.length === 2) return nearestPair(first, second);
  const shares = parts.map(({ percent, members }) => percent / members);
  const isWhole = shares.every((share) => Number.isInteger(share));
  const unit = isWhole ? 1 : MAX_WEIGHT / Math.max(...shares);
  return shares.map((share) => Math.max(1, Math.round(share * unit)));
}

/** The percentage that the first of two places with so many members actually gets for `percent`. */
export function nearestPercent(percent: number, members = 1, others = 1): number {
  if (percent <= 0 || percent >= 100) return percent;
  const [own = 1, other = 1] = weightsFor([
    { percent, members },
    { percent: 100 - percent, members: others },
  ]);
  return (100 * own * members) / (own * members + other * others);
}

/** True if the nearest percentage is off by at most 1 % of the smaller share. */
export function isNearEnough(percent: number, nearest: number): boolean {
  return Math.abs(nearest - percent) <= Math.min(percent, 100 - percent) * TOLERANCE;
}

interface Pair {
  readonly weights: [number, number];
  readonly error: number;
  /** How far its sum is from the usual one. */
  readonly distance: number;
}

function nearestPair(first: Part, second: Part): number[] {
  const share = first.percent / (first.percent + second.percent);
  const ratio = (first.percent * second.members) / (second.percent * first.members);
  const usual = 100 * Math.min(first.members, second.members);
  const within = Math.min(share, 1 - share) * TOLERANCE;
  const pairOf = (a: number, b: number): Pair => {
    const [own, other] = [a * first.members, b * second.members];
    const error = Math.abs(own / (own + other) - share);
    return { weights: [a, b], error, distance: Math.abs(Math.log((own + other) / usual)) + (error / within) * EXACTNESS };
  };
  const pairs: Pair[] = [];
  for (let weight = 1; weight <= MAX_WEIGHT; weight += 1)
    pairs.push(pairOf(weight, inRange(weight / ratio)), pairOf(inRange(weight * ratio), weight));
  const least = pairs.reduce((best, { error }) => Math.min(best, error), Number.POSITIVE_INFINITY);
  const good = pairs.filter(({ error }) => error <= Math.max(least + ROUNDING, within * 0.9));
  return good.reduce((best, pair) => (pair.distance < best.distance - ROUNDING ? pair : best)).weights;
}

/** How much of the usual sum an error is worth that is as large as may be. */
const EXACTNESS = 0.1;

function inRange(weight: number): number {
  return Math.min(MAX_WEIGHT, Math.max(1, Math.round(weight)));
}
