import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { make } from '../../../src/base/changes/make.ts';
import { type Guid, parseGuid } from '../../../src/core/scope.ts';
import { nodeIo } from '../../../src/io.ts';
import { local } from '../../../src/routers/local/local.ts';
import type { LocalConfig } from '../../../src/routers/local/local-config.ts';
import { appliedText, parseRoutes, routesText } from '../../../src/routers/local/local-routes.ts';
import { serve } from '../../../src/serve/serve.ts';
import { startBackend } from '../../serve/backend.ts';
import { load } from '../../servers/load.ts';
import { type RouterUnderTest, routerContract } from '../contract.ts';
import { changesOf } from '../readings.ts';

routerContract('local', startSubject);

const SCOPE = { tenant: 'acme', environment: 'production', service: 'kv-gateway' };
const GUIDS = [
  '0b9f6a52-64a2-4d8e-9c0e-6f4b8a7d1111',
  '7c9e6679-7425-40de-944b-e07fc1f90ae7',
  '5f0c2a4e-1b7d-4e55-8f3a-2c9d7e6b3333',
].map(guid);

interface LocalSubject extends RouterUnderTest<LocalConfig> {
  readonly lines: readonly string[];
  restart(addresses?: Readonly<Record<string, string>>): Promise<void>;
}

async function startSubject(): Promise<LocalSubject> {
  const folder = mkdtempSync(join(tmpdir(), 'kvdeploy-local-'));
  const routes = join(folder, 'routes.json');
  const backends = await Promise.all(GUIDS.map((each) => startBackend(each)));
  const [blue = '', green = '', grey = ''] = backends.map(({ address }) => address);
  const lines: string[] = [];
  const start = (listen: string, addresses: Readonly<Record<string, string>>) =>
    serve({ scope: SCOPE, listen, routes, addresses, initially: 'blue' }, (line) => lines.push(line));
  let serving = await start('127.0.0.1:0', { blue, green, grey });
  const listen = new URL(serving.url).host;
  const [first = guid(''), second = guid('')] = GUIDS;
  return {
    router: local,
    config: local.config.parse({ listen, routes, addresses: { blue, green, grey } }) as LocalConfig,
    io: nodeIo,
    environment: 'production',
    members: [
      { place: 'blue', guid: first },
      { place: 'green', guid: second },
    ],
    stranger: 'grey',
    lines,
    traffic: async (count) => new Map(Object.entries((await load(serving.url, { count, keepAlive: false })).byBuild)),
    moveByHand: async (percents) => {
      const split = Object.entries(percents).map(([place, percent]) => ({ place, build: null, percent }));
      replace(routes, routesText(split));
    },
    restart: async (addresses = { blue, green, grey }) => {
      await serving.close();
      serving = await start(listen, addresses);
    },
    stop: () => serving.close(),
    close: async () => {
      await serving.close();
      await Promise.all(backends.map((backend) => backend.close()));
      rmSync(folder, { recursive: true });
    },
  };
}

describe('the local router', () => {
  let subject: LocalSubject | undefined;
  afterEach(async () => {
    await subject?.close();
    subject = undefined;
  });

  it('the local router reports the last good split and the trouble while the routes file is damaged', async () => {
    subject = await startSubject();
    replace(subject.config.routes, '{"formatVersion":1,"split":[{"place":"green","bui');
    const reading = await local.read(subject.config, nodeIo);
    expect(reading.places.find(({ place }) => place === 'blue')?.percent).toBe(100);
    expect(reading.trouble.join('\n')).toMatch(/not complete JSON/);
    expect(reading.certainty).toBe('configured');
  });

  it('the local router reports a place that serve has no address for, and an address that differs', async () => {
    subject = await startSubject();
    const { blue = '', grey = '' } = subject.config.addresses ?? {};
    await subject.restart({ blue, green: grey });
    const { trouble } = await local.read(subject.config, nodeIo);
    expect(trouble.join('\n')).toMatch(/no address for grey/);
    expect(trouble.join('\n')).toMatch(/sends green to .* but the config has/);
  });

  it('the local router keeps the last good split when the file sends traffic to a place without an address', async () => {
    subject = await startSubject();
    await subject.moveByHand({ blue: 0, purple: 100 });
    const reading = await local.read(subject.config, nodeIo);
    expect(reading.places.find(({ place }) => place === 'blue')?.percent).toBe(100);
    expect(reading.trouble.join('\n')).toMatch(/purple, which has no address/);
  });

  it('the local router comes back on the split that the file says when serve is started again', async () => {
    subject = await startSubject();
    await subject.moveByHand({ blue: 30, green: 70 });
    await subject.restart();
    const reading = await local.read(subject.config, nodeIo);
    expect(appliedText(reading.places)).toBe('blue=30,green=70');
  });

  it('the local router says configured, not served, when the counters began anew since the earlier reading', async () => {
    subject = await startSubject();
    await subject.traffic(50);
    const since = await local.read(subject.config, nodeIo);
    await subject.restart();
    await subject.traffic(20);
    expect((await local.read(subject.config, nodeIo, since)).certainty).toBe('configured');
  });

  it('the local router refuses a percentage finer than a hundredth', async () => {
    subject = await startSubject();
    const reading = await local.read(subject.config, nodeIo);
    expect(local.impossible(subject.config, reading, 0.01)).toBeUndefined();
    expect(local.impossible(subject.config, reading, 33.33)).toBeUndefined();
    expect(local.impossible(subject.config, reading, 0.005)).toMatch(/steps of 0\.01 %/);
  });

  it('the local router says unreachable, and not a split, when something else listens there', async () => {
    subject = await startSubject();
    const other = await startBackend(GUIDS[0] ?? '');
    const config = { ...subject.config, listen: new URL(other.address).host };
    await expect(local.read(config, nodeIo)).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringMatching(/another program is listening/),
    });
    await other.close();
  });

  it('the local router writes one file, whole, by its only change', async () => {
    subject = await startSubject();
    const split = [
      { place: 'green', build: GUIDS[1] ?? null, percent: 25 },
      { place: 'blue', build: GUIDS[0] ?? null, percent: 75 },
    ];
    const [change, ...more] = changesOf(local, subject.config, split, { leaving: 'at-once' });
    expect(more).toEqual([]);
    if (change === undefined) throw new Error('no change');
    await make(change, nodeIo, () => undefined);
    expect(JSON.parse(readFileSync(subject.config.routes, 'utf8'))).toEqual({ formatVersion: 1, split: [split[1], split[0]] });
  });
});

