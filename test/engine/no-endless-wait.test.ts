/** No wait of a bake is endless, and a slow answer of the metrics is no gap, in the simulation. */
import { describe, expect, it } from 'vitest';
import { CANDIDATE, historyIn, resume, STABLE } from '../simulator/rollouts.ts';
import { comparing } from './comparing.ts';
import { begins, greenIn, type Scene, scene, when } from './scene.ts';

const PATIENCE_MS = 120_000;

const MINUTES = 60_000;

/** Something happens over and over, from the first bake on. */
function every(here: Scene, ms: number, act: () => void): void {
  const again = () => {
    act();
    here.sim.after(ms, again);
  };
  when(here, begins('baking'), () => here.sim.after(ms, again));
}

/** As metrics show a process that came back: from 0. */
function restart(here: Scene): void {
  const counters = here.sim.metrics.get(CANDIDATE);
  if (counters !== undefined) Object.assign(counters, { requests: 0, errors: 0, slow: 0 });
}

const failing = (here: Scene, failing: number) => {
  for (const place of ['green', 'blue']) Object.assign(here.sim.builds.get(place) ?? {}, { failing });
};

const slow = (here: Scene, ms: number) => {
  for (const build of [STABLE, CANDIDATE]) Object.assign(here.sim.metrics.get(build) ?? {}, { slowMs: ms });
};

const minutesIn = ({ sim }: Scene) => ((sim.moved.at(-1)?.atMs ?? Number.NaN) - (sim.moved[0]?.atMs ?? 0)) / MINUTES;

describe('a bake', () => {
  it('a bake that begins again every half a minute ends by patience, and says how often and why', async () => {
    const here = scene();
    every(here, 30_000, () => {
      here.sim.trouble = ['green is in maintenance'];
      here.sim.after(1500, () => (here.sim.trouble = []));
    });
    const steps = [50, 100].map((percent) => ({ percent, bakeMs: 60_000 }));
    const ended = await here.go(comparing({ patienceMs: PATIENCE_MS, steps }));
    expect(ended).toMatchObject({
      state: {
        phase: 'reverted',
        gateFailed: false,
        why: expect.stringMatching(/gate bake: it began again \d+ times at this step, now because green is in maintenance/),
      },
    });
    expect(minutesIn(here)).toBeLessThan(7);
  });

  it('a candidate whose counters begin again every half a minute ends by patience, and says why', async () => {
    const here = scene();
    every(here, 30_000, () => restart(here));
    const plan = comparing({ patienceMs: PATIENCE_MS }, { blockMs: 15_000 });
    expect(await here.go(plan)).toMatchObject({
      state: { phase: 'reverted', gateFailed: false, why: expect.stringMatching(/gate bake: it began again \d+ times/) },
    });
    expect(minutesIn(here)).toBeLessThan(7);
  });

  it('a bake next to a stable build that fails below the limit of both ends by patience, blaming neither', async () => {
    const here = scene();
    when(here, begins('baking'), () => failing(here, 0.008));
    const ended = await here.go(comparing({ patienceMs: PATIENCE_MS }));
    expect(ended).toMatchObject({
      state: { phase: 'reverted', gateFailed: false, why: expect.stringMatching(/the stable build fails too/) },
    });
    expect((await historyIn(here.sim)).bad.size).toBe(0);
  });

  it('two restarts in a long step cost a bake no more than its time', async () => {
    const here = scene();
    when(here, begins('baking'), () => {
      for (const ms of [100_000, 200_000]) here.sim.after(ms, () => restart(here));
    });
    expect(await here.go(comparing({ patienceMs: PATIENCE_MS }))).toMatchObject({ state: { phase: 'done' } });
  });

  it('a bake whose metrics answer after twelve seconds goes on, and begins again for none of them', async () => {
    const here = scene();
    slow(here, 12_000);
    expect(
      await here.go(comparing({ patienceMs: PATIENCE_MS }, { lagMs: 15_000, interval: '15s', blockMs: 15_000 })),
    ).toMatchObject({
      state: { phase: 'done' },
    });
    const watched = here.lines.flatMap((line) => (line.type === 'poll' && line.step === 1 ? [line.watchedMs] : []));
    expect(watched.filter((ms) => ms === 0).length).toBeLessThanOrEqual(2);
  });

  it('a moved split and another build are seen within seconds while a metric query takes half a minute', async () => {
    const drifted = scene();
    slow(drifted, 30_000);
    let movedMs = Number.NaN;
    when(drifted, begins('baking'), () =>
      drifted.sim.after(10_000, () => {
        drifted.sim.move({ blue: 40, green: 0, grey: 60 }, 0);
        movedMs = drifted.sim.monotonicMs;
      }),
    );
    const lags = { lagMs: 30_000, interval: '30s', blockMs: 30_000 };
    expect(await drifted.go(comparing({ patienceMs: PATIENCE_MS }, lags))).toMatchObject({
      state: { phase: 'stuck', code: 'DRIFT' },
    });
    expect(drifted.sim.monotonicMs - movedMs).toBeLessThan(5000);
    const other = scene();
    slow(other, 30_000);
    when(other, begins('baking'), () => other.sim.after(10_000, () => other.sim.place('green', STABLE.replace('b0b', 'bad'))));
    await other.go(comparing({ patienceMs: PATIENCE_MS }, lags));
    expect(greenIn(other)).toEqual([50, 0]);
    expect(minutesIn(other)).toBeLessThan(0.5);
  });
});

it('a resumed bake begins with all of its patience', async () => {
  const here = scene();
  every(here, 30_000, () => restart(here));
  when(here, begins('baking'), () => here.sim.after(100_000, () => here.runner.kill()));
  await here.go(comparing({ patienceMs: PATIENCE_MS }, { blockMs: 15_000 }));
  const beganMs = here.sim.monotonicMs;
  expect(await resume(here.sim, here.process(12))).toMatchObject({ state: { phase: 'reverted' } });
  expect(here.sim.monotonicMs - beganMs).toBeGreaterThan(PATIENCE_MS / 2);
});
