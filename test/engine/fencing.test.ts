/** What must stop a runner at once: a hold, another leader, a ledger that cannot be written. */
import { describe, expect, it } from 'vitest';
import { liftHold } from '../../src/base/pointer/hold.ts';
import { openRollout } from '../../src/core/ledger/history.ts';
import { putFile } from '../simulator/disk.ts';
import { rescue } from '../simulator/rescues.ts';
import { abort, CANDIDATE, historyIn, planOf, promote, resume, rollbackOf, STABLE, storeOf } from '../simulator/rollouts.ts';
import { COPY_DIR, POINTER_DIR, SCOPE, STATE_DIR } from '../simulator/simulation.ts';
import { IDLE_MS } from '../simulator/target.ts';
import { claimedBy } from '../stores/entries.ts';
import { ALL_BLUE, ALL_GREEN, begins, greenIn, phaseIn, pointersIn, type Scene, scene, when } from './scene.ts';

const LONG = planOf({ steps: [10, 100].map((percent) => ({ percent, bakeMs: 20_000 })) });
const REQUEST = { actor: 'bob', reason: 'it smells', atMs: 1 };

const _ask = (here: Scene) => storeOf(here.process(50).io).requestAbort(SCOPE, REQUEST);
const hold = (here: Scene, dir = POINTER_DIR) => putFile(here.sim.disk, `${dir}/hold`, 'break-glass was here');
const fail = (here: Scene) => void Object.assign(here.sim.builds.get('green') ?? {}, { failing: 0.5 });

describe('a hold', () => {
  it.each(['shifting', 'converging', 'baking', 'reverting'])('a hold while %s stops every further change', async (phase) => {
    const here = scene();
    if (phase === 'reverting') fail(here);
    when(here, begins(phase), () => hold(here));
    const before = { ...here.sim.split };
    expect(await here.go()).toMatchObject({ how: 'held' });
    expect(here.sim.split).toEqual(phase === 'shifting' ? before : { blue: 90, green: 10, grey: 0 });
  });

  it('a hold stops a change between connecting and sending', async () => {
    const here = scene();
    when(here, begins('shifting'), () => {
      here.runner.freeze = (call) => {
        here.runner.freeze = () => undefined;
        expect(call).toBe('connect');
        return Promise.resolve(hold(here));
      };
    });
    expect(await here.go()).toMatchObject({ how: 'held' });
    expect(here.sim.moved).toEqual([]);
  });

  it('a hold in a copy counts as well', async () => {
    const here = scene();
    when(here, begins('baking'), () => hold(here, POINTER_DIR.replace('/var/lib/kvdeploy', COPY_DIR)));
    expect(await here.go()).toMatchObject({ how: 'held' });
  });

  it('a hold stops a runner that slept through the whole rescue and wakes up', async () => {
    const here = scene();
    let slept = false;
    when(here, begins('baking'), () => {
      here.runner.freeze = () => {
        if (slept) return undefined;
        slept = true;
        // From another container nobody can end the runner.
        return rescue(here.process(60, { sees: 'container' })).then(() => here.sim.pass(600_000));
      };
    });
    expect(await here.go()).toMatchObject({ how: 'held' });
    expect(here.sim.moved.map(({ by }) => by)).toEqual([11, 60, 60]);
    expect(here.sim.split).toEqual(ALL_BLUE);
  });

  it('a hold keeps resume, abort and promote from leading, until it is lifted', async () => {
    const here = scene();
    when(here, begins('baking'), () => hold(here));
    await here.go();
    for (const command of [resume, abort, promote]) {
      expect(await command(here.sim, here.process(12))).toMatchObject({ how: 'failed', code: 'HELD' });
    }
    liftHold([POINTER_DIR], here.sim.disk);
    expect(await abort(here.sim, here.process(13))).toMatchObject({ state: { phase: 'reverted' } });
  });
});

