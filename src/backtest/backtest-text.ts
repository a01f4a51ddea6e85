/** What a backtest comes to: the first `fail` or `give-up`, else the first `pass`, else `hold`; and how each step went. No I/O. */
import { safeLine } from '../base/text.ts';
import { addBlocks, type Block } from '../core/gates/evidence/e-process.ts';
import { type EvidenceVerdict, inShort, reasonText } from '../core/gates/verdict/evidence-verdict.ts';
import type { Verdict } from '../core/gates/verdict/verdict.ts';
import { countText, fractionText, listText, msText } from '../core/text.ts';
import type { TraceMoment } from './backtest.ts';
import type { Calibration } from './calibration.ts';
import type { Blamed } from './trace-blame.ts';

export interface TraceDecision {
  readonly verdict: Verdict;
  /** Seconds since the rollout began; of a hold the end of the trace. */
  readonly tS: number;
  readonly badRequests: number;
  /** The blamed slice; null for all of the traffic, and where no evidence decided. */
  readonly slice: string | null;
  readonly logE: number;
  /** From 1: the last that the gates let go on, or the one at which they decided otherwise. */
  readonly step: number;
  /** The last step passed too. */
  readonly released: boolean;
  readonly why: string;
  /** What the trace cannot tell of such a rollout, each a sentence. */
  readonly cannotTell: readonly string[];
}

/** One stretch of the trace at one step and one share; a step at which another share was recorded has two. */
export interface StepSummary {
  /** From 1. */
  readonly step: number;
  /** What the candidate had of the recorded traffic, 0..1. */
  readonly share: number;
  readonly fromS: number;
  readonly toS: number;
  readonly intervals: number;
  readonly counts: Block;
  readonly greatestLogE: number;
  /** When the replayed rollout went on from here; null where never. */
  readonly advancedS: number | null;
  /** What it was waiting for at its end, or why it rolled back. */
  readonly why: string;
}

export interface Backtest {
  readonly decision: TraceDecision;
  /** What the comparing gates said when it was decided; null without one. */
  readonly compared: EvidenceVerdict | null;
  readonly blamed: Blamed | null;
  readonly steps: readonly StepSummary[];
}

/**
 * Looks at every moment until one rolls back, or the last step passes. What was passed before counts only while the trace shows nothing of the
 * step that comes next. Undefined where there is no moment at all.
 */
export function decide(moments: Iterable<TraceMoment>): Backtest | undefined {
  const steps: StepSummary[] = [];
  let passed: TraceMoment | undefined;
  let last: TraceMoment | undefined;
  for (const moment of moments) {
    addMoment(steps, moment);
    last = moment;
    if (moment.verdict === 'pass') passed = moment;
    if (moment.verdict === 'fail' || moment.verdict === 'give-up' || moment.released) break;
  }
  if (last === undefined) return undefined;
  const decided = passed !== undefined && last.verdict === 'hold' && !last.tells ? passed : last;
  const { compared } = decided;
  // What the whole trace cannot tell, not what was still to come when it was decided.
  return { decision: { ...decisionOf(decided), cannotTell: last.cannotTell }, compared, blamed: decided.blamed, steps };
}

function decisionOf({
  verdict,
  tS,
  badRequests,
  logE,
  step,
  why,
  blamed,
  released,
}: TraceMoment): Omit<TraceDecision, 'cannotTell'> {
  return { verdict, tS, badRequests, slice: blamed?.slice ?? null, logE, step: step + 1, why, released };
}

function addMoment(steps: StepSummary[], moment: TraceMoment): void {
  const { fromS, tS, counts, logE, why } = moment;
  const advancedS = moment.verdict === 'pass' ? tS : null;
  const last = steps.at(-1);
  if (last === undefined || last.step !== moment.step + 1 || last.share !== moment.share) {
    const at = { step: moment.step + 1, share: moment.share, fromS, toS: tS };
    steps.push({ ...at, intervals: 1, counts, greatestLogE: logE, advancedS, why });
    return;
  }
  steps[steps.length - 1] = {
    ...last,
    toS: tS,
    intervals: last.intervals + 1,
    counts: addBlocks(last.counts, counts),
    greatestLogE: Math.max(last.greatestLogE, logE),
    advancedS: last.advancedS ?? advancedS,
    why,
  };
}

// A backtest in words: the verdict, when and why, who is to blame, what would have been needed, and each step. No I/O.

