/** The factors: vectors of the literature and our own, and means of at most 1, by enumeration, wherever nothing is wrong. */
import { describe, expect, it } from 'vitest';
import {
  BETS,
  BETTER_BY,
  type Block,
  betLogFactor,
  countLogFactor,
  countLogFactors,
  grow,
  harmBoundLogFactor,
  LOG_NOTHING,
  logSumExp,
  type Margin,
  mixtureLogE,
  rateLogFactor,
  shareOfFailures,
  TRAFFIC_ALTERNATIVES,
  toleratedShare,
  trafficLogFactors,
  WORSE_BY,
} from '../../../../src/core/gates/evidence/e-process.ts';
import { blockOf, OUR_BLOCKS } from '../verdict/judged.ts';
import {
  betaBinomialLogMixture,
  betaMeanLog,
  confseqAsBeta,
  dirichletLogMarginal,
  logGamma,
  multinomialLog,
} from './e-process-reference.ts';

const TOLERATED: Margin = { times: 1.2, plus: 0.0005 };
const EXACT = 9;

describe('logarithms', () => {
  it('logarithms add what they stand for, with nothing as their zero, and stay numbers in JSON', () => {
    expect(logSumExp([Math.log(2), Math.log(3)])).toBeCloseTo(Math.log(5), 14);
    expect(logSumExp([LOG_NOTHING, Math.log(3)])).toBe(Math.log(3));
    expect(logSumExp([LOG_NOTHING, LOG_NOTHING])).toBe(LOG_NOTHING);
    expect(logSumExp([])).toBe(LOG_NOTHING);
    expect(logSumExp([1000, 1000])).toBeCloseTo(1000 + Math.LN2, 12);
    expect(Math.exp(LOG_NOTHING)).toBe(0);
    expect(JSON.parse(JSON.stringify(LOG_NOTHING))).toBe(LOG_NOTHING);
  });
});

describe('our own vectors', () => {
  it('a single count factor has the values of our vectors', () => {
    expect(countLogFactor(blockOf([3, 150, 12, 14_850]), TOLERATED, 5)).toBeCloseTo(3.84357417184, EXACT);
    expect(countLogFactor(blockOf([0, 150, 0, 14_850]), TOLERATED, 5)).toBeCloseTo(-0.282857142857, EXACT);
  });

  it('the count process from the first block, and the non-inferiority bound, have the values of our vectors', () => {
    const count: number[] = [];
    const bound: number[] = [];
    let ofCount = new Array<number>(WORSE_BY.length).fill(-Math.log(WORSE_BY.length));
    let ofBound = new Array<number>(BETTER_BY.length).fill(-Math.log(BETTER_BY.length));
    for (const counts of OUR_BLOCKS) {
      const block = blockOf(counts);
      ofCount = grow(
        ofCount,
        0,
        WORSE_BY.map((by) => countLogFactor(block, TOLERATED, by)),
      );
      const harm = { times: 2, plus: 0.01 };
      ofBound = grow(
        ofBound,
        0,
        BETTER_BY.map((by) => harmBoundLogFactor(block, harm, by)),
      );
      count.push(mixtureLogE(ofCount, 0));
      bound.push(logSumExp(ofBound));
    }
    const expectedCount = [-0.277230838739, -0.980601232291, 2.06361186245, 3.96883911581, 11.9076416382];
    const expectedBound = [-0.183920551471, 0.938132894832, -0.792008004278, -1.19488914625, -2.84902344042];
    for (const [index, value] of expectedCount.entries()) expect(count[index]).toBeCloseTo(value, EXACT);
    for (const [index, value] of expectedBound.entries()) expect(bound[index]).toBeCloseTo(value, EXACT);
  });
});

describe('closed forms of the literature', () => {
  const PLAIN: Margin = { times: 1, plus: 0 };

  it('confseq: the beta-binomial mixture is as published, and our count factor mixed over its prior is the same', () => {
    const published = betaBinomialLogMixture(10, 100, 100, 0.2, 0.8);
    expect(published).toBeCloseTo(-0.6941012, 6);
    const { a, b, k, n, th } = confseqAsBeta(10, 100, 100, 0.2, 0.8);
    expect([k, n]).toEqual([expect.closeTo(135, 9), expect.closeTo(625, 9)]);
    // Requests in the proportion th, so that a failure falls on the candidate with chance th where both are alike.
    const block = blockOf([135, 2_000, 490, 8_000]);
    const worseBy = (theta: number) => ((theta / (1 - theta)) * (1 - th)) / th;
    expect(betaMeanLog((theta) => countLogFactor(block, PLAIN, worseBy(theta)), a, b)).toBeCloseTo(published, EXACT);
  });

  it('ssrm: the Dirichlet marginals are as published', () => {
    const steps = [-7.028201432058012, -11.947847738358888, -15.471401950257842, -19.96484521090386];
    expect(dirichletLogMarginal([20, 17, 9], [1, 1, 1])).toBeCloseTo(steps[0] ?? 0, EXACT);
    expect(multinomialLog([20, 17, 9], [0.4, 0.4, 0.2])).toBeCloseTo(-4.0776406466061985, EXACT);
    expect(logGamma(0.5)).toBeCloseTo(Math.log(Math.sqrt(Math.PI)), 12);
  });

  it('ssrm: our likelihood ratio of a split, mixed over the same prior, is its Bayes factor', () => {
    // Three arms are two splits: the first arm against the rest, then the second against the third.
    const split = (landed: number, all: number, planned: number, a: number, b: number) =>
      betaMeanLog((rate) => rateLogFactor({ requests: all, failures: landed }, planned, rate), a, b);
    const ours = split(20, 46, 0.4, 1, 2) + split(17, 26, 0.4 / 0.6, 1, 1);
    expect(ours).toBeCloseTo(-7.028201432058012 + 4.0776406466061985, EXACT);
  });
});

