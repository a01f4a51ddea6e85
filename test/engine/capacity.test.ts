/** A rollout in which members of a place go down: what waits, what goes back, and what is only told. */
import { describe, expect, it } from 'vitest';
import { historyIn, planOf, promote, resume } from '../simulator/rollouts.ts';
import { ALL_BLUE, ALL_GREEN, begins, greenIn, pointersIn, type Scene, scene, typesIn, when } from './scene.ts';

const THREE = { blue: ['blue-1', 'blue-2', 'blue-3'], green: ['green-1', 'green-2', 'green-3'], grey: ['grey'] };
const LONG = planOf({ steps: [10, 100].map((percent) => ({ percent, bakeMs: 8000 })) });

/** As a promotion plans it: the three members of each place were up. */
const THIRDS = planOf({
  steps: [10, 50, 100].map((percent) => ({ percent, bakeMs: 8000 })),
  layout: ['east', 'west'].map((location) => ({
    location,
    members: ['blue', 'green'].flatMap((place) => [1, 2, 3].map((number) => ({ name: `${place}-${number}`, place }))),
  })),
});

/** Three members of each place at two locations. */
function replicas(): Scene {
  const here = scene();
  here.sim.shape = ['east', 'west'].map((location) => ({ location, members: THREE }));
  return here;
}

const fall = ({ sim }: Scene, ...keys: readonly string[]) => {
  for (const key of keys) sim.down.add(key);
};

const gatesIn = ({ lines }: Scene) => lines.flatMap((line) => (line.type === 'poll' ? line.gates : []));

const capacityIn = (here: Scene) => gatesIn(here).filter(({ gate }) => gate === 'capacity');

describe('capacity, before the first shift', () => {
  it('a rollout is refused with a code of its own where the place has too few members up', async () => {
    const here = replicas();
    here.sim.minUp.set('green', 3);
    fall(here, 'west green-2');
    expect(await here.go(LONG)).toMatchObject({
      state: {
        phase: 'refused',
        code: 'TOO_FEW_UP',
        why: expect.stringMatching(/green needs 3 members up at west, .* without green-2/),
      },
    });
    expect(here.sim.moved).toEqual([]);
  });

  it('a rollout is refused where nothing of the known-good build is left to roll back to', async () => {
    const here = replicas();
    here.sim.minUp.set('blue', 2);
    fall(here, 'east blue-1', 'east blue-2');
    expect(await here.go(LONG)).toMatchObject({ state: { code: 'TOO_FEW_UP', why: expect.stringMatching(/up: blue needs 2/) } });
    expect(here.sim.moved).toEqual([]);
  });
});

