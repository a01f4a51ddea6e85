/** Rollouts on real HAProxy whose runner is killed, frozen, aborted or told to leave; another process then ends them right. */
import { describe, expect, it } from 'vitest';
import { until } from '../servers/program.ts';
import { documentOf, loseCheckout, openSite, PRODUCTION, type Site, type SiteOptions, type Started } from './site.ts';
import { type TappedSocket, tapSocket } from './tapped-socket.ts';

/** Long enough to be met in the middle of it, whatever the machine is doing. */
const LONG = '[{ percent: 25, bake: 400ms }, { percent: 50, bake: 10m }, { percent: 100, bake: 400ms }]';

async function within(options: SiteOptions, act: (site: Site, tap: TappedSocket) => Promise<void>): Promise<void> {
  let tap: TappedSocket | undefined;
  const configSockets = ([real = '']: readonly string[]) => {
    tap ??= tapSocket(real);
    return [tap.path];
  };
  const site = await openSite({ ...options, configSockets });
  try {
    await act(site, tap as TappedSocket);
  } finally {
    await site.close();
    await tap?.close();
  }
}

/** Promotes and comes back once the bake at 50 % has been judged for the first time. */
async function bakingAtHalf(site: Site, guid: string): Promise<Started> {
  const running = site.start(`promote --build ${guid} ${PRODUCTION}`);
  await running.waitFor(/"type":"poll"[^\n]*"percent":50/);
  return running;
}

async function killed(running: Started): Promise<void> {
  running.signal('SIGKILL');
  expect((await running.ended).exitCode).toBe(137);
}

interface Leading {
  readonly leader: { readonly pid: number; readonly command: string; readonly running: boolean } | null;
  readonly rollout: { readonly phase: string; readonly percent: number };
}
const status = async (site: Site) => documentOf<Leading>(await site.run('status --env production --json'));

describe.concurrent('a runner that is killed with -9', () => {
  it('a runner killed with -9 in a bake: status says so, resume ends right, and so does rollback', { timeout: 60_000 }, () =>
    within({ steps: LONG.replace('10m', '2s') }, async (site) => {
      const { green, amber } = site.builds;
      const first = await bakingAtHalf(site, green.guid);
      await killed(first);
      expect(await status(site)).toMatchObject({
        leader: { pid: first.process.pid, command: 'promote', running: false },
        rollout: { phase: 'baking', percent: 50 },
      });
      const text = await site.run('status --env production');
      expect(text.stdout).toMatch(new RegExp(`leader .*pid ${first.process.pid} .*promote since .*that process is gone`));
      const other = await site.run(`promote --build ${amber.guid} ${PRODUCTION}`);
      expect([other.exitCode, other.result.code], other.stderr).toEqual([6, 'UNFINISHED']);
      expect(await site.split()).toEqual({ blue: 50, green: 50 });

      // What is gone back on is what the ledger keeps: neither config nor manifests are needed.
      loseCheckout(site);
      const rolled = await site.run(`rollback --state-dir ${site.stateDir} ${PRODUCTION}`);
      expect(rolled.exitCode, rolled.stderr).toBe(0);
      site.writeConfig();
      site.writeManifest();
      expect(await site.split()).toEqual({ blue: 100 });
      expect(await site.states()).toMatchObject({ green: 'maint' });

      await killed(await bakingAtHalf(site, green.guid));
      const resumed = await site.run('resume --env production --json');
      expect(resumed.exitCode, resumed.stderr).toBe(0);
      expect(resumed.result.traffic?.split).toMatchObject([{ build: green.guid, percent: 100 }]);
      expect(await site.split()).toEqual({ green: 100 });
      expect((await site.run('pointer verify --env production --json')).result.message).toContain(green.guid.slice(0, 4));
    }),
  );

  it('resume and rollback end right after a kill -9 in a shift, heard by HAProxy or not', { timeout: 60_000 }, () =>
    within({}, async (site, tap) => {
      const { green, amber } = site.builds;
      const inShift = async (guid: string, pattern: RegExp, heard: boolean) => {
        const held = tap.hold(pattern);
        const running = site.start(`promote --build ${guid} ${PRODUCTION}`);
        const line = await held;
        if (heard) await line.deliver();
        await killed(running);
      };
      await inShift(green.guid, /set server gw\/green weight 50/, false);
      expect(await site.split()).toEqual({ blue: 100 });
      expect((await site.run(`rollback ${PRODUCTION}`)).exitCode).toBe(0);
      expect(await site.split()).toEqual({ blue: 100 });

      await inShift(green.guid, /set server gw\/green weight 50/, true);
      expect(await site.split()).toEqual({ blue: 50, green: 50 });
      expect((await site.run(`rollback ${PRODUCTION}`)).exitCode).toBe(0);
      expect(await site.split()).toEqual({ blue: 100 });

      await inShift(green.guid, /set server gw\/green weight 100/, true);
      expect(await site.split()).toEqual({ green: 100 });
      expect((await site.run('resume --env production --json')).exitCode).toBe(0);
      expect(await site.split()).toEqual({ green: 100 });

      await inShift(amber.guid, /set server gw\/amber weight 50/, false);
      expect((await site.run('resume --env production --json')).exitCode).toBe(0);
      expect(await site.split()).toEqual({ amber: 100 });
      expect(documentOf(await site.run('status --env production --json'))).toMatchObject({
        knownGood: { guid: amber.guid },
        drift: null,
      });
    }),
  );
});

