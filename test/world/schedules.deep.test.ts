/** The engine, the ledger, the pointer and break-glass in a million random worlds that nobody has seen before. */
import { describe, it } from 'vitest';
import { sweepWorlds } from './sweep.ts';

/** New worlds every time: a failure names its seed. */
const seed = 1_000_000 + (Date.now() % 1_000_000_000) * 1000;

describe('in random worlds', () => {
  it(
    `traffic, ledger and pointer keep their promises (seeds ${seed} and up)`,
    () => sweepWorlds({ name: 'simulator', seed, schedules: 1_000_000, seconds: 900 }),
    1_020_000,
  );
});