describe('the local router’s settings', () => {
  const good = { listen: '127.0.0.1:8080', routes: '/var/lib/edge/routes.json', addresses: { green: 'http://127.0.0.1:9002' } };

  it.each([
    ['a listen address without a port', { ...good, listen: '127.0.0.1' }],
    ['port 0, which is another one after every start', { ...good, listen: '127.0.0.1:0' }],
    ['a relative routes file', { ...good, routes: 'routes.json' }],
    ['no address', { ...good, addresses: {} }],
    ['an address with a path', { ...good, addresses: { green: 'http://127.0.0.1:9002/x' } }],
    ['an unknown key', { ...good, route: '/x' }],
  ])('the settings of the local router refuse %s', (_what, settings) => {
    expect(local.config.safeParse(settings).success).toBe(false);
  });

  it('the settings of the local router accept the example of the documentation', () => {
    expect(local.config.safeParse(good).success).toBe(true);
  });
});

describe('the word of a serve', () => {
  const half = (place: string) => ({ place, build: null, percent: 50 });
  const readBack = (split: readonly ReturnType<typeof half>[], applied: string) => {
    const config = local.config.parse({
      listen: '127.0.0.1:1',
      routes: '/r',
      addresses: { a: 'http://127.0.0.1:2' },
    }) as LocalConfig;
    const scope = { tenant: 'acme', environment: 'production', service: 'web' };
    const status = { formatVersion: 1, scope, routes: '/r', addresses: config.addresses, applied, split };
    const body = JSON.stringify({ ...status, served: {}, servedByBuild: {}, problem: null });
    return local.read(config, { ...nodeIo, http: async () => ({ status: 200, headers: {}, body }) });
  };

  it('a serve that splits by one place twice is not believed at all', async () => {
    await expect(readBack([half('a'), half('a')], 'a=50,a=50')).rejects.toMatchObject({ code: 'UNREACHABLE' });
  });

  it('a serve that applied something else than it reports is told as trouble', async () => {
    const { trouble, certainty } = await readBack([half('a'), half('b')], 'a=100');
    expect(trouble[0]).toMatch(/^kvdeploy serve applied a=100, but reports /);
    expect(certainty).toBe('configured');
  });
});

describe('a routes file', () => {
  it('a routes file has equal text for equal splits, and is read back equal', () => {
    const split = [
      { place: 'b', build: null, percent: 0.1 + 0.2 },
      { place: 'a', build: GUIDS[0] ?? null, percent: 99.7 },
    ];
    expect(routesText(split)).toBe(routesText([...split].reverse()));
    const parsed = parseRoutes(routesText(split));
    expect('split' in parsed && appliedText(parsed.split)).toBe('a=99.7,b=0.3');
  });

  it.each([
    ['no split at all', '{}'],
    ['a sum that is not 100', '{"formatVersion":1,"split":[{"place":"a","build":null,"percent":99}]}'],
    [
      'a place that stands there twice',
      '{"formatVersion":1,"split":[{"place":"a","build":null,"percent":50},{"place":"a","build":null,"percent":50}]}',
    ],
    [
      'a negative percentage',
      '{"formatVersion":1,"split":[{"place":"a","build":null,"percent":-10},{"place":"b","build":null,"percent":110}]}',
    ],
    ['another format', '{"formatVersion":2,"split":[{"place":"a","build":null,"percent":100}]}'],
    ['a GUID that is none', '{"formatVersion":1,"split":[{"place":"a","build":"latest","percent":100}]}'],
    ['half a file', '{"formatVersion":1,"split":[{"pla'],
  ])('a routes file with %s is refused', (_what, text) => {
    expect(parseRoutes(text)).toEqual({ problem: expect.stringMatching(/\S/) });
  });
});

function guid(text: string): Guid {
  return parseGuid(text) ?? ('' as Guid);
}

function replace(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}
