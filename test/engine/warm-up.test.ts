/** Builds that fail while they start, in the simulation: `warmUp` of a gate, and a rollback that names it. */
import { describe, expect, it } from 'vitest';
import type { Plan } from '../../src/core/rollout/plan.ts';
import { planOf } from '../simulator/rollouts.ts';
import { comparing } from './comparing.ts';
import { begins, greenIn, type Scene, scene, when } from './scene.ts';

const WARM_UP_MS = 30_000;

const [GATE] = planOf().gates;

/** A fixed limit, judged after a warm-up. */
function limited(warmUpMs: number, said: Partial<Plan> = {}): Plan {
  return planOf({ gates: GATE === undefined ? [] : [{ ...GATE, warmUpMs }], ...said });
}

/** The candidate fails this share of its requests for so long after each raise. */
function coldStart(here: Scene, failing: number, ms: number): void {
  const green = here.sim.builds.get('green');
  for (const step of [1, 2])
    when(here, begins('converging', step), () => {
      Object.assign(green ?? {}, { failing });
      here.sim.after(ms, () => Object.assign(green ?? {}, { failing: 0 }));
    });
}

const secondsAt = ({ sim }: Scene, index: number) => ((sim.moved[index]?.atMs ?? Number.NaN) - (sim.moved[0]?.atMs ?? 0)) / 1000;

describe('a warm-up', () => {
  it('a build that fails only while it starts passes a fixed limit with a warm-up, and bakes after it', async () => {
    const here = scene();
    coldStart(here, 0.2, 10_000);
    expect(await here.go(limited(WARM_UP_MS))).toMatchObject({ state: { phase: 'done' } });
    expect(greenIn(here)).toEqual([10, 100]);
    expect(secondsAt(here, 1)).toBeGreaterThanOrEqual((WARM_UP_MS + 5000) / 1000);
  });

  it('a build that fails everything is rolled back within its warm-up', async () => {
    const here = scene();
    coldStart(here, 1, 60_000);
    expect(await here.go(limited(WARM_UP_MS))).toMatchObject({ state: { phase: 'reverted', gateFailed: true } });
    expect(secondsAt(here, 1)).toBeLessThan(10);
  });

  it('a build that goes on to fail after its warm-up is rolled back', async () => {
    const here = scene();
    coldStart(here, 0.2, 60_000);
    expect(await here.go(limited(WARM_UP_MS))).toMatchObject({ state: { phase: 'reverted', gateFailed: true } });
    expect(secondsAt(here, 1)).toBeGreaterThanOrEqual(WARM_UP_MS / 1000);
  });

  it('a warm-up longer than patience uses up none of it', async () => {
    const here = scene();
    expect(await here.go(limited(40_000, { patienceMs: 20_000 }))).toMatchObject({ state: { phase: 'done' } });
  });

  it('a comparing gate bakes after its warm-up', async () => {
    const here = scene({ leaveAtMs: 80_000 });
    const plan = comparing();
    const settings = plan.comparison?.settings;
    const metrics = settings?.metrics.map((metric) => ({ ...metric, warmUpMs: WARM_UP_MS })) ?? [];
    const comparison = plan.comparison && settings && { ...plan.comparison, settings: { ...settings, metrics } };
    await here.go({ ...plan, ...(comparison && { comparison }) });
    const baked = here.lines.flatMap((line) => (line.type === 'poll' && line.watchedMs > 0 ? [Date.parse(line.at)] : []));
    const raised = here.lines.find((line) => line.type === 'traffic');
    expect(baked.length).toBeGreaterThan(10);
    expect((baked[0] ?? 0) - Date.parse(raised?.at ?? '')).toBeGreaterThanOrEqual(WARM_UP_MS);
  });
});

describe('a rollback soon after a step began', () => {
  it('a rollback within half a minute of a step says so and names the key of the gate', async () => {
    const here = scene();
    coldStart(here, 0.2, 10_000);
    expect(await here.go(limited(0))).toMatchObject({
      state: {
        phase: 'reverted',
        why: expect.stringMatching(/; \d+s after the step began: .*give the gate warmUp, such as 60s$/),
      },
    });
  });

  it('a rollback that comes later names no warm-up', async () => {
    const here = scene();
    when(here, begins('baking'), () =>
      here.sim.after(40_000, () => Object.assign(here.sim.builds.get('green') ?? {}, { failing: 0.5 })),
    );
    const steps = [10, 100].map((percent) => ({ percent, bakeMs: 120_000 }));
    const ended = await here.go(limited(0, { steps }));
    expect(ended).toMatchObject({ state: { phase: 'reverted' } });
    expect('state' in ended ? ended.state.why : '').not.toMatch(/warmUp/);
  });
});
