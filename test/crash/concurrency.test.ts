/** Fifty runners, frozen leaders and rescues in the middle of rollouts, 5 rounds each. */
import { describe } from 'vitest';
import { fiftyRunners, frozenLeadersAndRescues, seed } from './concurrency-in-form.ts';

describe(`several runners for one scope (seed ${seed})`, () => {
  fiftyRunners();
  frozenLeadersAndRescues('-short', 5);
});
