/** In short: the engine, the ledger, the pointer and break-glass in random simulations: plans, people, luck and faults by seed. */
import { describe, it } from 'vitest';
import { sweepSimulations } from './sweep.ts';

describe('in random simulations', () => {
  it(
    'traffic, ledger and pointer keep their promises, whoever dies, sleeps, lies or interferes (seeds 1 and up)',
    () => sweepSimulations({ name: 'simulator-short', seed: 1, schedules: 2000, seconds: 150 }),
    240_000,
  );
});
