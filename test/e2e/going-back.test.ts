/** Going back on real HAProxy: somebody else's hand on the weights, a known-good build that turned out bad, a build that is gone. */
import { describe, expect, it } from 'vitest';
import { documentOf, openSite, PRODUCTION, type Site, type SiteOptions } from './site.ts';

const LONG = '[{ percent: 50, bake: 10m }, { percent: 100, bake: 400ms }]';

async function within(options: SiteOptions, act: (site: Site) => Promise<void>): Promise<void> {
  const site = await openSite(options);
  try {
    await act(site);
  } finally {
    await site.close();
  }
}

describe.concurrent('going back', () => {
  it('a rollout is left to a person when someone else moves the traffic in a bake', { timeout: 60_000 }, () =>
    within({ steps: LONG }, async (site) => {
      const { green } = site.builds;
      const running = site.start(`promote --build ${green.guid} ${PRODUCTION}`);
      await running.waitFor(/"type":"poll"/);
      await site.haproxy.command('set server gw/green weight 150');
      const ran = await running.ended;
      expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([5, 'DRIFT']);
      expect(ran.result.message).toMatch(/someone else moved the traffic: kvdeploy set .*50 %.*the router reports .*75 %/i);
      expect(ran.result.traffic?.split).toMatchObject([{ percent: 25 }, { percent: 75 }]);
      expect(await site.split()).toEqual({ blue: 25, green: 75 });
      expect(ran.result.next[0]).toMatch(/^node .*break-glass\.mjs --env production/);

      const back = await site.run(`rollback ${PRODUCTION}`);
      expect(back.exitCode, back.stderr).toBe(0);
      expect(await site.split()).toEqual({ blue: 100 });
    }),
  );

  it('a rollout rolls back by itself when the new build hangs in the middle of its bake', { timeout: 60_000 }, () =>
    within({ steps: LONG }, async (site) => {
      const { green } = site.builds;
      const running = site.start(`promote --build ${green.guid} ${PRODUCTION}`);
      await running.waitFor(/"type":"poll"/);
      green.backend.setDelayMs(5000);
      const ran = await running.ended;
      expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([4, 'REVERTED']);
      expect(ran.result.message).toMatch(/gate answers failed: .*timed out/i);
      expect(await site.split()).toEqual({ blue: 100 });
      expect(await site.answers()).toEqual({ blue: 40 });
      green.backend.setDelayMs(0);
    }),
  );

  it('a rollback to an earlier build leaves a running rollout first', { timeout: 60_000 }, () =>
    within({}, async (site) => {
      const { blue, green, amber } = site.builds;
      expect((await site.run(`promote --build ${green.guid} ${PRODUCTION}`)).exitCode).toBe(0);
      site.writeConfig({ steps: LONG });
      const running = site.start(`promote --build ${amber.guid} ${PRODUCTION}`);
      await running.waitFor(/"type":"poll"/);
      const back = await site.run(`rollback --to ${blue.guid.slice(0, 13)} --reason both-look-slow ${PRODUCTION}`);
      expect([back.exitCode, back.result.code], back.stderr).toEqual([0, null]);
      expect((await running.ended).exitCode).toBe(4);
      expect(await site.split()).toEqual({ blue: 100 });
      expect(documentOf(await site.run('status --env production --json'))).toMatchObject({
        knownGood: { guid: blue.guid },
        // Nothing was said of green, so it may be returned to.
        waysBack: [{ guid: blue.guid }, { guid: green.guid }],
        drift: null,
      });
      // The rollout of amber was ended, not failed.
      expect((await site.run(`plan --env production --build ${amber.guid} --json`)).exitCode).toBe(0);
    }),
  );

  it('the command on the screen goes to an earlier build when the known-good one turned out bad', { timeout: 60_000 }, () =>
    within({}, async (site) => {
      const { blue, green, amber } = site.builds;
      expect((await site.run(`promote --build ${green.guid} ${PRODUCTION}`)).exitCode).toBe(0);

      blue.backend.setGuid(amber.guid);
      const gone = await site.run(`rollback --to ${blue.guid} ${PRODUCTION}`);
      expect([gone.exitCode, gone.result.code], gone.stderr).toEqual([3, 'BUILD_GONE']);
      expect(await site.split()).toEqual({ green: 100 });
      blue.backend.setGuid(blue.guid);

      const serves = await site.run(`rollback ${PRODUCTION}`);
      expect([serves.exitCode, serves.result.code], serves.stderr).toEqual([2, 'KNOWN_GOOD_SERVES']);
      expect(await site.split()).toEqual({ green: 100 });
      const command = /^kvdeploy (rollback .*--to \S+)/.exec(serves.result.next[0] ?? '')?.[1] ?? '';
      expect(command).toBe(`rollback --env production --tenant acme --service gw --to ${blue.guid}`);

      const typed = await site.type(command);
      expect(typed.exitCode, typed.screen).toBe(0);
      expect(await site.split()).toEqual({ blue: 100 });
      expect(await site.states()).toEqual({ blue: 'ready', green: 'maint', amber: 'maint' });
      const again = await site.run(`promote --build ${green.guid} ${PRODUCTION}`);
      expect([again.exitCode, again.result.code], again.stderr).toEqual([3, 'BAD_BUILD']);
      const verified = await site.run('pointer verify --env production --json');
      expect(verified.exitCode, verified.stderr).toBe(0);

      await site.haproxy.kill();
      await site.haproxy.start();
      expect(await site.split()).toEqual({ blue: 100 });
      expect((await site.run(`promote --build ${amber.guid} ${PRODUCTION}`)).exitCode).toBe(0);
      await site.haproxy.reload();
      expect(await site.split()).toEqual({ amber: 100 });
    }),
  );
});
