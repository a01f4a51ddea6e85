/**
 * The engine, the ledger, the pointer and break-glass in a great many random worlds: the same ones at every run, so that a change is what
 * turns it red, not chance. New worlds: `KVDEPLOY_SEED=N`, or `npm run simulate -- --seed N --seconds S`.
 */
import { describe, it } from 'vitest';
import { sweepWorlds } from './sweep.ts';

const seed = Number(process.env['KVDEPLOY_SEED'] ?? 1);

describe('in random worlds', () => {
  it(
    `traffic, ledger and pointer keep their promises (seeds ${seed} and up)`,
    () => sweepWorlds({ name: 'simulator', seed, schedules: 200_000, seconds: 1200 }),
    1_320_000,
  );
});
