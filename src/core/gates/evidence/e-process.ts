/**
 * E-processes: what one block of counts says, as the logarithm of a factor whose mean is at most 1 while nothing is wrong. A product
 * of such factors reaches 1/alpha with probability at most alpha, however often one looks (Ville 1939). No I/O, no state.
 */

/** What one build was seen to do in one block: requests, and those of them that failed. */
export interface Counted {
  readonly requests: number;
  readonly failures: number;
}

/** The same stretch of time seen on both builds. */
export interface Block {
  readonly candidate: Counted;
  readonly stable: Counted;
}

export const NO_BLOCK: Block = { candidate: { requests: 0, failures: 0 }, stable: { requests: 0, failures: 0 } };

export function addCounts(one: Counted, other: Counted): Counted {
  return { requests: one.requests + other.requests, failures: one.failures + other.failures };
}

export function addBlocks(one: Block, other: Block): Block {
  return { candidate: addCounts(one.candidate, other.candidate), stable: addCounts(one.stable, other.stable) };
}

/** `times` x the stable build's failure rate + `plus`, a fraction of requests (0.0005 is 0.05 percentage points). */
export interface Margin {
  readonly times: number;
  readonly plus: number;
}

/** Logarithm of zero in states: JSON has no infinity, and e to this power is exactly 0. */
export const LOG_NOTHING = -1e300;

/** The bets of the share and absolute processes, mixed equally. A bet below 1 never loses everything on one block. */
export const BETS = [0.02, 0.05, 0.1, 0.2, 0.35, 0.55, 0.8] as const;

/** How many times worse than the tolerated margin the count process looks for, mixed equally (costs at most ln 12 = 2.5 nats). */
export const WORSE_BY = [1.5, 2, 3, 5, 8, 13, 22, 36, 60, 100, 250, 700] as const;

/** How far below the harm the non-inferiority bound expects a healthy candidate, mixed equally. */
export const BETTER_BY = [0.02, 0.1, 0.2, 0.35, 0.5, 0.7] as const;

/** ln of the sum of e^value. Of nothing: LOG_NOTHING. */
export function logSumExp(values: readonly number[]): number {
  const most = greatest(values, LOG_NOTHING);
  return most <= LOG_NOTHING ? LOG_NOTHING : most + Math.log(sumExp(values, most));
}

/** The greatest of the values and `least`. By index, here and below: an iterator for each of many small arrays costs more than the rest. */
export function greatest(values: readonly number[], least: number): number {
  let most = least;
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] ?? least;
    if (value > most) most = value;
  }
  return most;
}

/** The sum of e^(value - most). */
function sumExp(values: readonly number[], most: number): number {
  let sum = 0;
  for (let index = 0; index < values.length; index += 1) sum += Math.exp((values[index] ?? LOG_NOTHING) - most);
  return sum;
}

/** The part of the block's requests that the candidate had, as measured: no configured weight is trusted. 0..1, NaN of no requests. */
export function exposure(block: Block): number {
  return block.candidate.requests / (block.candidate.requests + block.stable.requests);
}

/**
 * Count factor. H0: in every block the candidate's rate is at most `tolerated` x the stable build's, whatever that is and however it
 * moves. `worseBy` > 1 is the alternative, in multiples of `tolerated.times`. Guarantee: mean at most 1 for independent requests
 * (Poisson exact on the boundary, Bernoulli below it); failures that come in clusters break it: temper the log by their dispersion.
 * `plus` is the derandomised form of adding Poisson(stable requests x plus / times) failures to the stable build.
 * Source: conditional binomial likelihood ratio, Lindon and Malek (NeurIPS 2022), with a two-part margin. In nats.
 */
export function countLogFactor(block: Block, tolerated: Margin, worseBy: number): number {
  const { candidate, stable } = block;
  const share = exposure(block);
  const growth = (1 - share + worseBy * tolerated.times * share) / (1 - share + tolerated.times * share);
  const allowance = (stable.requests * tolerated.plus) / tolerated.times;
  const failures = candidate.failures + stable.failures;
  // Most slices of most polls saw no failure: their logarithms are not worth computing.
  const lucky = allowance * (1 - 1 / growth);
  return failures === 0 ? -lucky : candidate.failures * Math.log(worseBy) - failures * Math.log(growth) - lucky;
}

