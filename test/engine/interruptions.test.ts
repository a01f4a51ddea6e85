/** Leaving and aborting: what people and flags may ask of a running rollout. */
import { describe, expect, it } from 'vitest';
import { putFile } from '../simulator/disk.ts';
import { historyIn, planOf, promote, resume, storeOf } from '../simulator/rollouts.ts';
import { POINTER_DIR, SCOPE } from '../simulator/simulation.ts';
import { ALL_BLUE, ALL_GREEN, begins, greenIn, type Scene, scene, typesIn, when } from './scene.ts';

const LONG = planOf({ steps: [10, 100].map((percent) => ({ percent, bakeMs: 20_000 })) });
const REQUEST = { actor: 'bob', reason: 'it smells', atMs: 1 };

const ask = (here: Scene) => storeOf(here.process(50).io).requestAbort(SCOPE, REQUEST);
const _hold = (here: Scene, dir = POINTER_DIR) => putFile(here.sim.disk, `${dir}/hold`, 'break-glass was here');
const fail = (here: Scene) => void Object.assign(here.sim.builds.get('green') ?? {}, { failing: 0.5 });

describe('leaving', () => {
  it('a runner with --until leaves after the bake of that step, and resume goes on to the end', async () => {
    const here = scene({ untilPercent: 10 });
    expect(await here.go()).toMatchObject({ how: 'left', why: 'until' });
    expect(greenIn(here)).toEqual([10]);
    expect((await here.events()).at(-1)).toMatchObject({ type: 'left', why: 'until' });
    expect(await resume(here.sim, here.process(12))).toMatchObject({ state: { phase: 'done' } });
  });

  it('a runner that is told to leave while the router cannot be read gives the candidate no traffic', async () => {
    const here = scene();
    when(here, begins('shifting'), () => {
      here.sim.routerDown = true;
      here.sim.after(500, () => {
        here.runner.control.leave = true;
      });
      // It could be told to shift again before the look that failed is over.
      here.sim.after(1500, () => {
        here.sim.routerDown = false;
      });
    });
    expect(await here.go()).toMatchObject({ how: 'left', why: 'interrupted' });
    expect(greenIn(here)).toEqual([]);
  });

  it('a build that went bad after --until is rolled back by resume, before it gets any more traffic', async () => {
    const here = scene({ untilPercent: 10 });
    await here.go();
    fail(here);
    expect(await resume(here.sim, here.process(12))).toMatchObject({ state: { phase: 'reverted', gateFailed: true } });
    expect(greenIn(here)).toEqual([10, 0]);
  });

  it.each([
    ['--max-wait', 'max-wait', (here: Scene) => here.runner.control, 9000],
    ['SIGTERM', 'interrupted', (here: Scene) => here.runner.control, null],
  ] as const)('leaving for %s keeps traffic as it is and writes it down', async (_name, why, control, leaveAtMs) => {
    const here = scene({ leaveAtMs });
    if (leaveAtMs === null) {
      here.sim.after(9000, () => {
        control(here).leave = true;
      });
    }
    expect(await here.go(LONG)).toMatchObject({ how: 'left', why, state: { phase: 'baking' } });
    expect(here.sim.monotonicMs).toBeLessThan(11_500);
    expect(here.sim.split).toEqual({ blue: 90, green: 10, grey: 0 });
    expect((await here.events()).at(-1)).toMatchObject({ type: 'left', why });
    expect((await historyIn(here.sim)).leader).toBeNull();
  });

  it('a runner begins no further step after the first Ctrl-C, and still reverts at a failing gate', async () => {
    const here = scene();
    here.sim.after(2000, () => {
      here.runner.control.paused = true;
    });
    here.sim.after(60_000, () => fail(here));
    expect(await here.go()).toMatchObject({ state: { phase: 'reverted', gateFailed: true } });
    expect(greenIn(here)).toEqual([10, 0]);
    expect(here.sim.monotonicMs).toBeGreaterThan(60_000);
    expect(here.lines.findLast(({ type }) => type === 'poll')).toMatchObject({ percent: 10 });
  });

  it('a runner shifts nothing after a first Ctrl-C before the first shift', async () => {
    const here = scene();
    when(here, begins('shifting'), () => {
      here.runner.control.paused = true;
    });
    expect(await here.go()).toMatchObject({ how: 'left', why: 'interrupted' });
    expect(here.sim.moved).toEqual([]);
  });

  it('a runner leaves from the paused step at the second Ctrl-C', async () => {
    const here = scene({ paused: false });
    here.sim.after(2000, () => {
      here.runner.control.paused = true;
    });
    here.sim.after(30_000, () => {
      here.runner.control.leave = true;
    });
    expect(await here.go()).toMatchObject({ how: 'left', why: 'interrupted', state: { phase: 'baking', step: 0 } });
  });

  it.each(['max-wait', 'SIGTERM'])('a runner never leaves between a failing gate and its revert (%s)', async (what) => {
    const here = scene();
    fail(here);
    when(here, begins('reverting'), () => {
      if (what === 'SIGTERM') here.runner.control.leave = true;
      else Object.assign(here.runner.control, { leaveAtMs: here.sim.monotonicMs });
    });
    expect(await here.go()).toMatchObject({ how: 'over', state: { phase: 'reverted' } });
    expect(here.sim.split).toEqual(ALL_BLUE);
  });

  it('a runner leaves a revert that does not succeed when it is told to', async () => {
    const here = scene();
    fail(here);
    when(here, begins('reverting'), () => {
      here.sim.fate = () => 'refused';
      here.runner.control.leave = true;
    });
    expect(await here.go()).toMatchObject({ how: 'left', state: { phase: 'reverting' } });
    here.sim.fate = () => 'done';
    expect(await resume(here.sim, here.process(12))).toMatchObject({ state: { phase: 'reverted' } });
  });
});

