/** `backtest`: when the gates would have decided over a recorded rollout, and why. Changes nothing; asks the network only for a range. */
import { type GateTrace, replayTrace, type TraceGates } from '../core/backtest.ts';
import { type Backtest, decide } from '../core/backtest-decision.ts';
import { backtestText, calibrationText } from '../core/backtest-text.ts';
import { calibrate } from '../core/calibration.ts';
import { KvdeployError } from '../core/errors.ts';
import type { TraceRow } from '../core/trace.ts';
import { formOf, type StatusNames } from '../core/trace-counts.ts';
import { traceSettings } from '../core/trace-gates.ts';
import { intervalsOf } from '../core/trace-intervals.ts';
import { CLASS_METRICS, metricOfStatus, STATUS_METRICS } from '../metrics/statuses.ts';
import { type AskedGates, gatesToTest } from './backtest-gates.ts';
import { traceRows } from './backtest-read.ts';
import { type Deps, done, type Outcome } from './command.ts';

export interface BacktestOptions {
  /** A file, or `-` for standard input. */
  readonly trace?: string;
  readonly calibrate?: boolean;
}

/** One constant, so that a calibration can be made again. */
const SEED = 1;

export const STATUSES: StatusNames = { single: STATUS_METRICS, classes: CLASS_METRICS, metricOf: metricOfStatus };

export async function backtest(options: BacktestOptions, deps: Deps): Promise<Outcome> {
  if (options.trace === undefined) throw nothingToTest();
  const asked = await gatesToTest(deps);
  const rows = await traceRows(options.trace, options.calibrate === true ? 'stable' : 'both', deps);
  if (options.calibrate === true) return calibrated(options.trace, rows, asked, deps);
  const { gates, trace } = ofOneGate(asked, rows, deps);
  const found = decide(replayTrace([trace], gates, STATUSES));
  if (found === undefined) throw nothingToTest();
  return told(
    `${shownFile(options.trace)}: ${trace.intervals.all.length} intervals of ${trace.intervals.everyS} s`,
    found,
    gates,
    deps,
  );
}

function nothingToTest(): KvdeployError {
  return new KvdeployError('USAGE', {
    message: 'There is no trace to test the gates on.',
    hint: 'kvdeploy backtest --trace FILE',
  });
}

/** Needs a comparing gate: a fixed limit has nothing to calibrate. */
function calibrated(file: string, rows: readonly TraceRow[], asked: AskedGates, deps: Deps): Outcome {
  const gate = asked.compared.find(({ name }) => name === 'errors') ?? asked.compared[0];
  if (gate === undefined) {
    throw new KvdeployError('NO_GATE', {
      message: 'No gate of this service compares, so there is nothing to calibrate.',
      hint: 'A gate without max compares: gates: [errors]',
    });
  }
  const percents = asked.steps.map(({ percent }) => percent);
  const found = calibrate(rows, { gate, evidence: asked.evidence, percents, seed: SEED }, STATUSES);
  const configured = asked.evidence.leastLogE ?? null;
  deps.line({ type: 'document', name: 'calibration', data: { ...found, seed: SEED, configured } });
  deps.print(calibrationText(shownFile(file), found, configured));
  const more = found.replaysNeeded - found.greatest.length;
  return done(found.threshold === null ? `Not calibrated: ${more} more replays are needed.` : 'Calibrated.');
}

function shownFile(file: string): string {
  return file === '-' ? 'standard input' : file;
}

/** A trace is what one gate counts: `errors`, or the first gate that there is. The others are named, since they were not tried. */
function ofOneGate(asked: AskedGates, rows: readonly TraceRow[], deps: Deps): { gates: TraceGates; trace: GateTrace } {
  const names = [...asked.compared, ...asked.fixed].map(({ name }) => name);
  const gate = names.find((name) => name === 'errors') ?? names[0] ?? '';
  const others = [...new Set(names)].filter((name) => name !== gate);
  if (others.length > 0) {
    const message = `The trace is taken for what gate ${gate} counts; not tried: ${others.join(', ')}.`;
    deps.line({ type: 'note', level: 'warning', message });
  }
  const intervals = intervalsOf(rows);
  const trace = { gate, intervals, form: formOf(intervals.all, STATUSES) };
  const compared = asked.compared.filter(({ name }) => name === gate);
  const settings = compared.length === 0 ? null : traceSettings(compared, asked.evidence, [trace]);
  return { trace, gates: { settings, fixed: asked.fixed.filter(({ name }) => name === gate), steps: asked.steps } };
}

const WORDS = {
  rollback: 'The gates would have gone back',
  advance: 'The gates would have gone on',
  hold: 'The gates would still hold',
};

/** Says the same to people, to machines and on the result line. */
function told(what: string, found: Backtest, { settings }: TraceGates, deps: Deps): Outcome {
  const { decision, compared, steps } = found;
  const { verdict, tS, badRequests, slice, logE, step } = decision;
  deps.line({ type: 'document', name: 'backtest', data: { what, decision, compared, steps, settings } });
  deps.print(backtestText(what, found));
  const outcome = done(`${WORDS[verdict]} at ${tS} s, after ${badRequests} bad ${badRequests === 1 ? 'request' : 'requests'}.`);
  return { ...outcome, decision: { verdict, t_s: tS, badRequests, slice, logE, step } };
}
