/** A service of single servers gets replicas: its config then has `places`. What it had before must go on to count. */
import { afterEach, expect, it } from 'vitest';
import { type Backend, startBackend } from '../servers/backend.ts';
import { documentOf, openSite, PLACES, type PlaceName, PRODUCTION, type Site, startBuilds } from './site.ts';

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

const PLACES_NOW = { blue: ['b1', 'b2', 'b3'], green: { servers: 'g*' }, amber: { servers: ['a1', 'a2', 'a3'] } };
const serverOf = (place: PlaceName) => `${place[0]}1`;

/** Three servers of each build, of which kvdeploy drives b1, g1 and a1 alone; blue is adopted, then green promoted. */
async function openSingle(): Promise<Site> {
  const builds = await startBuilds();
  const backends: Backend[] = [];
  const servers = [];
  for (const place of PLACES)
    for (const number of [1, 2, 3]) {
      const backend = await startBackend({ guid: builds[place].guid, environment: 'production' });
      backends.push(backend);
      const name = `${place[0]}${number}`;
      servers.push({ name, port: backend.port, ...(name === 'b1' ? {} : { extra: 'disabled' }) });
    }
  const site = await openSite({ builds, adopted: false, proxy: { servers } });
  open.push(
    () => Promise.all(backends.map((one) => one.close())),
    () => site.close(),
  );
  site.writeManifest(PLACES.map((place) => ({ ...builds[place], place: serverOf(place) as PlaceName })));
  expect((await site.run(`adopt ${PRODUCTION}`)).result).toMatchObject({ ok: true });
  expect((await site.run(`promote --build ${builds.green.guid} ${PRODUCTION}`)).result).toMatchObject({ ok: true });
  expect(await site.split()).toEqual({ g1: 100 });
  return site;
}

const rescue = (guid: string) => `rollback --break-glass --to ${guid} --reason sign-in-is-down ${PRODUCTION}`;
const promote = (guid: string) => `promote --build ${guid} ${PRODUCTION}`;
const reconcile = `reconcile --reason the-drill-is-over ${PRODUCTION}`;
const OK = { ok: true, exitCode: 0 };

interface Status {
  readonly knownGood: { readonly guid: string };
  readonly waysBack: readonly { readonly guid: string }[];
  readonly trouble: readonly string[];
}
const statusOf = async (site: Site) => documentOf<Status>(await site.run('status --env production --json'));

it('a service of single servers goes on with replicas: its known-good builds, its rollback path and its pointer count', {
  timeout: 120_000,
}, async () => {
  const site = await openSingle();
  const { blue, green, amber } = site.builds;
  const before = await statusOf(site);
  site.writeConfig({ places: PLACES_NOW });
  site.writeManifest();
  const socket = site.haproxy.sockets[0];
  expect(await statusOf(site)).toEqual({
    ...before,
    places: expect.anything(),
    traffic: expect.objectContaining({ split: [{ build: green.guid, place: 'green', percent: 100 }] }),
    trouble: [`g2 (in maintenance), g3 (in maintenance) of green at ${socket}: 1 of 3 are up`],
  });
  const even = (...names: readonly string[]) =>
    Object.fromEntries(names.map((name) => [name, expect.closeTo(100 / names.length)]));

  // The pointer of before knows one server of each build; it still restores that one.
  expect((await site.run(rescue(blue.guid))).result).toMatchObject(OK);
  expect(await site.split()).toEqual({ b1: 100 });
  expect((await site.run(reconcile)).result).toMatchObject(OK);

  expect((await site.run(promote(amber.guid))).result).toMatchObject(OK);
  expect(await site.split()).toEqual(even('a1', 'a2', 'a3'));
  const back = `rollback --to ${green.guid} --not-bad --reason a-rehearsal ${PRODUCTION}`;
  expect((await site.run(back)).result).toMatchObject(OK);
  expect(await site.split()).toEqual(even('g1', 'g2', 'g3'));
  expect((await site.run(rescue(blue.guid))).result).toMatchObject(OK);
  expect(await site.split()).toEqual(even('b1', 'b2', 'b3'));
  expect((await site.run(reconcile)).result).toMatchObject(OK);
  const after = await statusOf(site);
  expect([after.knownGood.guid, after.trouble]).toEqual([blue.guid, []]);
  expect((await site.run('pointer verify --env production --json')).result).toMatchObject(OK);
});

it('a known-good build whose place is gone is no dead end: every command names adopt, and adopt takes over', {
  timeout: 120_000,
}, async () => {
  const site = await openSingle();
  const { blue, green, amber } = site.builds;
  site.writeConfig({ places: { amber: PLACES_NOW.amber, blue: PLACES_NOW.blue } });
  site.writeManifest();
  await site.haproxy.command('set server gw/g1 state maint; set server gw/b1 weight 100; set server gw/b1 state ready');
  for (const [words, exitCode] of [
    ['status --env production --json', 9],
    ['doctor --env production --json', 9],
    [promote(amber.guid), 3],
    [`converge ${PRODUCTION}`, 3],
    [`rollback --reason sign-in-is-down ${PRODUCTION}`, 3],
  ] as const) {
    const { result } = await site.run(words);
    expect(result, words).toMatchObject({ exitCode, hint: expect.stringContaining('kvdeploy adopt --env production') });
  }
  expect(await site.split()).toEqual({ b1: 100 });
  expect((await site.run(`adopt ${PRODUCTION}`)).result).toMatchObject(OK);
  expect((await site.run(promote(amber.guid))).result).toMatchObject(OK);
  const { knownGood, waysBack } = await statusOf(site);
  expect([knownGood.guid, waysBack.map(({ guid }) => guid)]).toEqual([amber.guid, expect.arrayContaining([blue.guid])]);
  // Its own generation of the pointer is still there; it says what it does not know.
  const rescued = await site.run(rescue(green.guid));
  expect(rescued.result).toMatchObject({ exitCode: 5, code: 'NOT_VERIFIED' });
  expect(rescued.result.message).toContain('the unknown member a1 may still serve');
});
