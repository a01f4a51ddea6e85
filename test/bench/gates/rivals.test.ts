/** The rivals in the comparison of gates decide as their sources do: their figures are those that were found independently, within chance. */
import { describe, expect, it } from 'vitest';
import { P0 } from './cell.ts';
import { documentedWorkload } from './experiments.ts';
import type { NewJudge } from './judge.ts';
import { classify, kayenta } from './mann-whitney.ts';
import { informationLimit, oracle, peekedZ, sprt } from './sequential.ts';
import { holdOften, walkOften } from './simulate.ts';
import { argoBackground, argoEveryMinute, argoOnce, firstBadMinute, flagger, twiceBaseline } from './thresholds.ts';
import { holdAt, walkOf } from './workloads.ts';

const SEED = 4;

/** Mean bad requests (null where none was found before) and the percentage of runs that were ended: facts of two other simulators. */
type Expected = readonly [bad: number | null, ended: number];

/** Wide: six standard errors of the mean, 5 % for what the two models do not share, and a dozen points of percentage. */
function expectNear(name: string, summary: ReturnType<typeof walkOften>, [bad, ended]: Expected): void {
  const { meanBad, errorOfMeanBad, rolledBack, runs } = summary;
  if (bad !== null)
    expect(Math.abs(meanBad - bad), `${name}: ${meanBad} bad requests, not ${bad}`).toBeLessThan(
      6 * errorOfMeanBad + 0.06 * bad + 0.3,
    );
  expect(Math.abs((100 * rolledBack) / runs - ended), `${name}: ${rolledBack} of ${runs} ended, not ${ended} %`).toBeLessThan(13);
}

describe(`rivals that hold at 1 % of 1,000 requests a second (seed ${SEED})`, () => {
  const walk = { firstS: 300, dwellS: 600 };
  const judges: readonly NewJudge[] = [
    flagger(10, 'candidate', 600, 'at once'),
    flagger(5, 'candidate', 600, 'at once'),
    argoBackground('candidate', walk, 'irate'),
    argoEveryMinute(),
    firstBadMinute(0.99),
    firstBadMinute(0.999),
    twiceBaseline(),
    peekedZ(),
    sprt(),
    oracle(),
    kayenta(30),
    kayenta(60),
  ];
  const healthy = 36;

  it.each<readonly [number, readonly Expected[]]>([
    [
      0.001,
      [
        [healthy, 0],
        [healthy, 0],
        [healthy, 0],
        [healthy, 0],
        [healthy, 0],
        [1.4, 100],
        [11.5, 99.7],
        [29.5, 19.3],
        [35.5, 0],
        [healthy, 0],
        [healthy, 0],
        [healthy, 0.5],
      ],
    ],
    [
      0.01,
      [
        [152, 100],
        [76, 100],
        [360, 0],
        [360, 0],
        [15, 100],
        [6, 100],
        [18, 100],
        [2.7, 100],
        [6.3, 100],
        [5.1, 100],
        [181, 100],
        [361, 100],
      ],
    ],
    [
      0.05,
      [
        [300, 100],
        [150, 100],
        [1310, 84],
        [66, 100],
        [30, 100],
        [30, 100],
        [90, 100],
        [7.5, 100],
        [7.6, 100],
        [7.9, 100],
        [901, 100],
        [1801, 100],
      ],
    ],
    [
      1,
      [
        [6000, 100],
        [3000, 100],
        [12000, 100],
        [600, 100],
        [600, 100],
        [600, 100],
        [1800, 100],
        [150, 100],
        [150, 100],
        [150, 100],
        [18000, 100],
        [36000, 100],
      ],
    ],
  ])('the rivals serve as many bad requests at %d as were found before', (p1, expected) => {
    const found = holdOften(`fair ${p1}`, holdAt(1, { p0: P0, p1 }), judges, 120, SEED);
    for (const [index, summary] of found.entries()) expectNear(judges[index]?.().name ?? '', summary, expected[index] ?? [0, 0]);
  });

  it('the rivals decide at the tick after the last bad one, as Flagger does', () => {
    const [found] = holdOften('tick', holdAt(1, { p0: P0, p1: 1 }), [flagger(10, 'candidate', 600)], 4, SEED);
    expect(found).toMatchObject({ rolledBack: 4, meanBad: 6600, medianRollbackS: 660 });
  });
});

