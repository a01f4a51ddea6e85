/** Bursts and outages with fixed seeds: healthy builds go on, and what fails is found within so many bad requests. The long form is the benchmark. */
import { describe, expect, it } from 'vitest';
import { usualLimit } from '../../../../src/core/gates/comparison.ts';
import { beginStep, feed, openEvidence } from '../../../../src/core/gates/evidence/evidence.ts';
import { Random, seedOf } from '../../../bench/gates/random.ts';
import { type Failures, holdAt } from '../../../bench/gates/workloads.ts';
import { blockOf, settingsOf, whole } from '../verdict/judged.ts';

const SEED = 20261130;
const USUAL = 0.001;
const WATCH_S = 90;

interface World {
  readonly percent: number;
  readonly rps: number;
  readonly untilS: number;
  readonly pollS?: number;
  readonly failures?: Partial<Failures>;
  /** The part of its requests that the candidate fails at this second, beyond what is usual. */
  readonly fault?: (second: number) => number;
  readonly warmUpMs?: number;
}

interface Ended {
  /** When it was rolled back, in seconds of the step, and how many requests the fault had failed by then. */
  readonly atS: number | null;
  readonly bad: number;
}

function rollout({ percent, rps, untilS, pollS = 1, failures = {}, fault, warmUpMs = 0 }: World, run: number): Ended {
  const settings = settingsOf({}, { usual: USUAL, limit: usualLimit(USUAL), warmUpMs });
  const random = new Random(seedOf(`bursts ${percent} ${rps} ${run}`, SEED));
  const draw = holdAt(percent, { p0: USUAL, p1: USUAL, ...failures }, 1, rps).begin(random);
  let evidence = openEvidence(settings, { atMs: 0, share: 0 });
  let [counted, bad] = [blockOf([0, 0, 0, 0]), 0];
  for (let s = 1; s <= WATCH_S + untilS; s += 1) {
    const requests = s > WATCH_S ? (rps * percent) / 100 : 0;
    const { candidate, stable } = draw(s - WATCH_S, requests, rps - requests);
    const rate = s > WATCH_S ? (fault?.(s - WATCH_S) ?? 0) : 0;
    const failed = rate > 0 ? Math.max(candidate.failures, random.binomial(requests, rate)) : candidate.failures;
    if (rate > 0) bad += failed;
    const { candidate: ours, stable: theirs } = counted;
    counted = blockOf([
      ours.failures + failed,
      ours.requests + requests,
      theirs.failures + stable.failures,
      theirs.requests + stable.requests,
    ]);
    if (s % pollS === 0) {
      const { candidate: c, stable: b } = counted;
      evidence = feed(settings, evidence, {
        atMs: s * 1000,
        gates: { errors: whole([c.failures, c.requests, b.failures, b.requests]) },
      });
      counted = blockOf([0, 0, 0, 0]);
    }
    if (s === WATCH_S) evidence = beginStep(settings, evidence, { atMs: s * 1000, share: percent / 100 });
    if (evidence.crossed !== null) return { atS: s - WATCH_S, bad };
  }
  return { atS: null, bad };
}

const runs = (world: World, count: number) => Array.from({ length: count }, (_, run) => rollout(world, run));
const meanBad = (all: readonly Ended[]) => all.reduce((sum, { bad }) => sum + bad, 0) / all.length;
const isEnded = ({ atS }: Ended) => atS !== null;

describe('a healthy build', () => {
  it.each([
    ['20 failures over 5 s', { clusterMean: 20, clusterLasts: 5 }, 10, 100],
    ['50 failures over 10 s', { clusterMean: 50, clusterLasts: 10 }, 1, 500],
    ['20 failures at once', { clusterMean: 20 }, 10, 100],
    ['an incident that both builds share', { incident: { fromS: 120, toS: 300, share: 0.1 } }, 50, 100],
    [
      'an incident that both builds share, with most of little traffic',
      { incident: { fromS: 120, toS: 300, share: 0.1 } },
      90,
      20,
    ],
  ])('a healthy build goes on through bursts: %s', (_bursts, failures, percent, rps) => {
    // In ten minutes each; one in a hundred may end, of a few dozen none does with this seed.
    expect(runs({ percent, rps, untilS: 600, failures }, 12).filter(isEnded)).toEqual([]);
  });

  it('a healthy build goes on where failures are independent, at polls of one second', () => {
    expect(runs({ percent: 1, rps: 500, untilS: 900 }, 10).filter(isEnded)).toEqual([]);
  });
});

describe('a fault', () => {
  const late = { percent: 1, rps: 500, untilS: 400 };

  it('a fault of everything 77 s into a step costs at most 33 requests at 1 % of 500 a second', () => {
    const all = runs({ ...late, fault: (s) => (s > 77 ? 1 : 0) }, 15);
    expect(all.every(isEnded)).toBe(true);
    expect(meanBad(all)).toBeLessThanOrEqual(33);
  });

  it('a fault of 20 % of the requests 77 s into a step costs at most 15 requests at 1 % of 500 a second', () => {
    const all = runs({ ...late, fault: (s) => (s > 77 ? 0.2 : 0) }, 15);
    expect(all.every(isEnded)).toBe(true);
    expect(meanBad(all)).toBeLessThanOrEqual(15);
  });

  it('a fault from the first request on is found at the first poll', () => {
    expect(runs({ ...late, fault: () => 1 }, 3)).toEqual(Array.from({ length: 3 }, () => ({ atS: 1, bad: 5 })));
    expect(runs({ ...late, pollS: 15, fault: () => 1 }, 2).map(({ atS }) => atS)).toEqual([15, 15]);
  });

  it('a fault that comes back for 3 s every ten minutes is found at its second to fourth time', () => {
    const fault = (s: number) => (s % 600 >= 300 && s % 600 < 303 ? 1 : 0);
    const time = (percent: number, rps: number) => ((rollout({ percent, rps, untilS: 2400, fault }, 2).atS ?? 9999) + 300) / 600;
    const times = [time(1, 500), time(5, 200), time(10, 1000)].map(Math.floor);
    expect(times.map((found, index) => found <= index + 2)).toEqual([true, true, true]);
  });

  it('a fault that doubles every five minutes is found while it is below 2 %', () => {
    const [ended] = runs({ percent: 5, rps: 200, untilS: 3600, fault: (s) => 0.0005 * 2 ** (s / 300) }, 1);
    expect(0.0005 * 2 ** ((ended?.atS ?? 3600) / 300)).toBeLessThan(0.02);
  });
});

describe('a warm-up', () => {
  const cold = { percent: 1, rps: 1000, untilS: 120 };

  it('a warm-up forgives a cold start of 20 %, which without it is a fault', () => {
    const fault = (s: number) => (s <= 10 ? 0.2 : 0);
    expect(runs({ ...cold, fault, warmUpMs: 12_000 }, 5).filter(isEnded)).toEqual([]);
    expect(runs({ ...cold, fault }, 5).every(isEnded)).toBe(true);
  });

  it('a warm-up does not hide a build that fails everything, and what fails after it is found', () => {
    expect(runs({ ...cold, fault: () => 1, warmUpMs: 60_000 }, 2).map(({ atS }) => atS)).toEqual([1, 1]);
    const [later] = runs({ ...cold, fault: () => 0.2, warmUpMs: 20_000 }, 1);
    expect(later?.atS).toBeGreaterThan(20);
    expect(later?.atS).toBeLessThan(30);
  });
});
