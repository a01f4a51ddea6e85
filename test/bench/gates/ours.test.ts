/** kvdeploy's gate in the comparison reaches, in few runs, what the whole benchmark shows in many. */
import { describe, expect, it } from 'vitest';
import { P0 } from './cell.ts';
import { harmAtBound, ours } from './ours.ts';
import { informationLimit } from './sequential.ts';
import { holdOften, walkOften } from './simulate.ts';
import { holdAt, oneBadTenant, type Sample, tenantName, walkOf } from './workloads.ts';

const SEED = 4;

describe(`the default and the calibrated gate (seed ${SEED})`, () => {
  it.each([
    [0.01, 3],
    [0.05, 1.7],
    [0.2, 1.5],
    [1, 1.5],
  ])('our gates at %d failing: the calibrated one within %d times the limit, the default one within four', (p1, times) => {
    const [byDefault, calibrated] = holdOften(`ours ${p1}`, holdAt(1, { p0: P0, p1 }), ours(), 60, SEED);
    const { badAtPolls } = informationLimit(P0, p1, 150);
    expect(calibrated?.rolledBack).toBe(60);
    expect(byDefault?.rolledBack).toBe(60);
    expect(calibrated?.meanBad).toBeLessThan(times * badAtPolls);
    expect(byDefault?.meanBad).toBeLessThan(4 * badAtPolls);
  });

  it('our gates end no healthy rollout, even one with clusters of 20 failures, and reach 100 % within 15 minutes', () => {
    const clusters = holdAt(50, { p0: P0, p1: P0, clusterMean: 20 });
    expect(holdOften('ours clusters', clusters, ours({ dispersion: 39 }), 20, SEED).map(({ rolledBack }) => rolledBack)).toEqual([
      0, 0,
    ]);
    const walk = walkOf([1, 5, 25, 50, 100], { p0: P0, p1: P0 });
    for (const judge of ours()) {
      const { rolledBack, medianWholeS } = walkOften('ours healthy', walk, judge, 15, SEED);
      expect(rolledBack).toBe(0);
      expect(medianWholeS ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(900);
    }
  });

  it('our gates find and name the one tenant of a hundred that fails 20 %, for fewer than ten bad requests', () => {
    const badOf = ({ parts }: Sample) => parts?.slices?.[49]?.candidate.failures ?? 0;
    const badSlice = tenantName(49);
    const found = holdOften('ours tenant', oneBadTenant(1, 49, P0, 0.2), ours(), 10, SEED, { badOf, badSlice });
    for (const { rolledBack, namedRight, meanBad } of found) {
      expect([rolledBack, namedRight]).toEqual([10, 10]);
      expect(meanBad).toBeLessThan(10);
    }
  });

  it('our gates rarely pass a candidate exactly as bad as the non-inferiority bound must rule out', () => {
    const place = holdAt(25, { p0: P0, p1: harmAtBound(25, P0) });
    for (const { advanced } of holdOften('ours boundary', place, ours(), 60, SEED)) expect(advanced).toBeLessThanOrEqual(8);
  });
});
