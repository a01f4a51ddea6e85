/** Everything that may stop a rollout from outside: people, flags, holds, other leaders, a full disk. */
import { describe, expect, it } from 'vitest';
import { liftHold } from '../../src/break-glass/hold.ts';
import { openRollout } from '../../src/core/history.ts';
import { putFile } from '../world/disk.ts';
import {
  abort,
  CANDIDATE,
  historyIn,
  IDLE_MS,
  planOf,
  promote,
  rescue,
  resume,
  rollbackOf,
  STABLE,
  storeOf,
} from '../world/rollouts.ts';
import { COPY_DIR, POINTER_DIR, SCOPE } from '../world/world.ts';
import { ALL_BLUE, ALL_GREEN, begins, greenIn, phaseIn, pointersIn, type Scene, scene, typesIn, when } from './scene.ts';

const LONG = planOf({ steps: [10, 100].map((percent) => ({ percent, bakeMs: 20_000 })) });
const REQUEST = { actor: 'bob', reason: 'it smells', atMs: 1 };

const ask = (here: Scene) => storeOf(here.process(50).io).requestAbort(SCOPE, REQUEST);
const hold = (here: Scene, dir = POINTER_DIR) => putFile(here.world.disk, `${dir}/hold`, 'break-glass was here');
const fail = (here: Scene) => void Object.assign(here.world.builds.get('green') ?? {}, { failing: 0.5 });

