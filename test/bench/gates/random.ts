/** Chance from a seed, and the distributions of the workloads in which gates are compared. Must be quick: a run draws thousands of counts. */

/** FNV-1a over a text, so that every cell of a table has a seed of its own that does not depend on the order of the cells. */
export function seedOf(text: string, seed: number): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}

/** xoshiro128** (Blackman and Vigna, 2018), its state filled by splitmix32. */
export class Random {
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 0;
  #spare: number | undefined;

  constructor(seed: number) {
    let state = seed >>> 0;
    const next = () => {
      state = (state + 0x9e3779b9) | 0;
      let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
      mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
      return mixed ^ (mixed >>> 15);
    };
    [this.#a, this.#b, this.#c, this.#d] = [next(), next(), next(), next()];
  }

  /** Above 0 and below 1. */
  unit(): number {
    const five = Math.imul(this.#b, 5);
    const result = Math.imul((five << 7) | (five >>> 25), 9);
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return ((result >>> 0) + 0.5) / 4294967296;
  }

  /** Box and Muller; the second of the two is kept for the next call. */
  normal(): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare;
      this.#spare = undefined;
      return spare;
    }
    const [radius, angle] = [Math.sqrt(-2 * Math.log(this.unit())), 2 * Math.PI * this.unit()];
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** A factor with mean 1 whose logarithm has the standard deviation `sd`. */
  lognormal(sd: number): number {
    return Math.exp(sd * this.normal() - (sd * sd) / 2);
  }

  /** 1, 2, 3… with the given mean. */
  geometric(mean: number): number {
    return mean <= 1 ? 1 : 1 + Math.floor(Math.log(this.unit()) / Math.log1p(-1 / mean));
  }

  binomial(n: number, p: number): number {
    if (n <= 0 || p <= 0) return 0;
    if (p >= 1) return n;
    if (p > 0.5) return n - this.binomial(n, 1 - p);
    return n * p < 10 ? this.#binomialByInversion(n, p) : this.#binomialByRejection(n, p);
  }

  #binomialByInversion(n: number, p: number): number {
    const odds = p / (1 - p);
    let chance = Math.exp(n * Math.log1p(-p));
    let left = this.unit();
    let k = 0;
    while (left > chance && k < n) {
      left -= chance;
      k += 1;
      chance *= (odds * (n - k + 1)) / k;
    }
    return k;
  }

  /** BTRS: Hörmann, The generation of binomial random variates (1993). */
  #binomialByRejection(n: number, p: number): number {
    const spread = Math.sqrt(n * p * (1 - p));
    const b = 1.15 + 2.53 * spread;
    const a = -0.0873 + 0.0248 * b + 0.01 * p;
    const c = n * p + 0.5;
    const alpha = (2.83 + 5.1 / b) * spread;
    const logOdds = Math.log(p / (1 - p));
    const mode = Math.floor((n + 1) * p);
    const atMode = logFactorial(mode) + logFactorial(n - mode);
    for (;;) {
      const u = this.unit() - 0.5;
      const v = this.unit();
      const us = 0.5 - Math.abs(u);
      const k = Math.floor(((2 * a) / us + b) * u + c);
      if (k < 0 || k > n) continue;
      if (us >= 0.07 && v <= 0.92 - 4.2 / b) return k;
      const accepted = atMode - logFactorial(k) - logFactorial(n - k) + (k - mode) * logOdds;
      if (Math.log((v * alpha) / (a / (us * us) + b)) <= accepted) return k;
    }
  }

  /** By inversion below 10, otherwise PTRS: Hörmann, The transformed rejection method for Poisson variables (1993). */
  poisson(mean: number): number {
    if (mean <= 0) return 0;
    return mean < 10 ? this.#poissonByInversion(mean) : this.#poissonByRejection(mean);
  }

  #poissonByInversion(mean: number): number {
    let chance = Math.exp(-mean);
    let left = this.unit();
    let k = 0;
    while (left > chance && k < 1000) {
      left -= chance;
      k += 1;
      chance *= mean / k;
    }
    return k;
  }

  #poissonByRejection(mean: number): number {
    const b = 0.931 + 2.53 * Math.sqrt(mean);
    const a = -0.059 + 0.02483 * b;
    const scale = 1.1239 + 1.1328 / (b - 3.4);
    for (;;) {
      const u = this.unit() - 0.5;
      const v = this.unit();
      const us = 0.5 - Math.abs(u);
      const k = Math.floor(((2 * a) / us + b) * u + mean + 0.43);
      if (us >= 0.07 && v <= 0.9277 - 3.6224 / (b - 2)) return k;
      if (k < 0 || (us < 0.013 && v > us)) continue;
      const accepted = k * Math.log(mean) - mean - logFactorial(k);
      if (Math.log(v) + Math.log(scale) - Math.log(a / (us * us) + b) <= accepted) return k;
    }
  }

  /** How many of `n` fall to each of the chances, which sum to 1. */
  multinomial(n: number, chances: readonly number[]): readonly number[] {
    let [left, mass] = [n, 1];
    return chances.map((chance) => {
      const found = this.binomial(left, mass <= 0 ? 0 : Math.min(1, chance / mass));
      left -= found;
      mass -= chance;
      return found;
    });
  }
}

const SMALL = Array.from({ length: 16 }, () => 0);
for (let k = 1; k < SMALL.length; k += 1) SMALL[k] = (SMALL[k - 1] ?? 0) + Math.log(k);

/** ln k!, by Stirling's series from 16 on: correct to 1e-13. */
function logFactorial(k: number): number {
  if (k < SMALL.length) return SMALL[k] ?? 0;
  const inverse = 1 / (k + 1);
  const square = inverse * inverse;
  return (
    (k + 0.5) * Math.log(k + 1) - (k + 1) + 0.9189385332046727 + inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260)))
  );
}
