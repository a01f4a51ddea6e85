/** Frozen leaders and rescues in the middle of rollouts, 200 rounds each. */
import { describe } from 'vitest';
import { frozenLeadersAndRescues, seed } from './concurrency-in-form.ts';

describe(`several runners for one scope (seed ${seed})`, () => frozenLeadersAndRescues('', 200));
