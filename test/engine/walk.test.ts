/** One rollout from the first look to known-good, and every way in which the router or a build does not play along. */
import { describe, expect, it } from 'vitest';
import { pointerDir } from '../../src/base/pointer/pointer.ts';
import { CANDIDATE, planOf, STABLE } from '../simulator/rollouts.ts';
import { COPY_DIR, type Fate, SCOPE } from '../simulator/simulation.ts';
import { ALL_BLUE, ALL_GREEN, begins, greenIn, phaseIn, pointersIn, scene, typesIn, when } from './scene.ts';

const fates =
  (...first: Fate[]) =>
  () =>
    first.shift() ?? 'done';

describe('a healthy rollout', () => {
  it('a healthy rollout walks every step, bakes at 100 % too, and only then names the known-good build', async () => {
    const here = scene();
    expect(await here.go()).toMatchObject({ how: 'over', state: { phase: 'done' } });
    expect(greenIn(here)).toEqual([10, 100]);
    expect(await typesIn(here)).toEqual([
      'planned',
      'prepared',
      'shifted',
      'converged',
      'polled',
      'shifted',
      'converged',
      'polled',
      'pointed',
    ]);
    const [first, last] = here.sim.moved;
    expect((last?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(5000);
    expect(here.sim.monotonicMs - (last?.atMs ?? 0)).toBeGreaterThanOrEqual(5000);
    expect(pointersIn(here).newest).toMatchObject({ why: 'promoted', knownGood: { build: { guid: CANDIDATE } } });
  });

  it('a healthy rollout keeps polls that change nothing out of the ledger, but tells them', async () => {
    const here = scene();
    await here.go();
    expect((await typesIn(here)).filter((type) => type === 'polled')).toHaveLength(2);
    expect(here.lines.filter(({ type }) => type === 'poll').length).toBeGreaterThanOrEqual(10);
  });

  it('a healthy rollout has its pointer on disk before the first change, for every member, in the copy too', async () => {
    const here = scene();
    let before: ReturnType<typeof pointersIn>[] = [];
    here.sim.onShift = () => {
      if (before.length === 0) before = [pointersIn(here), pointersIn(here, pointerDir(COPY_DIR, SCOPE))];
    };
    await here.go();
    const changes = [{ body: JSON.stringify(ALL_BLUE) }];
    const newest = { why: 'before-rollout', knownGood: { build: { guid: STABLE }, changes } };
    expect(before).toMatchObject([{ newest }, { newest }]);
  });
});

describe('before the first shift', () => {
  it('a rollout refuses when its pointer cannot be made durable, and changes nothing', async () => {
    const here = scene();
    const { fs } = here.runner.io;
    const real = fs.linkSync.bind(fs);
    fs.linkSync = (from, to) => {
      if (String(to).includes('/ptr.')) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
      real(from, to);
    };
    expect(await here.go()).toMatchObject({ how: 'over', state: { phase: 'refused', code: 'STATE_UNWRITABLE' } });
    expect(here.sim.moved).toEqual([]);
  });

  it('a rollout refuses when the target does not serve the stable build alone', async () => {
    const here = scene();
    here.sim.split = { blue: 80, green: 0, grey: 20 };
    expect(await here.go()).toMatchObject({ state: { phase: 'refused', code: 'UNEXPECTED_SPLIT' } });
    expect(here.sim.moved).toEqual([]);
  });

  it('a rollout refuses when the router cannot be read', async () => {
    const here = scene();
    here.sim.routerDown = true;
    expect(await here.go()).toMatchObject({ state: { phase: 'refused', code: 'UNREACHABLE' } });
  });

  it('a rollout refuses when a gate cannot see even the serving build', async () => {
    const here = scene();
    const blue = here.sim.metrics.get(STABLE);
    if (blue !== undefined) blue.sight = 'nothing';
    expect(await here.go()).toMatchObject({ state: { phase: 'refused', code: 'GATE_NOT_READY' } });
    expect(here.sim.moved).toEqual([]);
  });

  it('a rollout shifts nothing when it takes over what already serves', async () => {
    const here = scene();
    const plan = planOf({
      kind: 'adopt',
      candidate: planOf().stable ?? planOf().candidate,
      stable: null,
      steps: [{ percent: 100, bakeMs: 3000 }],
    });
    expect(await here.go(plan)).toMatchObject({ state: { phase: 'done' } });
    expect(here.sim.moved).toEqual([]);
    expect(await typesIn(here)).toEqual(['planned', 'prepared', 'converged', 'polled', 'pointed']);
  });
});

describe('a shift', () => {
  it.each<Fate>(['refused', 'down', 'lost'])('a shift that is %s the first time is made again', async (fate) => {
    const here = scene();
    here.sim.fate = fates(fate);
    expect(await here.go()).toMatchObject({ state: { phase: 'done' } });
    expect(here.sim.split).toEqual(ALL_GREEN);
  });

  it('a shift is believed only when the router reports it: answers alone revert to the stable build', async () => {
    const here = scene();
    here.sim.fate = () => 'ignored';
    const end = await here.go();
    expect(end).toMatchObject({ state: { phase: 'reverted', why: expect.stringMatching(/the router reports blue 100 %/) } });
    await here.sim.pass(60_000);
    expect(here.sim.split).toEqual(ALL_BLUE);
  });

  it.each<Fate>(['late', 'overdue'])('a shift that failed and arrives %s cannot undo the revert', async (fate) => {
    const here = scene();
    here.sim.fate = fates(fate, 'refused', 'refused');
    expect(await here.go()).toMatchObject({ state: { phase: 'reverted' } });
    await here.sim.pass(60_000);
    expect(here.sim.split).toEqual(ALL_BLUE);
    expect(greenIn(here).at(-1)).toBe(0);
  });

  it('a shift of a router that lies brings no visitors, so no gate passes and it reverts', async () => {
    const here = scene();
    here.sim.fate = fates('lie');
    expect(await here.go()).toMatchObject({ state: { phase: 'reverted', why: expect.stringMatching(/health was unknown/) } });
    expect(here.sim.split).toEqual(ALL_BLUE);
  });

  it('a shift never goes to a build that is stamped for another environment', async () => {
    const here = scene();
    const plan = planOf();
    await expect(here.go({ ...plan, candidate: { ...plan.candidate, environment: 'staging' } })).rejects.toThrow(
      /stamped for staging/,
    );
    expect(here.sim.moved).toEqual([]);
  });

  it('a shift that cannot be reverted pages a person instead of trying for ever', async () => {
    const here = scene();
    here.sim.place('green', CANDIDATE, { failing: 1 });
    when(here, begins('reverting'), () => {
      here.sim.fate = () => 'refused';
    });
    expect(await here.go()).toMatchObject({ state: { phase: 'stuck', code: 'STUCK' } });
    expect(await phaseIn(here)).toBe('stuck');
  });
});
