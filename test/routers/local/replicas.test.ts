import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Io, nodeIo } from '../../../src/io.ts';
import { local } from '../../../src/routers/local/local.ts';
import type { LocalConfig } from '../../../src/routers/local/local-config.ts';
import { appliedText, routesText } from '../../../src/routers/local/local-routes.ts';
import { serve } from '../../../src/serve/serve.ts';
import { type Backend, startBackend } from '../../serve/backend.ts';
import { load } from '../../servers/load.ts';

const SCOPE = { tenant: 'acme', environment: 'production', service: 'kv-gateway' };
const GUID = '0b9f6a52-64a2-4d8e-9c0e-6f4b8a7d1111';

describe('the local router with replicas', () => {
  const open: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
  });

  /** Three members at blue, which gets everything, and two at green. */
  const started = async () => {
    const folder = mkdtempSync(join(tmpdir(), 'kvdeploy-replicas-'));
    open.push(() => rmSync(folder, { recursive: true }));
    const backends: Backend[] = [];
    for (let index = 0; index < 5; index += 1) backends.push(await startBackend(GUID));
    open.push(() => Promise.all(backends.map((backend) => backend.close())));
    const urls = backends.map(({ address }) => address);
    const routes = join(folder, 'routes.json');
    const places = { blue: urls.slice(0, 3), green: { urls: urls.slice(3), minUp: 1 } };
    const serving = await serve({ scope: SCOPE, listen: '127.0.0.1:0', routes, places, initially: 'blue' }, () => undefined);
    open.push(() => serving.close());
    const config = parsed({ listen: new URL(serving.url).host, routes, places });
    return { backends, config, url: serving.url, read: () => local.read(config, nodeIo) };
  };

  it('the local router reads every member of a place with its weight, its real share and its counts', async () => {
    const { backends, url, read } = await started();
    await load(url, { count: 30, keepAlive: false });
    const { locations, places, trouble } = await read();
    expect(trouble).toEqual([]);
    expect(locations.map(({ name }) => name)).toEqual(['main']);
    expect(
      locations[0]?.members.map(({ name, place, up, weight, percent, counters }) => [name, place, up, weight, percent, counters]),
    ).toEqual(
      backends.map(({ address }, index) => [
        new URL(address).host,
        index < 3 ? 'blue' : 'green',
        true,
        index < 3 ? 100 / 3 : 0,
        index < 3 ? 100 / 3 : 0,
        index < 3 ? { served: 10, byClass: { 200: 10 } } : { served: 0, byClass: {} },
      ]),
    );
    expect(locations[0]?.members.map(({ ask }) => ask.address)).toEqual(backends.map(({ address }) => address));
    expect(places.map(({ place, percent, realPercent }) => [place, percent, realPercent])).toEqual([
      ['blue', 100, 100],
      ['green', 0, 0],
    ]);
  });

  it('the local router reads a member that refuses connections as down, and gives its share to the others that are up', async () => {
    const { backends, url, read } = await started();
    await backends[1]?.close();
    await load(url, { count: 12, keepAlive: false });
    const { locations, places } = await read();
    expect(locations[0]?.members.slice(0, 3).map(({ up, weight, percent }) => [up, weight, percent])).toEqual([
      [true, 100 / 3, 50],
      [false, 100 / 3, 0],
      [true, 100 / 3, 50],
    ]);
    expect(places[0]).toMatchObject({ percent: 100, realPercent: 100, up: true });
  });

  it('the local router names a place that gets traffic and has no member that accepts connections', async () => {
    const { backends, url, read } = await started();
    for (const backend of backends.slice(0, 3)) await backend.close();
    await load(url, { count: 6, keepAlive: false });
    const { places, trouble, certainty } = await read();
    expect(places[0]).toMatchObject({ percent: 100, realPercent: 100, up: false });
    expect(trouble).toEqual([
      expect.stringMatching(/^kvdeploy serve: no member of blue accepts connections: http.*, http.*, http/),
    ]);
    expect(certainty).toBe('configured');
  });

  it('the local router says what the config settles of each place, and nothing where it has one address each', () => {
    const { config } = example({ places: { blue: [A], green: { urls: [B], minUp: 1 } } });
    expect(local.placeSettings(config)).toEqual({ blue: {}, green: { minUp: 1 } });
    expect(local.placeSettings(example({ addresses: { blue: A } }).config)).toBeNull();
  });
});

const [A, B, C] = ['http://127.0.0.1:9001', 'http://127.0.0.1:9002', 'http://127.0.0.1:9003'] as const;

function parsed(settings: object): LocalConfig {
  return local.config.parse(settings) as LocalConfig;
}

