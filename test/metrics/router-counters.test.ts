/** What the routers themselves count, through a real HAProxy and a real `kvdeploy serve`: every way in which a request can end. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { gatePollOf } from '../../src/core/gates/counting/blocks.ts';
import { type ArmCounters, type Counters, countersSince, NO_COUNTERS } from '../../src/core/gates/counting/counters.ts';
import { WHOLE } from '../../src/core/gates/gate-settings.ts';
import type { Guid } from '../../src/core/scope.ts';
import type { MetricSource, Question } from '../../src/metrics/metric-source.ts';
import { haproxyCounters, localCounters } from '../../src/metrics/router-counters.ts';
import { haproxy } from '../../src/routers/haproxy/haproxy.ts';
import { local } from '../../src/routers/local/local.ts';
import { downsAt } from '../../src/routers/places.ts';
import type { Reading } from '../../src/routers/router.ts';
import { serve } from '../../src/serve/serve.ts';
import { changesOf } from '../routers/readings.ts';
import { startBackend } from '../serve/backend.ts';
import { type HaproxyOptions, startHaproxy } from '../servers/haproxy.ts';
import { until } from '../servers/program.ts';
import { realIo } from '../servers/real-io.ts';
import { type SourceUnderTest, sourceContract } from './contract.ts';

const BLUE = '0b9f5bd2-1111-4111-8111-111111111111' as Guid;
const GREEN = '7f3c2a10-2222-4222-8222-222222222222' as Guid;
const SCOPE = { tenant: 'acme', environment: 'production', service: 'gw' };

/** A router with blue and green behind it, green being what the path of each request asks for. */
interface Routed {
  readonly source: MetricSource<unknown>;
  readonly urls: readonly string[];
  read(): Promise<Reading>;
  /** Every request to one place from now on. */
  only(place: 'blue' | 'green'): Promise<void>;
  restart(): Promise<void>;
  /** Ends green: nobody listens there any more. */
  end(): Promise<void>;
}

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** Answers as its path says: `/500`, `/hang`, `/cut`, `/reset`, `/half`, `/slow`. */
function obey({ url = '' }: IncomingMessage, response: ServerResponse): void {
  const word = url.slice(1);
  if (word === 'hang') return;
  if (word === 'cut') response.socket?.destroy();
  else if (word === 'reset') response.socket?.resetAndDestroy();
  else if (word === 'slow') {
    response.writeHead(200, { 'content-length': '1000' }).write('the beginning');
    setTimeout(() => response.end(' and the end'.padEnd(1000 - 13)), 300);
  } else if (word === 'half') {
    response.writeHead(200, { 'content-length': '1000' }).write('half of it');
    setTimeout(() => response.socket?.destroy(), 50);
  } else response.writeHead(Number(word) || 200).end();
}

async function backends() {
  const [blue, green] = [await startBackend(BLUE, obey), await startBackend(GREEN, obey)];
  open.push(blue.close, green.close);
  return { blue, green };
}

const portOf = (address: string) => Number(new URL(address).port);

async function throughHaproxy(options: Partial<HaproxyOptions> = {}): Promise<Routed> {
  const { blue, green } = await backends();
  const proxy = await startHaproxy({
    servers: [
      { name: 'blue', port: portOf(blue.address) },
      { name: 'green', port: portOf(green.address) },
    ],
    backendLines: ['timeout server 400ms'],
    ...options,
  });
  open.push(proxy.stop);
  const config = haproxy.config.parse({ sockets: proxy.sockets, backend: 'gw', serverStateFile: proxy.stateFiles });
  const only = async (place: string) => {
    const other = place === 'blue' ? 'green' : 'blue';
    for (const socket of proxy.sockets.keys()) {
      await proxy.command(`set server gw/${place} state ready; set server gw/${other} state maint`, socket);
    }
  };
  return {
    source: haproxyCounters,
    urls: proxy.urls,
    read: () => haproxy.read(config as never, realIo),
    only,
    restart: proxy.reload,
    end: green.close,
  };
}

async function throughServe(): Promise<Routed> {
  const { blue, green } = await backends();
  const folder = mkdtempSync(join(tmpdir(), 'kvd-'));
  const routes = join(folder, 'routes.json');
  const addresses = { blue: blue.address, green: green.address };
  const start = (listen: string) => serve({ scope: SCOPE, listen, routes, addresses, initially: 'blue' }, () => undefined);
  let serving = await start('127.0.0.1:0');
  open.push(async () => {
    await serving.close();
    rmSync(folder, { recursive: true });
  });
  const { host } = new URL(serving.url);
  const config = local.config.parse({ listen: host, routes, addresses });
  const read = () => local.read(config as never, realIo);
  const only = async (place: 'blue' | 'green') => {
    const split = [
      { place: 'blue', build: BLUE, percent: place === 'blue' ? 100 : 0 },
      { place: 'green', build: GREEN, percent: place === 'green' ? 100 : 0 },
    ];
    for (const change of changesOf(local, config as never, split, { leaving: 'at-once' })) {
      if (change.kind === 'write-file') writeFileSync(change.path, change.content);
    }
    await until('it is served', async () =>
      (await read()).places.find((one) => one.place === place)?.percent === 100 ? true : undefined,
    );
  };
  return {
    source: localCounters,
    urls: [`http://${host}/`],
    read,
    only,
    restart: async () => {
      await serving.close();
      serving = await start(host);
    },
    end: green.close,
  };
}

