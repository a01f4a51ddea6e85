import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nearestPercent, SMALLEST_PERCENT, weightsFor } from '../../../src/routers/haproxy/haproxy-weights.ts';

describe('weights', () => {
  it.each([[[99, 1]], [[75, 25]], [[50, 50]], [[100]], [[40, 35, 25]]])(
    'the weights give whole percentages %j as they are, so they are exact',
    (percents) => {
      expect(weightsFor(percents)).toEqual(percents);
    },
  );

  it.each([
    [0.5, [1, 199]],
    [0.4, [1, 249]],
    [12.5, [32, 224]],
    [2.5, [6, 234]],
    [99.5, [199, 1]],
  ])('the weights give %d %% by %j', (percent, weights) => {
    expect(weightsFor([percent, 100 - percent])).toEqual(weights);
    expect(nearestPercent(percent)).toBeCloseTo(percent, 10);
  });

  it('the weights come within 1 % of every percentage that HAProxy can express at all', () => {
    const seed = 20261121;
    const reachable = fc.double({ min: SMALLEST_PERCENT, max: 100 - SMALLEST_PERCENT, noNaN: true });
    fc.assert(
      fc.property(reachable, (percent) => {
        const smaller = Math.min(percent, 100 - percent);
        expect(Math.abs(nearestPercent(percent) - percent)).toBeLessThanOrEqual(smaller / 100);
      }),
      { seed, numRuns: 2000 },
    );
  });

  it('the weights never leave the range that HAProxy takes, whatever the percentages', () => {
    const seed = 20261121;
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0.0001, max: 100, noNaN: true }), { minLength: 1, maxLength: 6 }), (percents) => {
        for (const weight of weightsFor(percents)) {
          expect(Number.isInteger(weight) && weight >= 1 && weight <= 256).toBe(true);
        }
      }),
      { seed, numRuns: 2000 },
    );
  });
});
