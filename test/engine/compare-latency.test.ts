/** A slow candidate in a whole rollout: no non-inferiority bound speaks of latency, so patience has the last word. */
import { describe, expect, it } from 'vitest';
import { comparisonOf } from '../../src/core/gates/comparison.ts';
import type { Io } from '../../src/io.ts';
import { SLOW_S } from '../simulator/counters.ts';
import { historyIn } from '../simulator/rollouts.ts';
import { comparing, GATE, LAG_MS } from './comparing.ts';
import { begins, greenIn, type Scene, scene, when } from './scene.ts';

const slow = (here: Scene, green: number, blue: number) => {
  for (const [place, share] of Object.entries({ green, blue })) Object.assign(here.sim.builds.get(place) ?? {}, { slow: share });
};

const latency = () => {
  const gate = { ...GATE, settings: { ...GATE.settings, latency: 'latency{build="${build}"}' }, compare: {} };
  const metrics = ['errors', `slower than ${SLOW_S}s`];
  const countable = new Map([['errors', { metrics, slices: {}, countsTraffic: true, lagMs: LAG_MS }]]);
  return comparing({ patienceMs: 30_000, comparison: comparisonOf([gate], { dwellMs: 10_000, blockMs: 2000 }, countable) });
};

type Answer = Awaited<ReturnType<Io['http']>>;

/** What the metrics server answers of latency while the candidate has traffic, in place of what it would. */
function ofLatency(here: Scene, answer: (said: Answer) => Promise<Answer> | Answer): void {
  const { io } = here.runner;
  const { http } = io;
  Object.assign(io, {
    http: async (...[request, allowed]: Parameters<Io['http']>) => {
      const said = await http(request, allowed);
      return `${request.url}${request.body ?? ''}`.includes('latency') && greenIn(here).length > 0 ? answer(said) : said;
    },
  });
}

describe('a rollout that compares, whose latency is in trouble', () => {
  const refuses = () => {
    throw new Error('the histogram is too large');
  };

  it('a candidate that fails is reverted and bad, though no latency query is answered', async () => {
    const here = scene();
    ofLatency(here, refuses);
    when(here, begins('baking'), () => void Object.assign(here.sim.builds.get('green') ?? {}, { failing: 0.5 }));
    const why = /errors: \d+ of \d+ .* vs .*; latency is not seen: .*the histogram is too large/;
    expect(await here.go(latency())).toMatchObject({
      state: { phase: 'reverted', gateFailed: true, why: expect.stringMatching(why) },
    });
    expect(((here.sim.moved[1]?.atMs ?? Number.NaN) - (here.sim.moved[0]?.atMs ?? 0)) / 1000).toBeLessThan(20);
  });

  it('a good candidate whose latency cannot be seen is reverted when patience ends, with the reason, and is not bad', async () => {
    const here = scene();
    ofLatency(here, refuses);
    const why = /^health was unknown for too long: gate errors: latency is not seen: .*the histogram is too large/;
    expect(await here.go(latency())).toMatchObject({
      state: { phase: 'reverted', gateFailed: false, why: expect.stringMatching(why) },
    });
    expect((await historyIn(here.sim)).bad.size).toBe(0);
    expect(greenIn(here)).toEqual([50, 0]);
  });

  it('a histogram that takes three seconds keeps no poll of the errors waiting, and is judged when it comes', async () => {
    const here = scene();
    slow(here, 0.5, 0);
    ofLatency(here, async (said) => {
      await here.runner.io.sleep(3000);
      return said;
    });
    const ended = await here.go(latency());
    expect(ended).toMatchObject({ state: { phase: 'reverted', why: expect.stringMatching(/slower than 0\.5s: \d+ of \d+/) } });
    const polls = here.lines.flatMap((line) => (line.type === 'poll' && line.percent === 50 ? [line] : []));
    const seconds = ((here.sim.moved[1]?.atMs ?? Number.NaN) - (here.sim.moved[0]?.atMs ?? 0)) / 1000;
    expect(polls.length).toBeGreaterThan(seconds / 2);
  });

  it('a good candidate with a bucket more than the stable build goes all the way', async () => {
    const here = scene();
    ofLatency(here, (said) => {
      const body = JSON.parse(said.body) as { data: { result: { metric: Record<string, string>; value: unknown }[] } };
      const more = body.data.result.flatMap((series) =>
        series.metric['kvdeploy_build'] === 'candidate' && series.metric['le'] === String(SLOW_S)
          ? [{ ...series, metric: { ...series.metric, le: '0.75' } }]
          : [],
      );
      body.data.result.push(...more);
      return { ...said, body: JSON.stringify(body) };
    });
    expect(await here.go(latency())).toMatchObject({ state: { phase: 'done' } });
    expect(greenIn(here)).toEqual([50, 100]);
  });
});

describe('a rollout that compares, whose candidate is slow and answers without errors', () => {
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
