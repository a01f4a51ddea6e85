/** Crashes that the router sees, where no gate compares them: judged by the very evidence of gates that do. No I/O, no clock. */
import { comparisonOf } from '../comparison.ts';
import { gatePollOf } from '../counting/blocks.ts';
import type { CounterMemory } from '../counting/counter-memory.ts';
import { type ArmCounters, countersSince, NO_COUNTERS } from '../counting/counters.ts';
import { type Crashed, crashedMost } from '../counting/crashes.ts';
import { type Evidence, feed, openEvidence } from '../evidence/evidence.ts';
import { FAMILY_PARTS, type GateSettings } from '../gate-settings.ts';
import { standings } from './blamed.ts';

const GATE = 'router';

const { settings } = comparisonOf(
  [{ name: GATE, source: GATE, settings: {}, compare: {} }],
  {},
  new Map([[GATE, { metrics: [], slices: {}, countsTraffic: false, seesCrashes: true, lagMs: 0 }]]),
);

/** Crashes may spend no more of alpha than they may where other metrics are judged as well. */
const SETTINGS: GateSettings = {
  ...settings,
  metrics: settings.metrics.map((metric) => ({ ...metric, weight: FAMILY_PARTS.restarts })),
};

/** With a stable build any share: crashes are counted by the second, not by the request. */
const BOTH = 0.5;

export interface CrashWatch {
  readonly counters: CounterMemory;
  readonly evidence: Evidence;
  /** How often the candidate went down since the reading before. */
  readonly downs: number;
}

/** How often each location of the router saw each member of a build go down, by the member in words, since the router began to count. */
export type Downs = Readonly<Record<string, number>>;

/** The watch after one more reading. `stable` null: by plan nothing serves with the candidate. */
export function watched(
  before: CrashWatch | undefined,
  downs: { readonly candidate: Downs; readonly stable: Downs | null },
  atMs: number,
): CrashWatch {
  const share = downs.stable === null ? 1 : BOTH;
  const { counters, evidence } = before ?? { counters: NO_COUNTERS, evidence: openEvidence(SETTINGS, { atMs, share }) };
  const stable = downs.stable === null ? ({ absent: true } as const) : countersOf(downs.stable, atMs);
  const delta = countersSince(counters, { candidate: countersOf(downs.candidate, atMs), stable }, 0);
  const gates = { [GATE]: gatePollOf(delta, []) };
  const evident = feed(SETTINGS, evidence, { atMs, gates });
  return { counters: delta.memory, evidence: evident, downs: delta.candidate.crashes?.failures ?? 0 };
}

function countersOf(downs: Downs, freshMs: number): ArmCounters {
  const targets = Object.entries(downs).map(([name, times]) => [name, { startedMs: null, freshMs, counters: [], downs: times }]);
  return { targets: Object.fromEntries(targets) };
}

/** Which member of several went down most since the watch began; undefined where no one did. */
export function mostCrashed({ counters: { candidate } }: CrashWatch): Crashed | undefined {
  return crashedMost(candidate, (target) => target);
}

/** How often the candidate went down, once that is evidence against it; otherwise null. */
export function crashesTooOften({ evidence }: CrashWatch): number | null {
  return evidence.crossed === null ? null : (standings(SETTINGS, evidence)[0]?.all.candidate.failures ?? 0);
}
