/** Evidence on its way to the ledger and back: shorter, and held against the settings it claims to belong to. No I/O. */
import { type Evidence, openEvidence, streamsKey, streamsOf } from './evidence.ts';
import type { Stream } from './evidence-stream.ts';
import type { GateSettings } from './gate-settings.ts';

const DIGITS = 1e6;

/** The same with six decimals of every logarithm, rounded down: what is lost is evidence, never its absence. About half the length. */
export function compactEvidence(evidence: Evidence): Evidence {
  const streams = Object.entries(evidence.streams).map(([key, all]) => [key, all.map(compactStream)] as const);
  return { ...evidence, streams: Object.fromEntries(streams) };
}

function compactStream(stream: Stream): Stream {
  const down = (logs: readonly number[]) => logs.map((log) => Math.floor(log * DIGITS) / DIGITS);
  return {
    ...stream,
    share: down(stream.share),
    absolute: down(stream.absolute),
    count: down(stream.count),
    certificate: down(stream.certificate),
  };
}

const PROCESSES = ['share', 'absolute', 'count', 'certificate'] as const;

/** Why this evidence cannot be of these settings; undefined when it can. Evidence that does not fit is lost evidence. */
export function misfit(settings: GateSettings, evidence: Evidence): string | undefined {
  const fresh = openEvidence(settings, evidence);
  for (const metric of settings.metrics) {
    const key = streamsKey(metric);
    const [has, needs] = [streamsOf(evidence, metric), streamsOf(fresh, metric)];
    if (!Object.hasOwn(evidence.gates, metric.gate) || has.length !== needs.length)
      return `${key} has ${has.length} streams, the settings ${needs.length}`;
    if (has.some((stream, index) => PROCESSES.some((name) => stream[name].length !== needs[index]?.[name].length)))
      return `${key} was judged by other processes`;
  }
  return undefined;
}