const question = (place: string, router: Reading | null): Question => ({
  scope: SCOPE,
  build: GREEN,
  place,
  router,
});

async function count({ source, read }: Routed): Promise<Counters> {
  const router = await read();
  return source.count({}, { candidate: question('green', router), stable: question('blue', router) }, realIo);
}

function targets(arm: ArmCounters) {
  if (!('targets' in arm)) throw new Error(JSON.stringify(arm));
  return Object.values(arm.targets);
}

/** The counters of one build that are not 0. */
function nonzero(arm: ArmCounters): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const target of targets(arm))
    for (const { counter, value } of target.counters ?? []) if (value > 0) sums[counter] = (sums[counter] ?? 0) + value;
  return sums;
}

/** Waits until the router has counted so many requests of the candidate. */
async function counted(routed: Routed, requests: number): Promise<Counters> {
  return until(
    `${requests} requests are counted`,
    async () => {
      const reading = await count(routed);
      return (nonzero(reading.candidate)['requests'] ?? 0) >= requests ? reading : undefined;
    },
    3000,
  );
}

/** Sends one request to each path, one after the other; resolves when each ended in whatever way. */
async function send(url: string, paths: readonly string[], leaveMs?: number): Promise<void> {
  for (const path of paths) {
    await new Promise<void>((resolve) => {
      const request = http.get(`${url}${path}`, { agent: false }, (response) => {
        response.resume();
        response.once('close', resolve);
      });
      request.once('error', () => resolve());
      if (leaveMs !== undefined) setTimeout(() => request.destroy(), leaveMs);
    });
  }
}

const kinds = [
  ['haproxy', throughHaproxy],
  ['local', throughServe],
] as const;

for (const [kind, begin] of kinds) {
  sourceContract(kind, async (): Promise<SourceUnderTest<unknown>> => {
    const routed = await begin();
    await routed.only('green');
    await send(routed.urls[0] ?? '', ['500', '200', '500']);
    await routed.only('blue');
    await send(routed.urls[0] ?? '', ['200', '200']);
    await counted(routed, 3);
    const reading = await routed.read();
    let gone = false;
    return {
      source: routed.source,
      config: {},
      io: realIo,
      get healthy() {
        return question('blue', gone ? null : reading);
      },
      failing: question('green', reading),
      unknown: question('purple', reading),
      hang: async () => {
        gone = true;
      },
      close: async () => {
        for (const close of open.splice(0).reverse()) await close();
      },
    };
  });

  describe(`the counters of ${kind}`, () => {
    it(`the counters of ${kind} count every request of a build once, by how it ended, and none of the other build`, async () => {
      const routed = await begin();
      await routed.only('green');
      await send(routed.urls[0] ?? '', ['200', '204', '302', '500', '503', '401', '401', '404']);
      const { candidate, stable } = await counted(routed, 8);
      const single = { requests: 8, errors: 2, 401: 2, 404: 1, 'other 3xx': 1, 'other 2xx': 1 };
      expect(nonzero(candidate)).toEqual(kind === 'local' ? single : { requests: 8, errors: 2, '4xx': 3, '3xx': 1 });
      expect(nonzero(stable)).toEqual({});
    });

    it(`the counters of ${kind} count a connection that was cut, with no answer, as an error`, async () => {
      const routed = await begin();
      await routed.only('green');
      await send(routed.urls[0] ?? '', ['200', 'cut', 'cut']);
      expect(nonzero((await counted(routed, 3)).candidate)).toMatchObject({ requests: 3, errors: 2 });
    });

    it(`the counters of ${kind} count a client that left in the middle of a good answer for no error`, async () => {
      const routed = await begin();
      await routed.only('green');
      await send(routed.urls[0] ?? '', ['slow'], 100);
      await send(routed.urls[0] ?? '', ['slow']);
      expect(nonzero((await counted(routed, 2)).candidate)).toEqual({ requests: 2 });
    });

    // HAProxy tries three times more, a second apart, before it counts.
    it(`the counters of ${kind} count a build that is gone as errors`, { timeout: 60_000 }, async () => {
      const routed = await begin();
      await routed.only('green');
      await send(routed.urls[0] ?? '', ['200']);
      const before = await counted(routed, 1);
      await routed.end();
      await send(routed.urls[0] ?? '', ['200']);
      const after = await until(
        'it is counted',
        async () => {
          const reading = await count(routed);
          return (nonzero(reading.candidate)['errors'] ?? 0) > 0 ? reading : undefined;
        },
        30_000,
      );
      const delta = countersSince(countersSince(NO_COUNTERS, before, 15_000).memory, after, 15_000);
      const { blocks } = gatePollOf(delta, routed.source.metrics({}));
      const { requests, failures } = blocks['errors']?.[WHOLE]?.candidate ?? { requests: 0, failures: 0 };
      expect(failures).toBeGreaterThan(0);
      expect(failures).toBeLessThanOrEqual(requests);
    });

    it(`the counters of ${kind} never lose an error of a broken-off answer, nor count more errors than requests`, async () => {
      const routed = await begin();
      await routed.only('green');
      await send(routed.urls[0] ?? '', ['half', 'half', '200']);
      const { requests = 0, errors = 0 } = nonzero((await counted(routed, 3)).candidate);
      expect(errors).toBe(2);
      expect(errors).toBeLessThanOrEqual(requests);
    });

    it(`the counters of ${kind} count a client that gave up waiting as an error of the build`, async () => {
      const routed = await begin();
      await routed.only('green');
      await send(routed.urls[0] ?? '', ['hang'], 100);
      expect(nonzero((await counted(routed, 1)).candidate)).toEqual({ requests: 1, errors: 1 });
    });

    it(`the counters of ${kind} begin anew with the router, which is seen and invents nothing`, async () => {
      const routed = await begin();
      await routed.only('green');
      await send(routed.urls[0] ?? '', ['200', '200', '500', '500']);
      const before = await counted(routed, 4);
      await routed.restart();
      await routed.only('green');
      await send(routed.urls[0] ?? '', ['200', '500']);
      const after = await counted(routed, 2);
      const delta = countersSince(countersSince(NO_COUNTERS, before, 15_000).memory, after, 15_000);
      expect(delta.candidate).toMatchObject({ arm: { state: 'reset', why: expect.stringMatching(/restarted/) }, restarts: 1 });
      const { blocks } = gatePollOf(delta, routed.source.metrics({}));
      expect(blocks['errors']?.[WHOLE]?.candidate).toEqual({ requests: 2, failures: 1 });
    });

    it(`the counters of ${kind} are missing, with the reason, for a lost place and for an unread router`, async () => {
      const routed = await begin();
      const reading = await routed.read();
      const missing = async (asked: Question) =>
        (await routed.source.count({}, { candidate: asked, stable: null }, realIo)).candidate;
      expect(await missing(question('purple', reading))).toEqual({ missing: 'the router has no place purple' });
      expect(await missing(question('green', null))).toEqual({ missing: 'the router cannot be read' });
    });
  });
}

