/** The comparing gates of a trace: what the trace counts, judged by the margins that were asked for. Weights come from its beginning. No I/O. */
import type { GateTrace } from './backtest.ts';
import { type ComparedGate, comparisonOf, type EvidenceLimits } from './comparison.ts';
import type { GateSettings } from './gate-settings.ts';

/** Margins and limits of gates without any configuration. */
export const DEFAULT_GATE: ComparedGate = { name: 'errors', source: 'trace', settings: {}, compare: {} };

/**
 * The settings that judge these traces. Every gate has a trace. Requests are not held against the split: a trace does not say what it was
 * to be.
 */
export function traceSettings(
  gates: readonly ComparedGate[],
  limits: EvidenceLimits,
  traces: readonly GateTrace[],
): GateSettings {
  const countable = traces.map(({ gate, form, intervals }) => {
    const { slices, usualRates } = form;
    const metrics = form.metrics.map(({ metric }) => metric);
    return [gate, { metrics, slices, usualRates, countsTraffic: false, lagMs: intervals.everyS * 1000 }] as const;
  });
  return comparisonOf(gates, limits, new Map(countable)).settings;
}
