/** Closed forms from the literature that our processes are held against; written from the formulas, for tests alone. */

/** ln gamma (Lanczos, g = 7, n = 9). */
export function logGamma(x: number): number {
  const c = [
    0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
    -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ];
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const base = x - 1 + 7.5;
  const sum = c.reduce((total, value, index) => (index === 0 ? value : total + value / (x - 1 + index)), 0);
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(base) - base + Math.log(sum);
}

export function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}

/** ln of the mean, over theta ~ Beta(a, b), of theta^k (1 - theta)^(n - k) / (th^k (1 - th)^(n - k)): Lindon and Malek's process of two arms. */
export function betaMixture(k: number, n: number, th: number, a: number, b: number): number {
  return logBeta(a + k, b + n - k) - logBeta(a, b) - k * Math.log(th) - (n - k) * Math.log(1 - th);
}

/** confseq's beta-binomial mixture (Howard, Ramdas, McAuliffe, Sekhon): sum s, intrinsic time v, tuned for vOpt at alpha 0.05. */
export function betaBinomialLogMixture(s: number, v: number, vOpt: number, g: number, h: number): number {
  const { a, b, k, n, th } = confseqAsBeta(s, v, vOpt, g, h);
  return betaMixture(k, n, th, a, b);
}

/** The same in terms of counts: n requests of which k are the candidate's failures, theta = g / (g + h). */
export function confseqAsBeta(s: number, v: number, vOpt: number, g: number, h: number) {
  const need = Math.log(1 / 0.05);
  const r = vOpt / (2 * need + Math.log(1 + 2 * need)) - g * h;
  const th = g / (g + h);
  const n = v / (th * (1 - th));
  return { a: r / h, b: r / g, k: s + n * th, n, th };
}

/** ln of the marginal chance of these counts, in this order of arms, under a Dirichlet prior (with the multinomial coefficient). */
export function dirichletLogMarginal(counts: readonly number[], prior: readonly number[]): number {
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const each = counts.map(
    (count, index) => logGamma((prior[index] ?? 0) + count) - logGamma(prior[index] ?? 0) - logGamma(count + 1),
  );
  return logGamma(sum(counts) + 1) + logGamma(sum(prior)) - logGamma(sum(prior) + sum(counts)) + sum(each);
}

export function multinomialLog(counts: readonly number[], rates: readonly number[]): number {
  const n = counts.reduce((total, count) => total + count, 0);
  return counts.reduce((total, count, at) => total + count * Math.log(rates[at] ?? 0) - logGamma(count + 1), logGamma(n + 1));
}

/** ln of the mean of e^log(theta) over theta ~ Beta(a, b), by tanh-sinh quadrature. */
export function betaMeanLog(log: (theta: number) => number, a: number, b: number): number {
  const width = 1 / 128;
  const terms: number[] = [];
  for (let step = -6 / width; step <= 6 / width; step += 1) {
    const t = step * width;
    // theta and 1 - theta apart, so that both stay exact near the ends.
    const u = Math.PI * Math.sinh(t);
    const [logTheta, logRest] = [-Math.log1p(Math.exp(-u)), -Math.log1p(Math.exp(u))];
    const theta = Math.exp(logTheta);
    if (!(theta > 0 && theta < 1)) continue;
    terms.push(log(theta) + a * logTheta + b * logRest + Math.log(Math.PI * Math.cosh(t) * width));
  }
  const most = Math.max(...terms);
  return most + Math.log(terms.reduce((sum, term) => sum + Math.exp(term - most), 0)) - logBeta(a, b);
}
