/** Which step a recorded rollout was at, from the candidate's measured share of the requests. Never guesses from silence. No I/O. */
import type { Block } from './e-process.ts';
import { toleratedShare } from './traffic-share.ts';

/** `share` (0..1) is the step's own where the candidate had about that much, and otherwise what it had when the step began. */
export interface TraceStep {
  /** From 0. */
  readonly index: number;
  readonly share: number;
}

/** Chance moves a share by less than so many standard deviations. */
const FAR = 3;

/**
 * The step of an interval. `percents` rise. The nearest percent is the step; once at one, a share that chance can explain stays there. Without
 * a request of the candidate nothing is known, and nothing changes.
 */
export function stepAt(percents: readonly number[], now: TraceStep | undefined, { candidate, stable }: Block): TraceStep {
  const requests = candidate.requests + stable.requests;
  const measured = requests === 0 ? 0 : candidate.requests / requests;
  if (now !== undefined && (measured === 0 || isChance(now.share, measured, requests))) return now;
  const index = nearest(percents, 100 * measured);
  if (index === now?.index) return now;
  const planned = (percents[index] ?? 100) / 100;
  const { least, most } = toleratedShare(planned);
  const asPlanned = measured === 0 || (planned < 1 ? measured >= least && measured <= most : measured === 1);
  return { index, share: asPlanned ? planned : measured };
}

function isChance(share: number, measured: number, requests: number): boolean {
  return Math.abs(measured - share) * requests <= FAR * Math.sqrt(requests * share * (1 - share));
}

function nearest(percents: readonly number[], percent: number): number {
  let best = 0;
  for (const [index, each] of percents.entries())
    if (Math.abs(each - percent) < Math.abs((percents[best] ?? 0) - percent)) best = index;
  return best;
}
