/** What a candidate was admitted on, while its rollout walks: identity at every location, manifests, ledger. */
import { describe, expect, it } from 'vitest';
import { pointerDir } from '../../src/base/pointer/pointer.ts';
import type { MemberAnswer } from '../../src/core/admission/answers.ts';
import { Condition, type Standing } from '../../src/engine/condition.ts';
import { CANDIDATE, historyIn, planOf, resume, rollbackOf, STABLE } from '../simulator/rollouts.ts';
import { COPY_DIR, SCOPE } from '../simulator/simulation.ts';
import { ALL_BLUE, ALL_GREEN, begins, greenIn, pointersIn, type Scene, scene, typesIn, when } from './scene.ts';

const FOREIGN = 'dead0000-0000-4000-8000-000000000009';
const UNREADABLE: Standing = { is: 'silent', what: 'manifests', why: 'releases/production.yaml cannot be read' };
const AWAY: Standing = { is: 'wrong', code: 'FOREIGN_BUILD', why: 'the build belongs to staging' };

const exchange = ({ sim }: Scene) => sim.place('green', FOREIGN);
const exchangeElsewhere = ({ sim }: Scene) => {
  sim.elsewhere.set('green.elsewhere', { guid: FOREIGN, environment: 'production', failing: 0, slow: 0, up: true, downs: 0 });
};
/** A third member of green, where blue and green have two each. */
const arrive = ({ sim }: Scene) => {
  sim.place('green-3', FOREIGN);
  sim.shape = [{ location: 'east', members: { blue: ['blue-1', 'blue-2'], green: ['green-1', 'green-2', 'green-3'] } }];
};
const silence = ({ sim }: Scene) => void Object.assign(sim.builds.get('green') ?? {}, { up: false });
const files = (standing: Standing) => (here: Scene) => {
  here.sim.files = standing;
};

const reverted = { how: 'over', state: { phase: 'reverted', gateFailed: false } };

describe('what was admitted, while it bakes', () => {
  it.each([
    ['another build comes to the place', exchange, /another build answers at green/],
    [
      'another build comes to the second location',
      exchangeElsewhere,
      /another build answers at green \(http:\/\/green\.elsewhere of second\)/,
    ],
    ['its own row turns foreign', files(AWAY), /belongs to staging/],
  ])('a rollout rolls back within seconds, and marks nothing, when %s', async (_what, act, why) => {
    const here = scene();
    let atMs = 0;
    when(here, begins('baking'), () => {
      here.sim.after(1000, () => {
        atMs = here.sim.monotonicMs;
        act(here);
      });
    });
    const steps = [10, 100].map((percent) => ({ percent, bakeMs: 60_000 }));
    expect(await here.go(planOf({ steps }))).toMatchObject({
      how: 'over',
      state: { ...reverted.state, why: expect.stringMatching(why) },
    });
    expect(here.sim.monotonicMs - atMs).toBeLessThan(8000);
    expect(greenIn(here)).toEqual([10, 0]);
    expect(await typesIn(here)).toContain('unfit');
    expect((await historyIn(here.sim)).bad.size).toBe(0);
  });

  it.each([
    ['another build comes to the place', exchange],
    ['another build comes to the second location', exchangeElsewhere],
    ['a member arrives that is another build', arrive],
  ])('a rollout that polls rarely still asks every five seconds, and sees that %s', async (_what, act) => {
    const here = scene();
    here.sim.shape = [{ location: 'east', members: { blue: ['blue-1', 'blue-2'], green: ['green-1', 'green-2'] } }];
    let atMs = 0;
    when(
      here,
      ({ type }) => type === 'poll',
      () => {
        atMs = here.sim.monotonicMs;
        act(here);
      },
    );
    const steps = [10, 100].map((percent) => ({ percent, bakeMs: 600_000 }));
    expect(await here.go(planOf({ steps, pollMs: 120_000, patienceMs: 600_000 }))).toMatchObject(reverted);
    expect(here.sim.monotonicMs - atMs).toBeLessThan(10_000);
  });

  it.each([
    ['falls silent', silence, /gate identity: the build at green does not answer/],
    ['has a manifest that cannot be read', files(UNREADABLE), /gate manifests: releases\/production\.yaml cannot be read/],
  ])('a build that %s gets no more traffic, and goes back when patience ends', async (_what, act, why) => {
    const here = scene();
    when(here, begins('baking'), () => act(here));
    expect(await here.go()).toMatchObject({ how: 'over', state: { ...reverted.state, why: expect.stringMatching(why) } });
    expect(greenIn(here)).toEqual([10, 0]);
    expect((await historyIn(here.sim)).bad.size).toBe(0);
  });

  it.each([
    ['a build that was silent', silence],
    ['a manifest that could not be read', files(UNREADABLE)],
  ])('a rollout goes on once %s can be seen again', async (_what, act) => {
    const here = scene();
    when(here, begins('baking'), () => {
      act(here);
      here.sim.after(9000, () => {
        here.sim.files = { is: 'right' };
        Object.assign(here.sim.builds.get('green') ?? {}, { up: true });
      });
    });
    expect(await here.go()).toMatchObject({ how: 'over', state: { phase: 'done' } });
  });
});

