/** What a backtest comes to: the first rollback, else the first advance, else hold; and how each step went. No I/O. */
import type { TraceMoment } from './backtest.ts';
import type { Block, Counted } from './e-process.ts';
import type { Culprit } from './trace-culprit.ts';
import type { Verdict } from './verdict.ts';

export interface TraceDecision {
  readonly verdict: 'rollback' | 'advance' | 'hold';
  /** Seconds since the rollout began; of a hold the end of the trace. */
  readonly tS: number;
  readonly badRequests: number;
  /** The slice that is to blame; null for all of the traffic, and where no evidence decided. */
  readonly slice: string | null;
  readonly logE: number;
  /** From 1. */
  readonly step: number;
  readonly why: string;
}

/** One stretch of the trace at one step; a step that was left and entered again has two. */
export interface StepSummary {
  /** From 1. */
  readonly step: number;
  readonly share: number;
  readonly fromS: number;
  readonly toS: number;
  readonly intervals: number;
  readonly counts: Block;
  readonly greatestLogE: number;
  /** When it could first have gone on; null where never. */
  readonly advancedS: number | null;
  /** What it was waiting for at its end, or why it went back. */
  readonly why: string;
}

export interface Backtest {
  readonly decision: TraceDecision;
  /** What the comparing gates said when it was decided; null without one. */
  readonly compared: Verdict | null;
  readonly culprit: Culprit | null;
  readonly steps: readonly StepSummary[];
}

/** Looks at every moment until one goes back. Undefined where there is none at all. */
export function decide(moments: Iterable<TraceMoment>): Backtest | undefined {
  const steps: StepSummary[] = [];
  let advanced: TraceMoment | undefined;
  let last: TraceMoment | undefined;
  for (const moment of moments) {
    addMoment(steps, moment);
    last = moment;
    if (moment.verdict === 'rollback')
      return { decision: decisionOf(moment), compared: moment.compared, culprit: moment.culprit, steps };
    if (moment.verdict === 'advance') advanced ??= moment;
  }
  const decided = advanced ?? last;
  return decided === undefined ? undefined : { decision: decisionOf(decided), compared: decided.compared, culprit: null, steps };
}

function decisionOf({ verdict, tS, badRequests, logE, step, why, culprit }: TraceMoment): TraceDecision {
  return { verdict, tS, badRequests, slice: culprit?.slice ?? null, logE, step: step + 1, why };
}

function addMoment(steps: StepSummary[], moment: TraceMoment): void {
  const { fromS, tS, counts, logE, why } = moment;
  const advancedS = moment.verdict === 'advance' ? tS : null;
  const last = steps.at(-1);
  if (last === undefined || last.step !== moment.step + 1) {
    const at = { step: moment.step + 1, share: moment.share, fromS, toS: tS };
    steps.push({ ...at, intervals: 1, counts, greatestLogE: logE, advancedS, why });
    return;
  }
  steps[steps.length - 1] = {
    ...last,
    toS: tS,
    intervals: last.intervals + 1,
    counts: { candidate: sum(last.counts.candidate, counts.candidate), stable: sum(last.counts.stable, counts.stable) },
    greatestLogE: Math.max(last.greatestLogE, logE),
    advancedS: last.advancedS ?? advancedS,
    why,
  };
}

function sum(a: Counted, b: Counted): Counted {
  return { requests: a.requests + b.requests, failures: a.failures + b.failures };
}
