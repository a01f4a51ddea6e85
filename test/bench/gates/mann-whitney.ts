/** Kayenta's judge (NetflixACAJudge): Mann–Whitney over one number a minute, once, at the end of its window. Re-implemented; must not decide earlier. */
import { type Arm, type Judge, type NewJudge, Past, type Setting, type Verdict } from './judge.ts';
import { Random } from './random.ts';

/** Two-sided 98 %: kayenta-judge, NetflixACAJudge.scala. */
const Z = 2.3263478740408408;
/** MannWhitneyClassifier: the interval must lie beyond this part of the Hodges–Lehmann estimate. */
const TOLERANCE = 0.25;

export type Classification = 'High' | 'Low' | 'Pass' | 'Nodata';

/** Standard score of the rank sum of `x` shifted down by `shift` against `y`: average ranks for ties, tie-corrected, continuity-corrected. */
function score(x: readonly number[], y: readonly number[], shift: number): number {
  const all = [...x.map((value) => [value - shift, 1] as const), ...y.map((value) => [value, 0] as const)];
  all.sort((a, b) => a[0] - b[0]);
  let [rankSum, ties] = [0, 0];
  for (let from = 0; from < all.length; ) {
    let [to, ofX] = [from, 0];
    for (; to < all.length && all[to]?.[0] === all[from]?.[0]; to += 1) ofX += all[to]?.[1] ?? 0;
    const size = to - from;
    rankSum += (ofX * (from + 1 + to)) / 2;
    ties += size ** 3 - size;
    from = to;
  }
  const [n, m] = [x.length, y.length];
  const distance = rankSum - (n * (n + 1)) / 2 - (n * m) / 2;
  const spread = Math.sqrt(((n * m) / 12) * (n + m + 1 - ties / ((n + m) * (n + m - 1))));
  return spread === 0 ? 0 : (distance - Math.sign(distance) * 0.5) / spread;
}

/**
 * Shifts at which the score falls through `quantiles`. It falls in steps at differences between the two series, so the crossing is found
 * exactly; Kayenta looks for it with Brent's method to 1e-4, which makes its verdict depend on the unit of the metric. This is kinder to it.
 */
function crossings(x: readonly number[], y: readonly number[], quantiles: readonly number[]): readonly number[] {
  const differences = [...new Set(x.flatMap((a) => y.map((b) => a - b)))].sort((a, b) => a - b);
  const after = (index: number) => {
    const [here, next] = [differences[index] ?? 0, differences[index + 1]];
    return score(x, y, next === undefined ? here + 1 : (here + next) / 2);
  };
  return quantiles.map((quantile) => {
    let [low, high] = [0, differences.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (after(middle) <= quantile) high = middle;
      else low = middle + 1;
    }
    return differences[low] ?? 0;
  });
}

/** What MannWhitneyClassifier says of two series, with its default effect size of 1.0 and direction "either". */
export function classify(experiment: readonly number[], control: readonly number[]): Classification {
  if (experiment.length === 0 || control.length === 0) return 'Nodata';
  if (experiment.length === control.length && experiment.every((value, index) => value === control[index])) return 'Pass';
  const [lower = 0, estimate = 0, upper = 0] = crossings(experiment, control, [Z, 0, -Z]);
  const bound = TOLERANCE * Math.abs(estimate);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  // Not a number where both are zero: then Kayenta skips the test of the effect size.
  const effect = mean(experiment) / mean(control);
  if (lower > bound && !(effect < 1)) return 'High';
  if (upper < -bound && !(effect > 1)) return 'Low';
  return 'Pass';
}

/** One point a minute of the candidate, and of a baseline of the same size, as its documents ask. Then the rest in steps of `dwellS`. */
class Kayenta implements Judge {
  readonly name: string;
  readonly #windowS: number;
  readonly #dwellS: number;
  #past = new Past(1);
  #random = new Random(1);
  #points: { readonly candidate: number[]; readonly baseline: number[] } = { candidate: [], baseline: [] };
  #sinceS = 0;

  constructor(windowS: number, dwellS: number) {
    this.name = `Kayenta Mann–Whitney 98 %, once after ${windowS / 60} m`;
    this.#windowS = windowS;
    this.#dwellS = dwellS;
  }

  start(setting: Setting): void {
    this.#past = new Past(setting.pollS);
    this.#random = new Random(setting.seed ^ 0x5eed);
    this.#points = { candidate: [], baseline: [] };
    this.#sinceS = 0;
  }

  poll(tS: number, candidate: Arm, stable: Arm): Verdict {
    this.#past.add(candidate, stable);
    if (tS <= this.#windowS) {
      if (tS % 60 === 0) this.#point();
      if (tS < this.#windowS) return 'hold';
      this.#sinceS = tS;
      return classify(this.#points.candidate, this.#points.baseline) === 'High' ? 'rollback' : 'advance';
    }
    if (tS - this.#sinceS < this.#dwellS) return 'hold';
    this.#sinceS = tS;
    return 'advance';
  }

  #point(): void {
    const [candidate, stable] = [this.#past.candidate(60), this.#past.stable(60)];
    const failures = this.#random.binomial(stable.failures, Math.min(1, candidate.requests / stable.requests));
    this.#points.candidate.push((100 * candidate.failures) / candidate.requests);
    this.#points.baseline.push((100 * failures) / candidate.requests);
  }
}

export function kayenta(minutes: 30 | 60, dwellS = 600): NewJudge {
  return () => new Kayenta(minutes * 60, dwellS);
}
