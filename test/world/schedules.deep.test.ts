/** The engine in twenty-five thousand random worlds that nobody has seen before. */
import { describe, it } from 'vitest';
import { sweep } from './sweep.ts';

/** New worlds every time: a failure names its seed. */
const first = 1_000_000 + (Date.now() % 1_000_000_000) * 2 + 0 * 2_000_000_000;

describe('in random worlds', () => {
  it.each([0, 5000, 10_000, 15_000, 20_000])(
    `traffic, ledger and pointer keep their promises (seeds ${first} + %i and up)`,
    (more) => sweep(first + more, 5000),
  );
});
