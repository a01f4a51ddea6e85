import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { check } from '../../../src/base/changes/checks.ts';
import { make } from '../../../src/base/changes/make.ts';
import type { Split } from '../../../src/core/rollout/split.ts';
import type { Guid } from '../../../src/core/scope.ts';
import { haproxy } from '../../../src/routers/haproxy/haproxy.ts';
import type { Leaving } from '../../../src/routers/router.ts';
import { type Backend, startBackend } from '../../servers/backend.ts';
import { type Haproxy, type HaproxyOptions, type HaproxyServer, startHaproxy } from '../../servers/haproxy.ts';
import { load } from '../../servers/load.ts';
import { until } from '../../servers/program.ts';
import { realIo } from '../../servers/real-io.ts';
import { routerContract } from '../contract.ts';
import { changesOf, checksOf } from '../readings.ts';
import { startHaproxySubject } from './haproxy-world.ts';

const BLUE = '0b9f5bd2-1111-4111-8111-111111111111' as Guid;
const GREEN = '7f3c2a10-2222-4222-8222-222222222222' as Guid;
const AT_ONCE: Leaving = { leaving: 'at-once' };

routerContract('haproxy', startHaproxySubject);

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

describe('percentages', () => {
  it('HAProxy gives 1 %: 10 of 1000 requests', async () => {
    const { proxy } = await subject();
    await shift(proxy, 1);
    await expectServed(proxy.url, { [BLUE]: 990, [GREEN]: 10 });
  });

  it('the HAProxy router refuses what weights up to 256 cannot express, and names the nearest', async () => {
    const { proxy } = await subject();
    const config = configOf(proxy);
    const reading = await haproxy.read(config, realIo);
    expect(haproxy.impossible(config, reading, 0.1)).toMatch(
      /maximum weight is 256.*cannot set 0\.1 %.*nearest possible value is 0\.389 %/,
    );
    expect(haproxy.impossible(config, reading, 99.9)).toMatch(/nearest possible value is 99\.611 %/);
    expect(haproxy.impossible(config, reading, 0.5)).toBeUndefined();
  });

  it('the HAProxy router keeps every request on a live server while it shifts under load', async () => {
    const { proxy } = await subject();
    const stats = load(proxy.url, { count: 600, perSecond: 1000 });
    for (const percent of [1, 25, 50, 100, 0, 100]) await shift(proxy, percent, { leaving: 'drain' });
    expect(await stats).toMatchObject({ ok: 600, failed: 0, lost: 0 });
  });

  it('the HAProxy router is right whatever weights haproxy.cfg begins with', async () => {
    const { proxy } = await subject({}, [{ weight: 1 }, { weight: 256, extra: 'disabled' }]);
    await shift(proxy, 25);
    await expectServed(proxy.url, { [BLUE]: 300, [GREEN]: 100 });
  });
});

describe('balance algorithms', () => {
  it.each(['static-rr', 'source', 'uri', 'hdr(host)'])('HAProxy with %s is unusable until declared static', async (balance) => {
    const { proxy } = await subject({ balance });
    expect(await proxy.command('set server gw/green weight 50')).toContain('static LB algorithm');
    const dynamic = configOf(proxy);
    const { unusable } = await haproxy.read(dynamic, realIo);
    expect(unusable).toMatchObject({ why: expect.stringContaining('0 %'), cure: expect.stringContaining('`balance: static`') });
    const config = haproxy.config.parse({ ...dynamic, balance: 'static' }) as typeof dynamic;
    const reading = await haproxy.read(config, realIo);
    expect(haproxy.impossible(config, reading, 25)).toMatch(/all traffic or none/);
    expect(haproxy.impossible(config, reading, 100)).toBeUndefined();
  });

  it('the HAProxy router moves everything and back on a static algorithm', async () => {
    const { proxy } = await subject({ balance: 'static-rr' });
    const config = haproxy.config.parse({ ...configOf(proxy), balance: 'static' }) as Config;
    for (const [percent, guid] of [
      [100, GREEN],
      [0, BLUE],
      [100, GREEN],
    ] as const) {
      await shift(proxy, percent, AT_ONCE, config);
      expect((await load(proxy.url, { count: 100 })).byBuild).toEqual({ [guid]: 100 });
      expect(await troubles(config, splitAt(percent))).toEqual([]);
    }
  });

  it('the HAProxy router refuses a static backend whose server has weight 0 in haproxy.cfg: it could never serve', async () => {
    const { proxy } = await subject({ balance: 'static-rr' }, [{}, { weight: 0 }]);
    const config = haproxy.config.parse({ ...configOf(proxy), balance: 'static' }) as Config;
    expect(haproxy.impossible(config, await haproxy.read(config, realIo), 100)).toMatch(/green has weight 0 in haproxy\.cfg/);
  });

  it.each([
    ['first', 'refusal'],
    ['leastconn', 'yes'],
    ['random', 'yes'],
    ['roundrobin', 'yes'],
  ])('HAProxy with balance %s: a step of 25 %% gets a %s, and one of 100 %% a yes', async (balance, answer) => {
    const { proxy } = await subject({ balance });
    const config = configOf(proxy);
    const reading = await haproxy.read(config, realIo);
    expect(typeof haproxy.impossible(config, reading, 25)).toBe(answer === 'refusal' ? 'string' : 'undefined');
    expect(haproxy.impossible(config, reading, 100)).toBeUndefined();
  });
});

