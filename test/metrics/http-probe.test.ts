import { createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gatePollOf } from '../../src/core/gates/counting/blocks.ts';
import { type Counters, countersSince, NO_COUNTERS } from '../../src/core/gates/counting/counters.ts';
import { WHOLE } from '../../src/core/gates/gate-settings.ts';
import { emptyMemory, judgeGate } from '../../src/core/gates/verdict/gate.ts';
import { parseGuid } from '../../src/core/scope.ts';
import { type Io, nodeIo } from '../../src/io.ts';
import { type HttpProbeConfig, httpProbe } from '../../src/metrics/http-probe.ts';
import type { Question } from '../../src/metrics/metric-source.ts';
import { readingOf, type Told } from '../routers/readings.ts';
import { type Answering, type Backend, startBackend } from '../serve/backend.ts';
import { until } from '../servers/program.ts';
import { type SourceUnderTest, sourceContract } from './contract.ts';

const GUID = '7c9e6679-7425-40de-944b-e07fc1f90ae7';
const SCOPE = { tenant: 'acme', environment: 'production', service: 'kv-gateway' };

sourceContract('http-probe', startSubject);

async function startSubject(): Promise<SourceUnderTest<HttpProbeConfig>> {
  let hanging = false;
  const well = await startBackend(GUID, (_request, response) => void (hanging ? undefined : response.end('ok')));
  const sick = await startBackend(GUID, (_request, response) => response.writeHead(500).end());
  return {
    source: httpProbe,
    config: settings({}),
    io: nodeIo,
    healthy: question(well.address),
    failing: question(sick.address),
    unknown: question(null),
    hang: async () => {
      hanging = true;
    },
    close: async () => {
      await Promise.all([well.close(), sick.close()]);
    },
  };
}