/** What was replayed, for the first line: `healthy.csv: 40 intervals of 15 s`. */
export function backtestText(what: string, { decision, compared, steps }: Backtest): string {
  const { verdict, tS, step, badRequests, slice, why, cannotTell } = decision;
  const at = steps.find((one) => one.step === step && one.fromS < tS && tS <= one.toS);
  const counted =
    at === undefined ? '' : `${seconds(tS - at.fromS)} into step ${step} (${fractionText(at.share)} of the traffic)`;
  return [
    `backtest of ${safeLine(what)}`,
    field('verdict', `${verdict} at ${seconds(tS)}, ${counted}`),
    field('why', safeLine(why)),
    ...(slice === null ? [] : [field('slice', safeLine(slice))]),
    field('bad', `${badRequests} ${badRequests === 1 ? 'request' : 'requests'} of the candidate had failed by then`),
    ...neededLines(compared),
    ...cannotTell.map((one, index) => field(index === 0 ? 'unknown' : '', safeLine(one))),
    '',
    ...stepTable(steps),
  ].join('\n');
}

function field(name: string, text: string): string {
  return `  ${name.padEnd(8)} ${text}`;
}

function seconds(value: number): string {
  return `${Math.round(value * 1000) / 1000} s`;
}

/** How far the evidence was from each verdict. */
function neededLines(compared: EvidenceVerdict | null): string[] {
  if (compared === null) return [];
  const evidence = field('evidence', `ln E ${digits(compared.logE)}; rollback at ${digits(compared.neededLogE)}`);
  switch (compared.verdict) {
    case 'give-up':
      return [evidence];
    case 'fail':
      return [evidence, ...suspectLines(compared)];
    case 'pass':
      return [evidence, ...compared.unverified.map((slice) => field('unknown', `${safeLine(slice)}: too small to judge`))];
    case 'hold':
      return [
        evidence,
        ...inShort(compared.reasons).map((reason, index) => field(index === 0 ? 'needed' : '', safeLine(reasonText(reason)))),
      ];
  }
}

function suspectLines({ confirmed, suspects }: Extract<EvidenceVerdict, { verdict: 'fail' }>): string[] {
  const named = confirmed.flatMap(({ metric, slice }) => (slice === null ? [] : [`${metric} in ${slice}`]));
  const also = suspects.flatMap(({ metric, slice }) => (slice === null ? [] : [`${metric} in ${slice}`]));
  return [
    ...(named.length === 0 ? [] : [field('blamed', safeLine(listText(named)))]),
    ...(also.length === 0 ? [] : [field('suspects', safeLine(listText(also)))]),
  ];
}

function digits(value: number): string {
  return value.toFixed(2);
}

const HEAD = ['step', 'share', 'from', 'to', 'candidate failed', 'stable failed', 'ln E', 'advanced'] as const;

function stepTable(steps: readonly StepSummary[]): string[] {
  const rows = [HEAD, ...steps.map(stepCells)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd());
}

function stepCells({ step, share, fromS, toS, counts, greatestLogE, advancedS }: StepSummary): readonly string[] {
  const { candidate, stable } = counts;
  return [
    String(step),
    fractionText(share),
    seconds(fromS),
    seconds(toS),
    countText(candidate.failures, candidate.requests),
    countText(stable.failures, stable.requests),
    digits(greatestLogE),
    advancedS === null ? 'no' : `at ${seconds(advancedS)}`,
  ];
}

/** What a calibration comes to, with what to write into the config. `configured`: the threshold that stands there now. */
export function calibrationText(what: string, found: Calibration, configured: number | null): string {
  const { greatest, dispersion, clusters } = found;
  const most =
    greatest.length === 0
      ? 'none'
      : `greatest ln E ${digits(greatest.reduce((most, each) => Math.max(most, each), Number.NEGATIVE_INFINITY))}`;
  return [
    `calibration by ${safeLine(what)}`,
    field('replays', `${greatest.length} of ${msText(found.replayS * 1000)}, ${most}`),
    dispersion === null || clusters === null
      ? field('clusters', 'too few failures to measure their clustering')
      : field(
          'clusters',
          `${upTo(clusters)}, from ${dispersion.pairs} pairs of intervals; set compare: { clusters: ${upTo(clusters)} }`,
        ),
    field('ln E', thresholdText(found, configured)),
  ].join('\n');
}

function thresholdText({ threshold, greatest, replaysNeeded, replayS }: Calibration, configured: number | null): string {
  if (threshold === null) {
    const more = replaysNeeded - greatest.length;
    return `not calibrated: ${more} more replays are needed, another ${msText(more * replayS * 1000)} of the stable build`;
  }
  if (configured === null) return `set evidence: { threshold: ${upTo(threshold)} }`;
  const enough = configured >= threshold;
  return enough
    ? `the threshold ${configured} in the config is high enough`
    : `the threshold ${configured} in the config is too low: set ${upTo(threshold)}`;
}

/** Two decimals, never less than it is. */
function upTo(value: number): string {
  return (Math.ceil(value * 100 - 1e-9) / 100).toFixed(2);
}
