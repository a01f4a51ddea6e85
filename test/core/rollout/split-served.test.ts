import { describe, expect, it } from 'vitest';
import { servedFits } from '../../../src/core/rollout/split.ts';

const QUARTER = [
  { place: 'blue', percent: 75 },
  { place: 'green', percent: 25 },
  { place: 'old', percent: 0 },
];

describe('what was served', () => {
  it.each([
    ['exactly the split', { blue: 75, green: 25, old: 0 }, true],
    ['a little more than four deviations and half a point', { blue: 570, green: 430, old: 0 }, false],
    ['a chance difference', { blue: 720, green: 280, old: 0 }, true],
    ['too few requests', { blue: 74, green: 25, old: 0 }, false],
    ['one request at a place with 0 %', { blue: 7500, green: 2500, old: 1 }, false],
    ['one request at a place that the split does not know', { blue: 75, green: 25, old: 0, new: 1 }, false],
    ['a counter that went back', { blue: 150, green: 50, old: -1 }, false],
    ['a counter that is no number', { blue: Number.NaN, green: 50, old: 0 }, false],
    ['everything in one place', { blue: 200, green: 0, old: 0 }, false],
    ['nothing', {}, false],
  ])('the traffic served fits the split, or does not: %s', (_what, counted, fits) => {
    expect(servedFits(QUARTER, new Map(Object.entries(counted)))).toBe(fits);
  });

  it('the traffic served fits 100 % without traffic elsewhere', () => {
    expect(servedFits([{ place: 'blue', percent: 100 }], new Map([['blue', 100]]))).toBe(true);
  });
});
