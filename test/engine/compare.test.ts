/** Rollouts judged by comparison, in the simulation: a hundred requests a second, counted by its Prometheus. */
import { describe, expect, it } from 'vitest';
import type { Sight } from '../simulator/counters.ts';
import { CANDIDATE, historyIn, resume, STABLE } from '../simulator/rollouts.ts';
import { comparing, GATE } from './comparing.ts';
import { ALL_BLUE, ALL_GREEN, begins, greenIn, type Scene, scene, when } from './scene.ts';

const fail = (here: Scene, failing: number, place = 'green') => void Object.assign(here.sim.builds.get(place) ?? {}, { failing });

const sight = (here: Scene, of: Sight, build: string) => {
  const counters = here.sim.metrics.get(build);
  if (counters !== undefined) counters.sight = of;
};

const secondsAtFirst = ({ sim }: Scene) => ((sim.moved[1]?.atMs ?? Number.NaN) - (sim.moved[0]?.atMs ?? 0)) / 1000;

/** The evidence of the ledger, as whoever comes next finds it. */
async function evidenceIn(here: Scene) {
  const { rollout } = await historyIn(here.sim);
  return rollout?.evidence?.evidence;
}

describe('a rollout that compares', () => {
  it('a comparing rollout goes on when harm is ruled out, and not for want of patience before', async () => {
    const here = scene();
    expect(await here.go(comparing({ patienceMs: 10_000 }))).toMatchObject({ state: { phase: 'done' } });
    expect(greenIn(here)).toEqual([50, 100]);
    // At a share of half, harm of 0.1 points above twice stable takes some 12,000 requests: four minutes of fifty a second.
    expect(secondsAtFirst(here)).toBeGreaterThan(120);
    expect(here.sim.split).toEqual(ALL_GREEN);
  });

  it('a comparing rollout reverts on evidence, within a few bad requests, and marks the build as bad', async () => {
    const here = scene();
    when(here, begins('baking'), () => fail(here, 1));
    const ended = await here.go(comparing());
    expect(ended).toMatchObject({
      state: { phase: 'reverted', gateFailed: true, why: expect.stringMatching(/vs 0 of \d+/) },
    });
    expect(here.sim.split).toEqual(ALL_BLUE);
    // At half of the traffic, without a watch before: a first burst of the candidate alone may last for some seconds.
    expect(secondsAtFirst(here)).toBeLessThan(20);
  });

  it('a comparing rollout takes no burst of a few seconds for a fault', async () => {
    const here = scene({ leaveAtMs: 300_000 });
    when(here, begins('baking'), () =>
      here.sim.after(100_000, () => {
        fail(here, 0.5);
        here.sim.after(8000, () => fail(here, 0));
      }),
    );
    expect(await here.go(comparing({}, { blockMs: 15_000 }))).toMatchObject({ how: 'left' });
    expect(greenIn(here)).toEqual([50]);
  });

  it('a comparing rollout reverts a fault that comes late within four polls', async () => {
    const here = scene();
    let failingMs = Number.NaN;
    when(here, begins('baking'), () =>
      here.sim.after(700_000, () => {
        fail(here, 1);
        failingMs = here.sim.monotonicMs;
      }),
    );
    const slowly = { steps: [50, 100].map((percent) => ({ percent, bakeMs: 3_600_000 })) };
    expect(await here.go(comparing(slowly, { blockMs: 15_000 }))).toMatchObject({
      state: { phase: 'reverted', gateFailed: true },
    });
    expect((here.sim.moved[1]?.atMs ?? Number.NaN) - failingMs).toBeLessThan(22_000);
  });

  it('a comparing rollout has a gate by any name that a config allows, even one that every object knows', async () => {
    const { comparison } = comparing();
    const settings = comparison && {
      ...comparison.settings,
      metrics: comparison.settings.metrics.map((one) => ({ ...one, gate: 'constructor' })),
    };
    const renamed = settings && { gates: [{ ...GATE, name: 'constructor' }], settings };
    const here = scene();
    when(here, begins('baking'), () => fail(here, 1));
    expect(await here.go(comparing({ ...(renamed && { comparison: renamed }) }))).toMatchObject({
      state: { phase: 'reverted', gateFailed: true },
    });
  });

  it('a comparing rollout holds while both builds fail, as long as patience lasts, and blames neither', async () => {
    const here = scene();
    when(here, begins('baking'), () => {
      for (const place of ['green', 'blue']) fail(here, 0.3, place);
      here.sim.after(60_000, () => {
        for (const place of ['green', 'blue']) fail(here, 0, place);
      });
    });
    expect(await here.go(comparing({ patienceMs: 300_000 }))).toMatchObject({ state: { phase: 'done' } });
    expect((await historyIn(here.sim)).bad.size).toBe(0);
  });

  it('a comparing rollout reverts when both builds fail beyond the limit for longer than patience, blaming neither', async () => {
    const here = scene();
    when(here, begins('baking'), () => {
      for (const place of ['green', 'blue']) fail(here, 0.3, place);
    });
    const ran = await here.go(comparing({ patienceMs: 120_000 }));
    expect(ran).toMatchObject({
      state: {
        phase: 'reverted',
        gateFailed: false,
        why: expect.stringMatching(/the stable build fails too: together both builds fail (29|30|31)\.?\d* %/),
      },
    });
    expect((await historyIn(here.sim)).bad.size).toBe(0);
    expect(greenIn(here)).toEqual([50, 0]);
  });

  it.each<readonly [string, Sight, readonly string[]]>([
    ['nothing is counted any more', 'nothing', [STABLE, CANDIDATE]],
    ['its metrics are down', 'is down', [STABLE, CANDIDATE]],
    ['the candidate alone is not counted', 'nothing', [CANDIDATE]],
    ['the counters stand still', 'stands still', [STABLE, CANDIDATE]],
  ])('a comparing rollout never goes on while %s, and does not call the build bad for it', async (_what, of, builds) => {
    const here = scene();
    when(here, begins('baking'), () => {
      for (const build of builds) sight(here, of, build);
    });
    expect(await here.go(comparing({ patienceMs: 30_000 }))).toMatchObject({
      state: { phase: 'reverted', gateFailed: false, why: expect.stringMatching(/health was unknown for too long/) },
    });
    expect(greenIn(here)).toEqual([50, 0]);
  });

  it('a comparing rollout holds while the stable build alone is not counted', async () => {
    const here = scene();
    when(here, begins('baking'), () => {
      sight(here, 'nothing', STABLE);
      here.sim.after(20_000, () => sight(here, 'counts', STABLE));
    });
    expect(await here.go(comparing({ patienceMs: 300_000 }))).toMatchObject({ state: { phase: 'done' } });
    expect(secondsAtFirst(here)).toBeGreaterThan(140);
  });

  it('a comparing rollout keeps its evidence: whoever resumes goes on with it, and counts what happened meanwhile', async () => {
    const here = scene();
    when(here, begins('baking'), () => here.sim.after(60_000, () => here.runner.kill()));
    expect(await here.go(comparing())).toEqual({ how: 'died' });
    const before = (await evidenceIn(here))?.streams['errors/errors']?.[0]?.all ?? [];
    expect(before[0]).toBeGreaterThan(1000);
    fail(here, 0.5);
    await here.sim.pass(20_000);
    const ended = await resume(here.sim, here.process(12));
    expect(ended).toMatchObject({ state: { phase: 'reverted', gateFailed: true } });
    const after = (await evidenceIn(here))?.streams['errors/errors']?.[0]?.all ?? [];
    expect(after[0]).toBeGreaterThan((before[0] ?? 0) + 900);
    expect(after[1]).toBeGreaterThan(400);
    expect((await evidenceIn(here))?.lost).toBe(0);
  });

  it('a comparing rollout is not hurried by a clock that jumps ahead', async () => {
    const here = scene();
    when(here, begins('baking'), () =>
      here.sim.after(3000, () => Object.assign(here.sim, { nowMs: here.sim.nowMs + 3_600_000 })),
    );
    await here.go(comparing());
    expect(secondsAtFirst(here)).toBeGreaterThan(120);
  });

  it('a comparing rollout is not blinded by a clock that jumps back', async () => {
    const here = scene();
    when(here, begins('baking'), () => {
      here.sim.after(3000, () => Object.assign(here.sim, { nowMs: here.sim.nowMs - 3_600_000 }));
    });
    expect(await here.go(comparing({ patienceMs: 10_000 }))).toMatchObject({ state: { phase: 'done' } });
  });

  it('a comparing rollout takes a source that lags behind each step for no starvation', async () => {
    const here = scene();
    const steps = [5, 25, 100].map((percent) => ({ percent, bakeMs: 5000 }));
    const scrape = () => {
      for (const build of [STABLE, CANDIDATE]) {
        const counters = here.sim.metrics.get(build);
        // Between two scrapes the source shows what the last one saw.
        if (counters !== undefined) Object.assign(counters, { sight: 'stands still', frozen: { ...counters } });
      }
      here.sim.after(15_000, scrape);
    };
    scrape();
    expect(await here.go(comparing({ steps }, { lagMs: 15_000, interval: '15s' }))).toMatchObject({ state: { phase: 'done' } });
    expect((await historyIn(here.sim)).bad.size).toBe(0);
  });

  it('a comparing rollout that is taken up calls no other split of the time in between starvation', async () => {
    const here = scene();
    when(here, begins('baking'), () => here.sim.after(40_000, () => here.runner.kill()));
    expect(await here.go(comparing())).toEqual({ how: 'died' });
    const { split } = here.sim;
    here.sim.split = { ...ALL_BLUE, blue: 99, green: 1 };
    await here.sim.pass(600_000);
    here.sim.split = split;
    expect(await resume(here.sim, here.process(12))).toMatchObject({ state: { phase: 'done' } });
  });
});
