/** Two HAProxy processes that carry one service and must agree, when one of them is gone, freezes, or goes its own way. */
import { mkdirSync, rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openSite, PRODUCTION, type Site, type SiteOptions, type Started } from './site.ts';

const LONG = '[{ percent: 50, bake: 10m }, { percent: 100, bake: 400ms }]';

async function within(options: SiteOptions, act: (site: Site) => Promise<void>): Promise<void> {
  const site = await openSite({ sockets: 2, ...options });
  try {
    await act(site);
  } finally {
    await site.close();
  }
}

async function bakingAtHalf(site: Site): Promise<Started> {
  const running = site.start(`promote --build ${site.builds.green.guid} ${PRODUCTION}`);
  await running.waitFor(/"type":"poll"[^\n]*"percent":50/);
  return running;
}

async function kill(site: Site, location: number): Promise<void> {
  const pid = /^Pid: (\d+)$/m.exec(await site.haproxy.command('show info', location))?.[1];
  process.kill(Number(pid), 'SIGKILL');
}

const both = async (site: Site) => [await site.split(0), await site.split(1)];

describe.concurrent('two locations', () => {
  it('two locations go together, and one that is down refuses a rollout before anything is changed', { timeout: 60_000 }, () =>
    within({}, async (site) => {
      const { green, amber } = site.builds;
      const promoted = await site.run(`promote --build ${green.guid} ${PRODUCTION}`);
      expect(promoted.exitCode, promoted.stderr).toBe(0);
      expect(await both(site)).toEqual([{ green: 100 }, { green: 100 }]);
      expect(await site.answers(20, 1)).toEqual({ green: 20 });

      await kill(site, 1);
      const refused = await site.run(`promote --build ${amber.guid} ${PRODUCTION}`);
      expect([refused.exitCode, refused.result.code], refused.stderr).toEqual([7, 'UNREACHABLE']);
      expect(refused.result.message).toContain(site.haproxy.sockets[1]);
      expect(await site.split(0)).toEqual({ green: 100 });
    }),
  );

  it('two locations hold, then roll back, when one freezes midway and thaws again', { timeout: 60_000 }, () =>
    within({ steps: LONG, patience: '2s' }, async (site) => {
      const running = await bakingAtHalf(site);
      await site.haproxy.freeze(1);
      await running.waitFor(/"phase":"reverting"/, 20_000);
      await site.haproxy.thaw(1);
      const ran = await running.ended;
      expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([4, 'REVERTED']);
      expect(ran.result.message).toMatch(/health was unknown for too long: gate router: .*cannot be queried/i);
      expect(await both(site)).toEqual([{ blue: 100 }, { blue: 100 }]);
    }),
  );

  it(
    'a rollout rolls the living location back when the other is gone for good, and ends with 9, naming that one',
    { timeout: 60_000 },
    () =>
      within({ steps: LONG, patience: '1s' }, async (site) => {
        const running = await bakingAtHalf(site);
        await kill(site, 0);
        const ran = await running.ended;
        expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([9, 'NEEDS_ATTENTION']);
        expect(ran.result.message).toContain(site.haproxy.sockets[0]);
        const { guid } = site.builds.blue;
        expect(ran.result.traffic).toEqual({ split: [{ build: guid, place: 'blue', percent: 100 }], certainty: 'unknown' });
        expect(ran.result.next.join('\n')).toContain('kvdeploy converge');
        expect(await site.split(1)).toEqual({ blue: 100 });
        expect(await site.answers(20, 1)).toEqual({ blue: 20 });
      }),
  );

  it.each([
    ['a probe', undefined],
    ['the counters of the living one', '[{ name: answers, source: haproxy, max: 2%, minRequests: 20 }]'],
  ])('one dead socket blinds no gate: %s rolls a bad build back long before patience', { timeout: 60_000 }, (_what, gates) =>
    within({ steps: LONG, patience: '10m', visitors: 100, ...(gates === undefined ? {} : { gates }) }, async (site) => {
      const running = await bakingAtHalf(site);
      await kill(site, 1);
      await running.waitFor(/"gate":"router","verdict":"hold"/, 20_000);
      site.builds.green.backend.setStatus(500);
      await running.waitFor(/"phase":"reverting"/, 20_000);
      const ran = await running.ended;
      expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([9, 'NEEDS_ATTENTION']);
      expect(ran.stdout).toMatch(/"gate":"answers","verdict":"fail"/);
      expect(ran.result.message).toContain(site.haproxy.sockets[1]);
      expect(ran.result.message).toContain('every location that answers serves blue 100 %');
      expect(await site.split(0)).toEqual({ blue: 100 });
    }),
  );

  it('a dead socket keeps no rollback from the locations that live', { timeout: 60_000 }, () =>
    within({}, async (site) => {
      const { green, blue } = site.builds;
      expect((await site.run(`promote --build ${green.guid} ${PRODUCTION}`)).exitCode).toBe(0);
      await kill(site, 1);
      const status = await site.run('status --env production --json');
      expect(status.stdout).toContain(`HAProxy at ${site.haproxy.sockets[1]} cannot be queried`);
      const ran = await site.run(`rollback --to ${blue.guid} ${PRODUCTION}`);
      expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([9, 'NEEDS_ATTENTION']);
      expect(ran.result.message).toContain(site.haproxy.sockets[1]);
      expect(await site.split(0)).toEqual({ blue: 100 });
    }),
  );

  it('a rollback ends stuck, not with 9, where something else fails at a location that answers', { timeout: 60_000 }, () =>
    within({}, async (site) => {
      const { green, blue } = site.builds;
      expect((await site.run(`promote --build ${green.guid} ${PRODUCTION}`)).exitCode).toBe(0);
      await kill(site, 1);
      const [file = ''] = site.haproxy.stateFiles;
      rmSync(file);
      mkdirSync(file);
      const ran = await site.run(`rollback --to ${blue.guid} ${PRODUCTION}`);
      expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([5, 'STUCK']);
      expect(ran.result.message).toContain(file);
    }),
  );

  it('a rollout over two locations stops when someone moves the traffic of one of them', { timeout: 60_000 }, () =>
    within({ steps: LONG }, async (site) => {
      const running = await bakingAtHalf(site);
      await site.haproxy.command('set server gw/green weight 10', 1);
      const ran = await running.ended;
      expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([5, 'DRIFT']);
      expect((await both(site))[0]).toEqual({ blue: 50, green: 50 });
      expect((await site.split(1))['green']).toBeCloseTo(100 / 6, 5);
    }),
  );

  it(
    'a location that comes back on the build before is reported with exit 9, and put right without a mark',
    { timeout: 60_000 },
    () =>
      within({}, async (site) => {
        const { blue, green } = site.builds;
        expect((await site.run(`promote --build ${green.guid} ${PRODUCTION}`)).exitCode).toBe(0);
        expect((await site.run('status --env production --json')).exitCode).toBe(0);
        for (const line of ['set server gw/blue weight 256', 'set server gw/blue state ready', 'set server gw/green state maint'])
          await site.haproxy.command(line, 1);
        expect(await both(site)).toEqual([{ green: 100 }, { blue: 100 }]);

        const drifted = await site.run('status --env production --json');
        expect([drifted.exitCode, drifted.result.code], drifted.stderr).toEqual([9, 'NEEDS_ATTENTION']);
        expect(drifted.result.message).toContain(site.haproxy.sockets[1]);
        const converged = await site.run(`converge ${PRODUCTION}`);
        expect(converged.exitCode, converged.stderr).toBe(0);
        expect(await both(site)).toEqual([{ green: 100 }, { green: 100 }]);
        // As docs/haproxy.md says: places at 0 % wait in maintenance, and the next rollout makes them ready.
        expect(await site.states()).toEqual({ blue: 'maint', green: 'ready', amber: 'maint' });
        expect((await site.run('places --env production --idle')).stdout).toBe('amber\n');
        expect((await site.run(`rollback --to ${blue.guid} ${PRODUCTION}`)).exitCode).toBe(0);
      }),
  );
});