describe('clients that are bound to a server', () => {
  const cookies = [{ cookie: 'b' }, { cookie: 'g' }];
  const bound = { headers: { cookie: 'GW=g' } };

  it('clients that are bound to a server stay there at weight 0: this is the harm', async () => {
    const { proxy } = await subject({}, cookies);
    await proxy.command('set server gw/green weight 0');
    expect((await load(proxy.url, { count: 20, ...bound })).byBuild).toEqual({ [GREEN]: 20 });
  });

  it('clients that are bound to a server are moved by a revert, and may finish while a good rollout drains', async () => {
    const { proxy } = await subject({}, cookies);
    await shift(proxy, 0, { leaving: 'drain' });
    expect((await load(proxy.url, { count: 20, ...bound })).byBuild).toEqual({ [GREEN]: 20 });
    expect((await load(proxy.url, { count: 20 })).byBuild).toEqual({ [BLUE]: 20 });
    await shift(proxy, 0);
    expect((await load(proxy.url, { count: 20, ...bound })).byBuild).toEqual({ [BLUE]: 20 });
  });

  it.each(['option persist', 'force-persist if TRUE'])('clients cannot be moved under `%s`, as the docs warn', async (line) => {
    const { proxy } = await subject({ backendLines: [line] }, cookies);
    await shift(proxy, 0);
    expect((await load(proxy.url, { count: 20, ...bound })).byBuild).toEqual({ [GREEN]: 20 });
  });

  it('clients do not hold a revert up: a request that hangs in the bad build is ended', async () => {
    const { proxy, green } = await subject();
    await shift(proxy, 100);
    green.setDelayMs(5000);
    const hanging = load(proxy.url, { count: 3 });
    await until('three requests hang', async () =>
      (await proxy.command('show stat')).includes('gw,green,0,0,3,') ? true : undefined,
    );
    await shift(proxy, 0);
    expect(await hanging).toMatchObject({ total: 3, ok: 0 });
  });
});