/** ln of the chance of k of n. */
function logBinomial(k: number, n: number, rate: number): number {
  if (rate === 0) return k === 0 ? 0 : LOG_NOTHING;
  const choose = logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1);
  return choose + k * Math.log(rate) + (n - k) * Math.log1p(-rate);
}

/** The exact mean of a factor over both builds' failures, independent requests. Left out: counts of a chance below e^-60 together. */
function meanOf(nc: number, nb: number, pc: number, pb: number, factor: (block: Block) => number): number {
  const likely = (n: number, rate: number) =>
    Array.from({ length: n + 1 }, (_, k) => [k, logBinomial(k, n, rate)] as const).filter(([, log]) => log > -60);
  let sum = 0;
  const stable = likely(nb, pb);
  for (const [kc, ofCandidate] of likely(nc, pc))
    for (const [kb, ofStable] of stable) sum += Math.exp(ofCandidate + ofStable + factor(blockOf([kc, nc, kb, nb])));
  return sum;
}

const SIZES = [
  [1, 99],
  [10, 190],
  [50, 50],
  [120, 40],
] as const;
const RATES = [0, 0.0005, 0.01, 0.1, 0.3] as const;
const MARGINS: readonly Margin[] = [TOLERATED, { times: 1, plus: 0 }, { times: 1.1, plus: 0.002 }, { times: 2, plus: 0.01 }];
/** On the boundary of what is tolerated, and inside. */
const INSIDE = [1, 0.7, 0] as const;
const ROUNDING = 1e-9;

/** The greatest mean over sizes, rates and margins; `rateOf` is the candidate's rate that belongs to the stable one. */
function worstMean(rates: readonly number[], factor: (block: Block, margin: Margin) => number): number {
  let worst = 0;
  for (const [nc, nb] of SIZES)
    for (const pb of rates)
      for (const margin of MARGINS)
        for (const part of INSIDE) {
          const pc = Math.min(1, (margin.times * pb + margin.plus) * part);
          worst = Math.max(
            worst,
            meanOf(nc, nb, pc, pb, (block) => factor(block, margin)),
          );
        }
  return worst;
}

