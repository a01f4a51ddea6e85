/** A backend with 4,000 servers, most of which are members of the two places: adopted, promoted and rescued. */
import { afterEach, expect, it } from 'vitest';
import { openSite, PRODUCTION, startBuilds } from './site.ts';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

it('4,000 servers are adopted, promoted and rescued, member by member', { timeout: 600_000 }, async () => {
  const builds = await startBuilds();
  const line = (place: 'blue' | 'green', at: number) =>
    `server ${place}-${at} 127.0.0.1:${builds[place].backend.port} weight 100${place === 'blue' ? '' : ' disabled'}`;
  const lines = (['blue', 'green'] as const).flatMap((place) => Array.from({ length: MEMBERS }, (_, at) => line(place, at)));
  const spare = Array.from({ length: 4000 - lines.length }, (_, at) => `server slot-${at} 127.0.0.1:1 disabled`);
  const places = { blue: { servers: 'blue-*' }, green: { servers: 'green-*' } };
  const site = await openSite({ builds, places, backendLines: [...lines, ...spare], proxy: { servers: [] } });
  open.push(() => site.close());
  const share = async (place: string) => {
    const own = Object.entries(await site.split()).filter(([name]) => name.startsWith(`${place}-`));
    return Math.round(own.reduce((sum, [, percent]) => sum + percent, 0));
  };
  expect((await site.run(`promote --build ${builds.green.guid} ${PRODUCTION}`)).result).toMatchObject({ ok: true });
  expect(await share('green')).toBe(100);
  const rescue = `rollback --break-glass --reason sign-in-is-down --to ${builds.blue.guid} ${PRODUCTION}`;
  expect((await site.run(rescue)).result).toMatchObject({ code: null, exitCode: 0 });
  expect(await share('blue')).toBe(100);
});

/** Of each place. */
const MEMBERS = 2000;
