/** Every metric source there is: one line each. The config's `source`, its schema and the docs follow from this list. */
import { command } from './command.ts';
import { httpProbe } from './http-probe.ts';
import type { MetricSource } from './metric-source.ts';
import { prometheus } from './prometheus/prometheus.ts';
import { haproxyCounters, localCounters, nginxCounters } from './router-counters.ts';

export const metricSources: readonly MetricSource<unknown>[] = [
  httpProbe,
  prometheus,
  haproxyCounters,
  nginxCounters,
  localCounters,
  command,
];

/** The metric source of this kind, or undefined. */
export function sourceOf(kind: string): MetricSource<unknown> | undefined {
  return metricSources.find((source) => source.kind === kind);
}

/** Settings of plans never change, and each is asked for at every poll. */
const opened = new WeakMap<object, { readonly source: MetricSource<unknown>; readonly config: unknown }>();

/**
 * The metric source that a gate names, and the gate's settings as it reads them. Throws a plain error when either does not
 * exist here: whoever wrote them had both, so only a plan of another version can get here.
 */
export function openSource(gate: { readonly source: string; readonly settings: Readonly<Record<string, unknown>> }): {
  readonly source: MetricSource<unknown>;
  readonly config: unknown;
} {
  const known = opened.get(gate.settings);
  if (known?.source.kind === gate.source) return known;
  const source = sourceOf(gate.source);
  if (source === undefined) {
    throw new Error(`there is no metric source "${gate.source}". Known: ${metricSources.map((each) => each.kind).join(', ')}`);
  }
  const open = { source, config: source.config.parse(gate.settings) };
  opened.set(gate.settings, open);
  return open;
}
