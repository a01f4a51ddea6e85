/** What the tests of backtests share: a trace's text in, what the gates said out. */

import {
  DEFAULT_GATE,
  type GateTrace,
  replayTrace,
  type TraceGates,
  type TraceMoment,
  traceSettings,
} from '../../src/backtest/backtest.ts';
import { decide } from '../../src/backtest/backtest-text.ts';
import { readTrace } from '../../src/backtest/trace.ts';
import { formOf, intervalsOf, type StatusNames } from '../../src/backtest/trace-counts.ts';
import type { ComparedGate, EvidenceLimits } from '../../src/core/gates/comparison.ts';
import { CLASS_METRICS, metricOfStatus, STATUS_METRICS } from '../../src/core/gates/counting/statuses.ts';
import { HEADER } from '../traces.ts';

export const STATUSES: StatusNames = { single: STATUS_METRICS, classes: CLASS_METRICS, metricOf: metricOfStatus };
export const STEPS = [5, 25, 50, 100].map((percent) => ({ percent, bakeMs: 0 }));

export const csv = (lines: readonly string[], header = HEADER) => [header, ...lines].join('\n');

export function gateTrace(text: string): GateTrace {
  const { rows, findings } = readTrace(text, 'trace.csv');
  if (findings.length > 0) throw new Error(JSON.stringify(findings));
  const intervals = intervalsOf(rows);
  return { gate: 'errors', intervals, form: formOf(intervals.all, STATUSES) };
}

export interface Asked {
  readonly compare?: ComparedGate['compare'];
  readonly warmUpMs?: number;
  readonly evidence?: EvidenceLimits;
  readonly gates?: Partial<TraceGates>;
}

/** Every moment, past the first rollback too. */
export function moments(text: string, { compare = {}, warmUpMs = 0, evidence = {}, gates = {} }: Asked = {}): TraceMoment[] {
  const trace = gateTrace(text);
  const settings = traceSettings([{ ...DEFAULT_GATE, compare, warmUpMs }], evidence, [trace], gates.pollMs ?? 0);
  return [...replayTrace([trace], { settings, fixed: [], steps: STEPS, pollMs: 1000, ...gates }, STATUSES)];
}

export function decided(text: string, asked: Asked = {}) {
  const found = decide(moments(text, asked));
  if (found === undefined) throw new Error('nothing was decided');
  return found;
}
