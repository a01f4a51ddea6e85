/** Three replicas a place behind one HAProxy and behind two: what a rollout and a rescue do when all are well, and when one is not. */
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openReplicas, type ReplicaSite } from './replicas-scene.ts';
import { documentOf, type PlaceName, PRODUCTION } from './site.ts';

const FOREIGN = '57a9e000-0000-4000-8000-000000000001';
const SLOW = { steps: '[{ percent: 50, bake: 120s }, { percent: 100, bake: 400ms }]' };
const QUARTER = '[{ percent: 25, bake: 1s }, { percent: 50, bake: 120s }, { percent: 100, bake: 400ms }]';
/** The config does not say how many members are enough. */
const UNSAID = { blue: { servers: 'blue-*' }, green: { servers: 'green-*' }, amber: { servers: 'amber-*' } };
const LIMIT = { timeout: 90_000 };

describe.each([1, 2] as const)('three replicas a place behind %i HAProxy', (sockets) => {
  let site: ReplicaSite;
  const promote = (place: PlaceName) => `promote --build ${site.builds[place].guid} ${PRODUCTION}`;
  const everywhere = async (shares: Readonly<Record<string, number>>) => {
    for (let at = 0; at < sockets; at += 1) expect(await site.shares(at)).toEqual(shares);
  };
  /** Starts it, does `then` once it bakes, and waits for its end. */
  const midway = async (place: PlaceName, then: () => Promise<void>) => {
    const running = site.start(promote(place));
    await running.waitFor(/"type":"poll"/, 60_000);
    await then();
    return running.ended;
  };

  /** `status` and `doctor` say what drifted; the command that they name puts it right, and blames no one. */
  const drifted = async (what: string) => {
    for (const look of ['status', 'doctor']) {
      const { result } = await site.run(`${look} --env production --json`);
      expect(result, look).toMatchObject({ code: 'NEEDS_ATTENTION', exitCode: 9, message: expect.stringContaining(what) });
      expect(result.hint, look).toMatch(/^kvdeploy converge --env production/);
    }
    expect((await site.run(`converge ${PRODUCTION}`)).result).toMatchObject({ code: null, exitCode: 0 });
    expect((await site.run('status --env production --json')).result).toMatchObject({ code: null, exitCode: 0 });
    expect(documentOf(await site.run('status --env production --json'))).toMatchObject({ bad: [] });
  };

  beforeAll(async () => {
    site = await openReplicas(sockets);
  }, 90_000);
  afterAll(() => site.closeAll());

  it('three servers that answer one build are adopted as one place', LIMIT, async () => {
    await everywhere({ blue: 100 });
    const { places } = documentOf<{ places: { place: string; members: { name: string; answer: string }[] }[] }>(
      await site.run('places --env production --json'),
    );
    const blue = places.find(({ place }) => place === 'blue');
    expect(new Set(blue?.members.map(({ name }) => name))).toEqual(new Set(['blue-1', 'blue-2', 'blue-3']));
    expect(blue?.members.every(({ answer }) => answer === site.builds.blue.guid)).toBe(true);
    expect((await site.run('places --env production --idle')).stdout).toBe('amber\n');
  });

  it('plan says for each step how many members each place needs, and that they are counted again', LIMIT, async () => {
    site.writeConfig({ places: UNSAID });
    const plan = `plan --build ${site.builds.green.guid} --env production`;
    const { steps } = documentOf<{ steps: { percent: number; up: { place: string; location: string; needs: number }[] }[] }>(
      await site.run(`${plan} --json`),
    );
    const told = steps.map(({ percent, up }) => [percent, up.map(({ place, needs }) => `${place} ${needs}`)]);
    const everyOne = (...needs: readonly string[]) => site.haproxy.sockets.flatMap(() => needs);
    expect(told).toEqual([
      [50, everyOne('green 2', 'blue 2')],
      [100, everyOne('green 3', 'blue 1')],
    ]);
    const { stdout } = await site.run(plan);
    const at = site.haproxy.sockets.join(', ');
    expect(stdout).toMatch(/^ {2}capacity +the members that are up are counted again before each raise$/m);
    for (const line of ['green needs 2 members', 'blue needs 2 members', 'green needs 3 members', 'blue needs 1 member'])
      expect(stdout).toContain(`${line} up at ${at}, and has 3 of 3`);
    site.writeConfig();
  });

  it('one foreign replica of three refuses the promotion, is named, and nothing moves', LIMIT, async () => {
    site.replica('green', 2).setGuid(FOREIGN);
    const { result } = await site.run(promote('green'));
    expect(result).toMatchObject({ code: 'BUILD_GONE', exitCode: 3, message: expect.stringContaining('green-2') });
    site.replica('green', 2).setGuid(site.builds.green.guid);
    await everywhere({ blue: 100 });
  });

  it('a replica that turns foreign in mid-rollout rolls back, and is named', LIMIT, async () => {
    site.writeConfig(SLOW);
    const { result } = await midway('green', async () => site.replica('green', 2).setGuid(FOREIGN));
    expect(result).toMatchObject({ exitCode: 4, message: expect.stringContaining('green-2') });
    site.replica('green', 2).setGuid(site.builds.green.guid);
    await everywhere({ blue: 100 });
  });

  it('capacity that is lost in mid-rollout holds, then rolls back by patience, and marks nothing', LIMIT, async () => {
    site.writeConfig({ ...SLOW, patience: '4s' });
    const { result, stdout } = await midway('green', async () => {
      for (const name of ['green-1', 'green-2']) await site.setDown(name, true);
    });
    const needs = `green needs 2 members up at ${site.haproxy.sockets[0]}, and has 1 of 3, without green-1, green-2`;
    expect(result).toMatchObject({ code: 'REVERTED', exitCode: 4, message: expect.stringContaining(needs) });
    expect(stdout).toMatch(/"gate":"capacity","verdict":"hold","why":"green needs 2/);
    for (const name of ['green-1', 'green-2']) await site.setDown(name, false);
    await everywhere({ blue: 100 });
    expect(documentOf(await site.run('status --env production --json'))).toMatchObject({ bad: [] });
  });

  it('a stable place that loses more members than the share that it keeps needs stops the next raise', LIMIT, async () => {
    site.writeConfig({ places: UNSAID, steps: QUARTER, patience: '4s' });
    const { result } = await midway('green', async () => {
      for (const name of ['blue-1', 'blue-2']) await site.setDown(name, true);
    });
    const needs = 'blue needs 2 members up at';
    expect(result).toMatchObject({ code: 'REVERTED', exitCode: 4, message: expect.stringContaining(needs) });
    expect(result.message).toContain('for the 50 % that it keeps, and has 1 of 3, without blue-1, blue-2');
    for (const name of ['blue-1', 'blue-2']) await site.setDown(name, false);
    await everywhere({ blue: 100 });
    expect(documentOf(await site.run('status --env production --json'))).toMatchObject({ bad: [] });
  });

  it('one replica that goes down is named, and the rollout goes on while minUp is there', LIMIT, async () => {
    const places = { ...UNSAID, green: { servers: 'green-*', minUp: 2 } };
    site.writeConfig({ places, steps: '[{ percent: 50, bake: 3s }, { percent: 100, bake: 400ms }]' });
    const { result, stdout } = await midway('green', async () => {
      // The stable place has one left, which is enough for a raise that takes the rest of its share.
      for (const name of ['green-3', 'blue-1', 'blue-2']) await site.setDown(name, true);
    });
    expect(result).toMatchObject({ code: null, exitCode: 0 });
    expect(stdout).toMatch(/not up: green-3 of green .*blue-1, blue-2 of blue/);
    await everywhere({ green: 100 });
    const { trouble } = documentOf<{ trouble: string[] }>(await site.run('status --env production --json'));
    expect(trouble).toEqual(site.haproxy.sockets.map((socket) => `green-3 of green at ${socket}: 2 of 3 are up`));
    expect((await site.run('doctor --env production')).stdout).toMatch(/members\s+green-3 of green at /);
    for (const name of ['green-3', 'blue-1', 'blue-2']) await site.setDown(name, false);
  });

  it('a rollback restores every replica of the earlier place, and marks nothing', LIMIT, async () => {
    site.writeConfig();
    const back = await site.run(`rollback --to ${site.builds.blue.guid} --not-bad --reason a-rehearsal ${PRODUCTION}`);
    expect(back.result).toMatchObject({ code: null, exitCode: 0 });
    await everywhere({ blue: 100 });
    expect(documentOf(await site.run('status --env production --json'))).toMatchObject({ bad: [] });
  });

  it('a good build takes all traffic on all of its replicas', LIMIT, async () => {
    const { result } = await site.run(promote('green'));
    expect(result).toMatchObject({ code: null, exitCode: 0 });
    expect(Object.keys(await site.split()).sort()).toEqual(['green-1', 'green-2', 'green-3']);
    await everywhere({ green: 100 });
  });

  it('a weight that was edited by hand is drift, and converge puts it right', LIMIT, async () => {
    await site.haproxy.command('set server gw/green-2 weight 7', sockets - 1);
    await drifted('green-2 of green has weight 7, the others 100');
    for (let at = 0; at < sockets; at += 1) expect(Object.values(await site.split(at)).map(Math.round)).toEqual([33, 33, 33]);
  });

  it('a location that has forgotten what it served is drift, and converge puts it right', LIMIT, async () => {
    await site.haproxy.kill();
    rmSync(site.haproxy.stateFiles[sockets - 1] ?? '');
    await site.haproxy.start();
    expect(await site.shares(sockets - 1)).toEqual({ blue: 100 });
    await drifted('the ledger expects green 100 %, the router reports blue');
    await everywhere({ green: 100 });
  });

  it('one bad replica of three rolls the build back, and is named', LIMIT, async () => {
    site.replica('amber', 2).setStatus(500, 500);
    const { result } = await site.run(promote('amber'));
    expect(result).toMatchObject({ exitCode: 4, message: expect.stringContaining('amber-2') });
    await everywhere({ green: 100 });
    const pardon = `builds pardon ${site.builds.amber.guid} --reason one-machine-was-broken ${PRODUCTION}`;
    expect((await site.run(pardon)).result).toMatchObject({ ok: true });
  });

  it('a bad build is rolled back, and marked bad', LIMIT, async () => {
    for (const number of [1, 2, 3]) site.replica('amber', number).setStatus(500, 500);
    expect((await site.run(promote('amber'))).result).toMatchObject({ code: 'REVERTED', exitCode: 4 });
    await everywhere({ green: 100 });
    const { bad } = documentOf<{ bad: { guid: string }[] }>(await site.run('status --env production --json'));
    expect(bad.map(({ guid }) => guid)).toEqual([site.builds.amber.guid]);
  });

  it('weights that were moved by hand are put back, and no build is marked bad for it', LIMIT, async () => {
    for (const number of [1, 2, 3])
      await site.haproxy.command(`set server gw/blue-${number} state ready; set server gw/blue-${number} weight 100%`);
    const back = await site.run(`rollback --reason someone-moved-weights-by-hand ${PRODUCTION}`);
    expect(back.result).toMatchObject({ exitCode: 0 });
    await everywhere({ green: 100 });
    const { bad } = documentOf<{ bad: { guid: string }[] }>(await site.run('status --env production --json'));
    expect(bad.map(({ guid }) => guid)).toEqual([site.builds.amber.guid]);
  });

  it('break-glass restores every replica, and with one location dead those of the other', LIMIT, async () => {
    const rescue = `rollback --break-glass --to ${site.builds.blue.guid} --reason sign-in-is-down ${PRODUCTION}`;
    expect((await site.run(rescue)).result).toMatchObject({ code: null, exitCode: 0 });
    await everywhere({ blue: 100 });
    expect((await site.run('places --env production --idle')).exitCode).toBe(6);
    expect((await site.run(`reconcile --reason the-drill-is-over ${PRODUCTION}`)).result).toMatchObject({ ok: true });

    if (sockets === 1) return;
    // One location dies: what it serves is not known, and the other is moved all the same.
    await site.haproxy.kill(1);
    expect((await site.run('places --env production --idle')).exitCode).toBe(7);
    const again = `rollback --break-glass --to ${site.builds.green.guid} --reason one-data-centre-is-gone ${PRODUCTION}`;
    expect((await site.run(again)).result).toMatchObject({ exitCode: 5 });
    expect(await site.shares(0)).toEqual({ green: 100 });
  });
});