describe('an abort from elsewhere', () => {
  it.each([
    ['shifting', 1],
    ['converging', 1],
    ['baking', 1],
    ['shifting', 2],
    ['converging', 2],
    ['baking', 2],
  ])('an abort while %s at step %i is honoured within a second', async (phase, step) => {
    const here = scene();
    let askedMs = 0;
    when(here, begins(phase, step), () => {
      if (phase === 'converging') here.sim.trouble = ['green is DOWN'];
      if (phase === 'shifting') here.sim.fate = () => (here.sim.monotonicMs > askedMs ? 'done' : 'refused');
      here.sim.after(100, () => ask(here));
      askedMs = here.sim.monotonicMs + 100;
    });
    expect(await here.go()).toMatchObject({ state: { phase: 'reverted', abort: { actor: 'bob', reason: 'it smells' } } });
    expect(here.sim.split).toEqual(ALL_BLUE);
    const asked = (await here.events()).find(({ type }) => type === 'abort-requested');
    expect((asked?.atMs ?? 0) - (here.sim.nowMs - here.sim.monotonicMs + askedMs)).toBeLessThanOrEqual(1100);
  });

  it('an abort before the first shift refuses without a change', async () => {
    const here = scene();
    here.runner.freeze = (call) => (call === 'connect' ? ask(here) : undefined);
    const end = await here.go();
    expect(end).toMatchObject({ state: { abort: { actor: 'bob' } } });
    expect(here.sim.split).toEqual(ALL_BLUE);
  });

  it('an abort while pointing is written down and changes nothing any more', async () => {
    const here = scene();
    here.sim.after(60_000, () => undefined);
    when(here, begins('pointing', 2), () => {
      here.runner.freeze = (call) => (call === 'connect' ? ask(here) : undefined);
      const { fs } = here.runner.io;
      const link = fs.linkSync.bind(fs);
      let left = 1;
      fs.linkSync = (from, to) => {
        left -= 1;
        if (left >= 0) throw new Error('not yet');
        link(from, to);
      };
    });
    expect(await here.go()).toMatchObject({ state: { phase: 'done' } });
    expect(await typesIn(here)).toContain('abort-requested');
    expect(here.sim.split).toEqual(ALL_GREEN);
  });

  it('an abort that the leader did not live to write down is honoured by whoever takes over', async () => {
    const here = scene();
    when(here, begins('baking'), () => here.sim.after(1500, () => here.runner.kill()));
    expect(await here.go(LONG)).toEqual({ how: 'died' });
    await ask(here);
    expect(await resume(here.sim, here.process(12))).toMatchObject({ state: { phase: 'reverted', abort: { actor: 'bob' } } });
  });

  it('an abort of a rollout that is over does not touch the next one', async () => {
    const here = scene();
    fail(here);
    when(here, begins('reverted'), () => here.runner.kill());
    expect(await here.go()).toEqual({ how: 'died' });
    await ask(here);
    Object.assign(here.sim.builds.get('green') ?? {}, { failing: 0 });
    expect(await promote(here.sim, here.process(12), planOf({ id: 'r-2' }))).toMatchObject({ state: { phase: 'done' } });
  });
});