/**
 * The count factors of several alternatives, as failures that come `dispersion` at a time allow them, each at most `cap`. Dividing the log
 * keeps the mean at most 1 (Jensen), and a cap, whatever sets it, only lowers it.
 */
export function countLogFactors(
  block: Block,
  tolerated: Margin,
  worseBy: readonly number[],
  dispersion: number,
  cap: number = Number.POSITIVE_INFINITY,
): number[] {
  const factors = worseBy.slice();
  for (let index = 0; index < factors.length; index += 1)
    factors[index] = Math.min(cap, countLogFactor(block, tolerated, factors[index] ?? 1) / dispersion);
  return factors;
}

/** The most that the candidate's part of the failures may be on average, where its part of the requests is `share` (0..1). */
export function fairChance(share: number, times: number): number {
  return (times * share) / (1 - share + times * share);
}

/** Below this stable rate the odds of a failure and its rate are the same for our purpose. */
const RARE = 0.005;

/**
 * Share of the failures that fell on the candidate, in multiples of what `tolerated` allows; undefined when nothing failed and
 * nothing is allowed. Under H0 (each cluster of failures falls on the candidate with at most the tolerated chance) its mean is at most 1.
 */
export function shareOfFailures(block: Block, tolerated: Margin): number | undefined {
  const { candidate, stable } = block;
  const failures = candidate.failures + stable.failures + (stable.requests * tolerated.plus) / tolerated.times;
  if (failures === 0) return undefined;
  const share = exposure(block);
  const times = tolerated.times * oddsPerRate(stable, tolerated);
  // Where `tolerated` allows every request to fail, every failure may be the candidate's.
  const fair = Number.isFinite(times) ? fairChance(share, times) : 1;
  return candidate.failures / failures / fair;
}

/**
 * How much more the odds of a failure grow than its rate does. Of requests that fail independently the failures fall by odds: at a stable rate
 * of 40 %, twice the rate is six times the odds. The stable rate is taken from the block, with a root of its count on top, so that small
 * blocks err towards health; enumeration (in the tests) finds no mean above 1, where the plain rate's reached 1.09.
 */
function oddsPerRate(stable: Counted, { times, plus }: Margin): number {
  const up = stable.failures + 1;
  const rate = Math.max(0, (up + Math.sqrt(up)) / (stable.requests + 2) - RARE);
  if (rate === 0) return 1;
  const left = 1 - times * rate - plus;
  return left > 0 ? (1 - rate) / left : Number.POSITIVE_INFINITY;
}

/**
 * Factor of a bet that some bounded quantity, here in multiples of its greatest mean under H0, is larger than that: 1 - bet + bet x
 * multiple. Guarantee: mean at most 1 whatever the dependence inside the block; it must outlast a burst.
 * Source: Waudby-Smith and Ramdas (JRSS B 2024). In nats.
 */
export function betLogFactor(multiple: number, bet: number): number {
  return Math.log1p(bet * (multiple - 1));
}

/** What each bet loses on a block without a failure, which most blocks are. */
const LOST = BETS.map((bet) => betLogFactor(0, bet));

/** The factors of all the bets, their logs times `temper` (0..1); null where there is nothing to bet on (`multiple` undefined). */
export function betLogFactors(multiple: number | undefined, temper = 1): readonly number[] | null {
  if (multiple === undefined) return null;
  if (multiple === 0 && temper === 1) return LOST;
  return Array.from(BETS, (bet) => temper * betLogFactor(multiple, bet));
}

/**
 * Bernoulli likelihood ratio of `rate` against `limit` (both fractions). For rate > limit H0 is "fails at most limit", for rate < limit it
 * is "fails at least limit". Guarantee: mean at most 1 for independent requests, everywhere in H0. In nats.
 */
export function rateLogFactor(counted: Counted, limit: number, rate: number): number {
  const fine = counted.requests - counted.failures;
  return counted.failures * Math.log(rate / limit) + fine * (Math.log1p(-rate) - Math.log1p(-limit));
}

/**
 * HarmBound factor. H0 is the harm: the candidate's rate is at least `harm` in every block. `betterBy` < 1 is the alternative, in multiples
 * of `harm.times`. Guarantee as for the count factor; reaching 1/beta rules the harm out with confidence 1 - beta. Nothing counted
 * leaves it at 1, so silence certifies nothing. In nats.
 */
export function harmBoundLogFactor(block: Block, harm: Margin, betterBy: number): number {
  return countLogFactor(block, harm, betterBy);
}