describe('what was admitted, right before a step', () => {
  it.each([
    ['another build comes to the place', exchange],
    ['another build comes to the second location', exchangeElsewhere],
    ['its row turns foreign', files(AWAY)],
  ])('a rollout gives no second step when %s at the last moment', async (_what, act) => {
    const here = scene();
    when(here, begins('shifting', 2), () => act(here));
    expect(await here.go()).toMatchObject(reverted);
    expect(greenIn(here)).toEqual([10, 0]);
  });

  it.each([
    ['falls silent', silence],
    ['loses its manifest', files(UNREADABLE)],
  ])('a build that %s right before a step goes back to the bake, watched, and never further', async (_what, act) => {
    const here = scene();
    when(here, begins('shifting', 2), () => act(here));
    expect(await here.go()).toMatchObject(reverted);
    expect(greenIn(here)).toEqual([10, 0]);
    expect(await typesIn(here)).toContain('unseen');
  });
});

describe('what was admitted, right before it becomes known-good', () => {
  it.each([
    ['another build comes to the place', exchange],
    ['another build comes to the second location', exchangeElsewhere],
    ['its row turns foreign', files(AWAY)],
    ['it falls silent', silence],
    ['its manifest cannot be read', files(UNREADABLE)],
  ])('a build is rolled back, and never known-good, when %s', async (_what, act) => {
    const here = scene();
    when(here, begins('pointing', 2), () => act(here));
    expect(await here.go()).toMatchObject(reverted);
    expect(here.sim.split).toEqual(ALL_BLUE);
    const { knownGood, bad } = await historyIn(here.sim);
    expect(knownGood.map(({ build }) => build.guid)).not.toContain(CANDIDATE);
    expect(bad.size).toBe(0);
  });
});

describe('a crash right after the pointer was written', () => {
  it.each([
    ['another build has come to the place', exchange],
    ['its manifest cannot be read', files(UNREADABLE)],
  ])('the pointer names the stable build again when %s by then, and the rollout is reverted', async (_what, act) => {
    const here = scene();
    here.sim.onPointed = () => {
      if (pointersIn(here).newest?.why === 'promoted') here.runner.kill();
    };
    expect(await here.go()).toEqual({ how: 'died' });
    expect(pointersIn(here).newest?.knownGood.build.guid).toBe(CANDIDATE);
    act(here);
    expect(await resume(here.sim, here.process(12))).toMatchObject(reverted);
    expect(here.sim.split).toEqual(ALL_BLUE);
    const copy = pointersIn(here, pointerDir(COPY_DIR, SCOPE));
    for (const { newest } of [pointersIn(here), copy]) expect(newest?.knownGood.build.guid).toBe(STABLE);
  });
});

describe('asking while a gate fails', () => {
  /** How long after its bake began a build is away again that begins to fail every request. */
  async function awayAfterMs(hangs: boolean, failsAfterMs: number): Promise<number> {
    const here = scene();
    const { http } = here.runner.io;
    let bakes = false;
    Object.assign(here.runner.io, {
      http: async (...[request, allowed]: Parameters<typeof http>) => {
        if (!(hangs && bakes && new URL(request.url).host === 'green')) return http(request, allowed);
        await here.sim.pass(2000);
        throw new Error('timed out');
      },
    });
    let beganMs = 0;
    when(here, begins('baking'), () => {
      bakes = true;
      beganMs = here.sim.monotonicMs;
      here.sim.after(failsAfterMs, () => Object.assign(here.sim.builds.get('green') ?? {}, { failing: 1 }));
    });
    const steps = [10, 100].map((percent) => ({ percent, bakeMs: 30_000 }));
    expect(await here.go(planOf({ steps }))).toMatchObject({ state: { phase: 'reverted', gateFailed: true } });
    return (here.sim.moved.at(-1)?.atMs ?? 0) - beganMs;
  }

  it('a step that is set again because a shift could not be finished bakes its whole time again', async () => {
    const here = scene();
    const fates = ['done', 'late'] as const;
    let count = 0;
    here.sim.fate = () => fates[count++] ?? 'done';
    here.sim.after(1500, () => files(UNREADABLE)(here));
    here.sim.after(4500, () => files({ is: 'right' })(here));
    const steps = [10, 100].map((percent) => ({ percent, bakeMs: 1000 }));
    expect(await here.go(planOf({ steps }))).toMatchObject({ state: { phase: 'done' } });
    const last = here.sim.moved.findLastIndex(({ split }) => split.green === 10);
    const [set, raised] = here.sim.moved.slice(last);
    expect(greenIn(here).slice(last)).toEqual([10, 100]);
    expect((raised?.sentMs ?? 0) - (set?.sentMs ?? 0)).toBeGreaterThanOrEqual(1000);
  });

  it('a gate that fails rolls back at once, although the build hangs when it is asked who it is', async () => {
    for (const failsAfterMs of [3500, 4500, 5500]) {
      const answering = await awayAfterMs(false, failsAfterMs);
      expect(Math.abs((await awayAfterMs(true, failsAfterMs)) - answering)).toBeLessThan(100);
    }
  });
});

