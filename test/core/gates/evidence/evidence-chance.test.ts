/** Chance: over many rollouts, false alarms stay below alpha and false non-inferiority bounds below beta, however often one looks. */
import { describe, expect, it } from 'vitest';
import { seeded } from '../../../../src/backtest/calibration.ts';
import { usualLimit } from '../../../../src/core/gates/comparison.ts';
import { feed, streamsOf } from '../../../../src/core/gates/evidence/evidence.ts';
import { streamLogC } from '../../../../src/core/gates/evidence/evidence-stream.ts';
import { type GateSettings, harmBoundLogC, WHOLE } from '../../../../src/core/gates/gate-settings.ts';
import { binomial, blockOf, type Counts, counted, fed, settingsOf, whole } from '../verdict/judged.ts';

const SEED = Number(process.env.KVDEPLOY_SEED ?? Date.now() % 1_000_000);
const RUNS = 300;
const POLLS = 80;
const ALPHA = 0.05;

/** What of so many runs may happen by chance of `rate` each: four standard deviations above the mean. */
const atMost = (rate: number) => RUNS * rate + 4 * Math.sqrt(RUNS * rate);

interface Traffic {
  readonly share: number;
  readonly requests: number;
  /** The stable build's rate at a poll, and the candidate's that belongs to it. */
  readonly stableRate: (poll: number) => number;
  readonly rate: (stableRate: number) => number;
}

function countsOf(traffic: Traffic, random: () => number, poll: number): Counts {
  const stableRate = traffic.stableRate(poll);
  const nc = binomial(random, traffic.requests, traffic.share);
  const nb = traffic.requests - nc;
  return [binomial(random, nc, Math.min(1, traffic.rate(stableRate))), nc, binomial(random, nb, stableRate), nb];
}

/** How many rollouts of the traffic end as asked, at whatever poll. */
function runs(
  settings: GateSettings,
  traffic: Traffic,
  seed: number,
  ends: (evidence: ReturnType<typeof fed>) => boolean,
): number {
  let found = 0;
  for (let run = 0; run < RUNS; run += 1) {
    const random = seeded(seed * 1000 + run);
    let evidence = fed(settings, [], traffic.share);
    for (let poll = 0; poll < POLLS; poll += 1) {
      const gates = { errors: whole(countsOf(traffic, random, poll)) };
      evidence = feed(settings, evidence, { atMs: evidence.atMs + 15_000, gates });
      if (!ends(evidence)) continue;
      found += 1;
      break;
    }
  }
  return found;
}

const boundary = (stableRate: number) => 1.2 * stableRate + 0.0005;

const TRAFFIC: readonly (readonly [string, Traffic, Partial<GateSettings['metrics'][number]>])[] = [
  ['rare failures at 1 %', { share: 0.01, requests: 15_000, stableRate: () => 0.001, rate: boundary }, {}],
  ['rare failures at 50 %', { share: 0.5, requests: 1500, stableRate: () => 0.001, rate: boundary }, {}],
  [
    'an incident that both share',
    { share: 0.2, requests: 5000, stableRate: (poll) => (poll % 20 < 5 ? 0.1 : 0.001), rate: boundary },
    {},
  ],
  [
    'a service that fails often, in small blocks',
    { share: 0.5, requests: 8, stableRate: () => 0.4, rate: boundary },
    { limit: null },
  ],
];