describe('HAProxy alone', () => {
  it('HAProxy counts a request that hangs until its own timeout as an error', async () => {
    const routed = await throughHaproxy();
    await routed.only('green');
    await send(routed.urls[0] ?? '', ['hang', '200']);
    expect(nonzero((await counted(routed, 2)).candidate)).toEqual({ requests: 2, errors: 1 });
  });

  it('HAProxy counts a reset before the answer twice, as measured: never too few errors', async () => {
    const routed = await throughHaproxy();
    await routed.only('green');
    await send(routed.urls[0] ?? '', ['reset', '200']);
    expect(nonzero((await counted(routed, 3)).candidate)).toEqual({ requests: 3, errors: 2 });
  });

  it('HAProxy counts at each of two locations by itself: the reload of one is seen', async () => {
    const routed = await throughHaproxy({ sockets: 2 });
    await routed.only('green');
    for (const url of routed.urls) await send(url, ['200', '500']);
    const { candidate } = await counted(routed, 4);
    expect(targets(candidate).length).toBe(2);
    expect(nonzero(candidate)).toEqual({ requests: 4, errors: 2 });
  });

  it('HAProxy tells how often a health check took a build down, at each location; maintenance does not count', async () => {
    const routed = await throughHaproxy({ sockets: 2 });
    await routed.only('green');
    const downs = async (place: string) => downsAt(await routed.read(), place);
    const before = Object.values(await downs('green'));
    expect(before.length).toBe(2);
    expect(await downs('blue')).toEqual({});
    const counted = await count(routed);
    await routed.end();
    const after = await until('both saw it go down', async () => {
      const now = Object.values(await downs('green'));
      return now.every((times, index) => times === (before[index] ?? 0) + 1) ? now : undefined;
    });
    expect(after.length).toBe(2);
    const delta = countersSince(countersSince(NO_COUNTERS, counted, 15_000).memory, await count(routed), 15_000);
    expect(delta.candidate.crashes?.failures).toBe(1);
    const unchecked = await throughHaproxy({
      servers: ['blue', 'green'].map((name) => ({ name, port: 1, extra: 'no-check' })),
    });
    const { locations } = await unchecked.read();
    const members = locations.flatMap((location) => location.members);
    expect(members.map(({ counters }) => counters.downs)).toEqual([undefined, undefined]);
  });

  it('HAProxy does not count in TCP mode, and says so', async () => {
    const routed = await throughHaproxy({ backendLines: ['mode tcp'], frontendLines: ['mode tcp'] });
    expect((await count(routed)).candidate).toEqual({ missing: expect.stringMatching(/not in HTTP mode/) });
  });
});