describe('members that take long to answer', () => {
  it('an answer that takes longer than five seconds still counts, and no member is asked again before it', async () => {
    let nowMs = 0;
    const asked: Array<(answers: readonly MemberAnswer[]) => void> = [];
    const io = { monotonic: () => nowMs };
    const target = { ask: () => new Promise((resolve) => asked.push(resolve)) };
    const condition = new Condition({ io, target, files: { judge: async () => ({ is: 'right' }) }, places: {} } as never);
    const look = () => condition.look({ plan: planOf() } as never, {} as never, { locations: [] } as never);
    for (nowMs = 0; nowMs < 15_000; nowMs += 1000) look();
    expect(asked).toHaveLength(1);
    asked[0]?.([{ at: 'http://green', answer: { guid: FOREIGN as never, environment: 'production', said: FOREIGN } }]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(condition.seen).toMatchObject({ is: 'wrong', code: 'BUILD_GONE' });
    look();
    expect(asked).toHaveLength(2);
  });
});

describe('a location that cannot be read', () => {
  it.each(['shifting', 'pointing'])('a build goes no further while a location cannot be read (%s)', async (phase) => {
    const here = scene({ leaveAtMs: 60_000 });
    when(here, begins(phase, 2), () => {
      here.sim.unseen = [{ why: 'HAProxy at haproxy-2 cannot be queried', cure: 'Start it.' }];
    });
    expect(await here.go()).toMatchObject(reverted);
    const { knownGood } = await historyIn(here.sim);
    expect(knownGood.map(({ build }) => build.guid)).not.toContain(CANDIDATE);
  });
});

describe('an adoption', () => {
  it('an adoption ends refused, and makes nothing known-good, when another build comes while it bakes', async () => {
    const here = scene();
    when(here, begins('baking'), () => here.sim.place('blue', FOREIGN));
    const serving = planOf().stable ?? planOf().candidate;
    const plan = planOf({ kind: 'adopt', candidate: serving, stable: null, steps: [{ percent: 100, bakeMs: 30_000 }] });
    expect(await here.go(plan)).toMatchObject({ state: { phase: 'refused', code: 'BUILD_GONE' } });
    expect((await historyIn(here.sim)).knownGood).toEqual([]);
  });
});

describe('a rollback and what answers at its place', () => {
  it('a rollback is refused before its first shift when the second location runs another build', async () => {
    const here = scene();
    here.sim.split = { ...ALL_GREEN };
    here.sim.elsewhere.set('blue.elsewhere', {
      ...{ guid: FOREIGN, environment: 'production', failing: 0, slow: 0, up: true, downs: 0 },
    });
    expect(await here.go(rollbackOf())).toMatchObject({ state: { phase: 'refused', code: 'BUILD_GONE' } });
    expect(here.sim.moved).toEqual([]);
  });

  it('a rollback needs no manifest: one that cannot be read does not stop it', async () => {
    const here = scene();
    here.sim.split = { ...ALL_GREEN };
    here.sim.files = AWAY;
    expect(await here.go(rollbackOf())).toMatchObject({ state: { phase: 'done' } });
  });
});

it('a shift that is made once more, since an attempt may still arrive, names members that came meanwhile', async () => {
  const here = scene();
  const shape = (green: readonly string[]) => [{ location: 'east', members: { blue: ['blue-1'], green } }];
  here.sim.shape = shape(['green-1', 'green-2']);
  const sent: string[] = [];
  here.sim.fate = () => (sent.length === 1 ? 'refused' : 'done');
  here.sim.onShift = (_by, _split, members) => {
    sent.push(members);
    if (sent.length === 2)
      here.sim.after(1000, () => Object.assign(here.sim, { shape: shape(['green-1', 'green-2', 'green-3']) }));
  };
  expect(await here.go()).toMatchObject({ state: { phase: 'done' } });
  expect(sent[1]).not.toContain('green-3');
  expect(sent[2]).toContain('green-3');
});