/**
 * How the logs of a mixture move: `begin` is the mass that starts to count with this block, spread equally over the alternatives.
 * `logFactors` by alternative; null where the block says nothing.
 */
export function grow(logs: readonly number[], begin: number, logFactors: readonly number[] | null): number[] {
  const start = begin / logs.length;
  const grown = logs.slice();
  for (let index = 0; index < grown.length; index += 1) {
    const log = grown[index] ?? LOG_NOTHING;
    // Beyond e^700, out of the range of numbers, what begins is lost in rounding.
    const begun = begin > 0 && log < 700 ? Math.log(Math.exp(log) + start) : log;
    grown[index] = logFactors === null || begun <= LOG_NOTHING ? begun : begun + (logFactors[index] ?? 0);
  }
  return grown;
}

/**
 * ln E of a mixture over start times: half of the mass bets from the first block, the rest begins evenly over the horizon, so that a fault
 * that comes late meets fresh bets. What has not begun counts as it is. Guarantee: P(ever E >= 1/alpha) <= alpha, since the masses sum
 * to 1 and are fixed beforehand (a convex form of the e-detectors of Shin, Ramdas and Rinaldo). `waiting` is the mass not yet begun.
 */
export function mixtureLogE(logs: readonly number[], waiting: number): number {
  const most = greatest(logs, waiting > 0 ? 0 : LOG_NOTHING);
  return most <= LOG_NOTHING ? LOG_NOTHING : most + Math.log(mixtureE(logs, waiting, most));
}

/** E of such a mixture, divided by e^`most` to stay within the range of numbers. */
export function mixtureE(logs: readonly number[], waiting: number, most: number): number {
  return sumExp(logs, most) + (waiting > 0 ? waiting * Math.exp(-most) : 0);
}

// Traffic against the split: a black-holed, starved or flooded candidate shows in requests alone, before anything fails. No I/O, no state.

/** The candidate's part of the requests may be this many times what the split says before that is evidence. */
export const SHARE_TOLERANCE = { least: 0.8, most: 1.25 } as const;

/** What is looked for beyond the tolerance, as multiples of its odds: below the least and above the most. */
const STARVED_BY = [0.02, 0.15, 0.5] as const;

const FLOODED_BY = [1.5, 3, 10] as const;

export const TRAFFIC_ALTERNATIVES = STARVED_BY.length + FLOODED_BY.length;

/** The tolerated range of the candidate's part of the requests, as fractions; a `most` of 1 tolerates everything above. */
export function toleratedShare(planned: number): { readonly least: number; readonly most: number } {
  return { least: planned * SHARE_TOLERANCE.least, most: Math.min(1, planned * SHARE_TOLERANCE.most) };
}

/**
 * Traffic factors of one block, one for each alternative. H0: each request goes to the candidate with a chance inside the tolerance of
 * `planned` (0..1), which may move from block to block. Guarantee: means at most 1 for requests routed independently; clients that stay
 * with a build come in clusters, so the logs are divided by `dispersion`. At 0 and at 100 % there is nothing to compare: all are 0. In nats.
 * Source: sequential test of a sample ratio (Lindon and Malek), with a tolerance in place of a point.
 */
export function trafficLogFactors(block: Block, planned: number, dispersion: number): number[] {
  const { least, most } = toleratedShare(planned);
  const requests = block.candidate.requests + block.stable.requests;
  const landed = { requests, failures: block.candidate.requests };
  if (requests === 0 || !(planned > 0 && planned < 1)) return Array.from({ length: TRAFFIC_ALTERNATIVES }, () => 0);
  const low = Array.from(STARVED_BY, (by) => rateLogFactor(landed, least, withOdds(least, by)) / dispersion);
  const high = Array.from(FLOODED_BY, (by) => (most < 1 ? rateLogFactor(landed, most, withOdds(most, by)) / dispersion : 0));
  return [...low, ...high];
}

/** True when what was measured is inside the tolerance: a non-inferiority bound speaks for the share that was planned, or for none. */
export function shareIsAsPlanned(measured: number, planned: number): boolean {
  const { least, most } = toleratedShare(planned);
  return measured >= least && measured <= most;
}

function withOdds(rate: number, times: number): number {
  const odds = (rate / (1 - rate)) * times;
  return odds / (1 + odds);
}
