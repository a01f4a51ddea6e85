import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rotation } from '../../src/serve/rotation.ts';

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));

describe('the rotation of places', () => {
  it('the rotation of places fits the split in any run of requests, within one request per place', () => {
    console.info(`seed ${seed}`);
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 10_000 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 700 }),
        (cuts, count) => {
          const split = splitOf(cuts);
          const next = rotation(split);
          const served = new Map<string, number>();
          for (let sent = 0; sent < count; sent += 1) {
            const place = next();
            served.set(place, (served.get(place) ?? 0) + 1);
          }
          return split.every(({ place, percent }) => {
            const got = served.get(place) ?? 0;
            return percent === 0 ? got === 0 : Math.abs(got - (count * percent) / 100) <= split.length;
          });
        },
      ),
      { seed, numRuns: 300 },
    );
  });

  it('the rotation of places gives 1 % its first request within the first hundred', () => {
    const next = rotation([
      { place: 'blue', percent: 99 },
      { place: 'green', percent: 1 },
    ]);
    const places = Array.from({ length: 100 }, next);
    expect(places.filter((place) => place === 'green')).toHaveLength(1);
  });
});

/** Cuts 100 % at the given hundredths. */
function splitOf(cuts: readonly number[]) {
  const points = [0, ...[...cuts].sort((a, b) => a - b), 10_000];
  return points.slice(1).map((point, index) => ({ place: `p${index}`, percent: (point - (points[index] ?? 0)) / 100 }));
}