describe('http-probe', () => {
  let backend: Backend | undefined;
  let answering: Answering = (_request, response) => response.end('ok');
  beforeEach(async () => {
    backend = await startBackend(GUID, (request, response) => answering(request, response));
  });
  afterEach(() => backend?.close());

  const measure = (more: object, address = backend?.address ?? null) =>
    httpProbe.measure(settings(more), question(address), nodeIo);

  it('an http-probe counts each probe of a poll, on a fresh connection each', async () => {
    answering = (_request, response) => response.end('ok');
    expect(await measure({ probes: 20 })).toEqual({ requests: 20, errors: 0, counting: 'sample', detail: '20 x 200' });
    expect(backend?.connections()).toBe(20);
  });

  it.each([401, 403, 404, 302, 500, 503])('an http-probe counts %i as a failure', async (code) => {
    answering = (_request, response) => response.writeHead(code, { location: '/elsewhere' }).end();
    expect(await measure({})).toEqual({ requests: 10, errors: 10, counting: 'sample', detail: `10 x ${code}` });
  });

  it('an http-probe takes 401 for good only where it is expected, and then 200 no longer', async () => {
    answering = (_request, response) => response.writeHead(401).end();
    expect(await measure({ expectStatus: [401] })).toMatchObject({ requests: 10, errors: 0 });
    answering = (_request, response) => response.end();
    expect(await measure({ expectStatus: [401] })).toMatchObject({ requests: 10, errors: 10 });
  });

  it('an http-probe says what it saw, the commonest first', async () => {
    let count = 0;
    answering = (_request, response) => {
      count += 1;
      response.writeHead(count % 4 === 0 ? 401 : 200).end();
    };
    expect(await measure({ probes: 12 })).toEqual({ requests: 12, errors: 3, counting: 'sample', detail: '9 x 200, 3 x 401' });
  });

  it('an http-probe fails an answer with another header, or without the expected text', async () => {
    answering = (_request, response) => response.setHeader('x-ready', 'almost').end('warming up');
    expect(await measure({ header: { name: 'X-Ready', equals: 'yes' } })).toMatchObject({
      errors: 10,
      detail: '10 x 200 with a different X-Ready',
    });
    expect(await measure({ header: { name: 'X-Ready', equals: 'almost' } })).toMatchObject({ errors: 0 });
    expect(await measure({ bodyIncludes: 'ready' })).toMatchObject({ errors: 10, detail: '10 x 200 without the expected text' });
    expect(await measure({ bodyIncludes: 'warming' })).toMatchObject({ errors: 0 });
  });

  it('an http-probe fails an answer that is slower than its limit', async () => {
    answering = (_request, response) => void setTimeout(() => response.end('ok'), 80);
    expect(await measure({ probes: 5, maxLatency: '40ms' })).toMatchObject({
      requests: 5,
      errors: 5,
      detail: '5 x 200 slower than 40ms',
    });
  });

  it('an http-probe counts a refused connection as a failure, not as missing', async () => {
    const address = backend?.address ?? '';
    await backend?.close();
    backend = undefined;
    expect(await measure({}, address)).toEqual({ requests: 10, errors: 10, counting: 'sample', detail: '10 x refused' });
  });

  it('an http-probe counts a connection that is cut off as a failure', async () => {
    answering = (request) => request.socket.resetAndDestroy();
    expect(await measure({})).toMatchObject({ requests: 10, errors: 10, detail: '10 x cut off' });
  });

  it('an http-probe counts a timeout as a failure, and sends fewer probes to a build that hangs', async () => {
    answering = () => undefined;
    expect(await measure({ probes: 100, timeout: '300ms' })).toMatchObject({
      detail: expect.stringMatching(/^\d+ x timed out$/),
    });
    const startedAt = performance.now();
    const measurement = await measure({ probes: 100, timeout: '2s' });
    expect(measurement).toMatchObject({ requests: 5, errors: 5 });
    expect(performance.now() - startedAt).toBeLessThan(2500);
  });

  it('an http-probe does not blame a slow but good build for the end of the poll', async () => {
    answering = (_request, response) => void setTimeout(() => response.end('ok'), 200);
    const measurement = await measure({ probes: 100 });
    expect(measurement).toMatchObject({ errors: 0 });
  });

  it('an http-probe counts an answer that is no HTTP as a failure', async () => {
    const sockets = new Set<Socket>();
    const odd = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined).end('SSH-2.0-OpenSSH\r\n');
    });
    await new Promise<void>((resolve) => odd.listen(0, '127.0.0.1', resolve));
    const address = odd.address();
    const port = typeof address === 'object' ? address?.port : 0;
    expect(await measure({}, `http://127.0.0.1:${port}`)).toMatchObject({ requests: 10, errors: 10 });
    for (const socket of sockets) socket.destroy();
    odd.close();
  });

  it('an http-probe counts as missing, with the reason, where the router reports no address or a strange one', async () => {
    expect(await httpProbe.measure(settings({}), question(null), nodeIo)).toEqual({
      missing: expect.stringMatching(/no address for green/),
    });
    expect(await httpProbe.measure(settings({}), question('/run/green.sock'), nodeIo)).toEqual({
      missing: expect.stringMatching(/not an http address/),
    });
  });

  it.each([
    ['more probes than 100', { probes: 101 }],
    ['a timeout over 2 s', { timeout: '3s' }],
    ['a path with a space', { path: '/a b' }],
    ['an unknown key', { status: 200 }],
    ['an empty list of statuses', { expectStatus: [] }],
  ])('an http-probe does not take %s', (_what, more) => {
    expect(httpProbe.config.safeParse(more).success).toBe(false);
  });

  it('an http-probe says its question as a person would ask it', () => {
    expect(httpProbe.describe(settings({ maxLatency: '250ms' }), question(null))).toBe(
      '10 x GET http://<address of the build>/healthz, expecting any 2xx, within 250ms',
    );
  });
});

