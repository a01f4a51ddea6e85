/** Baking: what is judged, what counts as watched, and how long health may be missing. */
import { describe, expect, it } from 'vitest';
import { fold } from '../../src/core/ledger/history.ts';
import type { Sight } from '../simulator/counters.ts';
import { CANDIDATE, historyIn, planOf, promote, resume, storeOf } from '../simulator/rollouts.ts';
import { SCOPE } from '../simulator/simulation.ts';
import { ALL_BLUE, ALL_GREEN, begins, greenIn, scene, when } from './scene.ts';

const LONG = planOf({
  steps: [
    { percent: 10, bakeMs: 20_000 },
    { percent: 100, bakeMs: 5000 },
  ],
});

const sightOfGreen = (here: ReturnType<typeof scene>, sight: Sight) => {
  const counters = here.sim.metrics.get(CANDIDATE);
  if (counters !== undefined) counters.sight = sight;
};

const fail = (here: ReturnType<typeof scene>, share: number) => {
  const green = here.sim.builds.get('green');
  if (green !== undefined) green.failing = share;
};

describe('a bake', () => {
  it('a bake reverts at the first poll that fails, long before its time is over, and marks the build as bad', async () => {
    const here = scene();
    here.sim.after(8000, () => fail(here, 0.5));
    expect(await here.go(LONG)).toMatchObject({
      state: { phase: 'reverted', gateFailed: true, why: expect.stringMatching(/gate errors failed: \d+ of \d+ \(/) },
    });
    expect(here.sim.split).toEqual(ALL_BLUE);
    expect((here.sim.moved[1]?.atMs ?? 0) - (here.sim.moved[0]?.atMs ?? 0)).toBeLessThan(10_000);
    expect((await historyIn(here.sim)).bad.has(planOf().candidate.guid)).toBe(true);
  });

  it('a bake at 100 % is judged as well: a build that fails there reverts and is not known-good', async () => {
    const here = scene();
    when(here, begins('baking', 2), () => fail(here, 0.5));
    expect(await here.go()).toMatchObject({ state: { phase: 'reverted' } });
    expect(greenIn(here)).toEqual([10, 100, 0]);
    expect((await historyIn(here.sim)).knownGood).toEqual([]);
  });

  it('a bake passes only with the minimum of samples, however long it takes', async () => {
    const here = scene();
    const [gate] = planOf().gates;
    if (gate === undefined) throw new Error('the plan has a gate');
    // Ten requests a second reach green at 10 %.
    await here.go(planOf({ gates: [{ ...gate, minRequests: 150 }] }));
    expect((here.sim.moved[1]?.atMs ?? 0) - (here.sim.moved[0]?.atMs ?? 0)).toBeGreaterThan(15_000);
    expect(here.sim.split).toEqual(ALL_GREEN);
  });

  it.each<Sight>(['nothing', 'stands still', 'is down'])(
    'a bake with metrics that say %s holds up to its patience, then reverts',
    async (sight) => {
      const here = scene();
      sightOfGreen(here, sight);
      expect(await here.go()).toMatchObject({
        state: { phase: 'reverted', why: expect.stringMatching(/health was unknown for too long/) },
      });
      const heldMs = (here.sim.moved[1]?.atMs ?? 0) - (here.sim.moved[0]?.atMs ?? 0);
      expect(heldMs).toBeGreaterThan(20_000);
      expect(heldMs).toBeLessThan(30_000);
    },
  );

  it('a bake that missed its metrics leaves no mark: the build may be promoted again', async () => {
    const here = scene();
    sightOfGreen(here, 'nothing');
    await here.go();
    expect((await historyIn(here.sim)).bad.size).toBe(0);
    sightOfGreen(here, 'counts');
    expect(await promote(here.sim, here.process(13), planOf({ id: 'r-2' }))).toMatchObject({ state: { phase: 'done' } });
  });

  it('a bake gets over metrics that are gone for less than its patience', async () => {
    const here = scene();
    here.sim.after(3000, () => sightOfGreen(here, 'is down'));
    here.sim.after(15_000, () => sightOfGreen(here, 'counts'));
    expect(await here.go()).toMatchObject({ state: { phase: 'done' } });
    expect(here.sim.monotonicMs).toBeGreaterThan(16_000);
  });

  it('a bake counts no time as watched in which it saw nothing', async () => {
    const here = scene();
    here.sim.after(3000, () => sightOfGreen(here, 'is down'));
    here.sim.after(15_000, () => sightOfGreen(here, 'counts'));
    await here.go();
    const blindMs = 12_000;
    expect((here.sim.moved[1]?.atMs ?? 0) - (here.sim.moved[0]?.atMs ?? 0)).toBeGreaterThan(5000 + blindMs - 2000);
  });

  it('a bake goes on counting from new when the counters begin again', async () => {
    const here = scene();
    here.sim.after(3000, () => void Object.assign(here.sim.metrics.get(CANDIDATE) ?? {}, { requests: 0, errors: 0 }));
    expect(await here.go()).toMatchObject({ state: { phase: 'done' } });
  });

  it('a bake reverts even when router and metrics are so slow that every poll is late', async () => {
    const here = scene();
    when(here, begins('baking'), () => {
      here.sim.routerDown = true;
      sightOfGreen(here, 'is down');
      here.runner.freeze = (call) => (call === 'slept' ? here.sim.pass(7000) : undefined);
    });
    when(here, begins('reverting'), () => {
      here.sim.routerDown = false;
    });
    expect(await here.go()).toMatchObject({ state: { phase: 'reverted' } });
    expect(here.sim.monotonicMs).toBeLessThan(400_000);
  });

  it('a bake holds while the router cannot be read, and goes on when it can', async () => {
    const here = scene();
    when(here, begins('baking'), () => {
      here.sim.routerDown = true;
    });
    here.sim.after(10_000, () => {
      here.sim.routerDown = false;
    });
    expect(await here.go()).toMatchObject({ state: { phase: 'done' } });
    expect(here.sim.moved[1]?.atMs).toBeGreaterThan(10_000 + 5000);
  });
});

describe('watched time', () => {
  it('the watched time begins again after a gap in the process itself', async () => {
    const here = scene();
    let froze = false;
    here.sim.after(18_000, () => {
      here.runner.freeze = (call) => {
        if (froze || call !== 'slept') return undefined;
        froze = true;
        return here.sim.pass(60_000);
      };
    });
    expect(await here.go(LONG)).toMatchObject({ state: { phase: 'done' } });
    // It woke at about 78 s, two seconds before the bake would have been over.
    expect(here.sim.moved[1]?.atMs).toBeGreaterThan(78_000 + 20_000);
  });

  it('the watched time goes on where only the stable build crashed: this build may be its fix', async () => {
    const here = scene();
    here.sim.after(18_000, () => {
      const blue = here.sim.builds.get('blue');
      if (blue !== undefined) blue.downs += 1;
    });
    expect(await here.go(LONG)).toMatchObject({ state: { phase: 'done' } });
    expect(here.sim.moved[1]?.atMs).toBeLessThan(18_000 + 20_000);
  });

  it('the watched time begins again where a build crashed and came back between two polls, which is said', async () => {
    const here = scene();
    here.sim.after(18_000, () => {
      const green = here.sim.builds.get('green');
      if (green !== undefined) green.downs += 1;
    });
    expect(await here.go(LONG)).toMatchObject({ state: { phase: 'done' } });
    expect(here.sim.moved[1]?.atMs).toBeGreaterThan(18_000 + 20_000);
    const whys = here.lines.flatMap((line) => (line.type === 'poll' ? line.gates.map(({ why }) => why) : []));
    expect(whys).toContain('green went down and came back since the last poll');
  });

  describe('of a place with three members', () => {
    const whysIn = ({ lines }: ReturnType<typeof scene>) =>
      lines.flatMap((line) => (line.type === 'poll' ? line.gates.map(({ why }) => why) : []));
    const crash = ({ sim }: ReturnType<typeof scene>, member: string) => sim.downs.set(member, (sim.downs.get(member) ?? 0) + 1);
    const replicas = () => {
      const here = scene();
      here.sim.shape = [{ location: 'router', members: { green: ['green-1', 'green-2', 'green-3'] } }];
      return here;
    };

    it('every member that crashed begins the bake again, and is named', async () => {
      const here = replicas();
      here.sim.after(10_000, () => crash(here, 'green-2'));
      here.sim.after(18_000, () => crash(here, 'green-3'));
      expect(await here.go(LONG)).toMatchObject({ state: { phase: 'done' } });
      expect(here.sim.moved[1]?.atMs).toBeGreaterThan(18_000 + 20_000);
      expect(whysIn(here)).toContain('member green-2 of green went down since the last poll');
      expect(whysIn(here)).toContain('member green-3 of green went down since the last poll');
    });

    it('one member of three that crashes over and over ends the rollout, and is named', async () => {
      const here = replicas();
      const again = (times: number) => {
        crash(here, 'green-2');
        if (times > 0) here.sim.after(4000, () => again(times - 1));
      };
      when(here, begins('baking'), () => again(100));
      expect(await here.go(LONG)).toMatchObject({
        state: { phase: 'reverted', why: expect.stringMatching(/member green-2 went down \d+ times \(green\) at this step/) },
      });
    });
  });

  describe('of a build that crashes over and over, and is well in between', () => {
    /** Goes down so many times, and is up again before the next look. */
    const crash = (here: ReturnType<typeof scene>, times: number, everyMs = 4000) => {
      const green = here.sim.builds.get('green');
      if (green === undefined || times === 0) return;
      green.downs += 1;
      here.sim.after(everyMs, () => crash(here, times - 1, everyMs));
    };

    it.each([
      [4000, 8],
      [12_000, 3],
    ])('a build that crashes every %i ms is rolled back after %i crashes', async (everyMs, times) => {
      const here = scene({ leaveAtMs: 600_000 });
      when(here, begins('baking'), () => crash(here, 100, everyMs));
      expect(await here.go(LONG)).toMatchObject({
        state: {
          phase: 'reverted',
          gateFailed: false,
          why: `gate router gave up: green went down ${times} times at this step`,
        },
      });
      expect(greenIn(here)).toEqual([10, 0]);
      expect(here.sim.monotonicMs).toBeLessThan(times * everyMs + 5000);
      expect((await historyIn(here.sim)).bad.size).toBe(0);
    });

    it('a build that crashes over and over is not rolled back for what takes the stable build down as often', async () => {
      const here = scene();
      const blue = here.sim.builds.get('blue');
      when(here, begins('baking'), () => {
        crash(here, 8);
        if (blue !== undefined) blue.downs += 8;
      });
      expect(await here.go(LONG)).toMatchObject({ state: { phase: 'done' } });
    });

    it('a build that crashed four times goes on once it baked without a crash', async () => {
      const here = scene();
      when(here, begins('baking'), () => crash(here, 4));
      expect(await here.go(LONG)).toMatchObject({ state: { phase: 'done' } });
    });

    it('the crashes count for each step by itself', async () => {
      const here = scene();
      for (const step of [1, 2]) when(here, begins('baking', step), () => crash(here, 4));
      expect(await here.go(LONG)).toMatchObject({ state: { phase: 'done' } });
    });
  });

  it('the watched time begins again in the process that resumes', async () => {
    const here = scene({ leaveAtMs: 18_000 });
    expect(await here.go(LONG)).toMatchObject({ how: 'left', why: 'max-wait' });
    const resumedMs = here.sim.monotonicMs;
    expect(await resume(here.sim, here.process(12))).toMatchObject({ state: { phase: 'done' } });
    expect((here.sim.moved[1]?.atMs ?? 0) - resumedMs).toBeGreaterThan(20_000);
  });

  it('the time that no one watched is judged first, from the counters of when the bake began', async () => {
    const here = scene({ leaveAtMs: 8000 });
    await here.go(LONG);
    // Everything fails while nobody looks, and is well again when somebody does.
    fail(here, 0.5);
    await here.sim.pass(30_000);
    fail(here, 0);
    const resumedMs = here.sim.monotonicMs;
    expect(await resume(here.sim, here.process(12))).toMatchObject({ state: { phase: 'reverted', gateFailed: true } });
    expect(here.sim.monotonicMs - resumedMs).toBeLessThan(1000);
  });

  it('the watched time is not shortened by a wall clock that jumps', async () => {
    const here = scene();
    here.sim.after(5000, () => {
      here.sim.nowMs += 3_600_000;
    });
    await here.go(LONG);
    expect((here.sim.moved[1]?.atMs ?? 0) - (here.sim.moved[0]?.atMs ?? 0)).toBeGreaterThanOrEqual(20_000);
  });

  it('the watched time means the same in the ledger, which has none of the quiet polls', async () => {
    const here = scene();
    const end = await here.go();
    const { entries } = await storeOf(here.process(12).io).read(SCOPE);
    expect(fold(entries).rollout).toEqual('state' in end ? end.state : undefined);
  });
});
