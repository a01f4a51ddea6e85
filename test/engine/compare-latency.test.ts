/** A slow candidate in a whole rollout: no non-inferiority bound speaks of latency, so patience has the last word. */
import { describe, expect, it } from 'vitest';
import { comparisonOf } from '../../src/core/gates/comparison.ts';
import { SLOW_S } from '../simulator/counters.ts';
import { historyIn } from '../simulator/rollouts.ts';
import { comparing, GATE, LAG_MS } from './comparing.ts';
import { greenIn, type Scene, scene } from './scene.ts';

describe('a rollout that compares, whose candidate is slow and answers without errors', () => {
  const slow = (here: Scene, green: number, blue: number) => {
    for (const [place, share] of Object.entries({ green, blue }))
      Object.assign(here.sim.builds.get(place) ?? {}, { slow: share });
  };
  const latency = () => {
    const gate = { ...GATE, settings: { ...GATE.settings, latency: 'latency{build="${build}"}' }, compare: {} };
    const metrics = ['errors', `slower than ${SLOW_S}s`];
    const countable = new Map([['errors', { metrics, slices: {}, countsTraffic: true, lagMs: LAG_MS }]]);
    return comparing({ patienceMs: 30_000, comparison: comparisonOf([gate], { dwellMs: 10_000, blockMs: 2000 }, countable) });
  };

  // 1.1 times the stable build's part and 0.2 points are tolerated: 22.2 % beside 20 %.
  it.each([
    [0.22, 0.2],
    [0.27, 0.27],
  ])('a slow candidate goes all the way where a part of %d is slow next to one of %d', async (green, blue) => {
    const here = scene();
    slow(here, green, blue);
    expect(await here.go(latency())).toMatchObject({ state: { phase: 'done' } });
    expect(greenIn(here)).toEqual([50, 100]);
  });

  it('a slow candidate is reverted when it was slower than tolerated for longer than patience, and is not bad', async () => {
    const here = scene();
    slow(here, 0.27, 0.2);
    const why =
      /^health was unknown for too long: gate errors: slower than 0\.5s: \d+ of \d+ \(27(\.\d+)? %\) vs \d+ of \d+ \(20(\.\d+)? %\), more than tolerated/;
    expect(await here.go(latency())).toMatchObject({
      state: { phase: 'reverted', gateFailed: false, why: expect.stringMatching(why) },
    });
    expect(greenIn(here)).toEqual([50, 0]);
    expect((await historyIn(here.sim)).bad.size).toBe(0);
    const polls = here.lines.flatMap((line) => (line.type === 'poll' ? line.gates : []));
    const evident = polls.findIndex((gate) => gate.why.includes('more than tolerated'));
    // It takes 8,000 requests of each build to be evident, and then as long as patience lasts, one poll a second.
    expect(polls.slice(evident).length).toBeGreaterThanOrEqual(30);
    expect(polls.slice(evident).length).toBeLessThan(60);
  });
});
