/** Members of a place judged one by one, with fixed seeds: a bad one of many is found and named, and healthy ones end no rollout. */
import { describe, expect, it } from 'vitest';
import { harmBounds, requestsToRuleOut } from '../../../../src/core/gates/evidence/non-inferiority.ts';
import { LATER } from '../../../../src/core/gates/gate-settings.ts';
import { rollout, settingsOf, type World } from './member-worlds.ts';

const SEED = 20261130;

/** 10 % of 100 requests a second: each of ten members has one. */
const TEN: World = { candidates: 10, stables: 10, percent: 10, rps: 100, untilS: 300 };

const USUAL = 0.001;

const bad = (rate: number, one = 'member green-3') => ({
  fails: (member: string, second: number) => (second > 0 && member === one ? rate : USUAL),
});

const runs = (world: World, count: number) => Array.from({ length: count }, (_, run) => rollout(world, run, SEED));

const times = (all: readonly { readonly atS: number | null }[]) =>
  all.map(({ atS }) => atS ?? Number.POSITIVE_INFINITY).toSorted((a, b) => a - b);

describe('a bad member', () => {
  it.each([
    ['fails 20 % at one request a second of its own', { ...TEN, ...bad(0.2) }, 60, 100],
    ['answers 500 to everything at one request a second of its own', { ...TEN, ...bad(1) }, 15, 20],
    ['fails 20 % at half a request a second of its own', { ...TEN, percent: 1, rps: 500, ...bad(0.2) }, 80, 160],
    ['fails 20 % of ten requests a second, at half of the traffic', { ...TEN, percent: 50, rps: 200, ...bad(0.2) }, 20, 40],
    ['fails 20 % while the candidate serves alone', { ...TEN, percent: 100, ...bad(0.2) }, 30, 50],
  ])('one bad member of ten ends the rollout and is named: it %s', (_what, world, median, most) => {
    const all = runs(world, 12);
    expect(all.map(({ verdict }) => verdict.verdict)).toEqual(all.map(() => 'fail'));
    for (const { verdict } of all) {
      expect(verdict.why).toMatch(/in member green-3: \d+ of \d+/);
      expect(verdict.why).not.toMatch(/in member green-(?!3:)/);
    }
    expect(times(all)[6]).toBeLessThanOrEqual(median);
    expect(times(all).at(-1)).toBeLessThanOrEqual(most);
  });

  it('one bad member of sixty is found within ninety of its own requests, and named', () => {
    const world = { ...TEN, candidates: 60, stables: 60, rps: 1000, untilS: 120, ...bad(0.2, 'member green-41') };
    for (const { verdict, counted } of runs(world, 3)) {
      expect(verdict).toMatchObject({ verdict: 'fail', why: expect.stringContaining('in member green-41: ') });
      expect(counted.get('member green-41')?.requests).toBeLessThanOrEqual(90);
    }
  });

  it('a member that fails at one location only is named with that location', () => {
    const locations = ['edge1', 'edge2'];
    const { verdict } = rollout({ ...TEN, rps: 200, locations, ...bad(0.5, 'member green-3 at edge2') }, 0, SEED);
    expect(verdict).toMatchObject({
      verdict: 'fail',
      why: expect.stringMatching(/^errors in member green-3 at edge2: \d+ of \d+ \(/),
    });
  });

  it('a stable member that is bad itself hides no worse member of the candidate', () => {
    const fails = (member: string, second: number) =>
      member === 'member blue-7' ? 0.03 : second > 0 && member === 'member green-3' ? 0.5 : USUAL;
    for (const { verdict } of runs({ ...TEN, fails }, 5))
      expect(verdict).toMatchObject({ verdict: 'fail', why: expect.stringContaining('in member green-3: ') });
  });

  it('a stable member that is bad itself blames no member of the candidate', () => {
    const fails = (member: string) => (member === 'member blue-7' ? 0.2 : USUAL);
    for (const { verdict, atS } of runs({ ...TEN, untilS: 240, fails }, 8)) {
      expect(atS).toBeNull();
      expect(verdict).toMatchObject({ verdict: 'hold', why: expect.stringContaining('the stable build fails too') });
    }
  });

  it('a bad member that came in the middle of the rollout ends it, too', () => {
    const isThere = (member: string, second: number) => member !== 'green-11' || second > 60;
    // Eleven members serve; the plan knows ten of them.
    const world = { ...TEN, candidates: 11, rps: 200, isThere, ...bad(1, 'member green-11') };
    const { verdict, counted } = rollout({ ...world, planned: 10 }, 0, SEED);
    expect(verdict).toMatchObject({ verdict: 'fail', why: expect.stringContaining(`in ${LATER}: `) });
    expect(counted.get('member green-11')?.requests).toBeLessThan(60);
  });
});

describe('healthy members', () => {
  it.each([
    ['ten', TEN, 40],
    ['ten at two locations', { ...TEN, rps: 200, candidates: 5, stables: 3, locations: ['edge1', 'edge2'] }, 15],
    ['three next to ten stable ones', { ...TEN, candidates: 3, percent: 1, rps: 300 }, 20],
    ['sixty', { ...TEN, candidates: 60, stables: 60, rps: 300, untilS: 120 }, 3],
  ])('no rollout of healthy members ends: %s', (_what, world, count) => {
    const all = runs({ ...world, pollS: 2 }, count);
    expect(all.filter(({ atS }) => atS !== null)).toEqual([]);
  });

  it('a clientele that fails more often at one location blames no member there', () => {
    const fails = (member: string) => (member.endsWith('edge2') ? 0.004 : 0);
    const world = { ...TEN, rps: 400, candidates: 3, stables: 3, locations: ['edge1', 'edge2'], fails, pollS: 2 };
    expect(runs(world, 20).filter(({ atS }) => atS !== null)).toEqual([]);
  });

  it('members that come and go by an autoscaler blame no build, and the step still passes', () => {
    const isThere = (member: string, second: number) => {
      const number = Number(/\d+$/.exec(member)?.[0]);
      return second <= 0 || Math.floor(second / 90) % 10 !== number - 1;
    };
    for (const { verdict } of runs({ ...TEN, rps: 400, isThere, pollS: 2 }, 5)) expect(verdict.verdict).toBe('pass');
  });
});

describe('how long a step takes', () => {
  it('a step with ten healthy members needs about as many requests as one with a single member', () => {
    const settings = settingsOf(TEN);
    const [errors] = settings.metrics;
    if (errors === undefined) throw new Error('no metric');
    for (const share of [0.01, 0.1, 0.5]) {
      const whole = requestsToRuleOut(settings, errors, share, USUAL);
      const each = requestsToRuleOut(settings, errors, share, USUAL, 10);
      expect((10 * each) / whole).toBeGreaterThan(0.5);
      expect((10 * each) / whole).toBeLessThan(1.5);
    }
  });

  it('a member without any request is not called healthy, and does not keep the others from the next step', () => {
    const isThere = (member: string, second: number) => member !== 'green-9' || second <= 0;
    const { verdict } = rollout({ ...TEN, rps: 400, isThere, pollS: 2 }, 0, SEED);
    expect(verdict).toMatchObject({
      verdict: 'pass',
      why: expect.stringContaining('too small to judge: errors in member green-9'),
    });
  });

  it('a member whose newest requests fail holds the step before the evidence is enough to end it', () => {
    const fails = (member: string, second: number) => (second > 270 && member === 'member green-3' ? 0.2 : USUAL);
    const { verdict } = rollout({ ...TEN, untilS: 295, fails }, 3, SEED);
    expect(verdict).toMatchObject({ verdict: 'hold', why: expect.stringMatching(/member green-3: \d+ of \d+ .*failed/) });
  });

  it('the whole keeps half of the evidence, whatever the number of members', () => {
    for (const candidates of [2, 10, 400])
      for (const { weight, slices } of settingsOf({ ...TEN, candidates }).metrics.filter(({ byMember }) => byMember))
        expect(slices.reduce((sum, slice) => sum + slice.weight, 0)).toBeCloseTo(weight, 9);
  });

  it('a single member is judged by the whole alone', () => {
    const { settings, evidence } = rollout({ ...TEN, candidates: 1, untilS: 1 }, 0, SEED);
    expect(settings.metrics.flatMap(({ slices }) => slices)).toEqual([]);
    expect(harmBounds(settings, evidence).flatMap(({ unverified }) => unverified)).toEqual([]);
  });
});
