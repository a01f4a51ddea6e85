/** Processes that die and are replaced all the time, and two that show their totals in turn: what is counted of both. */
import { type ArmCounters, countersSince, type Delta, NO_COUNTERS } from '../../src/core/gates/counting/counters.ts';

/** Readings of the candidate, a second apart: totals of requests and errors by process. */
function read(readings: readonly Readonly<Record<string, readonly [requests: number, errors: number]>>[]): Delta[] {
  let memory = NO_COUNTERS;
  return readings.map((pods, atS) => {
    const targets = Object.entries(pods).map(([name, [requests, errors]]) => {
      const counters = [
        { counter: 'requests', slice: '', value: requests },
        { counter: 'errors', slice: '', value: errors },
      ];
      return [name, { startedMs: null, freshMs: atS * 1000, counters }] as const;
    });
    const candidate: ArmCounters = { targets: Object.fromEntries(targets) };
    const delta = countersSince(memory, { candidate, stable: { absent: true } }, 2000);
    memory = delta.memory;
    return delta;
  });
}

export function churn(): readonly string[] {
  const dying = read(
    Array.from({ length: 60 }, (_, at) => Object.fromEntries([0, 1, 2, 3].map((pod) => [`p${at + pod}`, [9, 0]]))),
  );
  const restarts = dying.reduce((sum, { candidate }) => sum + candidate.restarts, 0);
  const turning = read(Array.from({ length: 30 }, (_, at) => ({ app: at % 2 === 0 ? [2500 + at, 1] : [5700 + at, 200] })));
  const failures = turning.slice(2).reduce((sum, { candidate }) => sum + (candidate.counts.get('errors')?.get('') ?? 0), 0);
  return [
    ...(restarts > 20 ? [] : ['a build whose processes die every few seconds passes for one that moves']),
    ...(failures === 0 ? [] : [`totals in turn are counted as ${failures} failures`]),
  ];
}
