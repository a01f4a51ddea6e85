/** A backend with far more servers than kvdeploy needs: spare and parked slots stay as they are, whatever is adopted, promoted and rescued. */
import { afterEach, expect, it } from 'vitest';
import { openSite, PRODUCTION, type Site } from './site.ts';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

const RESOLVERS = ['resolvers nowhere', '  nameserver none 127.0.0.1:1'];
const SPARE = 'server-template autoscale-pool-eu-west-1- 400 nothere.test:8080 check resolvers nowhere init-addr none';
const PARKED = Array.from({ length: 400 }, (_, at) => `server slot-in-eu-west-1-${at} 127.0.0.1:${2000 + at} disabled`);

/** The rows of every slot, without the columns that only count seconds. */
async function slots(site: Site): Promise<readonly string[]> {
  const rows = (await site.haproxy.command('show servers state gw')).split('\n').map((line) => line.split(' '));
  return rows.filter(([, , , name = '']) => /^(?:autoscale|slot)-/.test(name)).map((row) => row.slice(3, 9).join(' '));
}

it('400 spare slots and 400 parked ones are in no plan, pointer or doctor, and stay as they were', {
  timeout: 60_000,
}, async () => {
  const places = { blue: ['blue'], green: { servers: 'gree*' } };
  const site = await openSite({ places, backendLines: [SPARE, ...PARKED], proxy: { sections: RESOLVERS } });
  open.push(() => site.close());
  const before = await slots(site);
  expect(before).toHaveLength(800);
  expect((await site.run(`promote --build ${site.builds.green.guid} ${PRODUCTION}`)).result).toMatchObject({ ok: true });
  for (const words of ['doctor', 'pointer show', 'status', `plan --build ${site.builds.blue.guid}`])
    expect((await site.run(`${words} --env production --json`)).stdout).not.toMatch(/autoscale|slot-in/);
  const rescue = `rollback --break-glass --reason sign-in-is-down --to ${site.builds.blue.guid} ${PRODUCTION}`;
  expect((await site.run(rescue)).result).toMatchObject({ code: null, exitCode: 0 });
  expect(await site.split()).toEqual({ blue: 100 });
  expect(await slots(site)).toEqual(before);
});

it('a parked slot that begins to take traffic refuses a promotion and `places --idle`, and break-glass says that it may still serve', {
  timeout: 60_000,
}, async () => {
  const places = { blue: ['blue'], green: ['green'] };
  const site = await openSite({ places, backendLines: PARKED.slice(0, 3) });
  open.push(() => site.close());
  await site.haproxy.command('set server gw/slot-in-eu-west-1-1 state ready');
  const { result } = await site.run(`promote --build ${site.builds.green.guid} ${PRODUCTION}`);
  expect(result).toMatchObject({
    exitCode: 3,
    message: expect.stringContaining('slot-in-eu-west-1-1 takes traffic of backend gw and belongs to no place'),
    hint: expect.stringContaining('Add slot-in-eu-west-1-1 to its place'),
  });
  const idle = await site.run('places --idle --env production --json');
  expect(idle.result).toMatchObject({
    code: 'SPLIT_IMPOSSIBLE',
    exitCode: 3,
    message: expect.stringContaining('slot-in-eu-west-1-1'),
  });
  const rescued = await site.run(`rollback --break-glass --reason sign-in-is-down ${PRODUCTION}`);
  expect(rescued.result).toMatchObject({ exitCode: 5 });
  expect(rescued.stdout + rescued.stderr).toContain('the unknown member slot-in-eu-west-1-1 may still serve');
});
