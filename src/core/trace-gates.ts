/** The comparing gates of a trace: what the trace counts, judged by the margins that were asked for. Weights come from its beginning. No I/O. */

import type { GateTrace } from './backtest.ts';
import { type ComparedGate, comparisonOf, type EvidenceLimits } from './comparison.ts';
import {
  type Family,
  type GateSettings,
  type JudgedMetric,
  LATENCY_MARGIN,
  TIMEOUT_MARGIN,
  type UnweightedMetric,
  weighted,
} from './gate-settings.ts';
import { boundMetric } from './trace-counts.ts';

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
    const metrics = form.metrics.flatMap(({ metric, counts }) => (counts === 'failures' ? [metric] : []));
    return [gate, { metrics, slices: form.slices, countsTraffic: false, lagMs: intervals.everyS * 1000 }] as const;
  });
  const { settings } = comparisonOf(gates, limits, new Map(countable));
  const latency = traces.flatMap((trace) => latencyMetrics(settings, trace));
  if (latency.length === 0) return settings;
  return {
    ...settings,
    metrics: weighted([...settings.metrics.map((metric) => unweighted(metric, familyOf(metric))), ...latency]),
  };
}

function familyOf({ metric }: JudgedMetric): Family {
  return metric === 'errors' ? 'errors' : 'status';
}

function unweighted({ weight: _weight, slices, ...metric }: JudgedMetric, family: Family): UnweightedMetric {
  return { ...metric, family, slices: slices.map(({ name, weight }) => ({ name, part: weight })) };
}

/** The largest bound is where requests time out. Nobody said what the service promises, so that nothing here is certified. */
function latencyMetrics({ metrics }: GateSettings, { gate, form }: GateTrace): UnweightedMetric[] {
  const errors = metrics.find((metric) => metric.gate === gate && metric.metric === 'errors');
  if (errors === undefined) return [];
  const largest = Math.max(...form.bounds);
  return form.bounds.map((bound) => ({
    ...unweighted(errors, 'latency'),
    metric: boundMetric(bound),
    tolerated: bound === largest ? TIMEOUT_MARGIN : LATENCY_MARGIN,
    limit: null,
    certified: false,
    holdsInIncident: false,
  }));
}
