/** What a gate will catch, and how many bad requests that takes at this traffic: forecasts for the plan. Must not judge a rollout. No I/O. */
import { feed, openEvidence } from './evidence.ts';
import { type GateSettings, type JudgedMetric, WHOLE } from './gate-settings.ts';
import type { GatePoll } from './poll.ts';
import { pollEveryMs } from './poll-schedule.ts';

/** The traffic of a service, or of a slice of it. `stableRate`: the fraction of its requests that fail today. */
export interface Traffic {
  readonly requestsPerSecond: number;
  /** The candidate's share, 0..1. */
  readonly share: number;
  readonly stableRate: number;
}

export interface Detection {
  /** Candidate requests, failures among them, and time, until the gate goes back. */
  readonly requests: number;
  readonly badRequests: number;
  readonly afterMs: number;
  readonly polls: number;
}

/**
 * What no rule can beat: any that calls a good build bad with chance alpha at most, and surely finds one that fails at `rate`, needs
 * ln(1/alpha) / KL(rate, tolerated rate) requests of the candidate on average, even knowing the stable rate (Wald 1945). Infinity where
 * `rate` is tolerated. Not rounded, except that nothing is found before one request failed.
 */
export function informationLimit(rate: number, tolerated: number, alpha: number): { requests: number; badRequests: number } {
  if (rate <= tolerated) return { requests: Number.POSITIVE_INFINITY, badRequests: Number.POSITIVE_INFINITY };
  const part = (p: number, q: number) => (p === 0 ? 0 : p * Math.log(p / q));
  const requests = -Math.log(alpha) / (part(rate, tolerated) + part(1 - rate, 1 - tolerated));
  return { requests: Math.max(requests, 1 / rate), badRequests: Math.max(1, rate * requests) };
}

const HOUR_MS = 3_600_000;

/**
 * How the gate meets a candidate that fails at `rate`, with requests and failures evenly spaced: the real evidence is fed until it is enough.
 * `floorMs`: the source's own interval, which no test can undo. Undefined when an hour is not enough.
 */
export function detection(
  settings: GateSettings,
  stream: { readonly metric: JudgedMetric; readonly weight: number },
  fault: { readonly traffic: Traffic; readonly rate: number; readonly floorMs: number },
): Detection | undefined {
  const { traffic, rate, floorMs } = fault;
  // The other streams are counted as nothing: they may have lost what they began with.
  const alone: GateSettings = { ...settings, metrics: [{ ...stream.metric, weight: stream.weight, slices: [] }] };
  let evidence = openEvidence(alone, { atMs: 0, share: traffic.share });
  let before = countsAt(traffic, rate, 0);
  for (let polls = 1, atMs = 0; atMs < HOUR_MS; polls += 1) {
    atMs += pollEveryMs(atMs, floorMs);
    const now = countsAt(traffic, rate, atMs);
    evidence = feed(alone, evidence, { atMs, gates: { [stream.metric.gate]: pollBetween(stream.metric, before, now) } });
    before = now;
    if (evidence.crossed !== null) return { requests: now.requests, badRequests: now.failures, afterMs: atMs, polls };
  }
  return undefined;
}

type Total = {
  readonly requests: number;
  readonly failures: number;
  readonly stableRequests: number;
  readonly stableFailures: number;
};

/** The k-th failure of each build comes half-way through its k-th span. */
function countsAt({ requestsPerSecond, share, stableRate }: Traffic, rate: number, atMs: number): Total {
  const all = (requestsPerSecond * atMs) / 1000;
  const requests = Math.floor(all * share);
  const stableRequests = Math.floor(all * (1 - share));
  return {
    requests,
    failures: Math.min(requests, Math.floor(requests * rate + 0.5)),
    stableRequests,
    stableFailures: Math.min(stableRequests, Math.floor(stableRequests * stableRate + 0.5)),
  };
}

function pollBetween(metric: JudgedMetric, before: Total, now: Total): GatePoll {
  const candidate = { requests: now.requests - before.requests, failures: now.failures - before.failures };
  const stable = {
    requests: now.stableRequests - before.stableRequests,
    failures: now.stableFailures - before.stableFailures,
  };
  return {
    candidate: { state: 'counted' },
    stable: { state: 'counted' },
    blocks: { [metric.metric]: { [WHOLE]: { candidate, stable } } },
  };
}
