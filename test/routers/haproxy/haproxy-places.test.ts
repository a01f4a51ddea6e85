/** Places with replicas: a split over all members of a place, read back member by member, before a real HAProxy. */
import { afterEach, describe, expect, it } from 'vitest';
import { check } from '../../../src/base/changes/checks.ts';
import { make } from '../../../src/base/changes/make.ts';
import { notUp } from '../../../src/core/rollout/capacity.ts';
import type { Split } from '../../../src/core/rollout/split.ts';
import { haproxy } from '../../../src/routers/haproxy/haproxy.ts';
import type { HaproxyConfig } from '../../../src/routers/haproxy/haproxy-config.ts';
import { layoutOf } from '../../../src/routers/places.ts';
import type { Leaving, Reading } from '../../../src/routers/router.ts';
import { type Backend, startBackend } from '../../servers/backend.ts';
import { type Haproxy, type HaproxyOptions, startHaproxy } from '../../servers/haproxy.ts';
import { load } from '../../servers/load.ts';
import { until } from '../../servers/program.ts';
import { realIo } from '../../servers/real-io.ts';
import { changesOf, checksOf } from '../readings.ts';

const AT_ONCE: Leaving = { leaving: 'at-once' };
const BLUE = ['b1', 'b2', 'b3'];
const GREEN = ['green-1', 'green-2', 'green-3'];
const PLACES = { blue: BLUE, green: { servers: 'green-*' } };

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

interface Scene {
  readonly proxy: Haproxy;
  readonly config: HaproxyConfig;
  readonly backends: ReadonlyMap<string, Backend>;
  read(since?: Reading): Promise<Reading>;
  shift(percent: number, how?: Leaving): Promise<void>;
  /** What break-glass would say, by the checks alone. */
  troubles(percent: number): Promise<readonly string[]>;
}

/** These servers, each with a build that says the server's name; those of blue serve. */
async function scene(
  names: readonly string[] = [...BLUE, ...GREEN],
  places: unknown = PLACES,
  options: Partial<HaproxyOptions> = {},
): Promise<Scene> {
  const backends = new Map(await Promise.all(names.map(async (name) => [name, await startBackend({ guid: name })] as const)));
  const servers = names.map((name) => ({
    name,
    port: backends.get(name)?.port ?? 0,
    ...(name.startsWith('b') ? {} : { extra: 'disabled' }),
  }));
  const proxy = await startHaproxy({ servers, ...options });
  open.push(...[...backends.values()].map((backend) => () => backend.close()), () => proxy.stop());
  const config = haproxy.config.parse({
    sockets: proxy.sockets,
    backend: proxy.backend,
    serverStateFile: proxy.stateFiles,
    ...(places === undefined ? {} : { places }),
  }) as HaproxyConfig;
  const read = (since?: Reading) => haproxy.read(config, realIo, since);
  return {
    proxy,
    config,
    backends,
    read,
    shift: async (percent, how = AT_ONCE) => {
      const layout = layoutOf(await read());
      for (const change of changesOf(haproxy, config, splitAt(percent), how, layout)) await make(change, realIo, () => undefined);
    },
    troubles: async (percent) => {
      const checked = await Promise.all(
        checksOf(haproxy, config, splitAt(percent), layoutOf(await read())).map((one) => check(one, realIo)),
      );
      return checked.flatMap((one) => ('ok' in one ? (one.ok ? [] : [one.why]) : [one.unknown]));
    },
  };
}

function splitAt(percent: number): Split {
  return [
    { place: 'blue', build: null, percent: 100 - percent },
    { place: 'green', build: null, percent },
  ];
}

const shares = ({ places }: Reading) =>
  Object.fromEntries(places.map(({ place, percent }) => [place, Math.round(percent * 100) / 100]));
const real = ({ places }: Reading) =>
  Object.fromEntries(places.map(({ place, realPercent }) => [place, Math.round(realPercent)]));

const lost = ({ locations }: Reading, place: string) => notUp(locations, [place]);

