/** When comparing gates look again. */
import { expect, it } from 'vitest';
import { pollEveryMs } from '../../../../src/core/gates/counting/blocks.ts';

it('gates look every second where the source counts at once, and never more often than it counts', () => {
  expect([0, 1000, 5000, 30_000].map(pollEveryMs)).toEqual([1000, 1000, 5000, 30_000]);
});