describe('reading back', () => {
  it('the HAProxy router says that a server which gets traffic is down', async () => {
    const { proxy, green } = await subject();
    await shift(proxy, 25);
    await green.close();
    const config = configOf(proxy);
    const reading = await until('green is seen down', async () => {
      const found = await haproxy.read(config, realIo);
      return found.places.some(({ place, up }) => place === 'green' && !up) ? found : undefined;
    });
    expect(reading.trouble).toEqual([expect.stringMatching(/reports green as DOWN/)]);
    expect(reading.places.find(({ place }) => place === 'green')?.percent).toBe(25);
    expect(await troubles(config, splitAt(25))).toEqual([expect.stringMatching(/green has srv_op_state 0/)]);
  });

  it('the HAProxy router does not call a server dead that waits in maintenance', async () => {
    const { proxy } = await subject();
    await shift(proxy, 0);
    const reading = await haproxy.read(configOf(proxy), realIo);
    expect(reading.places).toMatchObject([
      { place: 'blue', percent: 100, up: true },
      { place: 'green', percent: 0, up: true },
    ]);
    expect(reading.trouble).toEqual([]);
  });

  it('the HAProxy router says when a server still starts slowly', async () => {
    const { proxy } = await subject({}, [{}, { extra: 'slowstart 20s' }]);
    await shift(proxy, 0);
    await shift(proxy, 25);
    const { trouble } = await haproxy.read(configOf(proxy), realIo);
    expect(trouble).toEqual([expect.stringMatching(/green is in slow start/)]);
    const { places } = await haproxy.read(configOf(proxy), realIo);
    const green = places.find(({ place }) => place === 'green');
    expect(green?.percent).toBe(25);
    expect(green?.realPercent).toBeLessThan(25);
  });

  it('the HAProxy router refuses a backend with a backup server, which HAProxy would use on its own', async () => {
    const { proxy } = await subject({}, [{}, { extra: 'backup' }]);
    const config = configOf(proxy);
    expect(haproxy.impossible(config, await haproxy.read(config, realIo), 100)).toMatch(/green is a backup server/);
  });

  it('the HAProxy router refuses a server whose agent may set its weight, and shows as drift what it sets', async () => {
    const agent = net.createServer((connection) => connection.on('error', () => undefined).end('50%\n')).listen(0, '127.0.0.1');
    await once(agent, 'listening');
    open.push(async () => void agent.close());
    const port = (agent.address() as AddressInfo).port;
    const { proxy } = await subject({}, [{ extra: `agent-check agent-port ${port} agent-inter 50ms` }]);
    await shift(proxy, 75);
    await until('the agent has set 50 again', async () => {
      const { places } = await haproxy.read(configOf(proxy), realIo);
      return places[0]?.percent === 40 ? true : undefined;
    });
    const refusal = (await haproxy.read(configOf(proxy), realIo)).unusable;
    expect(refusal?.why).toMatch(/^blue has `agent-check`: its agent may set its weight/);
    expect(refusal?.cure).toMatch(/Remove `agent-check` from `server blue …`.*agentCheck: upDown/);
    const allowed = haproxy.config.parse({ ...configOf(proxy), agentCheck: 'upDown' }) as Config;
    expect((await haproxy.read(allowed, realIo)).unusable).toBeUndefined();
    await proxy.command('disable agent gw/blue');
    expect((await haproxy.read(configOf(proxy), realIo)).unusable).toBeUndefined();
  });

  it('the HAProxy router counts a request once, when its server is chosen, with and without a cookie', async () => {
    const { proxy, blue, green } = await subject({}, [{ cookie: 'b' }, { cookie: 'g' }]);
    await shift(proxy, 50);
    await load(proxy.url, { count: 100 });
    await load(proxy.url, { count: 50, headers: { cookie: 'GW=g' } });
    await load(proxy.url, { count: 50, keepAlive: false });
    const { places } = await haproxy.read(configOf(proxy), realIo);
    expect(places.map(({ served }) => served)).toEqual([blue.requests(), green.requests()]);
    expect(blue.requests() + green.requests()).toBe(200);
  });

  it('the HAProxy router knows no request counts in TCP mode, where one connection can carry many', async () => {
    const { proxy } = await subject({ backendLines: ['mode tcp'], frontendLines: ['mode tcp'] });
    const { places } = await haproxy.read(configOf(proxy), realIo);
    expect(places.map(({ served }) => served)).toEqual([null, null]);
  });

  it('the HAProxy router rejects when HAProxy has no such backend', async () => {
    const { proxy } = await subject();
    const config = { ...configOf(proxy), backend: 'elsewhere' };
    await expect(haproxy.read(config, realIo)).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringMatching(/no backend/),
    });
  });

  it('the HAProxy router takes the environment from the description or the node name, word by word', async () => {
    const { proxy } = await subject({ description: 'Gateway (environment=Staging, rack 4)' });
    expect(await haproxy.identify(configOf(proxy), realIo)).toEqual(['gateway', 'environment', 'staging', 'rack', '4']);
    const byNode = { ...configOf(proxy), identify: 'node' as const };
    expect(await haproxy.identify(byNode, realIo)).not.toContain('staging');
  });
});