describe('leaving', () => {
  it('at --until leaves after the bake of that step, and resume goes on to the end', async () => {
    const here = scene({ untilPercent: 10 });
    expect(await here.go()).toMatchObject({ how: 'left', why: 'until' });
    expect(greenIn(here)).toEqual([10]);
    expect((await here.events()).at(-1)).toMatchObject({ type: 'left', why: 'until' });
    expect(await resume(here.world, here.process(12))).toMatchObject({ state: { phase: 'done' } });
  });

  it.each([
    ['--max-wait', 'max-wait', (here: Scene) => here.runner.control, 9000],
    ['SIGTERM', 'interrupted', (here: Scene) => here.runner.control, null],
  ] as const)('for %s leaves traffic as it is and writes it down', async (_name, why, control, leaveAtMs) => {
    const here = scene({ leaveAtMs });
    if (leaveAtMs === null) {
      here.world.after(9000, () => {
        control(here).leave = true;
      });
    }
    expect(await here.go(LONG)).toMatchObject({ how: 'left', why, state: { phase: 'baking' } });
    expect(here.world.monotonicMs).toBeLessThan(11_500);
    expect(here.world.split).toEqual({ blue: 90, green: 10, grey: 0 });
    expect((await here.events()).at(-1)).toMatchObject({ type: 'left', why });
    expect((await historyIn(here.world)).leader).toBeNull();
  });

  it('with the first Ctrl-C begins no further step, and still reverts at a failing gate', async () => {
    const here = scene();
    here.world.after(2000, () => {
      here.runner.control.hold = true;
    });
    here.world.after(60_000, () => fail(here));
    expect(await here.go()).toMatchObject({ state: { phase: 'reverted', gateFailed: true } });
    expect(greenIn(here)).toEqual([10, 0]);
    expect(here.world.monotonicMs).toBeGreaterThan(60_000);
    expect(here.lines.findLast(({ type }) => type === 'poll')).toMatchObject({ percent: 10 });
  });

  it('with the first Ctrl-C before anything was shifted shifts nothing', async () => {
    const here = scene();
    when(here, begins('shifting'), () => {
      here.runner.control.hold = true;
    });
    expect(await here.go()).toMatchObject({ how: 'left', why: 'interrupted' });
    expect(here.world.moved).toEqual([]);
  });

  it('with the second Ctrl-C leaves from the held step', async () => {
    const here = scene({ hold: false });
    here.world.after(2000, () => {
      here.runner.control.hold = true;
    });
    here.world.after(30_000, () => {
      here.runner.control.leave = true;
    });
    expect(await here.go()).toMatchObject({ how: 'left', why: 'interrupted', state: { phase: 'baking', step: 0 } });
  });

  it.each(['max-wait', 'SIGTERM'])('never leaves between a failing gate and the way back (%s)', async (what) => {
    const here = scene();
    fail(here);
    when(here, begins('reverting'), () => {
      if (what === 'SIGTERM') here.runner.control.leave = true;
      else Object.assign(here.runner.control, { leaveAtMs: here.world.monotonicMs });
    });
    expect(await here.go()).toMatchObject({ how: 'over', state: { phase: 'reverted' } });
    expect(here.world.split).toEqual(ALL_BLUE);
  });

  it('leaves a way back that does not succeed when it is told to', async () => {
    const here = scene();
    fail(here);
    when(here, begins('reverting'), () => {
      here.world.fate = () => 'refused';
      here.runner.control.leave = true;
    });
    expect(await here.go()).toMatchObject({ how: 'left', state: { phase: 'reverting' } });
    here.world.fate = () => 'done';
    expect(await resume(here.world, here.process(12))).toMatchObject({ state: { phase: 'reverted' } });
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
  ])('while %s at step %i is honoured within a second', async (phase, step) => {
    const here = scene();
    let askedMs = 0;
    when(here, begins(phase, step), () => {
      if (phase === 'converging') here.world.trouble = ['green is DOWN'];
      if (phase === 'shifting') here.world.fate = () => (here.world.monotonicMs > askedMs ? 'done' : 'refused');
      here.world.after(100, () => ask(here));
      askedMs = here.world.monotonicMs + 100;
    });
    expect(await here.go()).toMatchObject({ state: { phase: 'reverted', abort: { actor: 'bob', reason: 'it smells' } } });
    expect(here.world.split).toEqual(ALL_BLUE);
    const asked = (await here.events()).find(({ type }) => type === 'abort-requested');
    expect((asked?.atMs ?? 0) - (here.world.nowMs - here.world.monotonicMs + askedMs)).toBeLessThanOrEqual(1100);
  });

  it('before the first shift refuses without a change', async () => {
    const here = scene();
    here.runner.freeze = (call) => (call === 'connect' ? ask(here) : undefined);
    const end = await here.go();
    expect(end).toMatchObject({ state: { abort: { actor: 'bob' } } });
    expect(here.world.split).toEqual(ALL_BLUE);
  });

  it('while pointing is written down and changes nothing any more', async () => {
    const here = scene();
    here.world.after(60_000, () => undefined);
    when(here, begins('pointing', 2), () => {
      here.runner.freeze = (call) => (call === 'connect' ? ask(here) : undefined);
      const { fs } = here.runner.io;
      const link = fs.linkSync;
      let left = 1;
      fs.linkSync = (from, to) => {
        left -= 1;
        if (left >= 0) throw new Error('not yet');
        link(from, to);
      };
    });
    expect(await here.go()).toMatchObject({ state: { phase: 'done' } });
    expect(await typesIn(here)).toContain('abort-requested');
    expect(here.world.split).toEqual(ALL_GREEN);
  });

  it('that the leader did not live to write down is honoured by whoever takes over', async () => {
    const here = scene();
    when(here, begins('baking'), () => here.world.after(1500, () => here.runner.kill()));
    expect(await here.go(LONG)).toEqual({ how: 'died' });
    await ask(here);
    expect(await resume(here.world, here.process(12))).toMatchObject({ state: { phase: 'reverted', abort: { actor: 'bob' } } });
  });

  it('of a rollout that is over does not touch the next one', async () => {
    const here = scene();
    fail(here);
    when(here, begins('reverted'), () => here.runner.kill());
    expect(await here.go()).toEqual({ how: 'died' });
    await ask(here);
    Object.assign(here.world.builds.get('green') ?? {}, { failing: 0 });
    expect(await promote(here.world, here.process(12), planOf({ id: 'r-2' }))).toMatchObject({ state: { phase: 'done' } });
  });
});

