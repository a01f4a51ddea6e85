/** The tests of the tests: every fault of the list is noticed, and without any of them nothing is. */
import { afterAll, describe, expect, it } from 'vitest';
import { recordReliability } from '../reliability.ts';
import { noticed } from './kill.ts';
import { MUTANTS } from './mutants.ts';

const began = performance.now();
let tried = 0;
let survivors = 0;
/** The most schedules that any of them took. */
let most = 0;

describe('a fault in the code is noticed:', () => {
  it.each(MUTANTS)('a fault in the code is noticed: $name', async (mutant) => {
    const found = await noticed(mutant);
    tried += 1;
    most = Math.max(most, Number(/^schedule (\d+):/.exec(found ?? '')?.[1] ?? 0));
    if (found === undefined) survivors += 1;
    expect(found, `${mutant.noticedBy} noticed nothing`).toBeDefined();
  });

  it('the simulator finds nothing in the code without a fault, in as many schedules', async () => {
    console.log(`the fault that hid longest was met in schedule ${most}`);
    expect(await noticed({ name: 'no mutant for the simulator', mutations: [], noticedBy: 'simulator' }, most)).toBeUndefined();
  });

  afterAll(() => {
    const seconds = (performance.now() - began) / 1000;
    recordReliability({
      name: 'mutants',
      what: 'faults injected into the code',
      points: tried,
      seconds,
      seed: '1',
      failures: survivors,
    });
  });
});
