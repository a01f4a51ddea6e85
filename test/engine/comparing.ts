/** Rollouts that are judged by nothing but comparison, counted by the simulated Prometheus. */
import { comparisonOf } from '../../src/core/gates/comparison.ts';
import type { Plan } from '../../src/core/rollout/plan.ts';
import { planOf } from '../simulator/rollouts.ts';

export const GATE = {
  name: 'errors',
  source: 'prometheus',
  settings: {
    url: 'http://prometheus',
    requests: 'requests{build="${build}"}',
    errors: 'errors{build="${build}"}',
    interval: '1s',
  },
};
export const LAG_MS = 1000;

/** Two steps; nothing is judged but by comparison, and the stable build is watched for no time before the first unless said otherwise. */
export function comparing(said: Partial<Plan> = {}, { lagMs = LAG_MS, interval = '1s', blockMs = 2000, watchMs = 0 } = {}): Plan {
  const countable = { metrics: ['errors'], slices: {}, countsTraffic: true, lagMs };
  const limits = { dwellMs: 10_000, blockMs, watchMs };
  const gate = { ...GATE, settings: { ...GATE.settings, interval }, compare: {} };
  return planOf({
    gates: [],
    comparison: comparisonOf([gate], limits, new Map([['errors', countable]])),
    steps: [50, 100].map((percent) => ({ percent, bakeMs: 5000 })),
    ...said,
  });
}