describe('a place with replicas behind a real HAProxy', () => {
  it('a split goes over all members of a place, and each of them gets as much as the others', async () => {
    const { proxy, read, shift, troubles } = await scene();
    await shift(25);
    const { byBuild } = await load(proxy.url, { count: 1200 });
    for (const name of BLUE) expect(Math.abs((byBuild[name] ?? 0) - 300), JSON.stringify(byBuild)).toBeLessThan(5);
    for (const name of GREEN) expect(Math.abs((byBuild[name] ?? 0) - 100), JSON.stringify(byBuild)).toBeLessThan(5);
    const reading = await read();
    expect(shares(reading)).toEqual({ blue: 75, green: 25 });
    expect(reading.trouble).toEqual([]);
    expect(reading.locations[0]?.members.map(({ name, place, weight }) => [name, place, weight])).toEqual([
      ...BLUE.map((name) => [name, 'blue', 75]),
      ...GREEN.map((name) => [name, 'green', 25]),
    ]);
    expect(await troubles(25)).toEqual([]);
  });

  it('places of different size get the shares that were asked for, and at 0 % every member is out', async () => {
    const { proxy, read, shift, troubles } = await scene(['b1', 'b2', 'b3', 'green-1']);
    for (const percent of [10, 50, 100, 0]) {
      await shift(percent);
      const reading = await read();
      expect(Math.abs((shares(reading)['green'] ?? 0) - percent)).toBeLessThanOrEqual(Math.min(percent, 100 - percent) / 100);
      expect(await troubles(percent)).toEqual([]);
    }
    expect((await load(proxy.url, { count: 30 })).byBuild).toEqual({ b1: 10, b2: 10, b3: 10 });
    expect((await read()).places.find(({ place }) => place === 'green')).toMatchObject({ percent: 0, parked: true });
  });

  it('two locations may have different numbers of members, and each gets the share', async () => {
    const { proxy, config, read } = await scene(['b1', 'b2', 'green-1', 'green-2'], PLACES_OF_TWO, { sockets: 2 });
    await proxy.command('del server gw/green-2', 1);
    await proxy.command('set server gw/green-2 state maint; del server gw/green-2', 1);
    const layout = layoutOf(await read());
    expect(layout.map(({ members }) => members.length)).toEqual([4, 3]);
    for (const change of changesOf(haproxy, config, splitAt(50), AT_ONCE, layout)) await make(change, realIo, () => undefined);
    const reading = await read();
    expect(reading.trouble).toEqual([]);
    expect(shares(reading)).toEqual({ blue: 50, green: 50 });
  });

  it('a member that is down is capacity lost and no moved split; one place without any left is trouble', async () => {
    const { backends, read, shift, troubles } = await scene();
    await shift(25);
    await backends.get('green-2')?.close();
    const short = await until('green-2 is seen down', async () => {
      const found = await read();
      return lost(found, 'green').length === 0 ? undefined : found;
    });
    expect(lost(short, 'green')).toEqual([expect.stringMatching(/^green-2 of green at .*: 2 of 3 are up$/)]);
    expect(short.trouble).toEqual([]);
    expect(shares(short)).toEqual({ blue: 75, green: 25 });
    expect(real(short)).toEqual({ blue: 82, green: 18 });
    expect(await troubles(25)).toEqual([]);
    await backends.get('green-1')?.close();
    await backends.get('green-3')?.close();
    const dead = await until('green is seen down', async () => {
      const found = await read();
      return found.trouble.length === 3 ? found : undefined;
    });
    expect(dead.places.find(({ place }) => place === 'green')).toMatchObject({ percent: 25, realPercent: 0, up: false });
  });

  it.each([
    ['maint', 'in maintenance'],
    ['drain', 'draining'],
  ])(
    'a member of a serving place that a person put into %s is capacity lost, and a whole place is moved',
    async (state, says) => {
      const { proxy, read, shift } = await scene();
      await shift(25);
      await proxy.command(`set server gw/b2 state ${state}`);
      const one = await read();
      expect(lost(one, 'blue')).toEqual([expect.stringContaining(`b2 (${says}) of blue at `)]);
      expect(one.trouble).toEqual([]);
      expect(shares(one)).toEqual({ blue: 75, green: 25 });
      expect(real(one)).toEqual({ blue: 67, green: 33 });
      for (const name of ['b1', 'b3']) await proxy.command(`set server gw/${name} state ${state}`);
      expect(shares(await read())).toEqual({ blue: 0, green: 100 });
    },
  );

  it('a member whose weight someone set by hand is named, and its share counts as it is set', async () => {
    const { proxy, read, shift, troubles } = await scene();
    await shift(50);
    await proxy.command('set server gw/b2 weight 5');
    const reading = await read();
    expect(reading.trouble).toEqual([expect.stringMatching(/b2 of blue has weight 5, the others 50/)]);
    expect(shares(reading)).toEqual({ blue: 41.18, green: 58.82 });
    expect(await troubles(50)).toEqual([expect.stringMatching(/b2 has srv_uweight 5/)]);
  });

  it('a server of no place gets nothing from kvdeploy, and one that takes traffic is named and refuses', async () => {
    const { proxy, config, read, shift, troubles } = await scene([...BLUE, ...GREEN, 'other']);
    await shift(25);
    const calm = await read();
    expect(calm.unusable).toBeUndefined();
    expect(JSON.stringify(calm)).not.toContain('other');
    let reads = 0;
    const statSync = (path: string) => {
      if (path.endsWith('.cfg')) reads += 1;
      return realIo.fs.statSync(path);
    };
    const counting = { ...realIo, fs: { ...realIo.fs, statSync } } as unknown as typeof realIo;
    expect((await haproxy.read(config, counting)).places).toHaveLength(2);
    expect(reads).toBeGreaterThan(0);
    reads = 0;
    // A poll does not read haproxy.cfg again for servers that belong to no place.
    await haproxy.read(config, counting, calm);
    expect(reads).toBe(0);
    await proxy.command('set server gw/other weight 75; set server gw/other state ready');
    const reading = await read();
    expect(reading.trouble).toEqual([expect.stringMatching(/other takes traffic of backend gw and belongs to no place/)]);
    expect(reading.unusable?.cure).toMatch(
      /Add other to its place .* or take it out of rotation: set server gw\/other state maint/,
    );
    expect(haproxy.impossible(config, reading, 100)).toMatch(/belongs to no place/);
    expect(shares(reading)).toEqual({ blue: 60, green: 20 });
    expect(await troubles(25)).toEqual([expect.stringMatching(/the unknown member other may still serve/)]);
    await shift(50);
    expect(await proxy.command('show servers state gw')).toMatch(/ other \S+ 2 \d+ 75 /);
  });
});