describe('capacity, lost in mid-rollout', () => {
  it('a step with enough members up goes on, and the member that is down is told once', async () => {
    const here = replicas();
    when(here, begins('baking'), () => {
      fall(here, 'east green-3');
      here.sim.after(4000, () => here.sim.down.clear());
    });
    expect(await here.go(LONG)).toMatchObject({ state: { phase: 'done' } });
    expect(capacityIn(here)).toEqual([]);
    const told = here.lines.flatMap((line) => (line.type === 'note' ? [line.message] : []));
    expect(told.filter((text) => text.includes('green-3'))).toEqual(['not up: green-3 of green at east: 2 of 3 are up']);
  });

  it('a raise waits until enough members are up for its share, however well the step before went', async () => {
    const here = replicas();
    when(here, begins('baking'), () => {
      fall(here, 'east green-3');
      here.sim.after(18_000, () => here.sim.down.clear());
    });
    expect(await here.go(LONG)).toMatchObject({ state: { phase: 'done' } });
    expect(here.sim.split).toEqual(ALL_GREEN);
    expect(here.sim.moved[1]?.atMs).toBeGreaterThan(18_000);
    expect(capacityIn(here)[0]?.why).toBe('green needs 3 members up at east for 100 %, and has 2 of 3, without green-3');
  });

  it('a rollout that never has enough members up for its raise goes back when patience ends, without a bad mark', async () => {
    const here = replicas();
    when(here, begins('baking'), () => fall(here, 'east green-3'));
    expect(await here.go(LONG)).toMatchObject({
      state: {
        phase: 'reverted',
        code: 'REVERTED',
        why: expect.stringMatching(/unknown for too long: gate capacity: green needs 3/),
      },
    });
    expect(here.sim.split).toEqual(ALL_BLUE);
    expect(greenIn(here)).toEqual([10, 0]);
    expect((await historyIn(here.sim)).bad.size).toBe(0);
  });

  it('a step that loses the members that its share needs holds, then goes back without a bad mark', async () => {
    const here = replicas();
    when(here, begins('baking', 2), () => fall(here, 'west green-1', 'west green-2'));
    expect(await here.go(LONG)).toMatchObject({ state: { phase: 'reverted', gateFailed: false } });
    expect(greenIn(here)).toEqual([10, 100, 0]);
    expect((await historyIn(here.sim)).bad.size).toBe(0);
    expect(capacityIn(here)[0]).toMatchObject({
      verdict: 'hold',
      why: expect.stringMatching(/at west .* without green-1, green-2/),
    });
  });

  it('a raise waits where the known-good build has lost the members that a rollback needs', async () => {
    const here = replicas();
    here.sim.minUp.set('blue', 2);
    when(here, begins('baking'), () => fall(here, 'east blue-1', 'east blue-2'));
    expect(await here.go(LONG)).toMatchObject({ state: { phase: 'reverted' } });
    expect(greenIn(here)).toEqual([10, 0]);
    expect(capacityIn(here)[0]?.why).toMatch(/^blue needs 2 members up at east to roll back to/);
  });

  it('a rollout goes on while the stable place loses no more than the share that it has given away', async () => {
    const here = replicas();
    when(here, begins('baking', 2), () => fall(here, 'east blue-1', 'east blue-2'));
    expect(await here.go(THIRDS)).toMatchObject({ state: { phase: 'done' } });
    expect(capacityIn(here)).toEqual([]);
    const told = here.lines.flatMap((line) => (line.type === 'note' ? [line.message] : []));
    expect(told).toContain('not up: blue-1, blue-2 of blue at east: 1 of 3 are up');
  });

  it('a raise waits while the stable place has too few members for the share that it would keep', async () => {
    const here = replicas();
    when(here, begins('baking'), () => fall(here, 'east blue-1', 'east blue-2'));
    expect(await here.go(THIRDS)).toMatchObject({ state: { phase: 'reverted', gateFailed: false } });
    expect(greenIn(here)).toEqual([10, 0]);
    const why = 'blue needs 2 members up at east for the 50 % that it keeps, and has 1 of 3, without blue-1, blue-2';
    expect(capacityIn(here)[0]?.why).toBe(why);
  });

  it('a fault that takes members of both places asks no less of the candidate, in whatever process', async () => {
    const here = replicas();
    when(here, begins('baking', 2), () =>
      fall(here, ...['blue-2', 'blue-3', 'green-2', 'green-3'].map((name) => `west ${name}`)),
    );
    when(here, begins('baking', 2), () => here.runner.kill());
    await here.go(THIRDS);
    expect(await resume(here.sim, here.process(14))).toMatchObject({ state: { phase: 'reverted', gateFailed: false } });
    expect(greenIn(here)).toEqual([10, 50, 0]);
  });

  it('a rollout that is resumed raises nothing without enough members up', async () => {
    const here = replicas();
    when(here, begins('shifting', 2), () => here.runner.kill());
    await here.go(LONG);
    fall(here, 'east green-1', 'east green-2');
    expect(await resume(here.sim, here.process(12))).toMatchObject({ state: { phase: 'reverted' } });
    expect(greenIn(here)).not.toContain(100);
  });

  it('a leader that was told to pause, or to stop here, waits for no members of the next step', async () => {
    const here = replicas();
    const until = { ...here, runner: here.process(13, { control: { untilPercent: 10 } }) };
    when(here, begins('baking'), () => fall(here, 'east green-3'));
    const ended = await promote(here.sim, until.runner, LONG, (line) => here.lines.push(line));
    expect(ended).toMatchObject({ how: 'left', why: 'until' });
    expect(capacityIn(here)).toEqual([]);
  });

  it('a member that came since the pointer was written is in it before the next raise', async () => {
    const here = replicas();
    const fourth = { ...THREE, green: [...THREE.green, 'green-4'] };
    when(here, begins('baking'), () => {
      here.sim.shape = ['east', 'west'].map((location) => ({ location, members: fourth }));
    });
    let before = '';
    when(here, begins('shifting', 2), () => {
      here.sim.onShift = () => {
        before ||= JSON.stringify(pointersIn(here).newest?.knownGood.changes);
      };
    });
    expect(await here.go(LONG)).toMatchObject({ state: { phase: 'done' } });
    expect(before).toContain('green-4');
    const told = here.lines.flatMap((line) => (line.type === 'note' ? [line.message] : []));
    expect(told.filter((text) => text.includes('written again'))).toEqual([
      expect.stringMatching(/^the members of the target have changed since the pointer was written; it was written again as gen/),
    ]);
  });

  it('one member to a place behaves as before: down is trouble of the router', async () => {
    const here = scene();
    when(here, begins('baking'), () => fall(here, 'router green'));
    expect(await here.go(LONG)).toMatchObject({ state: { phase: 'reverted' } });
    expect(gatesIn(here).some(({ gate, why }) => gate === 'router' && why.includes('no member of green is up'))).toBe(true);
    expect(await typesIn(here)).toContain('shifted');
    expect(pointersIn(here).newest?.knownGood.build.ref).toBe('blue');
  });
});