describe('another leader', () => {
  const takenWhileAsleep = (here: Scene, call: string, other = here.process(12)) => {
    let slept = false;
    here.runner.freeze = (name) => {
      if (slept || name !== call) return undefined;
      slept = true;
      // The simulation does not let the other end it: what a frozen runner does when it wakes up is the question.
      here.sim.kill.delete(here.runner.pid);
      return here.sim.pass(60_000).then(async () => {
        expect(await abort(here.sim, other)).toMatchObject({ state: { phase: 'reverted' } });
      });
    };
  };

  it.each(['slept', 'connect'])('a runner frozen (%s) while another leader took over changes nothing more', async (call) => {
    const here = scene();
    when(here, begins('baking'), () => takenWhileAsleep(here, call));
    expect(await here.go()).toMatchObject({ how: 'superseded' });
    expect(here.sim.moved.map(({ by }) => by)).toEqual([11, 12]);
    expect(here.sim.split).toEqual(ALL_BLUE);
    expect(await phaseIn(here)).toBe('reverted');
  });

  it('a runner that lost its lead between connecting and sending makes no change', async () => {
    const here = scene();
    when(here, begins('shifting', 2), () => takenWhileAsleep(here, 'connect'));
    expect(await here.go()).toMatchObject({ how: 'superseded' });
    expect(greenIn(here)).toEqual([10, 0]);
  });

  it.each([
    ['before the first shift', 'checking'],
    ['before it names the known-good build', 'pointing'],
  ])('a runner that slept %s while another leader took over leaves the pointer untouched', async (_when, phase) => {
    const here = scene();
    let slept = false;
    const sleep = () => {
      here.runner.freeze = (call) => {
        if (slept || call !== 'answered') return undefined;
        slept = true;
        here.sim.kill.delete(here.runner.pid);
        return here.sim.pass(60_000).then(async () => {
          const act = phase === 'checking' ? resume : abort;
          await act(here.sim, here.process(12));
          if (phase === 'pointing') await promote(here.sim, here.process(13), rollbackOf({ id: 'r-2' }));
        });
      };
    };
    if (phase === 'checking') sleep();
    else when(here, begins('pointing', 2), sleep);
    expect(await here.go()).toMatchObject({ how: 'superseded' });
    const guid = phase === 'checking' ? CANDIDATE : STABLE;
    expect(pointersIn(here).newest?.knownGood.build.guid).toBe(guid);
    expect(here.sim.split).toEqual(phase === 'checking' ? ALL_GREEN : ALL_BLUE);
  });

  it('a new leader ends the process that it takes over from', async () => {
    const here = scene();
    when(here, begins('baking'), () => {
      let slept = false;
      here.runner.freeze = () => {
        if (slept) return undefined;
        slept = true;
        return here.sim.pass(60_000).then(async () => void (await resume(here.sim, here.process(12))));
      };
    });
    expect(await here.go()).toEqual({ how: 'died' });
    await here.runner.frozen;
    expect(here.sim.split).toEqual(ALL_GREEN);
    expect(await phaseIn(here)).toBe('done');
  });

  it('a new leader that could not end the old one makes each change again after the router’s idle timeout', async () => {
    const here = scene();
    here.sim.fate = () => 'late';
    here.runner.lastWord = 'late';
    let sent = false;
    here.sim.onShift = () => {
      sent = true;
    };
    when(here, begins('shifting'), () => {
      here.runner.freeze = (call) => {
        if (call !== 'answered' || !sent) return undefined;
        here.runner.kill();
        return undefined;
      };
    });
    expect(await here.go()).toEqual({ how: 'died' });
    here.sim.fate = () => 'done';
    const away = here.process(70, { sees: 'container' });
    expect(await abort(here.sim, away)).toMatchObject({ state: { phase: 'reverted' } });
    const ours = here.sim.moved.filter(({ by }) => by === 70);
    expect(ours).toHaveLength(2);
    expect((ours[1]?.atMs ?? 0) - (ours[0]?.atMs ?? 0)).toBeGreaterThanOrEqual(IDLE_MS);
    expect(here.sim.moved.map(({ by }) => by)).toEqual([70, 11, 70]);
    expect(here.sim.split).toEqual(ALL_BLUE);
  });
});

