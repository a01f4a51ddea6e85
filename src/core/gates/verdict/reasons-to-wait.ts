/** Reasons to hold, and those that end by themselves with time and traffic: dwell, blocks, bounds. No I/O, no clock. */
import { countText, fractionText, listText, msText } from '../../text.ts';
import type { Evidence } from '../evidence/evidence.ts';
import { MANY_FAILURES } from '../evidence/newest.ts';
import type { HarmBound } from '../evidence/non-inferiority.ts';
import type { GateSettings } from '../gate-settings.ts';

export interface Reason {
  /**
   * `data`: not counted or not whole. `incident`: the stable build fails too, `average`: it did earlier at this step; `limit`: both together fail beyond the limit. `evidence`: some
   * harm is likely, though not proven; `worse`: it is evident, though no `bound` covers it and the evidence is not enough yet.
   * `never`: a bound that this traffic cannot give.
   */
  readonly what:
    | 'data'
    | 'incident'
    | 'average'
    | 'limit'
    | 'evidence'
    | 'worse'
    | 'split'
    | 'dwell'
    | 'bound'
    | 'never'
    | 'slices';
  readonly gate: string | null;
  readonly why: string;
  /** When it may be over, on the clock of the polls; null where no one can say. */
  readonly untilMs: number | null;
}

export function reason(what: Reason['what'], gate: string | null, why: string, untilMs: number | null = null): Reason {
  return { what, gate, why, untilMs };
}

/** Closed blocks that a bound needs at least, and how many lags a step lasts: a fault shows no sooner. */
export const LEAST_BLOCKS = 8;

const LEAST_LAGS = 2;

/** The least time of a step: its dwell counts from the end of the longest warm-up. Milliseconds. */
export function leastDwellMs({ dwellMs, lagMs, metrics }: GateSettings): number {
  return Math.max(dwellMs, LEAST_LAGS * lagMs) + Math.max(0, ...metrics.map(({ warmUpMs }) => warmUpMs));
}

export function dwellReasons(settings: GateSettings, evidence: Evidence): Reason[] {
  const least = leastDwellMs(settings);
  const watchedMs = evidence.atMs - evidence.stepSinceMs;
  const why = `watched for ${msText(watchedMs)} of ${msText(least)}`;
  const dwell = watchedMs < least ? [reason('dwell', null, why, evidence.stepSinceMs + least)] : [];
  const blocks = Object.entries(evidence.gates).flatMap(([gate, { blocks: whole }]) => {
    const counted = `${whole} of ${LEAST_BLOCKS} blocks of ${msText(settings.blockMs)} are complete`;
    const untilMs = evidence.atMs + (LEAST_BLOCKS - whole) * settings.blockMs;
    return whole >= LEAST_BLOCKS ? [] : [reason('dwell', gate, counted, untilMs)];
  });
  return [...dwell, ...blocks];
}

export function boundReasons(settings: GateSettings, evidence: Evidence, bounds: readonly HarmBound[]): Reason[] {
  if (bounds.length === 0) return [reason('never', null, 'no gate here can rule out harm, and missing data does not')];
  const isLong = evidence.atMs - evidence.stepSinceMs >= leastDwellMs(settings);
  return bounds.flatMap((one): Reason[] => {
    const { gate, metric } = one.metric;
    const [requests, failures] = one.stream.step;
    const reasons: Reason[] = [];
    if (!one.ruledOut) {
      const isNever = !Number.isFinite(one.requestsNeeded);
      const needs = !isNever
        ? `${requests} of about ${one.requestsNeeded} requests needed to rule out harm`
        : 'harm cannot be ruled out at this limit, whatever the number of requests';
      const since = one.dispersion > one.metric.dispersion ? ' while the failures of the stable build are clustered' : '';
      const why = `${needs}${since}; ${metric}: ${countText(failures, requests)} failed`;
      // At first a few failures make it look so.
      const what = isNever && isLong && failures >= MANY_FAILURES ? 'never' : 'bound';
      reasons.push(reason(what, gate, why, untilMs(evidence, requests, one.requestsNeeded)));
    }
    const alike = bounds.filter(({ metric: other, waiting }) => other.gate === gate && sameNames(waiting, one.waiting));
    if (one.waiting.length > 0 && alike[0] === one) {
      const metrics = alike.map(({ metric: other }) => other.metric).join(', ');
      reasons.push(reason('slices', gate, `${metrics}: harm is not yet ruled out in ${slicesText(one.waiting)}`));
    }
    if (one.unverifiedShare > settings.unverifiedShare) {
      const part = `${fractionText(one.unverifiedShare)} of the traffic`;
      const why = `${metric}: ${part} is in slices too small to judge (${slicesText(one.unverified)})`;
      reasons.push(reason(isLong ? 'never' : 'slices', gate, why));
    }
    return reasons;
  });
}

const sameNames = (some: readonly string[], others: readonly string[]) => some.join('\n') === others.join('\n');

const MEMBER = 'member ';

/** `members green-1, green-2 and 28 more`, or the names of slices. */
function slicesText(names: readonly string[]): string {
  if (names.length < 2 || !names.every((name) => name.startsWith(MEMBER))) return listText(names);
  return `members ${listText(names.map((name) => name.slice(MEMBER.length)))}`;
}

function untilMs(evidence: Evidence, requests: number, needed: number): number | null {
  const watchedMs = evidence.atMs - evidence.stepSinceMs;
  if (requests === 0 || needed <= requests || !Number.isFinite(needed)) return null;
  return evidence.stepSinceMs + (watchedMs * needed) / requests;
}
