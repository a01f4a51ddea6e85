/** When comparing gates look again. */
import { expect, test } from 'vitest';
import { pollEveryMs } from '../../../../src/core/gates/counting/blocks.ts';

test('the next poll comes after a second at first, after five later, and never sooner than the source counts', () => {
  expect([0, 59_999, 60_000, 600_000].map((ms) => pollEveryMs(ms, 0))).toEqual([1000, 1000, 5000, 5000]);
  expect(pollEveryMs(0, 30_000)).toBe(30_000);
  expect(pollEveryMs(600_000, 30_000)).toBe(30_000);
});