describe('a connection that was opened before a pause', () => {
  it('a connection opened before a pause is closed by HAProxy after `stats timeout`: a later line is lost', async () => {
    const { proxy } = await subject({ statsTimeout: '300ms' });
    const connection = net.connect(proxy.sockets[0] ?? '');
    const startedAt = performance.now();
    await once(connection.resume(), 'close');
    expect(performance.now() - startedAt).toBeLessThan(3000);
  });
});

describe('several locations', () => {
  it('several HAProxy locations are all set, and agree', async () => {
    const { proxy } = await subject({ sockets: 2 });
    await shift(proxy, 25);
    for (const url of proxy.urls) await expectServed(url, { [BLUE]: 300, [GREEN]: 100 });
    const reading = await haproxy.read(configOf(proxy), realIo);
    expect(reading.trouble).toEqual([]);
    expect(reading.places.map(({ percent }) => percent)).toEqual([75, 25]);
    expect(reading.places.reduce((sum, { served }) => sum + (served ?? 0), 0)).toBe(800);
  });

  it('several HAProxy locations are named when they disagree, and their mean is the serving split', async () => {
    const { proxy } = await subject({ sockets: 2 });
    await shift(proxy, 0);
    await proxy.command('set server gw/green weight 100; set server gw/green state ready', 1);
    const reading = await haproxy.read(configOf(proxy), realIo);
    expect(reading.trouble).toEqual([
      `${proxy.sockets[1]} reports blue 50 %, green 50 %, but ${proxy.sockets[0]} reports blue 100 %`,
    ]);
    expect(reading.places.map(({ percent }) => percent)).toEqual([75, 25]);
    expect(await troubles(configOf(proxy), splitAt(0))).toHaveLength(1);
  });

  it.each([
    ['hangs', (proxy: Haproxy) => proxy.freeze(1), (proxy: Haproxy) => proxy.sockets[1] ?? ''],
    ['is gone', async () => undefined, () => '/nowhere/admin.sock'],
  ])('one HAProxy that %s is unknown, and the others still show split, addresses and counters', async (_how, hurt, at) => {
    const { proxy } = await subject({ sockets: 2 });
    await shift(proxy, 25);
    await load(proxy.url, { count: 100 });
    await hurt(proxy);
    const config = { ...configOf(proxy), sockets: [proxy.sockets[0] ?? '', at(proxy)] };
    const reading = await haproxy.read(config, realIo);
    expect(reading).toMatchObject({ certainty: 'configured', unseen: [{ why: expect.stringContaining(at(proxy)) }] });
    expect(reading.trouble).toEqual([reading.unseen?.[0]?.why]);
    expect(reading.places.map(({ percent }) => percent)).toEqual([75, 25]);
    const members = reading.locations.flatMap((location) => location.members);
    expect(members.map(({ ask }) => ask.address)).not.toContain(null);
    expect(members.map(({ counters }) => counters.byClass?.['2xx'])).toEqual([75, 25]);
    expect(await haproxy.identify(config, realIo)).toContain('production');
  });

  it('HAProxy cannot be read where no socket of several answers', async () => {
    const { proxy } = await subject();
    const config = { ...configOf(proxy), sockets: ['/nowhere/a.sock', '/nowhere/b.sock'] };
    await expect(haproxy.read(config, realIo)).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining('/nowhere/a.sock'),
    });
  });
});