describe.concurrent('a runner that is frozen', () => {
  it('a takeover ends a runner frozen past its claim; nothing stale reaches HAProxy', { timeout: 60_000 }, () =>
    within({ steps: LONG.replace('10m', '2s') }, async (site, tap) => {
      const { green } = site.builds;
      const frozen = await bakingAtHalf(site, green.guid);
      frozen.signal('SIGSTOP');
      const early = await site.run('resume --env production --json');
      expect([early.exitCode, early.result.code]).toEqual([6, 'BUSY']);
      expect(early.result.message).toContain(`pid ${frozen.process.pid}`);
      const resumed = await until(
        'the claim can be taken',
        async () => {
          const ran = await site.run('resume --env production --json');
          return ran.exitCode === 6 ? undefined : ran;
        },
        30_000,
      );
      expect(resumed.exitCode, resumed.stderr).toBe(0);
      expect((await frozen.ended).exitCode).toBe(137);
      expect(await site.split()).toEqual({ green: 100 });
      expect(
        tap
          .lines()
          .filter((line) => line.startsWith('set server'))
          .at(-1),
      ).toContain('gw/green weight 100');
    }),
  );

  it('a runner frozen in its bake is taken over by abort after 5 s', { timeout: 60_000 }, () =>
    within({ steps: LONG }, async (site) => {
      const frozen = await bakingAtHalf(site, site.builds.green.guid);
      frozen.signal('SIGSTOP');
      const aborted = await site.run('abort --env production --json --reason frozen');
      expect([aborted.exitCode, aborted.result.code], aborted.stderr).toEqual([0, null]);
      expect(await site.split()).toEqual({ blue: 100 });
      expect((await frozen.ended).exitCode).toBe(137);
    }),
  );
});

