/** Going back on real HAProxy: somebody else's hand on the weights, a known-good build that turned out bad, a build that is gone. */
import { describe, expect, it } from 'vitest';
import { documentOf, openWorld, PRODUCTION, type World, type WorldOptions } from './world.ts';

const LONG = '[{ percent: 50, bake: 10m }, { percent: 100, bake: 400ms }]';

async function within(options: WorldOptions, act: (world: World) => Promise<void>): Promise<void> {
  const world = await openWorld(options);
  try {
    await act(world);
  } finally {
    await world.close();
  }
}

describe.concurrent('going back', () => {
  it('is left to a person when somebody else moves the traffic in a bake', { timeout: 60_000 }, () =>
    within({ steps: LONG }, async (world) => {
      const { green } = world.builds;
      const running = world.start(`promote --build ${green.guid} ${PRODUCTION}`);
      await running.waitFor(/"type":"poll"/);
      await world.haproxy.command('set server gw/green weight 150');
      const ran = await running.ended;
      expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([5, 'DRIFT']);
      expect(ran.result.message).toMatch(/somebody else moved the traffic: kvdeploy set .*50 %.*the router reports .*75 %/i);
      expect(ran.result.traffic?.split).toMatchObject([{ percent: 25 }, { percent: 75 }]);
      expect(await world.split()).toEqual({ blue: 25, green: 75 });
      expect(ran.result.next[0]).toMatch(/^node .*break-glass\.mjs --env production/);

      const back = await world.run(`rollback ${PRODUCTION}`);
      expect(back.exitCode, back.stderr).toBe(0);
      expect(await world.split()).toEqual({ blue: 100 });
    }),
  );

  it('happens by itself when the new build hangs in the middle of its bake', { timeout: 60_000 }, () =>
    within({ steps: LONG }, async (world) => {
      const { green } = world.builds;
      const running = world.start(`promote --build ${green.guid} ${PRODUCTION}`);
      await running.waitFor(/"type":"poll"/);
      green.backend.setDelayMs(5000);
      const ran = await running.ended;
      expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([4, 'REVERTED']);
      expect(ran.result.message).toMatch(/gate answers failed: .*timed out/i);
      expect(await world.split()).toEqual({ blue: 100 });
      expect(await world.answers()).toEqual({ blue: 40 });
      green.backend.setDelayMs(0);
    }),
  );

  it('to an earlier build leaves a running rollout first', { timeout: 60_000 }, () =>
    within({}, async (world) => {
      const { blue, green, amber } = world.builds;
      expect((await world.run(`promote --build ${green.guid} ${PRODUCTION}`)).exitCode).toBe(0);
      world.writeConfig({ steps: LONG });
      const running = world.start(`promote --build ${amber.guid} ${PRODUCTION}`);
      await running.waitFor(/"type":"poll"/);
      const back = await world.run(`rollback --to ${blue.guid.slice(0, 13)} --reason both-are-bad ${PRODUCTION}`);
      expect([back.exitCode, back.result.code], back.stderr).toEqual([0, null]);
      expect((await running.ended).exitCode).toBe(4);
      expect(await world.split()).toEqual({ blue: 100 });
      expect(documentOf(await world.run('status --env production --json'))).toMatchObject({
        knownGood: { guid: blue.guid },
        waysBack: [{ guid: blue.guid }],
        drift: null,
      });
      // The rollout of amber was ended, not failed.
      expect((await world.run(`plan --env production --build ${amber.guid} --json`)).exitCode).toBe(0);
    }),
  );

  it('goes further back by the command on the screen when the known-good build itself turned out bad', { timeout: 60_000 }, () =>
    within({}, async (world) => {
      const { blue, green, amber } = world.builds;
      expect((await world.run(`promote --build ${green.guid} ${PRODUCTION}`)).exitCode).toBe(0);

      blue.backend.setGuid(amber.guid);
      const gone = await world.run(`rollback --to ${blue.guid} ${PRODUCTION}`);
      expect([gone.exitCode, gone.result.code], gone.stderr).toEqual([3, 'BUILD_GONE']);
      expect(await world.split()).toEqual({ green: 100 });
      blue.backend.setGuid(blue.guid);

      const serves = await world.run(`rollback ${PRODUCTION}`);
      expect([serves.exitCode, serves.result.code], serves.stderr).toEqual([2, 'KNOWN_GOOD_SERVES']);
      expect(await world.split()).toEqual({ green: 100 });
      const command = /^kvdeploy (rollback .*--to \S+)/.exec(serves.result.next[0] ?? '')?.[1] ?? '';
      expect(command).toBe(`rollback --env production --tenant acme --service gw --to ${blue.guid}`);

      const typed = await world.type(command);
      expect(typed.exitCode, typed.screen).toBe(0);
      expect(await world.split()).toEqual({ blue: 100 });
      expect(await world.states()).toEqual({ blue: 'ready', green: 'maint', amber: 'maint' });
      const again = await world.run(`promote --build ${green.guid} ${PRODUCTION}`);
      expect([again.exitCode, again.result.code], again.stderr).toEqual([3, 'BAD_BUILD']);
      const verified = await world.run('pointer verify --env production --json');
      expect(verified.exitCode, verified.stderr).toBe(0);

      await world.haproxy.kill();
      await world.haproxy.start();
      expect(await world.split()).toEqual({ blue: 100 });
      expect((await world.run(`promote --build ${amber.guid} ${PRODUCTION}`)).exitCode).toBe(0);
      await world.haproxy.reload();
      expect(await world.split()).toEqual({ amber: 100 });
    }),
  );
});
