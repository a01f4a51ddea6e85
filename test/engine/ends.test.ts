/** Converging, drift, pointing and rolling back: what a rollout makes of a simulation that is not as it should be. */
import { describe, expect, it } from 'vitest';
import { CANDIDATE, rollbackOf, STABLE } from '../simulator/rollouts.ts';
import { ALL_BLUE, ALL_GREEN, begins, greenIn, pointersIn, scene, typesIn, when } from './scene.ts';

describe('converging', () => {
  it('a shift waits while the router reports trouble, and bakes only then', async () => {
    const here = scene();
    here.sim.trouble = ['green is DOWN'];
    here.sim.after(8000, () => {
      here.sim.trouble = [];
    });
    expect(await here.go()).toMatchObject({ state: { phase: 'done' } });
    const [first] = here.sim.moved;
    expect((here.sim.moved[1]?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThan(7000 + 5000);
  });

  it('a shift reverts when the trouble lasts', async () => {
    const here = scene();
    here.sim.trouble = ['green is DOWN'];
    expect(await here.go()).toMatchObject({ state: { phase: 'reverted', why: 'green is DOWN' } });
    expect(here.sim.monotonicMs).toBeLessThan(40_000);
  });

  it.each([
    ['another build', { guid: 'dead0000-0000-4000-8000-000000000009' }, /another build answers at green/],
    ['a build of another environment', { environment: 'staging' }, /made for staging/],
  ])('a shift reverts at once when %s answers', async (_who, said, why) => {
    const here = scene();
    when(here, begins('converging'), () => here.sim.place('green', CANDIDATE, said));
    expect(await here.go()).toMatchObject({ state: { phase: 'reverted', why: expect.stringMatching(why) } });
    expect(greenIn(here)).toEqual([10, 0]);
    expect((here.sim.moved[1]?.atMs ?? 0) - (here.sim.moved[0]?.atMs ?? 0)).toBeLessThan(500);
  });

  it('a build that came to the place before the first shift gets no traffic, as may be on a resume', async () => {
    const here = scene();
    here.sim.place('green', CANDIDATE, { environment: 'staging' });
    expect(await here.go()).toMatchObject({ state: { phase: 'refused', why: expect.stringMatching(/made for staging/) } });
    expect(greenIn(here)).toEqual([]);
  });

  it('a build is asked again before a second shift: another binary may have come while it waited', async () => {
    const here = scene();
    let asked = 0;
    // The first attempt fails, so the next is made once more after the router's idle timeout.
    here.sim.fate = () => {
      asked += 1;
      return asked === 1 ? 'ignored' : 'done';
    };
    here.sim.after(3000, () => here.sim.place('green', 'dead0000-0000-4000-8000-000000000009'));
    expect(await here.go()).toMatchObject({ state: { phase: 'reverted', why: expect.stringMatching(/another build answers/) } });
    expect((await typesIn(here)).filter((type) => type === 'shifted')).toHaveLength(1);
    expect(here.sim.split).toEqual(ALL_BLUE);
  });

  it('a revert is made twice as well, since what the shift had sent may arrive late', async () => {
    const here = scene();
    let asked = 0;
    here.sim.fate = () => {
      asked += 1;
      return asked === 1 ? 'refused' : asked === 2 ? 'overdue' : 'done';
    };
    here.sim.after(3000, () => here.sim.place('green', 'dead0000-0000-4000-8000-000000000009'));
    expect(await here.go()).toMatchObject({ state: { phase: 'reverted' } });
    await here.sim.pass(30_000);
    expect(here.sim.split).toEqual(ALL_BLUE);
  });

  it.each([
    ['another build', { guid: 'dead0000-0000-4000-8000-000000000009' }, /another build answers at green/],
    ['a build of another environment', { environment: 'staging' }, /made for staging/],
  ])('a rollout stops giving traffic when %s came to its place, though its gates pass', async (_who, said, why) => {
    const here = scene();
    here.sim.after(2000, () => here.sim.place('green', CANDIDATE, said));
    expect(await here.go()).toMatchObject({ state: { phase: 'reverted', why: expect.stringMatching(why) } });
    expect(greenIn(here)).toEqual([10, 0]);
  });

  it.each([
    ['does not answer', { up: false }],
    ['does not say which build it is', { guid: null }],
  ])('a shift waits for a build that %s, and reverts in the end', async (_what, said) => {
    const here = scene();
    when(here, begins('converging'), () => Object.assign(here.sim.builds.get('green') ?? {}, said));
    expect(await here.go()).toMatchObject({ state: { phase: 'reverted' } });
    expect((here.sim.moved[1]?.atMs ?? 0) - (here.sim.moved[0]?.atMs ?? 0)).toBeGreaterThan(25_000);
  });

  it('a shift goes on once a build that was starting says who it is', async () => {
    const here = scene();
    const green = here.sim.builds.get('green');
    const says = (guid: string | null) => () => {
      if (green !== undefined) green.guid = guid;
    };
    when(here, begins('converging'), says(null));
    here.sim.after(6000, says(CANDIDATE));
    expect(await here.go()).toMatchObject({ state: { phase: 'done' } });
  });
});

describe('traffic that someone else moves', () => {
  it.each([
    ['converging', 1],
    ['baking', 1],
    ['baking', 2],
  ])('traffic that someone else moves while %s at step %i stops the rollout, which does not fight', async (phase, step) => {
    const here = scene();
    when(here, begins(phase, step), () => here.sim.move({ blue: 50, green: 0, grey: 50 }, 0));
    const end = await here.go();
    expect(end).toMatchObject({
      how: 'over',
      state: { phase: 'stuck', code: 'DRIFT', why: expect.stringMatching(/someone else moved the traffic.*grey 50 %/) },
    });
    expect(here.sim.split).toEqual({ blue: 50, green: 0, grey: 50 });
    const types = await typesIn(here);
    expect(types.slice(-2)).toEqual([phase === 'converging' ? 'shifted' : 'converged', 'drifted']);
  });

  it.each([
    ['shifting', 1],
    ['shifting', 2],
  ])('traffic that someone else moved between the last look and %s to step %i is not overwritten', async (phase, step) => {
    const here = scene();
    when(here, begins(phase, step), () => here.sim.move({ blue: 50, green: 0, grey: 50 }, 0));
    expect(await here.go()).toMatchObject({
      state: { phase: 'stuck', code: 'DRIFT', why: expect.stringMatching(/someone else moved the traffic.*grey 50 %/) },
    });
    expect(here.sim.split).toEqual({ blue: 50, green: 0, grey: 50 });
  });

  it('traffic that someone else moves after the last gate keeps the build from becoming known-good', async () => {
    const here = scene();
    when(here, begins('pointing', 2), () => here.sim.move(ALL_BLUE, 0));
    expect(await here.go()).toMatchObject({ state: { phase: 'stuck', why: expect.stringMatching(/someone else moved/) } });
    expect(pointersIn(here).newest?.knownGood.build.guid).toBe(STABLE);
    expect(here.sim.split).toEqual(ALL_BLUE);
  });
});

describe('pointing', () => {
  const brokenFor = (here: ReturnType<typeof scene>, times: number) => {
    const { fs } = here.runner.io;
    const link = fs.linkSync.bind(fs);
    let left = times;
    when(here, begins('pointing', 2), () => {
      fs.linkSync = (from, to) => {
        if (String(to).includes('/ptr.') && left > 0) {
          left -= 1;
          throw new Error('the disk is on fire');
        }
        link(from, to);
      };
    });
  };

  it('a pointer that cannot be written at first is tried again', async () => {
    const here = scene();
    brokenFor(here, 2);
    expect(await here.go()).toMatchObject({ state: { phase: 'done' } });
    expect(pointersIn(here).newest?.knownGood.build.guid).toBe(CANDIDATE);
  });

  it('a pointer that cannot be written pages a person; nothing is reverted or called known-good', async () => {
    const here = scene();
    brokenFor(here, 99);
    expect(await here.go()).toMatchObject({
      state: { phase: 'stuck', why: expect.stringMatching(/pointer could not be written.*on fire/) },
    });
    expect(here.sim.split).toEqual(ALL_GREEN);
    expect(pointersIn(here).newest?.knownGood.build.guid).toBe(STABLE);
  });

  it('a pointer acknowledges nothing that a power cut could take: the event comes after the generation', async () => {
    const here = scene();
    await here.go();
    const generations = (await here.events()).flatMap((event) =>
      (event.type === 'pointed' || event.type === 'prepared') && event.generation !== null ? [event.generation] : [],
    );
    expect(generations).toEqual([1, 2]);
    expect(pointersIn(here).all.map(({ generation }) => generation)).toEqual([2, 1]);
  });
});

describe('a rollback', () => {
  it('a rollback waits for no gate, marks what it left as bad, and writes a generation that names its target', async () => {
    const here = scene();
    here.sim.split = { ...ALL_GREEN };
    for (const counters of here.sim.metrics.values()) counters.sight = 'is down';
    expect(await here.go(rollbackOf())).toMatchObject({ state: { phase: 'done' } });
    expect(here.sim.split).toEqual(ALL_BLUE);
    expect(pointersIn(here).newest).toMatchObject({
      why: 'rolled-back',
      knownGood: { build: { guid: STABLE } },
      bad: [CANDIDATE],
    });
  });

  it.each(['the router refuses', 'another build answers there'])(
    'a rollback that fails because %s stays where it is: it never shifts back',
    async (why) => {
      const here = scene();
      here.sim.split = { ...ALL_GREEN };
      if (why === 'the router refuses') here.sim.fate = () => 'refused';
      else here.sim.place('blue', 'dead0000-0000-4000-8000-000000000009');
      const phase = why === 'the router refuses' ? 'stuck' : 'refused';
      expect(await here.go(rollbackOf())).toMatchObject({ state: { phase } });
      expect(greenIn(here).filter((percent) => percent > 0)).toEqual([]);
    },
  );
});
