import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isNearEnough, nearestPercent, weightsFor } from '../../../src/routers/haproxy/haproxy-weights.ts';

/** The smallest percentage that two weights can express: 1 of 257. */
const SMALLEST_PERCENT = 100 / 257;

const partsOf = (percents: readonly number[], members = 1) => percents.map((percent) => ({ percent, members }));

/** What the second of two places gets by these weights. */
function shareOf([a = 0, b = 0]: readonly number[], first: number, second: number): number {
  return (100 * b * second) / (a * first + b * second);
}

describe('weights', () => {
  it.each([[[99, 1]], [[75, 25]], [[50, 50]], [[100]], [[40, 35, 25]]])(
    'the weights give whole percentages %j as they are, so they are exact',
    (percents) => {
      expect(weightsFor(partsOf(percents))).toEqual(percents);
    },
  );

  it.each([2, 3, 10, 400])('the weights of two places with %i members each are whole percentages too', (members) => {
    for (const percent of [1, 10, 25, 50, 99])
      expect(weightsFor(partsOf([100 - percent, percent], members))).toEqual([100 - percent, percent]);
  });

  it.each([
    [0.5, [1, 199]],
    [0.4, [1, 249]],
    [12.5, [13, 91]],
    [2.5, [3, 117]],
    [99.5, [199, 1]],
  ])('the weights give %d %% by %j', (percent, weights) => {
    expect(weightsFor(partsOf([percent, 100 - percent]))).toEqual(weights);
    expect(nearestPercent(percent)).toBeCloseTo(percent, 10);
  });

  it('the weights come within 1 % of every percentage that HAProxy can express at all', () => {
    const seed = 20261121;
    const reachable = fc.double({ min: SMALLEST_PERCENT, max: 100 - SMALLEST_PERCENT, noNaN: true });
    fc.assert(
      fc.property(reachable, (percent) => isNearEnough(percent, nearestPercent(percent))),
      { seed, numRuns: 2000 },
    );
  });

  it('the weights of places of any size come as near as any pair of weights does', () => {
    const seed = 20261122;
    const size = fc.integer({ min: 1, max: 40 });
    const share = fc.double({ min: 0.1, max: 99.9, noNaN: true });
    fc.assert(
      fc.property(share, size, size, (percent, own, others) => {
        const nearest = nearestPercent(percent, own, others);
        if (isNearEnough(percent, nearest)) return;
        for (let a = 1; a <= 256; a += 1)
          for (const b of [1, 2, 3, 254, 255, 256]) {
            const error = Math.abs(shareOf([b, a], others, own) - percent);
            expect(Math.abs(nearest - percent)).toBeLessThanOrEqual(error + 1e-9);
          }
      }),
      { seed, numRuns: 300 },
    );
  });

  it('weights of whole percentages are mixed during a shift without a place getting more than its old or new share', () => {
    for (const members of [1, 3])
      for (const [before, after] of [
        [1, 10],
        [10, 50],
        [25, 33],
        [50, 99],
      ] as const) {
        const old = weightsFor(partsOf([100 - before, before], members));
        const now = weightsFor(partsOf([100 - after, after], members));
        for (let changed = 0; changed <= 2 * members; changed += 1) {
          const sum = (place: number) =>
            Array.from({ length: members }, (_, at) => (place * members + at < changed ? now : old)[place] ?? 0).reduce(
              (a, b) => a + b,
            );
          const share = (100 * sum(1)) / (sum(0) + sum(1));
          expect(share).toBeGreaterThanOrEqual(before - 1e-9);
          expect(share).toBeLessThanOrEqual(after + 1e-9);
        }
      }
  });

  it('a place of ten against one member cannot get 1 %, and the nearest value is as small as weights allow', () => {
    expect(nearestPercent(1, 10, 1)).toBeCloseTo((100 * 10) / 266, 10);
    expect(isNearEnough(1, nearestPercent(1, 10, 1))).toBe(false);
    expect(isNearEnough(1, nearestPercent(1, 1, 10))).toBe(true);
  });

  it('the weights never leave the range that HAProxy takes, whatever the percentages', () => {
    const seed = 20261121;
    const part = fc.record({
      percent: fc.double({ min: 0.0001, max: 100, noNaN: true }),
      members: fc.integer({ min: 1, max: 4000 }),
    });
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
        for (const weight of weightsFor(parts)) expect(Number.isInteger(weight) && weight >= 1 && weight <= 256).toBe(true);
      }),
      { seed, numRuns: 2000 },
    );
  });
});