const PLACES_OF_TWO = { blue: ['b1', 'b2'], green: { servers: 'green-*' } };

describe('what places say and the backend does not have', () => {
  it('a name that no server has is refused with what to write', async () => {
    const { config, read } = await scene(['b1', 'green-1'], { blue: ['b1', 'b9'], green: { servers: 'green-*' } });
    const reading = await read();
    expect(reading.unusable).toMatchObject({
      why: 'place blue lists b9, and backend gw has no server of that name',
      cure: expect.stringMatching(/Remove b9 from `places: blue` .*`server b9 ADDRESS:PORT check`/),
    });
    expect(haproxy.impossible(config, reading, 100)).toMatch(/b9/);
  });

  it('a server that two patterns match is refused, and belongs to neither', async () => {
    const { read } = await scene(['b1', 'green-1'], { blue: ['b*'], green: { servers: ['green-*', '*-1'] }, teal: ['g*'] });
    const { unusable, places } = await read();
    expect(unusable?.why).toMatch(/green-1 at \S+ belongs to two places, green and teal/);
    expect(places.map(({ place }) => place)).toEqual(['blue']);
  });

  it('a place without a server yet is named, and one that a single location lacks is trouble', async () => {
    const { proxy, read } = await scene(['b1', 'green-1'], { ...PLACES_OF_TWO, blue: ['b1'], amber: ['a-*'] }, { sockets: 2 });
    expect((await read()).doubts).toContain('place amber has no server with an address in backend gw, so no build can run there');
    await proxy.command('set server gw/green-1 state maint; del server gw/green-1', 1);
    expect((await read()).trouble).toEqual([expect.stringMatching(/has no server green, but another socket does/)]);
  });
});