describe('while nothing is worse than the margin, the mean is at most 1, enumerated', () => {
  it.each(WORSE_BY)('the count factor that looks for %f times worse has a mean of at most 1, enumerated', (worseBy) => {
    expect(worstMean(RATES, (block, margin) => countLogFactor(block, margin, worseBy))).toBeLessThanOrEqual(1 + ROUNDING);
  });

  const share = (block: Block, margin: Margin, bet: number) => {
    const multiple = shareOfFailures(block, margin);
    return multiple === undefined ? 0 : betLogFactor(multiple, bet);
  };

  it.each(BETS)('the share factor with a bet of %f has a mean of at most 1, at any rate', (bet) => {
    const mean = worstMean([...RATES, 0.003, 0.5, 0.8], (block, margin) => share(block, margin, bet));
    expect(mean).toBeLessThanOrEqual(1 + ROUNDING);
  });

  it('the share factor has a mean of at most 1 in small blocks, where rates for odds would gain up to 9 %', () => {
    let worst = 0;
    for (const [nc, nb] of [
      [1, 1],
      [1, 5],
      [2, 2],
      [3, 3],
      [10, 3],
      [1, 200],
    ] as const)
      for (const margin of MARGINS)
        for (const pb of [0.001, 0.003, 0.01, 0.1, 0.2, 0.4, 0.6, 0.83, 0.95]) {
          const pc = Math.min(1, margin.times * pb + margin.plus);
          worst = Math.max(
            worst,
            meanOf(nc, nb, pc, pb, (block) => share(block, margin, 0.8)),
          );
        }
    expect(worst).toBeLessThanOrEqual(1 + ROUNDING);
  });

  it('the share factor has a mean of at most 1 where clusters of 20 failures fall on one build or the other', () => {
    // Clusters as such: each falls on the candidate with its fair chance; how many there are does not matter.
    const [nc, nb] = [50, 150];
    const fair = (1.2 * 0.25) / (0.75 + 1.2 * 0.25);
    for (const bet of BETS)
      for (const clusters of [1, 2, 5]) {
        let mean = 0;
        for (let ours = 0; ours <= clusters; ours += 1) {
          const block = blockOf([ours * 20, nc, (clusters - ours) * 20, nb]);
          mean += Math.exp(logBinomial(ours, clusters, fair) + share(block, { times: 1.2, plus: 0 }, bet));
        }
        expect(mean).toBeLessThanOrEqual(1 + ROUNDING);
      }
  });

  it.each(BETS)('the absolute factor with a bet of %f has a mean of at most 1, clustered or not', (bet) => {
    const absolute = (block: Block) => betLogFactor(block.candidate.failures / block.candidate.requests / 0.01, bet);
    for (const nc of [1, 40, 300]) {
      for (const pc of [0.01, 0.005, 0]) expect(meanOf(nc, 0, pc, 0, absolute)).toBeLessThanOrEqual(1 + ROUNDING);
      // All of the block fails together, or none of it.
      const together = 0.01 * Math.exp(absolute(blockOf([nc, nc, 0, 0]))) + 0.99 * Math.exp(absolute(blockOf([0, nc, 0, 0])));
      expect(together).toBeLessThanOrEqual(1 + ROUNDING);
    }
  });

  it('the likelihood ratio against a limit has a mean of at most 1, on either side of it', () => {
    const factor = (rate: number) => (block: Block) => rateLogFactor(block.candidate, 0.01, rate);
    for (const nc of [1, 40, 300]) {
      for (const rate of [0.015, 0.1, 0.9])
        for (const pc of [0.01, 0.004, 0]) expect(meanOf(nc, 0, pc, 0, factor(rate))).toBeLessThanOrEqual(1 + ROUNDING);
      for (const rate of [0.0002, 0.007])
        for (const pc of [0.01, 0.05, 0.5]) expect(meanOf(nc, 0, pc, 0, factor(rate))).toBeLessThanOrEqual(1 + ROUNDING);
    }
  });

  it.each(BETTER_BY)('the bound that expects %f of the harm has a mean of at most 1 while there is harm', (betterBy) => {
    let worst = 0;
    for (const [nc, nb] of SIZES)
      for (const pb of RATES)
        for (const plus of [0.01, 0.001])
          for (const more of [1, 1.5]) {
            const pc = Math.min(1, (2 * pb + plus) * more);
            const factor = (block: Block) => harmBoundLogFactor(block, { times: 2, plus }, betterBy);
            worst = Math.max(worst, meanOf(nc, nb, pc, pb, factor));
          }
    expect(worst).toBeLessThanOrEqual(1 + ROUNDING);
  });

  it('the traffic factors have a mean of at most 1 for every share that is tolerated', () => {
    for (const planned of [0.01, 0.05, 0.5, 0.75])
      for (const requests of [1, 30, 400]) {
        const { least, most } = toleratedShare(planned);
        for (const share of [least, planned, most])
          for (let index = 0; index < TRAFFIC_ALTERNATIVES; index += 1) {
            let mean = 0;
            for (let landed = 0; landed <= requests; landed += 1) {
              const factors = trafficLogFactors(blockOf([0, landed, 0, requests - landed]), planned, 1);
              mean += Math.exp(logBinomial(landed, requests, share) + (factors[index] ?? 0));
            }
            expect(mean).toBeLessThanOrEqual(1 + ROUNDING);
          }
      }
  });

  it('the count factors of the gates have a mean of at most 1, whatever their dispersion and cap', () => {
    for (const cap of [0.3, 1.2, 5])
      for (const dispersion of [1, 1.1, 4]) {
        const factor = (block: Block, margin: Margin) =>
          logSumExp(countLogFactors(block, margin, WORSE_BY, dispersion, cap)) - Math.log(WORSE_BY.length);
        expect(worstMean([0, 0.01, 0.3], factor)).toBeLessThanOrEqual(1 + ROUNDING);
      }
  });

  it('a tempered factor has a mean below 1: it is less certain', () => {
    const tempered = (block: Block) => countLogFactor(block, TOLERATED, 5) / 4;
    expect(meanOf(50, 50, 0.0125, 0.01, tempered)).toBeLessThan(1);
  });

  it('a mixture over start times has a mean of at most 1, whatever has begun', () => {
    // Two blocks of one request each; the mass that begins with the second was fixed beforehand.
    const rate = 0.01;
    let mean = 0;
    for (const first of [0, 1])
      for (const second of [0, 1]) {
        const factor = (failures: number) => [rateLogFactor({ requests: 1, failures }, rate, 0.2)];
        const logs = grow(grow([LOG_NOTHING], 0.5, factor(first)), 0.3, factor(second));
        const chance = (first === 1 ? rate : 1 - rate) * (second === 1 ? rate : 1 - rate);
        mean += chance * Math.exp(mixtureLogE(logs, 0.2));
      }
    expect(mean).toBeCloseTo(1, 12);
  });
});