describe('a hold', () => {
  it.each(['shifting', 'converging', 'baking', 'reverting'])('written while %s stops every further change', async (phase) => {
    const here = scene();
    if (phase === 'reverting') fail(here);
    when(here, begins(phase), () => hold(here));
    const before = { ...here.world.split };
    expect(await here.go()).toMatchObject({ how: 'held' });
    expect(here.world.split).toEqual(phase === 'shifting' ? before : { blue: 90, green: 10, grey: 0 });
  });

  it('stops a change between connecting and sending', async () => {
    const here = scene();
    when(here, begins('shifting'), () => {
      here.runner.freeze = (call) => {
        here.runner.freeze = () => undefined;
        expect(call).toBe('connect');
        return Promise.resolve(hold(here));
      };
    });
    expect(await here.go()).toMatchObject({ how: 'held' });
    expect(here.world.moved).toEqual([]);
  });

  it('in a copy counts as well', async () => {
    const here = scene();
    when(here, begins('baking'), () => hold(here, POINTER_DIR.replace('/var/lib/kvdeploy', COPY_DIR)));
    expect(await here.go()).toMatchObject({ how: 'held' });
  });

  it('stops a runner that slept through the whole rescue and wakes up', async () => {
    const here = scene();
    let slept = false;
    when(here, begins('baking'), () => {
      here.runner.freeze = () => {
        if (slept) return undefined;
        slept = true;
        return rescue(here.process(60)).then(() => here.world.pass(600_000));
      };
    });
    expect(await here.go()).toMatchObject({ how: 'held' });
    expect(here.world.moved.map(({ by }) => by)).toEqual([11, 60, 60]);
    expect(here.world.split).toEqual(ALL_BLUE);
  });

  it('keeps resume, abort and promote from leading, until it is lifted', async () => {
    const here = scene();
    when(here, begins('baking'), () => hold(here));
    await here.go();
    for (const command of [resume, abort, promote]) {
      expect(await command(here.world, here.process(12))).toMatchObject({ how: 'failed', code: 'HELD' });
    }
    liftHold([POINTER_DIR], here.world.disk);
    expect(await abort(here.world, here.process(13))).toMatchObject({ state: { phase: 'reverted' } });
  });
});

