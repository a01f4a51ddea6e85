/** The engine in a thousand random worlds: plans, luck and faults by seed. */
import { describe, it } from 'vitest';
import { sweep } from './sweep.ts';

describe('in random worlds', () => {
  it(
    'traffic, ledger and pointer keep their promises, whoever dies, sleeps, lies or interferes (seeds 1001 and up)',
    () => sweep(1001, 1000),
    120_000,
  );
});