describe('what cannot be written down', () => {
  it.each([
    ['shifting', 1],
    ['shifting', 2],
    ['reverting', 1],
  ])(
    'a disk that fills up before %s at step %i raises nothing more: the runner goes back, and says that it could not write',
    async (phase, step) => {
      const here = scene();
      if (phase === 'reverting') fail(here);
      const fill = () => {
        here.sim.full = true;
      };
      if (phase === 'shifting' && step === 1) here.sim.after(10, fill);
      else when(here, begins('baking'), fill);
      const first = phase === 'shifting' && step === 1;
      expect(await here.go()).toMatchObject(
        first ? { how: 'failed', code: 'STATE_UNWRITABLE' } : { how: 'lost', state: { phase: 'reverted' } },
      );
      expect([here.sim.split, Math.max(0, ...greenIn(here))]).toEqual([ALL_BLUE, first ? 0 : 10]);
      here.sim.full = false;
      expect(openRollout(await historyIn(here.sim))?.plan.candidate.guid ?? CANDIDATE).toBe(CANDIDATE);
      await resume(here.sim, here.process(13));
      expect([ALL_GREEN, ALL_BLUE]).toContainEqual(here.sim.split);
    },
  );

  it('a rollout whose state is removed or replaced in mid-rollout goes back to the stable build, and says that it is lost', async () => {
    for (const then of [() => undefined, (here: Scene) => void here.sim.disk.mkdirSync(STATE_DIR)]) {
      const here = scene();
      when(here, begins('baking'), () => {
        here.sim.disk.renameSync(STATE_DIR, '/srv/lost');
        then(here);
      });
      expect(await here.go()).toMatchObject({
        how: 'lost',
        state: { phase: 'reverted' },
        why: expect.stringContaining('is gone'),
      });
      expect([here.sim.split, greenIn(here)]).toEqual([ALL_BLUE, [10, 0]]);
    }
  });

  it('a rollout whose state is lost changes nothing under a hold in a copy, nor where another state took its place', async () => {
    const held = scene();
    when(held, begins('baking'), () => {
      held.sim.disk.renameSync(STATE_DIR, '/srv/lost');
      hold(held, POINTER_DIR.replace(STATE_DIR, COPY_DIR));
    });
    expect(await held.go(planOf({ copies: [COPY_DIR] }))).toMatchObject({ how: 'held' });
    expect(greenIn(held)).toEqual([10]);
    const adopted = scene();
    const other = adopted.process(12);
    when(adopted, begins('baking'), () => {
      adopted.sim.disk.renameSync(STATE_DIR, '/srv/lost');
      void storeOf(other.io).append(SCOPE, 1, claimedBy(other.io.self()));
    });
    expect(await adopted.go()).toMatchObject({ how: 'superseded' });
    expect(greenIn(adopted)).toEqual([10]);
  });

  it('a pointer that is gone in mid-rollout is written again before the next shift', async () => {
    const here = scene();
    when(here, begins('baking'), () => here.sim.disk.renameSync(POINTER_DIR, '/srv/lost'));
    here.sim.onShift = () => {
      if (greenIn(here).length > 0) expect(pointersIn(here).newest?.knownGood.build.guid).toBe(STABLE);
    };
    expect(await here.go()).toMatchObject({ how: 'over', state: { phase: 'done' } });
    expect(here.lines).toContainEqual(
      expect.objectContaining({ message: expect.stringContaining('led to the stable build; it was written again') }),
    );
  });

  it('a rollout is resumed with the plan of the ledger, whatever the config says by now', async () => {
    const here = scene({ leaveAtMs: 3000 });
    await here.go(LONG);
    const end = await resume(here.sim, here.process(12));
    expect(end).toMatchObject({ state: { phase: 'done', plan: { id: 'r-1', steps: LONG.steps } } });
    expect(pointersIn(here).newest?.rollout).toBe('r-1');
  });
});
