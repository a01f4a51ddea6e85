/** A runner that dies between its last passing poll and the shift: what whoever takes it up must see before any more traffic. */
import { describe, expect, it } from 'vitest';
import { abort, planOf, resume } from '../simulator/rollouts.ts';
import { ALL_BLUE, ALL_GREEN, begins, greenIn, type Scene, scene, typesIn, when } from './scene.ts';

const THREE = planOf({ steps: [10, 50, 100].map((percent) => ({ percent, bakeMs: 20_000 })) });

/** Killed when the gates of the step before this one (from 1) have passed, before anything of its shift was sent. */
async function diedBefore(step: number): Promise<Scene> {
  const here = scene();
  when(here, begins('shifting', step), () => here.runner.kill());
  expect(await here.go(THREE)).toEqual({ how: 'died' });
  return here;
}

/** Killed when the router has the split of this step (from 1), which the ledger does not know yet. */
async function diedAfter(step: number, moved: Record<string, number>): Promise<Scene> {
  const here = await diedBefore(step);
  here.sim.split = { ...ALL_BLUE, ...moved };
  return here;
}

const fail = (here: Scene, failing: number) => void Object.assign(here.sim.builds.get('green') ?? {}, { failing });

describe('a rollout whose runner died between two steps', () => {
  it('a rollout whose runner died between steps is brought to its end by resume, the step before baked again', async () => {
    const here = await diedBefore(2);
    const resumedMs = here.sim.monotonicMs;
    expect(await resume(here.sim, here.process(12))).toMatchObject({ state: { phase: 'done' } });
    expect(greenIn(here)).toEqual([10, 10, 50, 100]);
    expect((here.sim.moved[2]?.atMs ?? 0) - resumedMs).toBeGreaterThan(20_000);
    expect(here.sim.split).toEqual(ALL_GREEN);
  });

  it('a build that went bad while no one watched gets no more traffic on resume, even if it is well again', async () => {
    const here = await diedBefore(2);
    fail(here, 0.5);
    await here.sim.pass(30_000);
    fail(here, 0);
    expect(await resume(here.sim, here.process(12))).toMatchObject({ state: { phase: 'reverted', gateFailed: true } });
    expect(greenIn(here)).toEqual([10, 10, 0]);
  });

  it.each([
    ['less than it had', { blue: 95, green: 5 }],
    ['more than it was to have', { blue: 20, green: 80 }],
    ['nothing', { blue: 100, green: 0 }],
    ['a part, and another build a part too', { blue: 80, green: 10, grey: 10 }],
  ])('a rollout taken up is called drift when its build has %s by then', async (_what, moved) => {
    const here = await diedAfter(2, moved);
    expect(await resume(here.sim, here.process(12))).toMatchObject({ state: { phase: 'stuck', code: 'DRIFT' } });
    expect(greenIn(here)).toEqual([10]);
  });

  it.each([
    ['whole', { blue: 50, green: 50 }],
    ['half', { blue: 70, green: 30 }],
  ])('a rollout taken up after a shift made in %s goes back a step, and bakes that again', async (_what, moved) => {
    const here = await diedAfter(2, moved);
    expect(await resume(here.sim, here.process(12))).toMatchObject({ state: { phase: 'done' } });
    expect(greenIn(here)).toEqual([10, 10, 50, 100]);
  });

  it('a rollout taken up goes back no further when whoever took it up dies as well', async () => {
    const here = await diedAfter(3, { blue: 0, green: 100 });
    for (const pid of [12, 13]) {
      const next = here.process(pid);
      next.freeze = (call) => (call === 'connect' ? void next.kill() : undefined);
      expect(await resume(here.sim, next)).toEqual({ how: 'died' });
    }
    expect(await resume(here.sim, here.process(14))).toMatchObject({ state: { phase: 'done' } });
    expect(greenIn(here)).toEqual([10, 50, 50, 100]);
  });

  it('a rollout taken up changes nothing while the router does not answer, and then it reverts', async () => {
    const here = await diedBefore(2);
    here.sim.routerDown = true;
    here.sim.after(9000, () => {
      here.sim.routerDown = false;
    });
    expect(await resume(here.sim, here.process(12))).toMatchObject({ state: { phase: 'reverted', gateFailed: false } });
    expect([...new Set(greenIn(here))]).toEqual([10, 0]);
  });

  it('a rollout taken up by resume with an earlier --until goes to that step, and no further', async () => {
    const here = await diedAfter(3, { blue: 0, green: 100 });
    const control = { untilPercent: 10 };
    expect(await resume(here.sim, here.process(12, { control }))).toMatchObject({ how: 'left', why: 'until' });
    expect(greenIn(here)).toEqual([10, 50, 50]);
  });

  it('a rollout taken up by an abort is reverted at once', async () => {
    const here = await diedAfter(2, { blue: 70, green: 30 });
    expect(await abort(here.sim, here.process(12))).toMatchObject({ state: { phase: 'reverted' } });
    expect(greenIn(here)).toEqual([10, 0]);
    expect(await typesIn(here)).not.toContain('drifted');
  });
});
