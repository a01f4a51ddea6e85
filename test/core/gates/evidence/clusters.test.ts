/** How many failures come together: measured on the stable build, and what a non-inferiority bound makes of it. */
import { describe, expect, it } from 'vitest';
import { seeded } from '../../../../src/backtest/calibration.ts';
import { type Clusters, clustersUpTo, dispersionSeen } from '../../../../src/core/gates/evidence/clusters.ts';
import { feed, openEvidence } from '../../../../src/core/gates/evidence/evidence.ts';
import { judgeEvidence } from '../../../../src/core/gates/verdict/evidence-verdict.ts';
import { binomial, fed, settingsOf, whole } from '../verdict/judged.ts';

const SEED = Number(process.env.KVDEPLOY_SEED ?? Date.now() % 1_000_000);
const REQUESTS = 15_000;

/** After blocks of so many requests and failures each. */
function measured(failures: readonly number[]): Clusters | undefined {
  let clusters: Clusters | undefined;
  let all = 0;
  failures.forEach((count, index) => {
    all += count;
    clusters = clustersUpTo(clusters, { requests: (index + 1) * REQUESTS, failures: all });
  });
  return clusters;
}

/** So many blocks with `perBlock` failures on average, of which `size` come at once. */
function inClustersOf(size: number, perBlock: number, blocks: number): number[] {
  const random = seeded(SEED);
  return Array.from({ length: blocks }, () => size * binomial(random, 100_000, perBlock / size / 100_000));
}

describe('failures that come together', () => {
  it('failures are one apart on average, exactly, where each falls on either of two blocks by itself', () => {
    // Every way in which three failures fall on a block of 1,000 requests and one of 3,000.
    const part = 0.25;
    let mean = 0;
    for (let failures = 0; failures <= 3; failures += 1) {
      const ways = [1, 3, 3, 1][failures] ?? 0;
      const first = clustersUpTo(undefined, { requests: 1000, failures });
      const { apart } = clustersUpTo(first, { requests: 4000, failures: 3 });
      mean += ways * part ** failures * (1 - part) ** (3 - failures) * apart;
    }
    expect(mean).toBeCloseTo(1, 12);
  });

  it.each([5, 20])('failures are seen to come %i at a time', (size) => {
    const clusters = measured(inClustersOf(size, 15, 4000));
    const together = (clusters?.apart ?? 0) / (clusters?.pairs ?? 1);
    // Half of what was seen is forgotten now and then, so some 32 to 64 pairs speak.
    expect(together, `seed ${SEED}`).toBeGreaterThan(size / 3);
    expect(dispersionSeen(clusters, 4), `seed ${SEED}`).toBeGreaterThan(size / 2);
  });

  it('failures change nothing where they come one by one, at a steady rate or a drifting one', () => {
    const random = seeded(SEED);
    const drifting = Array.from({ length: 240 }, (_, block) => binomial(random, REQUESTS, 0.001 * (2 + Math.sin(block / 20))));
    for (const failures of [inClustersOf(1, 15, 240), drifting]) {
      const seen = failures.map((_, index) => dispersionSeen(measured(failures.slice(0, index + 1)), 4));
      expect(seen.filter((dispersion) => dispersion > 4).length, `seed ${SEED}`).toBeLessThan(24);
    }
  });

  it('failures at a rate that leaps, as in an incident, count for little', () => {
    const incident = inClustersOf(1, 15, 120).map((failures, block) => (block >= 80 && block < 92 ? 100 * failures : failures));
    expect(dispersionSeen(measured(incident), 4), `seed ${SEED}`).toBeLessThan(20);
  });

  it('failures that come together never make a non-inferiority bound surer than the settings do', () => {
    for (const failures of [[], [0, 0, 0], [1, 1, 1, 1], inClustersOf(1, 3, 100)])
      expect(dispersionSeen(measured(failures), 7)).toBeGreaterThanOrEqual(7);
  });

  it('clusters are not taken for none while nothing was asked, nor for fewer after a counter that went back', () => {
    const before = clustersUpTo(measured([3, 3]), { requests: 0, failures: 0 });
    expect(before.pairs).toBe(1);
    expect(clustersUpTo(before, { requests: REQUESTS, failures: 3 }).apart).toBe(0);
  });
});

describe('a build at the very edge of harm, with failures that come 20 at a time', () => {
  const RUNS = 100;
  const BLOCKS = 120;

  /** How many of the rollouts are let on within half an hour; `sees`: whether the clusters are looked at. */
  function letOn(sees: boolean): number {
    const settings = settingsOf();
    let found = 0;
    for (let run = 0; run < RUNS; run += 1) {
      const random = seeded(SEED * 1000 + run);
      let evidence = openEvidence(settings, { atMs: 0, share: 0.01 });
      for (let block = 1; block <= BLOCKS; block += 1) {
        const candidate = Math.min(150, 20 * binomial(random, 150, 0.012 / 20));
        const poll = whole([candidate, 150, 20 * binomial(random, 14_850, 0.001 / 20), 14_850]);
        evidence = feed(settings, evidence, { atMs: block * 15_000, gates: { errors: poll } });
        const looked = sees ? evidence : { ...evidence, wholes: {} };
        if (judgeEvidence(settings, looked, { nowMs: block * 15_000, nextShare: 0.05 }).verdict !== 'pass') continue;
        found += 1;
        break;
      }
    }
    return found;
  }

  it('a build at the very edge of harm is let on in at most one of twenty rollouts', () => {
    expect(letOn(true), `seed ${SEED}`).toBeLessThanOrEqual(RUNS * 0.05 + 4 * Math.sqrt(RUNS * 0.05));
  });

  it('a build at the very edge of harm would be let on in many were the clusters not looked at', () => {
    expect(letOn(false), `seed ${SEED}`).toBeGreaterThan(RUNS / 4);
  });

  it('a build whose failures come in clusters is said to be, while it holds', () => {
    const settings = settingsOf();
    const polls = Array.from({ length: 40 }, (_, block) => whole([0, 150, block % 2 === 0 ? 40 : 0, 14_850]));
    const verdict = judgeEvidence(settings, fed(settings, polls), { nowMs: 600_000, nextShare: 0.05 });
    expect(verdict).toMatchObject({ verdict: 'hold' });
    expect(verdict.why).toMatch(/while the failures of the stable build are clustered/);
  });
});
