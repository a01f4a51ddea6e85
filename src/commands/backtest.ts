/** `backtest`: when the gates would have decided over a recorded rollout, and why. Changes nothing; asks the network only for a range. */
import { type GateTrace, replayTrace, type TraceGates } from '../core/backtest.ts';
import { type Backtest, decide } from '../core/backtest-decision.ts';
import { backtestText } from '../core/backtest-text.ts';
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
}

export const STATUSES: StatusNames = { single: STATUS_METRICS, classes: CLASS_METRICS, metricOf: metricOfStatus };

export async function backtest(options: BacktestOptions, deps: Deps): Promise<Outcome> {
  if (options.trace === undefined) throw nothingToTest();
  const asked = await gatesToTest(deps);
  const rows = await traceRows(options.trace, 'both', deps);
  const { gates, trace } = ofOneGate(asked, rows, deps);
  const found = decide(replayTrace([trace], gates, STATUSES));
  if (found === undefined) throw nothingToTest();
  const shown = options.trace === '-' ? 'standard input' : options.trace;
  return told(`${shown}: ${trace.intervals.all.length} intervals of ${trace.intervals.everyS} s`, found, gates, deps);
}

function nothingToTest(): KvdeployError {
  return new KvdeployError('USAGE', {
    message: 'There is no trace to test the gates on.',
    hint: 'kvdeploy backtest --trace FILE',
  });
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