describe(`documented settings in their own steps at 100 requests a second (seed ${SEED})`, () => {
  const A1 = [20, 40, 60, 80];
  const F1 = [5, 10, 15, 20, 25, 30, 35, 40, 45, 50];
  const F2 = [10, 20, 30, 40, 50];
  const service = argoBackground('service', { firstS: 600, dwellS: 600 });
  const candidate = argoBackground('candidate', { firstS: 600, dwellS: 600 });

  it.each<readonly [string, readonly number[], NewJudge, number, number, Expected]>([
    ['A1, whole service', A1, service, P0, 1, [53_992, 100]],
    ['A1, whole service', A1, service, P0, 0.2, [14_262, 100]],
    ['A1, whole service', A1, service, P0, 0.05, [5997, 0]],
    ['A1, candidate', A1, candidate, P0, 1, [53_992, 100]],
    ['A1, candidate', A1, candidate, P0, 0.2, [10_799, 100]],
    ['A1, candidate', A1, candidate, P0, 0.05, [5400, 48]],
    ['A2, whole service', [20], argoOnce('service'), P0, 0.2, [1200, 4]],
    ['A2, candidate', [20], argoOnce('candidate'), P0, 0.05, [300, 46]],
    ['F1', F1, flagger(10, 'candidate', 0), P0, 1, [3298, 100]],
    ['F1', F1, flagger(10, 'candidate', 0), P0, 0.05, [166, 100]],
    ['F1', F1, flagger(10, 'candidate', 0), P0, 0.02, [102, 100]],
    ['F1, 1 % is normal', F1, flagger(10, 'candidate', 0), 0.01, 0.01, [null, 40]],
    ['F2', F2, flagger(5, 'candidate', 0), P0, 1, [3601, 100]],
    ['F2', F2, flagger(5, 'candidate', 0), P0, 0.02, [80, 100]],
    ['F2, 1 % is normal', F2, flagger(5, 'candidate', 0), 0.01, 0.01, [null, 43]],
  ])('the rival %s ends as found in its documented settings', (name, percents, judge, p0, p1, expected) => {
    expectNear(name, walkOften(`fair ${name} ${p1}`, documentedWorkload(percents, p0, p1, 100), judge, 150, SEED), expected);
  });
});

describe(`rivals in 1, 5, 25, 50, 100 %, ten minutes each (seed ${SEED})`, () => {
  const dwelling = { firstS: 300, dwellS: 600 };

  it.each<readonly [string, NewJudge, number, Expected]>([
    ['Flagger-like x10', flagger(10, 'candidate', 600, 'at once'), 0.2, [1200, 100]],
    ['Flagger-like x5', flagger(5, 'candidate', 600, 'at once'), 0.01, [148, 100]],
    ['Flagger-like x5', flagger(5, 'candidate', 600, 'at once'), 0.003, [3258, 0]],
    ['Argo-like 95 %/5 m', argoBackground('candidate', dwelling, 'irate'), 0.05, [30_178, 79]],
    ['Argo-like 95 %/5 m', argoBackground('candidate', dwelling, 'irate'), 1, [36_000, 100]],
    ['Argo-like inline', argoEveryMinute(), 0.05, [71, 100]],
    ['99 % first failure', firstBadMinute(0.99), 0.005, [3504, 36]],
    ['Kayenta 60 m', kayenta(60), 0.003, [666, 83]],
  ])('the rival %s ends as found in steps of ten minutes', (name, judge, p1, expected) => {
    const place = walkOf([1, 5, 25, 50, 100], { p0: P0, p1 });
    expectNear(name, walkOften(`fair walk ${name} ${p1}`, place, judge, 100, SEED), expected);
  });

  it('the rivals need 40 minutes for a healthy rollout, Kayenta 90', () => {
    const place = walkOf([1, 5, 25, 50, 100], { p0: P0, p1: P0 });
    const minutes = [flagger(5, 'candidate', 600), kayenta(60)].map(
      (judge) => walkOften('sooner', place, judge, 5, SEED).medianWholeS,
    );
    expect(minutes).toEqual([2400, 5400]);
  });
});

describe("Kayenta's classifier", () => {
  const zeros = Array.from({ length: 10 }, () => 0);
  const ones = zeros.map(() => 1);

  it('Kayenta passes a build whose errors are new, as in spinnaker/spinnaker#5622', () => {
    expect(classify([0, 0.048, 0, 0.18, 0.089, 0, 0.098, 0.035, 0, 0], zeros)).toBe('Pass');
  });

  it('Kayenta passes sparse errors, as in spinnaker/kayenta#426', () => {
    expect(classify([0, 1, 2, 1, 0, 0], zeros.slice(0, 6))).toBe('Pass');
  });

  it('Kayenta needs eight of ten points a hundred times as high, as in spinnaker/spinnaker#6278', () => {
    expect(classify([100, 100, 100, 100, 100, 100, 100, 1, 1, 1], ones)).toBe('Pass');
    expect(classify([100, 100, 100, 100, 100, 100, 100, 100, 1, 1], ones)).toBe('High');
  });

  it('Kayenta tells shifted series apart, and none from no data or the same data', () => {
    const rising = Array.from({ length: 20 }, (_, index) => index);
    const higher = rising.map((value) => value + 15);
    expect([classify(higher, rising), classify(rising, higher)]).toEqual(['High', 'Low']);
    expect([classify(rising, rising), classify([], rising), classify(ones, ones)]).toEqual(['Pass', 'Nodata', 'Pass']);
  });
});

describe('the information limit', () => {
  it.each([
    [0.01, 327, 3.27, 4.5],
    [0.05, 31.2, 1.56, 7.5],
    [0.2, 5.2, 1.04, 30],
    [1, 1, 1, 150],
  ])('the information limit of %d against 0.1 %% is known at 150 requests a poll', (p1, requests, bad, badAtPolls) => {
    const limit = informationLimit(P0, p1, 150);
    expect(limit.requests / requests).toBeCloseTo(1, 1.5);
    expect(limit.bad / bad).toBeCloseTo(1, 1.5);
    expect(limit.badAtPolls).toBeCloseTo(badAtPolls, 9);
  });
});