describe.concurrent('a runner that is told to stop', () => {
  it('a runner leads alone, and rolls back with 4 when another process aborts with 0', { timeout: 60_000 }, () =>
    within({ steps: LONG }, async (site) => {
      const { blue, green, amber } = site.builds;
      const running = await bakingAtHalf(site, green.guid);
      const second = await site.run(`promote --build ${amber.guid} ${PRODUCTION}`);
      expect([second.exitCode, second.result.code], second.stderr).toEqual([6, 'BUSY']);
      expect(second.result.message).toContain(`pid ${running.process.pid}`);

      const began = performance.now();
      const aborted = await site.run('abort --env production --json --reason wrong-build');
      expect([aborted.exitCode, aborted.result.code], aborted.stderr).toEqual([0, null]);
      expect(aborted.result.traffic?.split).toEqual([{ build: blue.guid, place: 'blue', percent: 100 }]);
      const ran = await running.ended;
      expect([ran.exitCode, ran.result.code]).toEqual([4, 'ABORTED']);
      expect(ran.result.message).toContain('wrong-build');
      expect(performance.now() - began).toBeLessThan(5000);
      expect(await site.split()).toEqual({ blue: 100 });
      expect(await site.states()).toMatchObject({ green: 'maint' });
      // An abort says nothing about the build.
      expect((await site.run(`plan --env production --build ${green.guid} --json`)).exitCode).toBe(0);
    }),
  );

  it('a runner rolls back when another process asks for a rollback', { timeout: 60_000 }, () =>
    within({ steps: LONG }, async (site) => {
      const { blue, green } = site.builds;
      const running = await bakingAtHalf(site, green.guid);
      const rolled = await site.run(`rollback ${PRODUCTION}`);
      expect([rolled.exitCode, rolled.result.code], rolled.stderr).toEqual([0, null]);
      expect((await running.ended).exitCode).toBe(4);
      expect(await site.split()).toEqual({ blue: 100 });
      expect(documentOf(await site.run('status --env production --json'))).toMatchObject({
        knownGood: { guid: blue.guid },
        drift: null,
      });
    }),
  );

  it('a runner stops at --until, after --max-wait, and on SIGTERM, and resume goes on to the end', { timeout: 60_000 }, () =>
    within({ steps: LONG.replace('10m', '4s') }, async (site) => {
      const { green } = site.builds;
      const first = await site.run(`promote --build ${green.guid} --until 25 ${PRODUCTION}`);
      expect([first.exitCode, first.result.code], first.stderr).toEqual([0, null]);
      expect(first.result.message).toMatch(/no one is watching/i);
      expect(first.result.next).toContain('kvdeploy resume --env production --tenant acme --service gw');
      expect(await site.split()).toEqual({ blue: 75, green: 25 });

      const waited = await site.run('resume --env production --json --max-wait 2s');
      expect([waited.exitCode, waited.result.code], waited.stderr).toEqual([75, 'STILL_BAKING']);
      expect(waited.result.message).toMatch(/no one is watching/i);
      expect(await site.split()).toEqual({ blue: 50, green: 50 });

      const running = site.start('resume --env production --json');
      await running.waitFor(/"type":"poll"/);
      running.signal('SIGTERM');
      const left = await running.ended;
      expect([left.exitCode, left.result.code], left.stderr).toEqual([130, 'INTERRUPTED']);
      expect(left.result.traffic?.split).toHaveLength(2);
      expect(await site.split()).toEqual({ blue: 50, green: 50 });

      const done = await site.run('resume --env production --json');
      expect(done.exitCode, done.stderr).toBe(0);
      expect(await site.split()).toEqual({ green: 100 });
    }),
  );
});

describe.concurrent('two runners that begin at the same moment', () => {
  it('two runners never both lead: one goes on, the other is told', { timeout: 60_000 }, () =>
    within({}, async (site) => {
      const { green, amber } = site.builds;
      const both = await Promise.all([green, amber].map(({ guid }) => site.run(`promote --build ${guid} ${PRODUCTION}`)));
      const winner = both.find(({ exitCode }) => exitCode === 0);
      const loser = both.find((ran) => ran !== winner);
      expect([loser?.exitCode, loser?.result.code], loser?.stderr).toEqual([6, 'BUSY']);
      const serves = winner === both[0] ? green : amber;
      expect(await site.split()).toEqual({ [serves.place]: 100 });
      expect(documentOf(await site.run('status --env production --json'))).toMatchObject({
        knownGood: { guid: serves.guid },
        drift: null,
      });
    }),
  );
});

describe.concurrent('HAProxy that goes away and comes back in the middle of a bake', () => {
  it('an HAProxy that goes away and comes back in a bake keeps the split, and the rollout goes on', { timeout: 60_000 }, () =>
    within({ steps: LONG.replace('10m', '2s') }, async (site) => {
      const { green } = site.builds;
      const running = await bakingAtHalf(site, green.guid);
      await site.haproxy.reload();
      expect(await site.split()).toEqual({ blue: 50, green: 50 });
      await site.haproxy.kill();
      await site.haproxy.start();
      expect(await site.split()).toEqual({ blue: 50, green: 50 });
      const ran = await running.ended;
      expect(ran.exitCode, ran.stderr).toBe(0);
      expect(await site.split()).toEqual({ green: 100 });
    }),
  );
});
