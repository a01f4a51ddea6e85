/** Real HAProxy whose servers come, go, start slowly or all go down in mid-rollout: what the rollout makes of it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startBackend } from '../servers/backend.ts';
import { openReplicas, type ReplicaSite } from './replicas-scene.ts';
import { type PlaceName, PRODUCTION } from './site.ts';
import { type TappedSocket, tapSocket } from './tapped-socket.ts';

const LIMIT = { timeout: 90_000 };
const PLACES_BY_PATTERN = {
  blue: { servers: 'blue-*' },
  green: { servers: 'green-*' },
  amber: { servers: 'amber-*' },
};

/** Starts a promotion, does `then` once it bakes, and waits for its end. */
async function midway(site: ReplicaSite, place: PlaceName, then: () => Promise<void>) {
  const running = site.start(`promote --build ${site.builds[place].guid} ${PRODUCTION}`);
  await running.waitFor(/"type":"poll"/, 60_000);
  await then();
  return running.ended;
}

describe('members that come, go and fall in mid-rollout', () => {
  let site: ReplicaSite;
  beforeAll(async () => {
    site = await openReplicas(1, {
      places: PLACES_BY_PATTERN,
      steps: '[{ percent: 50, bake: 4s }, { percent: 100, bake: 400ms }]',
    });
  }, 90_000);
  afterAll(() => site.closeAll());

  it('a server that is added at run time gets its part of the step, and the rollout goes on', LIMIT, async () => {
    const fourth = await startBackend({ guid: site.builds.green.guid, environment: 'production' });
    try {
      const { result, stdout } = await midway(site, 'green', async () => {
        const add = `add server gw/green-4 127.0.0.1:${fourth.port} weight 200`;
        expect(await site.haproxy.command(add)).toContain('registered');
        await site.haproxy.command('enable server gw/green-4');
      });
      expect(result).toMatchObject({ code: null, exitCode: 0 });
      expect(stdout).toMatch(/"phase":"shifting"[^\n]*green-4 came to green/);
      expect(await site.split()).toEqual({ 'green-1': 25, 'green-2': 25, 'green-3': 25, 'green-4': 25 });
      await site.haproxy.command('set server gw/green-4 state maint; shutdown sessions server gw/green-4');
      expect(await site.haproxy.command('del server gw/green-4')).toContain('deleted');
    } finally {
      await fourth.close();
    }
  });

  it('a server that is deleted takes no part of the split with it, and the rollout goes on', LIMIT, async () => {
    const { result, stdout } = await midway(site, 'amber', async () => {
      await site.haproxy.command('set server gw/green-3 state maint; shutdown sessions server gw/green-3');
      // Requests in flight may keep it for a moment.
      await expect.poll(() => site.haproxy.command('del server gw/green-3'), { timeout: 20_000 }).toContain('deleted');
    });
    expect(result).toMatchObject({ code: null, exitCode: 0 });
    expect(stdout).toMatch(/"phase":"shifting"[^\n]*green-3 of green is gone/);
  });
});

describe('a stable place that dies in mid-rollout', () => {
  it('missing health never leads back to a place whose members are all down: a person decides', LIMIT, async () => {
    const steps = '[{ percent: 50, bake: 120s }, { percent: 100, bake: 400ms }]';
    const site = await openReplicas(1, { places: PLACES_BY_PATTERN, patience: '3s' });
    try {
      site.writeConfig({ steps, patience: '3s' });
      const { result, stdout } = await midway(site, 'green', async () => {
        for (const number of [1, 2, 3]) await site.setDown(`blue-${number}`, true);
      });
      expect(result, stdout.slice(-6000)).toMatchObject({
        code: 'STUCK',
        exitCode: 5,
        message: expect.stringContaining('would leave no server'),
      });
      expect(await site.shares()).toEqual({ blue: 50, green: 50 });
      expect(await site.answers(20)).toEqual({ green: 20 });
    } finally {
      await site.closeAll();
    }
  });
});

describe('a runner that is killed with -9 while it sets six weights', () => {
  it('a shift that reached one of three members is no drift: status names it, and resume finishes it', LIMIT, async () => {
    let tap: TappedSocket | undefined;
    const configSockets = ([real = '']: readonly string[]) => {
      tap ??= tapSocket(real);
      return [tap.path];
    };
    const site = await openReplicas(1, { places: PLACES_BY_PATTERN, configSockets });
    try {
      const caught = tap?.hold(/set server gw\/green-1 weight/);
      const running = site.start(`promote --build ${site.builds.green.guid} ${PRODUCTION}`);
      const half = (await caught)?.text.split(/; ?/) ?? [];
      running.signal('SIGKILL');
      expect((await running.ended).exitCode).toBe(137);
      const reached = half.slice(0, half.findIndex((one) => one.includes('green-2')) + 1);
      await site.haproxy.command(reached.join('; '));
      expect(await site.split()).toMatchObject({ 'blue-1': 25, 'green-1': 25 });
      const left = await site.run('status --env production --json');
      expect(left.result).toMatchObject({
        code: 'NEEDS_ATTENTION',
        exitCode: 9,
        message: expect.stringContaining(
          'he split that the rollout began to set (it is shifting) may be half set, and no one finishes it',
        ),
        next: [expect.stringContaining('resume'), expect.stringContaining('abort')],
      });
      const { result } = await site.run('resume --env production --json');
      expect(result).toMatchObject({ code: null, exitCode: 0 });
      expect(await site.shares()).toEqual({ green: 100 });
    } finally {
      await site.closeAll();
      await tap?.close();
    }
  });
});

describe('servers with slowstart', () => {
  let site: ReplicaSite;
  beforeAll(async () => {
    site = await openReplicas(1, { places: PLACES_BY_PATTERN, backendLines: ['default-server slowstart 7s'] });
  }, 90_000);
  afterAll(() => site.closeAll());

  it('slow start is waited for in the bake, where the gates watch and patience is the limit', LIMIT, async () => {
    site.writeConfig({ steps: '[{ percent: 50, bake: 400ms }, { percent: 100, bake: 400ms }]', patience: '60s' });
    const { result, stdout } = await site.run(`promote --build ${site.builds.green.guid} ${PRODUCTION}`);
    expect(result).toMatchObject({ code: null, exitCode: 0 });
    expect(stdout).toMatch(/"type":"poll"[^\n]*"percent":50[^\n]*green-1 is in slow start/);
  });

  it('a place that gets everything gets it in slow start too, and nothing waits for that', LIMIT, async () => {
    site.writeConfig({ steps: '[{ percent: 100, bake: 400ms }]' });
    const { result, stdout } = await site.run(`promote --build ${site.builds.amber.guid} ${PRODUCTION}`);
    expect(result).toMatchObject({ code: null, exitCode: 0 });
    expect(stdout).not.toContain('slow start');
  });
});
