/** Two HAProxy processes that carry one service and must agree, when one of them is gone, freezes, or goes its own way. */
import { describe, expect, it } from 'vitest';
import { openWorld, PRODUCTION, type Started, type World, type WorldOptions } from './world.ts';

const LONG = '[{ percent: 50, bake: 10m }, { percent: 100, bake: 400ms }]';

async function within(options: WorldOptions, act: (world: World) => Promise<void>): Promise<void> {
  const world = await openWorld({ sockets: 2, ...options });
  try {
    await act(world);
  } finally {
    await world.close();
  }
}

async function bakingAtHalf(world: World): Promise<Started> {
  const running = world.start(`promote --build ${world.builds.green.guid} ${PRODUCTION}`);
  await running.waitFor(/"type":"poll"[^\n]*"percent":50/);
  return running;
}

async function kill(world: World, location: number): Promise<void> {
  const pid = /^Pid: (\d+)$/m.exec(await world.haproxy.command('show info', location))?.[1];
  process.kill(Number(pid), 'SIGKILL');
}

const both = async (world: World) => [await world.split(0), await world.split(1)];

describe.concurrent('two locations', () => {
  it('go together, and one that is down refuses a rollout before anything is changed', { timeout: 60_000 }, () =>
    within({}, async (world) => {
      const { green, amber } = world.builds;
      const promoted = await world.run(`promote --build ${green.guid} ${PRODUCTION}`);
      expect(promoted.exitCode, promoted.stderr).toBe(0);
      expect(await both(world)).toEqual([{ green: 100 }, { green: 100 }]);
      expect(await world.answers(20, 1)).toEqual({ green: 20 });

      await kill(world, 1);
      const refused = await world.run(`promote --build ${amber.guid} ${PRODUCTION}`);
      expect([refused.exitCode, refused.result.code], refused.stderr).toEqual([7, 'UNREACHABLE']);
      expect(refused.result.message).toContain(world.haproxy.sockets[1]);
      expect(await world.split(0)).toEqual({ green: 100 });
    }),
  );

  it('hold, then go back, when one of them freezes in the middle and thaws again', { timeout: 60_000 }, () =>
    within({ steps: LONG, patience: '2s' }, async (world) => {
      const running = await bakingAtHalf(world);
      await world.haproxy.freeze(1);
      await running.waitFor(/"phase":"reverting"/, 20_000);
      await world.haproxy.thaw(1);
      const ran = await running.ended;
      expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([4, 'REVERTED']);
      expect(ran.result.message).toMatch(/health was missing for too long: gate router: .*cannot be asked/i);
      expect(await both(world)).toEqual([{ blue: 100 }, { blue: 100 }]);
    }),
  );

  it(
    'are told apart when one is gone for good: the living one is brought back, and the runner says that it is stuck',
    { timeout: 60_000 },
    () =>
      within({ steps: LONG, patience: '1s' }, async (world) => {
        const running = await bakingAtHalf(world);
        await kill(world, 0);
        const ran = await running.ended;
        expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([5, 'STUCK']);
        expect(ran.result.message).toContain(world.haproxy.sockets[0]);
        expect(ran.result.traffic).toEqual({ split: [], certainty: 'unknown' });
        expect(ran.result.next.join('\n')).toContain('break-glass.mjs');
        expect(await world.split(1)).toEqual({ blue: 100 });
        expect(await world.answers(20, 1)).toEqual({ blue: 20 });
      }),
  );

  it('stop the rollout when somebody moves the traffic of one of them', { timeout: 60_000 }, () =>
    within({ steps: LONG }, async (world) => {
      const running = await bakingAtHalf(world);
      await world.haproxy.command('set server gw/green weight 10', 1);
      const ran = await running.ended;
      expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([5, 'DRIFT']);
      expect((await both(world))[0]).toEqual({ blue: 50, green: 50 });
      expect((await world.split(1))['green']).toBeCloseTo(100 / 6, 5);
    }),
  );
});