describe('http-probe over the members of a place', () => {
  const open: Backend[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((backend) => backend.close()));
  });
  /** One member for each status that it answers. */
  const members = async (...statuses: readonly number[]): Promise<Told[]> => {
    const told: Told[] = [];
    for (const [index, status] of statuses.entries()) {
      const backend = await startBackend(GUID, (_request, response) => response.writeHead(status).end());
      open.push(backend);
      told.push({ place: 'green', name: `green-${index + 1}`, percent: 25, address: backend.address });
    }
    return told;
  };
  const measure = (told: readonly Told[], more: object) => httpProbe.measure(settings(more), about(told), nodeIo);
  const requests = () => open.map((backend) => backend.requests());

  it('an http-probe shares its requests out between the members of a place, and asks each at least once', async () => {
    const told = await members(200, 200, 200);
    expect(await measure(told, { probes: 10 })).toMatchObject({ requests: 10, errors: 0, detail: '10 x 200' });
    expect(requests().toSorted()).toEqual([3, 3, 4]);
    expect(await measure(told, { probes: 1 })).toMatchObject({ requests: 3 });
  });

  it('an http-probe names the member whose answers fail, and what they were', async () => {
    const told = await members(200, 500, 200);
    expect(await measure(told, { probes: 6 })).toMatchObject({
      requests: 6,
      errors: 2,
      detail: '4 x 200, 2 x 500 (member green-2: 2 x 500)',
    });
  });

  it('a limit on probes fails for the one member of ten whose every answer fails, however high it is', async () => {
    const told = await members(...Array.from({ length: 10 }, (_, at) => (at === 6 ? 500 : 200)));
    let memory = emptyMemory(null);
    let judged: ReturnType<typeof judgeGate>['judged'] | undefined;
    for (let poll = 0; poll < 10; poll += 1)
      ({ judged, memory } = judgeGate({ max: 0.3, minRequests: 10 }, memory, await measure(told, { probes: 20 })));
    expect(judged).toMatchObject({ verdict: 'fail', requests: 200, errors: 20 });
    expect(judged?.why).toMatch(/^member green-7: 20 of 20 \(100 %\) failed \(20 x 500\), limit 30 %; all members: 20 of 200/);
  });

  it('an http-probe names a member that is down, and probes it only where no member takes requests', async () => {
    const [first, second] = (await members(200, 503)) as [Told, Told];
    const down = { ...second, up: false };
    expect(await measure([first, down], { probes: 4 })).toMatchObject({
      requests: 4,
      errors: 0,
      detail: '4 x 200; member green-2 is down and was not probed',
    });
    expect(await measure([{ ...first, draining: true }, down], { probes: 4 })).toMatchObject({ requests: 4, errors: 2 });
  });

  it('an http-probe has no answer where one of several members has no address', async () => {
    const [first] = (await members(200)) as [Told];
    const nameless = { place: 'green', name: 'green-2', percent: 25, address: null };
    expect(await measure([first, nameless], {})).toEqual({
      missing: 'the router reports no address for green-2 of green, so its build cannot be probed',
    });
  });

  it('an http-probe asks a member once, however many locations send requests to it', async () => {
    const told = await members(200, 200);
    const { locations } = readingOf(told);
    const edges = ['one', 'other'].flatMap((name) => locations.map((location) => ({ ...location, name })));
    const router = readingOf(told, { locations: edges });
    expect(await httpProbe.measure(settings({ probes: 1 }), { ...about(told), router }, nodeIo)).toMatchObject({ requests: 2 });
  });

  it('an http-probe that cannot ask all members in one poll begins the next with the others', async () => {
    const told = Array.from({ length: 50 }, (_, index): Told => {
      return { place: 'green', name: `green-${index}`, percent: 1, address: `http://10.0.0.${index}` };
    });
    const config = settings({ probes: 1 });
    let nowMs = 0;
    const asked: string[] = [];
    const http: Io['http'] = async ({ url }) => {
      asked.push(url);
      nowMs += 50;
      return { status: 200, headers: {}, body: '' };
    };
    const io: Io = { ...nodeIo, monotonic: () => nowMs, http };
    const pollLengths = [];
    while (asked.length < 50) {
      const before = asked.length;
      await httpProbe.measure(config, about(told), io);
      pollLengths.push(asked.length - before);
    }
    expect(pollLengths.length).toBeGreaterThan(1);
    expect(new Set(asked.slice(0, 50)).size).toBe(50);
  });

  it('a paired http-probe counts by member, so that one bad member of three is seen as that one', async () => {
    const told = await members(200, 500, 200);
    const [well] = (await members(200)) as [Told];
    const asked = { candidate: about(told), stable: about([{ ...well, place: 'blue' }], 'blue') };
    const config = settings({ probes: 9 });
    const first = await httpProbe.count(config, asked, nodeIo);
    const delta = countersSince(
      countersSince(NO_COUNTERS, first, 5000).memory,
      await httpProbe.count(config, asked, nodeIo),
      5000,
    );
    const errors = gatePollOf(delta, httpProbe.metrics(config)).members?.['errors'] ?? {};
    expect(Object.entries(errors).map(([name, { candidate }]) => [name, candidate])).toEqual([
      ['member green-1', { requests: 3, failures: 0 }],
      ['member green-2', { requests: 3, failures: 3 }],
      ['member green-3', { requests: 3, failures: 0 }],
    ]);
  });
});

