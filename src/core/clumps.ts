/**
 * How many failures come together, measured on the stable build while a rollout runs: a certificate must not be surer than they allow. Errors
 * only on the side of holding: it never makes a certificate surer than the settings do. No I/O.
 */
import * as z from 'zod';
import { squaredResidual } from './dispersion.ts';
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

/** At the end of a block, with all that the stable build was asked and failed up to then; however its rate drifts over longer times. */
export function clumpsUpTo(clumps: Clumps = NOTHING, all: Counted): Clumps {
  const upTo: Clumps['upTo'] = [all.requests, all.failures];
  const block: Counted = { requests: all.requests - clumps.upTo[0], failures: all.failures - clumps.upTo[1] };
  if (block.requests <= 0) return { ...clumps, upTo };
  const last: Clumps['last'] = [block.requests, block.failures];
  const before: Counted = { requests: clumps.last[0], failures: clumps.last[1] };
  if (before.requests === 0 || block.failures + before.failures === 0) return { ...clumps, upTo, last };
  const kept = clumps.pairs >= MOST_PAIRS ? 0.5 : 1;
  const apart = Math.min(MOST_APART, squaredResidual(block, before));
  return { upTo, last, pairs: kept * clumps.pairs + 1, apart: kept * clumps.apart + apart };
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
