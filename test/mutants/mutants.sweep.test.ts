/** The tests of the tests: every fault of the list is noticed, and without any of them nothing is. */
import { afterAll, describe, expect, it } from 'vitest';
import { recordReliability } from '../reliability.ts';
import { noticed } from './kill.ts';
import { MUTANTS } from './mutants.ts';

const began = performance.now();
let survivors = 0;

describe('a fault in the code is noticed:', () => {
  it.each(MUTANTS)('$name', async (mutant) => {
    const found = await noticed(mutant);
    if (found === undefined) survivors += 1;
    expect(found, `${mutant.noticedBy} noticed nothing`).toBeDefined();
  });

  afterAll(() => {
    const seconds = (performance.now() - began) / 1000;
    recordReliability({
      name: 'mutants',
      what: 'faults put into the code',
      points: MUTANTS.length,
      seconds,
      seed: '1',
      failures: survivors,
    });
  });
});
