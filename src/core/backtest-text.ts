/** A backtest in words: the verdict, when and why, who is to blame, what would have been needed, and each step. No I/O. */
import type { Backtest, StepSummary } from './backtest-decision.ts';
import type { Calibration } from './calibration.ts';
import { countText, durationText, percentText } from './gate.ts';
import { safeLine } from './safe-text.ts';
import type { Verdict } from './verdict.ts';
import { inShort, reasonText } from './verdict-holds.ts';

/** What was replayed, for the first line: `healthy.csv: 40 intervals of 15 s`. */
export function backtestText(what: string, { decision, compared, steps }: Backtest): string {
  const { verdict, tS, step, badRequests, slice, why } = decision;
  const at = steps.find((one) => one.step === step && one.fromS < tS && tS <= one.toS);
  const counted = at === undefined ? '' : `${seconds(tS - at.fromS)} into step ${step} (${percentText(at.share)} of the traffic)`;
  return [
    `backtest of ${safeLine(what)}`,
    field('verdict', `${verdict} at ${seconds(tS)}, ${counted}`),
    field('why', safeLine(why)),
    ...(slice === null ? [] : [field('slice', safeLine(slice))]),
    field('bad', `${badRequests} ${badRequests === 1 ? 'request' : 'requests'} of the candidate failed until then`),
    ...neededLines(compared),
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
function neededLines(compared: Verdict | null): string[] {
  if (compared === null) return [];
  const evidence = field('evidence', `ln E ${digits(compared.logE)} of the ${digits(compared.neededLogE)} that go back`);
  switch (compared.verdict) {
    case 'rollback':
      return [evidence, ...suspectLines(compared)];
    case 'advance':
      return [evidence, ...compared.unverified.map((slice) => field('unknown', `${safeLine(slice)}: too small to be certified`))];
    case 'hold':
      return [
        evidence,
        ...inShort(compared.reasons).map((reason, index) => field(index === 0 ? 'needed' : '', safeLine(reasonText(reason)))),
      ];
  }
}

function suspectLines({ confirmed, suspects }: Extract<Verdict, { verdict: 'rollback' }>): string[] {
  const named = confirmed.flatMap(({ metric, slice }) => (slice === null ? [] : [`${metric} in ${slice}`]));
  const also = suspects.flatMap(({ metric, slice }) => (slice === null ? [] : [`${metric} in ${slice}`]));
  return [
    ...(named.length === 0 ? [] : [field('to blame', safeLine(few(named)))]),
    ...(also.length === 0 ? [] : [field('suspects', safeLine(few(also)))]),
  ];
}

function few(names: readonly string[]): string {
  return names.length > 5 ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more` : names.join(', ');
}

function digits(value: number): string {
  return value.toFixed(2);
}

const HEAD = ['step', 'share', 'from', 'to', 'candidate failed', 'stable failed', 'ln E', 'could go on'] as const;

function stepTable(steps: readonly StepSummary[]): string[] {
  const rows = [HEAD, ...steps.map(stepCells)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd());
}

function stepCells({ step, share, fromS, toS, counts, greatestLogE, advancedS }: StepSummary): readonly string[] {
  const { candidate, stable } = counts;
  return [
    String(step),
    percentText(share),
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
  const { greatest, dispersion, clumps } = found;
  const most =
    greatest.length === 0
      ? 'none'
      : `greatest ln E ${digits(greatest.reduce((most, each) => Math.max(most, each), Number.NEGATIVE_INFINITY))}`;
  return [
    `calibration by ${safeLine(what)}`,
    field('replays', `${greatest.length} of ${durationText(found.replayS * 1000)}, ${most}`),
    dispersion === null || clumps === null
      ? field('clumps', 'too few failures to measure how many come together')
      : field('clumps', `${upTo(clumps)}, on ${dispersion.pairs} pairs of intervals; write compare: { clumps: ${upTo(clumps)} }`),
    field('ln E', thresholdText(found, configured)),
  ].join('\n');
}

function thresholdText({ threshold, greatest, replaysNeeded, replayS }: Calibration, configured: number | null): string {
  if (threshold === null) {
    const more = replaysNeeded - greatest.length;
    return `not calibrated: ${more} more replays are needed, another ${durationText(more * replayS * 1000)} of the stable build`;
  }
  if (configured === null) return `write evidence: { threshold: ${upTo(threshold)} }`;
  const enough = configured >= threshold;
  return enough
    ? `the threshold ${configured} of the config is enough`
    : `the threshold ${configured} of the config is too low: write ${upTo(threshold)}`;
}

/** Two decimals, never less than it is. */
function upTo(value: number): string {
  return (Math.ceil(value * 100 - 1e-9) / 100).toFixed(2);
}
