/** Traffic against the split: a black-holed, starved or flooded candidate shows in requests alone, before anything fails. No I/O, no state. */
import { type Block, rateLogFactor } from './e-process.ts';

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