describe('false alarms, exactly at the margin', () => {
  it.each(TRAFFIC)('false alarms exactly at the margin are at most alpha with %s', (_name, traffic, metric) => {
    // With what is usual as known as it is after a while, and as unknown as it may be.
    for (const usual of [traffic.stableRate(10), null]) {
      const settings = settingsOf({ alpha: ALPHA }, { dispersion: 1, usual, ...metric });
      const found = runs(settings, traffic, SEED, ({ crossed }) => crossed !== null);
      expect(found, `seed ${SEED}`).toBeLessThanOrEqual(atMost(ALPHA));
    }
  });

  it('false alarms exactly at the margin are at most alpha where failures come in clusters of 20', () => {
    const traffic: Traffic = { share: 0.1, requests: 5000, stableRate: () => 0.001 / 20, rate: (rate) => 1.2 * rate };
    const settings = settingsOf({ alpha: ALPHA });
    let found = 0;
    for (let run = 0; run < RUNS; run += 1) {
      const random = seeded(SEED * 1000 + run);
      const clusters = Array.from({ length: POLLS }, (_, poll) => {
        const [kc, nc, kb, nb] = countsOf(traffic, random, poll);
        return whole([Math.min(nc, 20 * kc), nc, Math.min(nb, 20 * kb), nb]);
      });
      if (fed(settings, clusters, traffic.share).crossed !== null) found += 1;
    }
    expect(found, `seed ${SEED}`).toBeLessThanOrEqual(atMost(ALPHA));
  });
});

describe('tenants that fail whatever serves them', () => {
  const TENANTS = 10;

  /** How many of the rollouts of two builds that are one end as a false alarm; each tenant has a request a second. */
  function falseAlarms(failing: readonly number[], share: number, limit: number): number {
    const slices = Array.from({ length: TENANTS }, (_, tenant) => ({ name: `t${tenant}`, weight: 0.5 / TENANTS }));
    const settings = settingsOf({}, { limit, weight: 0.5, slices });
    let found = 0;
    for (let run = 0; run < RUNS; run += 1) {
      const random = seeded(SEED * 1000 + run);
      let evidence = fed(settings, [], share);
      for (let poll = 1; poll <= 60 && evidence.crossed === null; poll += 1) {
        const sum: [number, number, number, number] = [0, 0, 0, 0];
        const parts = slices.map(({ name }, tenant) => {
          const rate = failing[tenant] ?? 0;
          const nc = binomial(random, 1, share);
          const counts: Counts = [binomial(random, nc, rate), nc, binomial(random, 1 - nc, rate), 1 - nc];
          counts.forEach((count, index) => {
            sum[index] = (sum[index] ?? 0) + count;
          });
          return [name, blockOf(counts)] as const;
        });
        const gates = { errors: counted({ ...Object.fromEntries(parts), [WHOLE]: blockOf(sum) }) };
        evidence = feed(settings, evidence, { atMs: poll * 1000, gates });
      }
      if (evidence.crossed !== null) found += 1;
    }
    return found;
  }

  it.each([
    ['one always', [1], 0.5, [0.01, 0.1]],
    ['three in 30 % of requests', [0.3, 0.3, 0.3], 0.5, [0.01, 0.1]],
    ['three always, at a quarter of the traffic', [1, 1, 1], 0.25, [0.01, 0.1]],
    // With so few requests to the stable build the limit must follow what is usual, as it does before a rollout.
    ['one always, at nearly all of the traffic', [1], 0.9, [usualLimit(0.1)]],
  ])('tenants that fail whatever serves them raise no false alarm: %s', (_what, failing, share, limits) => {
    for (const limit of limits) {
      const most = RUNS * 0.01 + 4 * Math.sqrt(RUNS * 0.01);
      expect(falseAlarms(failing, share, limit), `seed ${SEED}, limit ${limit}`).toBeLessThanOrEqual(most);
    }
  });
});

describe('false non-inferiority bounds, exactly at the harm', () => {
  it.each([
    [0.01, 0.01],
    [0.5, 0.001],
  ])('false bounds exactly at the harm are at most 1 - confidence at a share of %f', (share, plus) => {
    const traffic: Traffic = { share, requests: 6000, stableRate: () => 0.001, rate: (rate) => 2 * rate + plus };
    const settings = settingsOf({}, { dispersion: 1 });
    const [metric] = settings.metrics;
    const need = harmBoundLogC(settings);
    const found = runs(settings, traffic, SEED, (evidence) => {
      const [stream] = metric === undefined ? [] : streamsOf(evidence, metric);
      return stream !== undefined && streamLogC(stream) >= need;
    });
    expect(found, `seed ${SEED}`).toBeLessThanOrEqual(atMost(0.05));
  });
});
