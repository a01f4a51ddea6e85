/** Chance in the comparison of gates has the means and variances that the workloads are described with. */
import { describe, expect, it } from 'vitest';
import { Random } from './random.ts';
import { upperBound } from './simulate.ts';

const SEED = 4;

describe(`chance (seed ${SEED})`, () => {
  const [often, random] = [60_000, new Random(SEED)];
  const draws: readonly (readonly [string, number, number, () => number])[] = [
    ['binomial, few', 14.85 / 99, (14.85 / 99) * 0.999, () => random.binomial(150, 0.001)],
    ['binomial, many', 14.85, 14.85 * 0.999, () => random.binomial(14_850, 0.001)],
    ['binomial, most', 45, 4.5, () => random.binomial(50, 0.9)],
    ['Poisson, few', 2, 2, () => random.poisson(2)],
    ['Poisson, many', 80, 80, () => random.poisson(80)],
    ['cluster sizes', 5, 20, () => random.geometric(5)],
    ['normal', 0, 1, () => random.normal()],
    ['noise of mean 1', 1, Math.E - 1, () => random.lognormal(1)],
  ];

  it.each(draws)('the distribution %s has the mean and the variance that it should', (_name, mean, variance, draw) => {
    let [sum, squares] = [0, 0];
    for (let nth = 0; nth < often; nth += 1) {
      const value = draw();
      sum += value;
      squares += (value - mean) ** 2;
    }
    expect(Math.abs(sum / often - mean)).toBeLessThan(5 * Math.sqrt(variance / often));
    expect(Math.abs(squares / often / variance - 1)).toBeLessThan(_name === 'noise of mean 1' ? 0.4 : 0.05);
  });

  it('chance is bounded above as Clopper and Pearson do', () => {
    expect(upperBound(0, 180)).toBeCloseTo(0.0165, 4);
    expect(upperBound(0, 20_000)).toBeCloseTo(0.00015, 5);
    expect(upperBound(3, 100)).toBeCloseTo(0.0757, 4);
  });
});