describe('another leader', () => {
  const takenWhileAsleep = (here: Scene, call: string, other = here.process(12)) => {
    let slept = false;
    here.runner.freeze = (name) => {
      if (slept || name !== call) return undefined;
      slept = true;
      // The world does not let the other end it: what a frozen runner does when it wakes up is the question.
      here.world.kill.delete(here.runner.pid);
      return here.world.pass(60_000).then(async () => {
        expect(await abort(here.world, other)).toMatchObject({ state: { phase: 'reverted' } });
      });
    };
  };

  it.each(['slept', 'connect'])('that took over while this one was frozen (%s) finds it changing nothing more', async (call) => {
    const here = scene();
    when(here, begins('baking'), () => takenWhileAsleep(here, call));
    expect(await here.go()).toMatchObject({ how: 'superseded' });
    expect(here.world.moved.map(({ by }) => by)).toEqual([11, 12]);
    expect(here.world.split).toEqual(ALL_BLUE);
    expect(await phaseIn(here)).toBe('reverted');
  });

  it('that took over between connecting and sending finds the change not made', async () => {
    const here = scene();
    when(here, begins('shifting', 2), () => takenWhileAsleep(here, 'connect'));
    expect(await here.go()).toMatchObject({ how: 'superseded' });
    expect(greenIn(here)).toEqual([10, 0]);
  });

  it.each([
    ['before the first shift', 'checking'],
    ['before it names the known-good build', 'pointing'],
  ])('that took over while this one slept %s finds the pointer untouched by it', async (_when, phase) => {
    const here = scene();
    let slept = false;
    const sleep = () => {
      here.runner.freeze = (call) => {
        if (slept || call !== 'answered') return undefined;
        slept = true;
        here.world.kill.delete(here.runner.pid);
        return here.world.pass(60_000).then(async () => {
          const act = phase === 'checking' ? resume : abort;
          await act(here.world, here.process(12));
          if (phase === 'pointing') await promote(here.world, here.process(13), rollbackOf({ id: 'r-2' }));
        });
      };
    };
    if (phase === 'checking') sleep();
    else when(here, begins('pointing', 2), sleep);
    expect(await here.go()).toMatchObject({ how: 'superseded' });
    const guid = phase === 'checking' ? CANDIDATE : STABLE;
    expect(pointersIn(here).newest?.knownGood.build.guid).toBe(guid);
    expect(here.world.split).toEqual(phase === 'checking' ? ALL_GREEN : ALL_BLUE);
  });

  it('ends the process that it takes over from', async () => {
    const here = scene();
    when(here, begins('baking'), () => {
      let slept = false;
      here.runner.freeze = () => {
        if (slept) return undefined;
        slept = true;
        return here.world.pass(60_000).then(async () => void (await resume(here.world, here.process(12))));
      };
    });
    expect(await here.go()).toEqual({ how: 'died' });
    await here.runner.frozen;
    expect(here.world.split).toEqual(ALL_GREEN);
    expect(await phaseIn(here)).toBe('done');
  });

  it('that could not end its predecessor makes each change once more after the idle timeout of the router', async () => {
    const here = scene();
    here.world.fate = () => 'late';
    when(here, begins('shifting'), () => {
      here.runner.freeze = (call) => {
        if (call !== 'answered') return undefined;
        here.runner.kill();
        return undefined;
      };
    });
    expect(await here.go()).toEqual({ how: 'died' });
    here.world.fate = () => 'done';
    const away = here.process(70, { host: 'deploy-2' });
    expect(await abort(here.world, away)).toMatchObject({ state: { phase: 'reverted' } });
    const ours = here.world.moved.filter(({ by }) => by === 70);
    expect(ours).toHaveLength(2);
    expect((ours[1]?.atMs ?? 0) - (ours[0]?.atMs ?? 0)).toBeGreaterThanOrEqual(IDLE_MS);
    expect(here.world.moved.map(({ by }) => by)).toEqual([70, 11, 70]);
    expect(here.world.split).toEqual(ALL_BLUE);
  });
});

describe('what cannot be written down', () => {
  it.each([
    ['shifting', 1],
    ['shifting', 2],
    ['reverting', 1],
  ])('is not done: a disk that fills up before %s at step %i stops the runner', async (phase, step) => {
    const here = scene();
    if (phase === 'reverting') fail(here);
    const before = phase === 'shifting' && step === 1 ? ALL_BLUE : { blue: 90, green: 10, grey: 0 };
    const fill = () => {
      here.world.full = true;
    };
    if (phase === 'shifting' && step === 1) here.world.after(10, fill);
    else when(here, begins('baking'), fill);
    expect(await here.go()).toMatchObject({ how: 'failed', code: 'STATE_UNWRITABLE' });
    expect(here.world.split).toEqual(before);
    here.world.full = false;
    expect(openRollout(await historyIn(here.world))?.plan.candidate.guid ?? CANDIDATE).toBe(CANDIDATE);
    await resume(here.world, here.process(13));
    expect([ALL_GREEN, ALL_BLUE]).toContainEqual(here.world.split);
  });

  it('is resumed with the plan of the ledger, whatever the config says by now', async () => {
    const here = scene({ leaveAtMs: 3000 });
    await here.go(LONG);
    const end = await resume(here.world, here.process(12));
    expect(end).toMatchObject({ state: { phase: 'done', plan: { id: 'r-1', steps: LONG.steps } } });
    expect(pointersIn(here).newest?.rollout).toBe('r-1');
  });
});
