/** `backtest`: when the gates would have decided over a recorded rollout, and why. Changes nothing; asks the network only for a range. */

import { replayTrace, type TraceGates, traceSettings } from '../../../backtest/backtest.ts';
import { type Backtest, backtestText, calibrationText, decide } from '../../../backtest/backtest-text.ts';
import { calibrate } from '../../../backtest/calibration.ts';
import { formOf, intervalsOf, type StatusNames } from '../../../backtest/trace-counts.ts';
import { KvdeployError } from '../../../core/errors.ts';
import {
  CLASS_METRICS,
  isExpected,
  metricOfStatus,
  metricsExcept,
  STATUS_METRICS,
} from '../../../core/gates/counting/statuses.ts';
import type { Verdict } from '../../../core/gates/verdict/verdict.ts';
import { type Deps, done, type Outcome } from '../../../release/deps.ts';
import { type AskedGates, gatesToTest } from './backtest-gates.ts';
import { type Fetched, fetchTraces, type RangeOptions, traceRows } from './backtest-traces.ts';

export interface BacktestOptions extends RangeOptions {
  /** A file, or `-` for standard input. */
  readonly trace?: string;
  readonly calibrate?: boolean;
}

/** One constant, so that a calibration can be made again. */
const SEED = 1;

/** How a trace's statuses are judged: those that a gate expects are no failures, as live. */
function statusNames({ compared }: AskedGates): StatusNames {
  const expected = compared.flatMap(({ settings: { expect } }) => (Array.isArray(expect) ? expect.map(String) : []));
  const [single, classes] = [metricsExcept(STATUS_METRICS, expected), metricsExcept(CLASS_METRICS, expected)];
  const metricOf: StatusNames['metricOf'] = (status, metrics) =>
    isExpected(status, expected) ? undefined : metricOfStatus(status, metrics);
  return { single, classes, metricOf };
}

export async function backtest(options: BacktestOptions, deps: Deps): Promise<Outcome> {
  if ((options.trace === undefined) === (options.fromPrometheus === undefined)) {
    throw new KvdeployError('USAGE', {
      message: 'Give a trace or a Prometheus range to test the gates on.',
      hint: 'kvdeploy backtest --trace FILE',
    });
  }
  const asked = await gatesToTest(deps);
  const names = statusNames(asked);
  const needs = options.calibrate === true ? 'stable' : 'both';
  const traces =
    options.trace === undefined
      ? await fetchTraces(options, asked, needs, names, deps)
      : [await ofOneGate(asked, options.trace, { needs, statuses: names }, deps)];
  const tried = triedGates(asked, traces, deps);
  const what = sourceText(options, traces);
  if (options.calibrate === true) return calibrated(what, tried, traces, names, deps);
  const settings =
    tried.compared.length === 0
      ? null
      : traceSettings(tried.compared, asked.evidence, ofThese(traces, tried.compared), asked.lagMs);
  const gates: TraceGates = { settings, fixed: tried.fixed, steps: asked.steps, pollMs: asked.pollMs };
  const found = decide(replayTrace(traces, gates, names));
  if (found === undefined) throw new Error('a trace has no interval');
  return told(what, found, gates, deps);
}

/** A trace is what one gate counts: `errors`, or the first gate that there is. */
async function ofOneGate(
  asked: AskedGates,
  file: string,
  { needs, statuses }: { readonly needs: 'both' | 'stable'; readonly statuses: StatusNames },
  deps: Deps,
): Promise<Fetched> {
  const names = [...asked.compared, ...asked.fixed].map(({ name }) => name);
  const rows = await traceRows(file, needs, deps);
  const intervals = intervalsOf(rows);
  return {
    gate: names.find((name) => name === 'errors') ?? names[0] ?? '',
    rows,
    intervals,
    form: formOf(intervals.all, statuses),
  };
}

function ofThese(traces: readonly Fetched[], gates: readonly { readonly name: string }[]): readonly Fetched[] {
  return traces.filter(({ gate }) => gates.some(({ name }) => name === gate));
}

/** The gates that a trace is for. The others are named, since they were not tried. */
function triedGates(asked: AskedGates, traces: readonly Fetched[], deps: Deps): AskedGates {
  const isTried = ({ name }: { readonly name: string }) => traces.some(({ gate }) => gate === name);
  const others = [...asked.compared, ...asked.fixed].filter((gate) => !isTried(gate)).map(({ name }) => name);
  if (others.length > 0) {
    const tried = traces.map(({ gate }) => gate).join(', ');
    const message = `Tested on the recorded data: ${tried}; not tested: ${[...new Set(others)].join(', ')}.`;
    deps.line({ type: 'note', level: 'warning', message });
  }
  return { ...asked, compared: asked.compared.filter(isTried), fixed: asked.fixed.filter(isTried) };
}

function sourceText({ trace, fromPrometheus, start, end }: BacktestOptions, [first]: readonly Fetched[]): string {
  const source = trace === undefined ? `${fromPrometheus} from ${start} to ${end}` : trace === '-' ? 'standard input' : trace;
  return `${source}: ${first?.intervals.all.length} intervals of ${first?.intervals.everyS} s`;
}

/** Needs a comparing gate: a fixed limit has nothing to calibrate. */
function calibrated(what: string, asked: AskedGates, traces: readonly Fetched[], statuses: StatusNames, deps: Deps): Outcome {
  const gate = asked.compared.find(({ name }) => name === 'errors') ?? asked.compared[0];
  const trace = traces.find((one) => one.gate === gate?.name);
  if (gate === undefined || trace === undefined) {
    throw new KvdeployError('NO_GATE', {
      message: 'No gate of this service compares builds, so there is nothing to calibrate.',
      hint: 'A gate without max compares: gates: [errors]',
    });
  }
  const percents = asked.steps.map(({ percent }) => percent);
  const found = calibrate(trace.rows, { gate, evidence: asked.evidence, percents, seed: SEED }, statuses);
  const configured = asked.evidence.leastLogE ?? null;
  deps.line({ type: 'document', name: 'calibration', data: { ...found, seed: SEED, configured } });
  deps.print(calibrationText(what, found, configured));
  const more = found.replaysNeeded - found.greatest.length;
  return done(found.threshold === null ? `Not calibrated: ${more} more replays are needed.` : 'Calibrated.');
}

const WORDS: Readonly<Record<Verdict, string>> = {
  fail: 'The gates would have rolled back',
  'give-up': 'The gates would have given up and rolled back',
  pass: 'The gates would have advanced',
  hold: 'The verdict would still be hold',
};

/** Says the same to people, to machines and on the result line. */
function told(what: string, found: Backtest, gates: TraceGates, deps: Deps): Outcome {
  const { decision, compared, steps } = found;
  const { verdict, tS, badRequests, slice, logE, step, released, cannotTell } = decision;
  deps.line({ type: 'document', name: 'backtest', data: { what, decision, compared, steps, settings: gates.settings } });
  deps.print(backtestText(what, found));
  const when = `at ${tS} s, after ${badRequests} bad ${badRequests === 1 ? 'request' : 'requests'}`;
  const part = `${WORDS.pass} past step ${step} of ${gates.steps.length} ${when}; the trace cannot tell what follows.`;
  const whole = `The gates would have released the candidate ${when}.`;
  const outcome = done(verdict !== 'pass' ? `${WORDS[verdict]} ${when}.` : released ? whole : part);
  return { ...outcome, decision: { verdict, t_s: tS, badRequests, slice, logE, step, released, cannotTell: [...cannotTell] } };
}