describe('configuration', () => {
  const good = { sockets: ['/run/haproxy/admin.sock'], backend: 'gw' };

  it.each([
    ['a relative socket', { ...good, sockets: ['run/admin.sock'] }],
    ['no socket', { ...good, sockets: [] }],
    ['one socket twice', { ...good, sockets: ['/a', '/a'] }],
    ['a socket path of 108 bytes', { ...good, sockets: [`/${'s'.repeat(107)}`] }],
    ['a socket path of 107 characters that are more bytes', { ...good, sockets: [`/${'é'.repeat(106)}`] }],
    ['a backend that would end the command', { ...good, backend: 'gw; shutdown' }],
    ['one state file for two sockets', { ...good, sockets: ['/a', '/b'], serverStateFile: '/state' }],
    ['an unknown key', { ...good, slots: {} }],
  ])('the HAProxy router refuses a config with %s', (_what, config) => {
    expect(haproxy.config.safeParse(config).success).toBe(false);
  });

  it('the HAProxy router takes a socket path of 107 bytes, which is what the kernel takes', () => {
    expect(haproxy.config.safeParse({ ...good, sockets: [`/${'é'.repeat(53)}`] }).success).toBe(true);
  });

  it('the HAProxy router takes paths and host:port, and names each socket with the backend as a target', () => {
    const config = haproxy.config.parse({ ...good, sockets: ['/run/a.sock', '10.0.0.4:9999', '[::1]:9999'] }) as Config;
    expect(haproxy.targets(config)).toEqual(['/run/a.sock gw', '10.0.0.4:9999 gw', '[::1]:9999 gw']);
  });

  it('the HAProxy router renders what takes traffic before what leaves, and saves the states last', () => {
    const config = haproxy.config.parse({ ...good, serverStateFile: '/var/lib/haproxy/state' }) as Config;
    expect(changesOf(haproxy, config, splitAt(0), AT_ONCE)).toEqual([
      {
        kind: 'socket',
        address: '/run/haproxy/admin.sock',
        commands: [
          'set server gw/blue weight 100',
          'set server gw/blue state ready',
          'set server gw/green state maint',
          'set server gw/green weight 0',
          'shutdown sessions server gw/green',
        ],
        timeoutMs: 2000,
      },
      {
        kind: 'socket',
        address: '/run/haproxy/admin.sock',
        commands: ['show servers state'],
        saveTo: '/var/lib/haproxy/state',
        timeoutMs: 2000,
      },
    ]);
  });

  it('the HAProxy router keeps every line below what HAProxy reads at once, however many servers there are', () => {
    const split = [
      ...splitAt(0),
      ...Array.from({ length: 300 }, (_, index) => ({ place: `old-${index}`, build: null, percent: 0 })),
    ];
    const config = haproxy.config.parse(good) as Config;
    const changes = changesOf(haproxy, config, split, AT_ONCE);
    const lines = changes.flatMap((change) => (change.kind === 'socket' ? [change.commands.join('; ')] : []));
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(16_000);
    expect(lines.join('\n').match(/state maint/g)).toHaveLength(301);
  });
});

type Config = ReturnType<typeof configOf>;

function configOf(proxy: Haproxy) {
  return haproxy.config.parse({
    sockets: proxy.sockets,
    backend: proxy.backend,
    serverStateFile: proxy.stateFiles,
  }) as Parameters<typeof haproxy.targets>[0];
}

/** Blue and green behind a real HAProxy; both serve at the start. */
async function subject(
  options: Partial<HaproxyOptions> = {},
  servers: readonly Partial<HaproxyServer>[] = [],
): Promise<{ proxy: Haproxy; blue: Backend; green: Backend }> {
  const [blue, green] = (await Promise.all([BLUE, GREEN].map((guid) => startBackend({ guid })))) as [Backend, Backend];
  const proxy = await startHaproxy({
    ...options,
    servers: [
      { name: 'blue', port: blue.port, ...servers[0] },
      { name: 'green', port: green.port, ...servers[1] },
    ],
  });
  open.push(
    () => blue.close(),
    () => green.close(),
    () => proxy.stop(),
  );
  return { proxy, blue, green };
}

/** Sends as many requests as are expected; weighted round robin may be off by two where it begins. */
async function expectServed(url: string, expected: Readonly<Record<string, number>>): Promise<void> {
  const { byBuild } = await load(url, { count: Object.values(expected).reduce((sum, count) => sum + count, 0) });
  for (const [guid, count] of Object.entries(expected))
    expect(Math.abs((byBuild[guid] ?? 0) - count), JSON.stringify(byBuild)).toBeLessThan(3);
}

function splitAt(percent: number): Split {
  return [
    { place: 'blue', build: BLUE, percent: 100 - percent },
    { place: 'green', build: GREEN, percent },
  ];
}

async function shift(proxy: Haproxy, percent: number, how = AT_ONCE, config = configOf(proxy)): Promise<void> {
  for (const change of changesOf(haproxy, config, splitAt(percent), how)) await make(change, realIo, () => undefined);
}

/** What break-glass would say, by the checks alone. */
async function troubles(config: Config, split: Split): Promise<string[]> {
  const checked = await Promise.all(checksOf(haproxy, config, split).map((one) => check(one, realIo)));
  return checked.flatMap((one) => ('ok' in one ? (one.ok ? [] : [one.why]) : [one.unknown]));
}
