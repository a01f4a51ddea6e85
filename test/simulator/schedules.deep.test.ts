/**
 * The engine, the ledger, the pointer and break-glass in a great many random simulations: the same ones at every run, so that a change is what
 * turns it red, not chance. New simulations: `SIMULATE_FROM=N`, or `npm run simulate -- --seed N --seconds S`.
 */
import { describe, it } from 'vitest';
import { sweepSimulations } from './sweep.ts';

const seed = Number(process.env['SIMULATE_FROM'] ?? 1);

describe('in random simulations', () => {
  it(
    `traffic, ledger and pointer keep their promises in random simulations (seeds ${seed} and up)`,
    () => sweepSimulations({ name: 'simulator', seed, schedules: 200_000, seconds: 1200 }),
    1_320_000,
  );
});
