/**
 * How many failures come together, measured on the stable build while a rollout runs: a certificate must not be surer than they allow. Errors
 * only on the side of holding: it never makes a certificate surer than the settings do. No I/O.
 */
import * as z from 'zod';
import type { Counted } from './e-process.ts';

const pair = z.tuple([z.number().min(0), z.number().min(0)]);

export const clumpsSchema = z.strictObject({
  /** Requests and failures of the stable build up to the end of the last block, and in the last block that had requests. */
  upTo: pair,
  last: pair,
  /** Neighbouring blocks with a failure, and the sum of how far apart they were; halved now and then, so not whole. */
  pairs: z.number().min(0),
  apart: z.number().min(0),
});

export type Clumps = z.infer<typeof clumpsSchema>;

const NOTHING: Clumps = { upTo: [0, 0], last: [0, 0], pairs: 0, apart: 0 };

/** So much counts of one pair: an incident begins and ends once, and is no clump. */
const MOST_APART = 64;
/** What is older is forgotten by and by. */
const MOST_PAIRS = 64;

/**
 * At the end of a block, with all that the stable build was asked and failed up to then. Of two neighbours with n failures in all, of which each expects its part q by its requests, the
 * squared Pearson residual (k - q n)^2 / (q (1 - q) n) is 1 on average where failures come one by one, and c where they come c at a time,
 * however the rate drifts over longer times.
 */
export function clumpsUpTo(clumps: Clumps = NOTHING, all: Counted): Clumps {
  const upTo: Clumps['upTo'] = [all.requests, all.failures];
  const [requests, failures] = [all.requests - clumps.upTo[0], all.failures - clumps.upTo[1]];
  if (requests <= 0) return { ...clumps, upTo };
  const last: Clumps['last'] = [requests, failures];
  const [otherRequests, otherFailures] = clumps.last;
  const both = failures + otherFailures;
  if (otherRequests === 0 || both === 0) return { ...clumps, upTo, last };
  const residual = (failures * otherRequests - otherFailures * requests) ** 2 / (both * requests * otherRequests);
  const kept = clumps.pairs >= MOST_PAIRS ? 0.5 : 1;
  return { upTo, last, pairs: kept * clumps.pairs + 1, apart: kept * clumps.apart + Math.min(MOST_APART, residual) };
}

/** On top of what is measured: the candidate's failures may clump more, and few pairs tell little. */
const CAUTION = 1.5;
/** Standard errors above 1 from which failures evidently come together; neighbouring pairs share a block, hence 3 in place of 2. */
const EVIDENT = 2.5;
const VARIANCE = 3;

/** What the logarithms of a certificate must be divided by: what the settings say (`stated`), or what was evidently more. */
export function dispersionSeen({ pairs, apart }: Clumps = NOTHING, stated: number): number {
  if (pairs === 0) return stated;
  const together = apart / pairs;
  const evident = together > 1 + EVIDENT * Math.sqrt(VARIANCE / pairs);
  return evident ? Math.max(stated, CAUTION * together) : stated;
}