describe('http-probe as a paired test', () => {
  const open: Backend[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((backend) => backend.close()));
  });
  const backend = async (answering: Answering) => {
    const started = await startBackend(GUID, answering);
    open.push(started);
    return started;
  };
  const pair = (candidate: Backend, stable: Backend) => ({
    candidate: question(candidate.address),
    stable: question(stable.address, 'blue'),
  });
  const well: Answering = (_request, response) => response.end('ok');
  const judged = (before: Counters, after: Counters) => {
    const delta = countersSince(countersSince(NO_COUNTERS, before, 5000).memory, after, 5000);
    return gatePollOf(delta, httpProbe.metrics(settings({}))).blocks['errors']?.[WHOLE];
  };

  it('a paired http-probe probes both builds alike, at the same time, and counts on from poll to poll', async () => {
    const times: Record<string, number[]> = { green: [], blue: [] };
    const noting =
      (place: string): Answering =>
      (_request, response) => {
        times[place]?.push(performance.now());
        setTimeout(() => response.end('ok'), 20);
      };
    const asked = pair(await backend(noting('green')), await backend(noting('blue')));
    const config = settings({ probes: 20 });
    const first = await httpProbe.count(config, asked, nodeIo);
    const second = await httpProbe.count(config, asked, nodeIo);
    expect([times['green']?.length, times['blue']?.length]).toEqual([40, 40]);
    const [green = [], blue = []] = [times['green'], times['blue']];
    expect(Math.abs((green[0] ?? 0) - (blue[0] ?? 0))).toBeLessThan(500);
    expect(Math.max(green[0] ?? 0, blue[0] ?? 0)).toBeLessThan(Math.min(green[19] ?? 0, blue[19] ?? 0));
    expect(judged(first, second)).toEqual({
      candidate: { requests: 20, failures: 0 },
      stable: { requests: 20, failures: 0 },
    });
  });

  it('a paired http-probe shows the candidate alone as worse where the candidate alone is', async () => {
    const asked = pair(await backend((_request, response) => response.writeHead(401).end()), await backend(well));
    const config = settings({ probes: 10 });
    const first = await httpProbe.count(config, asked, nodeIo);
    expect(judged(first, await httpProbe.count(config, asked, nodeIo))).toEqual({
      candidate: { requests: 10, failures: 10 },
      stable: { requests: 10, failures: 0 },
    });
  });

  it('a paired http-probe lets a fault of our own network fall on both: no evidence against either', async () => {
    const asked = pair(await backend(well), await backend(well));
    let down = false;
    // A second apart, however quickly a dead network answers.
    let nowMs = Date.now();
    const io: Io = {
      ...nodeIo,
      now: () => nowMs,
      http: (...request) => (down ? Promise.reject(new Error('network is unreachable')) : nodeIo.http(...request)),
    };
    const config = settings({ probes: 10 });
    const first = await httpProbe.count(config, asked, io);
    down = true;
    nowMs += 1000;
    const second = await httpProbe.count(config, asked, io);
    expect(judged(first, second)).toEqual({
      candidate: { requests: 10, failures: 10 },
      stable: { requests: 10, failures: 10 },
    });
    down = false;
    nowMs += 1000;
    expect(judged(second, await httpProbe.count(config, asked, io))).toEqual({
      candidate: { requests: 10, failures: 0 },
      stable: { requests: 10, failures: 0 },
    });
  });

  it('a paired http-probe says for each build by itself where it cannot be asked', async () => {
    const stable = question((await backend(well)).address, 'blue');
    const reading = await httpProbe.count(settings({}), { candidate: question(null), stable }, nodeIo);
    expect(reading).toMatchObject({
      candidate: { missing: expect.stringMatching(/no address/) },
      stable: { targets: expect.anything() },
    });
  });

  it('a paired http-probe begins anew in another process, and counts what that one probes', async () => {
    const asked = pair(await backend(well), await backend(well));
    const before = await httpProbe.count(settings({ probes: 10 }), asked, nodeIo);
    const at = Date.now();
    await until('the clock has moved on', () => (Date.now() > at ? true : undefined));
    const after = await httpProbe.count(settings({ probes: 5 }), asked, nodeIo);
    const delta = countersSince(countersSince(NO_COUNTERS, before, 5000).memory, after, 5000);
    expect(delta.candidate).toMatchObject({ arm: { state: 'reset' } });
    expect(delta.candidate.counts.get('requests')?.get('')).toBe(5);
  });
});

function settings(more: object): HttpProbeConfig {
  return httpProbe.config.parse(more) as HttpProbeConfig;
}

function question(address: string | null, place = 'green'): Question {
  return about([{ place, percent: 50, address }], place);
}

function about(told: readonly Told[], place = 'green'): Question {
  const build = parseGuid(GUID);
  if (build === undefined) throw new Error('not a GUID');
  return { scope: SCOPE, build, place, router: readingOf(told) };
}
