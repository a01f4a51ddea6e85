/** What the tests of the gates share: settings of one metric, polls, and rollouts of many. */
import type { GatePoll, SliceBlocks } from '../../../../src/core/gates/counting/blocks.ts';
import type { Block } from '../../../../src/core/gates/evidence/e-process.ts';
import { type Evidence, feed, openEvidence } from '../../../../src/core/gates/evidence/evidence.ts';
import {
  type GateSettings,
  type JudgedMetric,
  METRIC_DEFAULTS,
  SETTINGS_DEFAULTS,
  WHOLE,
} from '../../../../src/core/gates/gate-settings.ts';

export const ERRORS: JudgedMetric = { ...METRIC_DEFAULTS, gate: 'errors', metric: 'errors', weight: 1, slices: [] };

export function settingsOf(changes: Partial<GateSettings> = {}, metric: Partial<JudgedMetric> = {}): GateSettings {
  return { ...SETTINGS_DEFAULTS, metrics: [{ ...ERRORS, ...metric }], ...changes };
}

/** Candidate failures and requests, then those of the stable build, as the vectors of the literature have them. */
export type Counts = readonly [kc: number, nc: number, kb: number, nb: number];

/** Our own vector: five polls of 15 s at 1 % of 1,000 requests a second. */
export const OUR_BLOCKS: readonly Counts[] = [
  [1, 150, 14, 14_850],
  [0, 150, 15, 14_850],
  [3, 150, 12, 14_850],
  [2, 150, 17, 14_850],
  [5, 150, 14, 14_850],
];

export function blockOf([kc, nc, kb, nb]: Counts): Block {
  return { candidate: { requests: nc, failures: kc }, stable: { requests: nb, failures: kb } };
}

export function counted(slices: SliceBlocks, metric = 'errors'): GatePoll {
  return { candidate: { state: 'counted' }, stable: { state: 'counted' }, blocks: { [metric]: slices } };
}

export const whole = (counts: Counts): GatePoll => counted({ [WHOLE]: blockOf(counts) });

/** The evidence after polls of the one gate, 15 s apart, at a share of the traffic. */
export function fed(settings: GateSettings, polls: readonly GatePoll[], share = 0.01, everyMs = 15_000): Evidence {
  return polls.reduce(
    (evidence, poll) => feed(settings, evidence, { atMs: evidence.atMs + everyMs, gates: { errors: poll } }),
    openEvidence(settings, { atMs: 0, share }),
  );
}

/** A binomial count, by the waiting times between failures: as quick as there are failures. */
export function binomial(random: () => number, trials: number, rate: number): number {
  if (rate <= 0) return 0;
  if (rate >= 1) return trials;
  const each = Math.log1p(-rate);
  let count = 0;
  for (let at = Math.log(1 - random()) / each; at < trials; at += 1 + Math.floor(Math.log(1 - random()) / each)) {
    count += 1;
    at = Math.floor(at);
  }
  return count;
}
