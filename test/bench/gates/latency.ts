/** E6: durations in Prometheus' default buckets, and the rivals that judge a quantile of them. Must not see a single request, as Prometheus does not. */
import type { Arm, Histogram, Judge, NewJudge, Parts, Setting, Verdict } from './judge.ts';
import { classify } from './mann-whitney.ts';
import { Random } from './random.ts';
import { HOUR_S, type Workload } from './workloads.ts';

/** client_golang's DefBuckets. */
export const BOUNDS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Lognormal: half of the requests within 40 ms, 99 % within 257 ms. */
const [MEDIAN_S, SD] = [0.04, Math.log(0.257 / 0.04) / 2.3263478740408408];

/** Standard normal distribution, by Abramowitz and Stegun 26.2.17 (error below 1e-7). */
function normalBelow(z: number): number {
  if (z < 0) return 1 - normalBelow(-z);
  const t = 1 / (1 + 0.2316419 * z);
  const tail = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return 1 - 0.3989422804014327 * Math.exp((-z * z) / 2) * tail;
}

/** `share` of the requests take `factor` times as long and `plusS` longer. */
export interface Slowness {
  readonly share: number;
  readonly factor: number;
  readonly plusS: number;
}

/** The chance of each bucket. */
export function bucketChances({ share, factor, plusS }: Slowness): readonly number[] {
  const below = (s: number) => (s <= 0 ? 0 : normalBelow(Math.log(s / MEDIAN_S) / SD));
  const upTo = BOUNDS_S.map((le) => (1 - share) * below(le) + share * below((le - plusS) / factor));
  return [...upTo, 1].map((chance, index) => Math.max(0, chance - (upTo[index - 1] ?? 0)));
}

/** One hour at 1 % of 1,000 requests a second. Failures are not judged here: there are none. */
export function slowWorkload(slow: Slowness): Workload {
  const [healthy, candidate] = [bucketChances({ share: 0, factor: 1, plusS: 0 }), bucketChances(slow)];
  const begin = (random: Random) => (_tS: number, candidateRequests: number, stableRequests: number) => ({
    candidate: { requests: candidateRequests, failures: 0 },
    stable: { requests: stableRequests, failures: 0 },
    parts: {
      histogram: {
        le: BOUNDS_S,
        candidate: random.multinomial(candidateRequests, candidate),
        stable: random.multinomial(stableRequests, healthy),
      },
    },
  });
  return { rps: 1000, pollS: 15, percents: [1], untilS: HOUR_S, bakeS: 0, p0: 0, p1: 0, slices: [], begin };
}

/** Requests that a rule needs which knows both distributions of buckets: ln(1/alpha) over their divergence. */
export function bucketLimit(slow: Slowness, alpha = 0.01): number {
  const [healthy, candidate] = [bucketChances({ share: 0, factor: 1, plusS: 0 }), bucketChances(slow)];
  const kl = candidate.reduce((sum, p, index) => sum + (p > 0 ? p * Math.log(p / Math.max(healthy[index] ?? 0, 1e-12)) : 0), 0);
  return Math.max(1, Math.log(1 / alpha) / kl);
}

/** As PromQL's histogram_quantile: linear within the bucket, and the last bound for all that is beyond it. Seconds. */
export function quantile(q: number, le: readonly number[], counts: readonly number[]): number {
  let left = q * counts.reduce((sum, count) => sum + count, 0);
  for (const [index, count] of counts.entries()) {
    const [from, to] = [le[index - 1] ?? 0, le[index]];
    if (to === undefined) return from;
    if (left <= count && count > 0) return from + ((to - from) * left) / count;
    left -= count;
  }
  return Number.NaN;
}

type Sums = Omit<Histogram, 'le'>;

/** The 99th percentile of each minute, and a rule over those of the two builds. */
class Minutes implements Judge {
  readonly name: string;
  readonly #rule: NewRule;
  #judge: Rule = () => 'hold';
  #sums: Sums | undefined;

  constructor(name: string, rule: NewRule) {
    this.name = name;
    this.#rule = rule;
  }

  start(setting: Setting): void {
    this.#sums = undefined;
    this.#judge = this.#rule(setting);
  }

  poll(tS: number, _candidate: Arm, _stable: Arm, parts?: Parts): Verdict {
    const histogram = parts?.histogram;
    if (histogram === undefined) return 'hold';
    const plus = (a: readonly number[] | undefined, b: readonly number[]) => b.map((count, index) => count + (a?.[index] ?? 0));
    this.#sums = {
      candidate: plus(this.#sums?.candidate, histogram.candidate),
      stable: plus(this.#sums?.stable, histogram.stable),
    };
    if (tS % 60 !== 0) return 'hold';
    const sums = this.#sums;
    this.#sums = undefined;
    return this.#judge(tS, sums, histogram.le);
  }
}

type Rule = (tS: number, minute: Sums, le: readonly number[]) => Verdict;
type NewRule = (setting: Setting) => Rule;

/** Flagger's request-duration: p99 of the candidate, whole milliseconds, at most 500; ten bad ticks, seen at the tick after. */
export function flaggerDuration(): NewJudge {
  const rule: NewRule = () => {
    let bad = 0;
    return (_tS, { candidate }, le) => {
      if (bad >= 10) return 'rollback';
      if (!(Math.trunc(quantile(0.99, le, candidate) * 1000) <= 500)) bad += 1;
      return 'hold';
    };
  };
  return () => new Minutes('Flagger F1: p99 ≤ 500 ms, threshold 10', rule);
}

export function slowerThanBaseline(): NewJudge {
  const rule: NewRule = () => {
    let bad = 0;
    return (_tS, { candidate, stable }, le) => {
      if (quantile(0.99, le, candidate) > 1.5 * quantile(0.99, le, stable)) bad += 1;
      return bad >= 3 ? 'rollback' : 'hold';
    };
  };
  return () => new Minutes('p99 > 1.5× the baseline per 1 m, three failures', rule);
}

/** Kayenta's judge over the p99 in milliseconds of thirty minutes, with a baseline of the candidate's size. */
export function kayentaDuration(): NewJudge {
  const rule: NewRule = ({ seed }) => {
    const random = new Random(seed ^ 0x5eed);
    const points = { candidate: [] as number[], baseline: [] as number[] };
    return (tS, { candidate, stable }, le) => {
      if (tS > 1800) return 'hold';
      const [some, all] = [candidate, stable].map((counts) => counts.reduce((sum, count) => sum + count, 0)) as [number, number];
      const sample = random.multinomial(
        some,
        stable.map((count) => count / all),
      );
      points.candidate.push(1000 * quantile(0.99, le, candidate));
      points.baseline.push(1000 * quantile(0.99, le, sample));
      return tS === 1800 && classify(points.candidate, points.baseline) === 'High' ? 'rollback' : 'hold';
    };
  };
  return () => new Minutes('Kayenta Mann–Whitney on p99, once after 30 m', rule);
}