describe('the places of a config', () => {
  const parsed = (places: unknown) => haproxy.config.safeParse({ sockets: ['/run/a.sock'], backend: 'gw', places });

  it.each([
    ['one server in two lists', { blue: ['a', 'b'], green: ['b'] }, 'b is in blue too'],
    ['one server twice in a list', { blue: ['a', 'a'] }, 'a is listed twice'],
    [
      'a pattern for a server of another place',
      { blue: ['green-1'], green: { servers: 'green-*' } },
      'the pattern green-* stands for green-1 too',
    ],
    ['more members up than a place lists', { blue: { servers: ['a', 'b'], minUp: 3 } }, '3 members cannot be up'],
    ['no place', {}, 'at least one place'],
  ])('a config with %s is refused', (_what, places, says) => {
    const { success, error } = parsed(places);
    expect(success).toBe(false);
    expect(JSON.stringify(error?.issues)).toContain(says);
  });

  it.each([['a;b'], ['a b'], [''], ['__proto__']])('a config with the server name %j is refused', (name) => {
    expect(parsed({ blue: [name] }).success).toBe(false);
  });

  it('a config tells the settings of its places, and none where it has no places', () => {
    const config = parsed({ blue: ['a'], green: { servers: 'g*', minUp: 2 } }).data as HaproxyConfig;
    expect(haproxy.placeSettings(config)).toEqual({ blue: {}, green: { minUp: 2 } });
    expect(haproxy.placeSettings(parsed(undefined).data as HaproxyConfig)).toBeNull();
  });
});

describe('the rendering of a place with replicas', () => {
  const config = haproxy.config.parse({ sockets: ['/run/a.sock'], backend: 'gw', places: PLACES }) as HaproxyConfig;
  const layout = (names: readonly string[]) => [
    { location: '/run/a.sock', members: names.map((name) => ({ name, place: name.startsWith('b') ? 'blue' : 'green' })) },
  ];
  const commandsAt = (percent: number, names: readonly string[]) =>
    changesOf(haproxy, config, splitAt(percent), AT_ONCE, layout(names)).flatMap((change) =>
      change.kind === 'socket' ? change.commands : [],
    );

  it('what takes traffic is set before what leaves, member by member', () => {
    expect(commandsAt(100, ['b1', 'green-1', 'green-2'])).toEqual([
      'set server gw/green-1 weight 100',
      'set server gw/green-1 state ready',
      'set server gw/green-2 weight 100',
      'set server gw/green-2 state ready',
      'set server gw/b1 state maint',
      'set server gw/b1 weight 0',
      'shutdown sessions server gw/b1',
    ]);
  });

  it('a location without any member that is to serve is left as it is, and its check says so', () => {
    expect(commandsAt(100, ['b1', 'b2'])).toEqual([]);
    expect(checksOf(haproxy, config, splitAt(100), layout(['b1']))).toMatchObject([{ rows: { green: expect.anything() } }]);
  });

  it('a share that weights cannot give to places of this size is refused with the nearest', () => {
    const members = [
      { name: 'b1', place: 'blue' },
      ...Array.from({ length: 10 }, (_, at) => ({ name: `green-${at}`, place: 'green' })),
    ];
    const reading = { locations: [{ name: '/run/a.sock', members }], places: [] } as unknown as Reading;
    const between = { candidate: 'green', stable: 'blue' };
    expect(haproxy.impossible(config, reading, 1, between)).toMatch(
      /cannot set 1 % with 10 against 1 servers at \/run\/a\.sock; the nearest possible value is 3\.759 %/,
    );
    expect(haproxy.impossible(config, reading, 3.759, between)).toBeUndefined();
    expect(haproxy.impossible(config, reading, 1, { candidate: 'blue', stable: 'green' })).toBeUndefined();
    expect(haproxy.impossible(config, reading, 1, { candidate: 'green', stable: null })).toBeUndefined();
  });
});