/** A config, and a serve that answers `status` next to what every version says. */
function example(said: object, status: object = {}) {
  const config = parsed({ listen: '127.0.0.1:1', routes: '/r', ...said });
  const split = [{ place: 'blue', build: null, percent: 100 }];
  const all = { formatVersion: 1, scope: SCOPE, routes: '/r', applied: appliedText(split), split, problem: null };
  const body = JSON.stringify({ ...all, served: {}, servedByBuild: {}, ...status });
  const io = {
    ...nodeIo,
    fs: { ...nodeIo.fs, readFileSync: () => routesText(split) },
    http: async () => ({ status: 200, headers: {}, body }),
  } as unknown as Io;
  return { config, read: () => local.read(config, io) };
}

describe('a serve that is not of this config or version', () => {
  const told = (place: string, url: string) => ({ name: new URL(url).host, place, url, up: true, served: 0, answered: {} });

  it('a serve of an earlier version next to a config with replicas is named, and its missing members count as down', async () => {
    const { read } = example({ places: { blue: [A, B] } }, { addresses: { blue: A } });
    const { trouble, locations } = await read();
    expect(trouble).toEqual([
      expect.stringMatching(/^kvdeploy serve is of an earlier version, .*restart it with this version and config$/),
    ]);
    expect(locations[0]?.members.map(({ up, percent, ask }) => [up, percent, ask.address])).toEqual([
      [true, 100, A],
      [false, 0, null],
    ]);
  });

  it('a serve of an earlier version next to a config with one member a place is read as before', async () => {
    const { read } = example(
      { places: { blue: [A] } },
      { addresses: { blue: A }, served: { blue: 7 }, answered: { blue: { 200: 7 } } },
    );
    const { trouble, locations } = await read();
    expect(trouble).toEqual([]);
    expect(locations[0]?.members).toMatchObject([{ place: 'blue', up: true, counters: { served: 7, byClass: { 200: 7 } } }]);
  });

  it('a serve that has other members of a place than the config is named, member by member', async () => {
    const { read } = example({ places: { blue: [A, B] } }, { addresses: {}, members: [told('blue', A), told('blue', C)] });
    const { trouble, locations } = await read();
    expect(trouble).toEqual([
      expect.stringMatching(/has no member 127\.0\.0\.1:9002 of blue; restart it with this config$/),
      expect.stringMatching(/also sends blue to http:\/\/127\.0\.0\.1:9003, which the config does not have; restart/),
    ]);
    expect(locations[0]?.members.map(({ name, up, ask }) => [name, up, ask.address])).toEqual([
      ['127.0.0.1:9001', true, A],
      ['127.0.0.1:9003', true, C],
      ['127.0.0.1:9002', false, null],
    ]);
  });

  it('a serve of a later format is named as that, and never taken for another program', async () => {
    const { read } = example({ places: { blue: [A] } }, { formatVersion: 2 });
    await expect(read()).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringMatching(/answers in the format 2 of a later kvdeploy serve/),
    });
  });

  it('a serve that lists a member twice is not believed at all', async () => {
    const { read } = example({ places: { blue: [A] } }, { addresses: {}, members: [told('blue', A), told('blue', A)] });
    await expect(read()).rejects.toMatchObject({ code: 'UNREACHABLE' });
  });
});

describe('the places of the local router’s settings', () => {
  const settings = { listen: '127.0.0.1:8080', routes: '/var/lib/edge/routes.json' };
  const refusals = (more: object) => {
    const checked = local.config.safeParse({ ...settings, ...more });
    return checked.success ? [] : checked.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  };

  it('the settings take a list of URLs for a place, or a map with its own settings', () => {
    expect(refusals({ places: { blue: [A, B], green: { urls: [C], minUp: 1 } } })).toEqual([]);
  });

  it.each([
    [
      'both addresses and places',
      { addresses: { blue: A }, places: { green: [B] } },
      'addresses: give either addresses or places, not both',
    ],
    ['neither', {}, 'places: at least one place'],
    ['no place at all', { places: {} }, 'places: at least one place'],
    [
      'a URL in two places',
      { places: { blue: [A], green: { urls: [B, `${A}/`] } } },
      'places.green.urls.1: this URL is already a member of blue: each belongs to one place, once',
    ],
    [
      'a URL twice in one place',
      { places: { blue: [A, A] } },
      'places.blue.1: this URL is already a member of blue: each belongs to one place, once',
    ],
    [
      'one server by two names',
      { places: { blue: ['http://LOCALHOST:9001'], green: [A] } },
      'places.green.0: this URL is already a member of blue: each belongs to one place, once',
    ],
  ])('the settings refuse %s', (_what, more, said) => {
    expect(refusals(more)).toEqual([said]);
  });

  it.each([
    ['a place without members', { places: { blue: [] } }],
    ['a URL with a path', { places: { blue: [`${A}/x`] } }],
    ['an unknown key of a place', { places: { blue: { urls: [A], min: 1 } } }],
    ['more members up than there are', { places: { blue: { urls: [A], minUp: 2 } } }],
    ['a place that is a text', { places: { blue: A } }],
  ])('the settings do not take %s', (_what, more) => {
    expect(refusals(more).length).toBeGreaterThan(0);
  });
});
