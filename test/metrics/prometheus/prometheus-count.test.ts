/** What a gate that compares gets from a real Prometheus: both builds at once, by process, slice, status and bucket. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { gatePollOf } from '../../../src/core/gates/counting/blocks.ts';
import { type Counters, countersSince, NO_COUNTERS } from '../../../src/core/gates/counting/counters.ts';
import { withBuckets } from '../../../src/core/gates/counting/latency-blocks.ts';
import type { Guid } from '../../../src/core/scope.ts';
import type { Io } from '../../../src/io.ts';
import type { Question } from '../../../src/metrics/metric-source.ts';
import { type PrometheusConfig, prometheus } from '../../../src/metrics/prometheus/prometheus.ts';
import { until } from '../../servers/program.ts';
import { type Prometheus, startPrometheus } from '../../servers/prometheus.ts';
import { realIo } from '../../servers/real-io.ts';

const BLUE = '0b9f5bd2-1111-4111-8111-111111111111' as Guid;
const GREEN = '7f3c2a10-2222-4222-8222-222222222222' as Guid;
const RAW = 'http_requests_total{build="${build}"}';
const ERRORS = 'http_requests_total{build="${build}",code=~"5.."}';
const SUMMED = { requests: `sum(${RAW})`, errors: `sum(${ERRORS})`, status: undefined };

/** One process that exports what a test says; a process that is down does not answer. */
interface Exporter {
  readonly address: string;
  say(lines: readonly string[]): void;
  down(): void;
}

const exporters: (Exporter & { close(): void })[] = [];
let server: Prometheus;
let said = 0;

beforeAll(async () => {
  exporters.push(await startExporter(), await startExporter());
  server = await startPrometheus({ targets: exporters.map(({ address }) => address) });
});
afterAll(async () => {
  await server.stop();
  for (const exporter of exporters) exporter.close();
});
beforeEach(() => say([], []));

describe('both builds at once', () => {
  it('the prometheus source asks at most twice, whatever builds, slices, statuses and buckets there are', async () => {
    const regions = Array.from({ length: 40 }, (_, index) => `region="r${index}"`);
    const lines = (guid: Guid) =>
      regions.flatMap((region) => [
        ...['200', '401', '404', '503'].map((code) => total(guid, 5, `code="${code}",${region}`)),
        ...buckets(guid, { 0.5: 15, '+Inf': 20 }, region),
      ]);
    await say([...lines(BLUE), ...lines(GREEN)], []);
    let asked = 0;
    const io: Io = {
      ...realIo,
      http: (...request) => {
        asked += 1;
        return realIo.http(...request);
      },
    };
    const settings = configOf({ slices: 'region', latency: 'http_seconds_bucket{build="${build}"}' });
    const [counts, latency] = await Promise.all([prometheus.count(settings, PAIR, io), bucketsOf(settings, io)]);
    expect(asked).toBe(2);
    const reading = {
      candidate: withBuckets(counts.candidate, latency.candidate),
      stable: withBuckets(counts.stable, latency.stable),
    };
    for (const arm of [reading.candidate, reading.stable]) {
      const [target] = targetsOf(arm);
      expect(target?.counters?.length).toBe(40 * (12 + 2));
      expect(target?.counters).toEqual(
        expect.arrayContaining([
          { counter: 'requests', slice: 'r7', value: 20 },
          { counter: 'errors', slice: 'r7', value: 5 },
          { counter: '401', slice: 'r7', value: 5 },
          { counter: 'le:0.5', slice: 'r7', value: 15 },
        ]),
      );
    }
    expect(reading.candidate).toMatchObject({ targets: expect.anything() });
    expect(freshOf(reading.candidate)).toBe(freshOf(reading.stable));
    expect(prometheus.metrics(settings, reading).map(({ metric }) => metric)).toEqual([
      ...['errors', '401', '403', '404', '408', '429', '304', 'other 4xx', 'other 3xx', 'other 2xx', '1xx'],
      'slower than 0.5s',
    ]);
  });

  it('the prometheus source counts each process by itself: the restart of one is seen, nothing is invented', async () => {
    await say([total(BLUE, 1000), total(GREEN, 500)], [total(BLUE, 2000)]);
    const before = await read({});
    expect(Object.keys(targets(before.stable))).toEqual(exporters.map(({ address }) => `gateway ${address}`).sort());
    await say([total(BLUE, 1010), total(GREEN, 510)], [total(BLUE, 20)]);
    const delta = deltaOf(before, await read({}));
    expect(delta.candidate).toMatchObject({ arm: { state: 'counted' }, restarts: 0 });
    expect(countOf(delta.candidate)).toBe(10);
    expect(delta.stable).toMatchObject({ arm: { state: 'counted' }, restarts: 1 });
    expect(countOf(delta.stable)).toBe(10 + 20);
  });

  it('the prometheus source takes a sum over processes for one of which a decrease tells nothing', async () => {
    await say([total(BLUE, 1000), total(GREEN, 500, 'code="200"'), total(GREEN, 9, 'code="500"')], [total(BLUE, 2000)]);
    const before = await read(SUMMED);
    expect(targets(before.stable)).toMatchObject({ 'the total': { several: true } });
    await say([total(BLUE, 1010), total(GREEN, 510, 'code="200"'), total(GREEN, 9, 'code="500"')], [total(BLUE, 30)]);
    const delta = deltaOf(before, await read(SUMMED));
    expect(delta.stable).toMatchObject({
      arm: { state: 'reset', why: expect.stringMatching(/^the total decreased: it is a sum/) },
    });
    expect(countOf(delta.stable)).toBe(0);
    expect(countOf(delta.candidate)).toBe(10);
  });

  it('the prometheus source counts an error series that is born from 0, in the whole and in its slice', async () => {
    const settings = { slices: 'region', status: undefined, errors: ERRORS };
    await say([total(BLUE, 100, 'code="200",region="eu"'), total(GREEN, 50, 'code="200",region="eu"')], []);
    const before = await read(settings);
    const born = ['code="200",region="eu"', 'code="500",region="eu"', 'code="500",region="us"'];
    await say([total(BLUE, 110, born[0]), total(GREEN, 60, born[0]), total(GREEN, 2, born[1]), total(GREEN, 3, born[2])], []);
    const delta = deltaOf(before, await read(settings));
    const poll = gatePollOf(delta, prometheus.metrics(configOf(settings)));
    expect(poll.blocks['errors']).toMatchObject({
      '': { candidate: { requests: 15, failures: 5 }, stable: { requests: 10, failures: 0 } },
      eu: { candidate: { requests: 12, failures: 2 } },
      us: { candidate: { requests: 3, failures: 3 } },
    });
  });

  it('the prometheus source says about each build by itself what is missing', async () => {
    await say([total(BLUE, 100)], []);
    const reading = await read({});
    expect(reading.candidate).toMatchObject({
      missing: expect.stringMatching(/no fresh series for http_requests_total\{build="7f3c2a10/),
    });
    expect(reading.stable).toMatchObject({ targets: expect.anything() });
    await say([total(BLUE, 100), `http_requests_total{build="${GREEN}",code="200"} NaN`], []);
    expect((await read({})).candidate).toEqual({ missing: expect.stringMatching(/returns NaN, which is not a request count/) });
    const { candidate } = await prometheus.count(configOf({}), { ...PAIR, stable: null }, realIo);
    expect(candidate).toEqual({ missing: expect.stringMatching(/NaN/) });
  });

  it('the prometheus source has no counts of a process whose scrape failed, and invents none when it is back', async () => {
    await say([total(BLUE, 100), total(GREEN, 100)], [total(BLUE, 5000)]);
    const before = await read({});
    exporters[1]?.down();
    await until('its series are stale', async () =>
      (await server.value(`count(http_requests_total{build="${BLUE}"})`)) === 1 ? true : undefined,
    );
    const gap = await read({});
    const delta = deltaOf(before, gap);
    expect(delta.stable).toMatchObject({ arm: { state: 'counted' }, restarts: 0, partial: true });
    expect(countOf(delta.stable)).toBe(0);
    await say([total(BLUE, 103), total(GREEN, 103)], [total(BLUE, 5400)]);
    const after = countersSince(delta.memory, await read({}), 15_000);
    expect(after.stable.arm).toEqual({ state: 'counted' });
    expect(countOf(after.stable)).toBe(3 + 400);
  });
});

describe('labels that do not say what they should', () => {
  it.each([
    ['requests without the status', { status: 'status' }, /the status label status; keep it in http_requests/],
    ['requests that were added up over statuses', { requests: `sum(${RAW})` }, /the status label code/],
    ['a status that is none', { status: 'verdict' }, /verdict="OK" is not an HTTP status.*add an errors query/],
    ['requests without the slice', { slices: 'region' }, /the slice label region/],
    [
      'buckets for requests',
      { requests: 'http_seconds_bucket{build="${build}"}', status: undefined, errors: ERRORS },
      /buckets, which count/,
    ],
    ['errors added up, requests not', { status: undefined, errors: SUMMED.errors }, /the total has errors but no requests/],
  ])('a label that does not say what it should is missing: %s', async (_what, settings, why) => {
    const lines = (guid: Guid) => [total(guid, 9, 'code="500",verdict="OK"'), ...buckets(guid, { 0.5: 5, '+Inf': 9 })];
    await say([...lines(BLUE), ...lines(GREEN)], []);
    const reading = await read(settings);
    expect([reading.candidate, reading.stable]).toEqual([
      { missing: expect.stringMatching(why) },
      { missing: expect.stringMatching(why) },
    ]);
  });

  it('the prometheus source reads classes of statuses, as HAProxy’s exporter has them, and judges 4xx together', async () => {
    const lines = (guid: Guid) => ['2xx', '4xx', '5xx', 'other'].map((code, index) => total(guid, 10 + index, `code="${code}"`));
    await say([...lines(BLUE), ...lines(GREEN)], []);
    const reading = await read({});
    expect(targetsOf(reading.candidate)[0]?.counters).toEqual([
      { counter: 'requests', slice: '', value: 46 },
      { counter: 'errors', slice: '', value: 12 + 13 },
      { counter: '4xx', slice: '', value: 11 },
      { counter: '3xx', slice: '', value: 0 },
      { counter: '1xx', slice: '', value: 0 },
    ]);
    expect(prometheus.metrics(configOf({}), reading).map(({ metric }) => metric)).toEqual(['errors', '4xx', '3xx', '1xx']);
  });
});

describe('before the first step', () => {
  const serving = async (settings: object) => prometheus.unproven?.(configOf(settings), await servingOf(settings));
  const servingOf = async (settings: object) => {
    const { stable } = await read(settings);
    const latency = await prometheus.countLatency?.(configOf(settings), PAIR, realIo);
    return latency === undefined ? stable : withBuckets(stable, latency.stable);
  };

  it('an error was seen before the first step where the status says it, or its series exists', async () => {
    await say([total(BLUE, 9), total(GREEN, 9)], []);
    expect(await serving({})).toBeUndefined();
    await say([total(BLUE, 9), total(BLUE, 0, 'code="500"')], []);
    expect(await serving({ status: undefined, errors: ERRORS })).toBeUndefined();
  });

  it('an errors or latency query that finds nothing of the serving build is refused with the fix', async () => {
    await say([total(BLUE, 9)], []);
    expect(await serving({ status: undefined, errors: ERRORS })).toMatch(
      /errors query returns no series.*initialize it to 0.*status: LABEL/,
    );
    expect(await serving({ latency: 'http_seconds_bucket{build="${build}"}' })).toMatch(/latency query returns no bucket/);
  });
});

describe('latency', () => {
  it('latency without bounds is missing by itself, while requests are counted', async () => {
    const lines = (guid: Guid) => [total(guid, 9), ...buckets(guid, { 0.5: 5, '+Inf': 9 })];
    await say([...lines(BLUE), ...lines(GREEN)], []);
    const settings = configOf({ latency: RAW });
    const why = { missing: expect.stringMatching(/the bucket label le/) };
    expect(await bucketsOf(settings, realIo)).toEqual({ candidate: why, stable: why });
    expect(targetsOf((await prometheus.count(settings, PAIR, realIo)).candidate)).toHaveLength(1);
  });

  it('a bound that not every histogram of a process has is none of its bounds', async () => {
    const one = buckets(BLUE, { 0.1: 1, 0.5: 2, '+Inf': 3 }, 'path="/a"');
    await say([total(BLUE, 9), ...one, ...buckets(BLUE, { 0.5: 4, Inf: 6 }, 'path="/b"')], []);
    const { stable } = await bucketsOf(configOf({ latency: 'http_seconds_bucket{build="${build}"}' }), realIo);
    expect(targetsOf(stable)[0]?.counters).toEqual([
      { counter: 'le:+Inf', slice: '', value: 9 },
      { counter: 'le:0.5', slice: '', value: 6 },
    ]);
  });

  it('latency is failures slower than a bound, with bounds of one kind however a client writes them', async () => {
    const settings = configOf({ latency: 'http_seconds_bucket{build="${build}"}' });
    const lines = (blue: number, green: number) => [
      ...[total(BLUE, blue), total(GREEN, green)],
      ...buckets(BLUE, { '0.5': blue - 1, '1.0': blue, '+Inf': blue }),
      ...buckets(GREEN, { '0.5': 0, '1': green, '+Inf': green }),
    ];
    await say(lines(10, 10), []);
    const before = await bucketsOf(settings, realIo);
    await say(lines(20, 15), []);
    const after = await bucketsOf(settings, realIo);
    const poll = gatePollOf(deltaOf(before, after), prometheus.metrics(settings, after));
    expect(poll.blocks['slower than 0.5s']?.['']).toEqual({
      candidate: { requests: 5, failures: 5 },
      stable: { requests: 10, failures: 0 },
    });
    expect(poll.blocks['slower than 1s']?.['']).toMatchObject({ candidate: { requests: 5, failures: 0 } });
  });
});

describe('series that are labelled as no part of the query is', () => {
  it.each([{ kvdeploy_build: 'other' }, { kvdeploy_build: '' }, { kvdeploy_counter: 'more' }])(
    'series labelled as no part of the query is are refused: %o',
    async (wrong) => {
      const row = (labels: object) => ({
        metric: { kvdeploy_build: 'candidate', kvdeploy_counter: 'requests', instance: 'a:1', code: '200', ...labels },
        value: [1_700_000_100, '50'],
      });
      const body = JSON.stringify({ status: 'success', data: { resultType: 'vector', result: [row({}), row(wrong)] } });
      const http = async () => ({ status: 200, headers: {}, body });
      const { candidate } = await prometheus.count(configOf({}), { ...PAIR, stable: null }, { ...realIo, http });
      expect(candidate).toEqual({ missing: expect.stringMatching(/series that were not requested/) });
    },
  );
});

describe('old data', () => {
  it('old data are refused by the time of their scrape, though the server goes on answering', async () => {
    const now = 1_700_000_100;
    const row = (counter: string, value: string) => ({
      metric: { kvdeploy_build: 'candidate', kvdeploy_counter: counter, instance: 'a:1', code: '200' },
      value: [now, value],
    });
    const answering = (seen: number) => async () => {
      const result = [row('requests', '50'), row('seen', String(seen))];
      return { status: 200, headers: {}, body: JSON.stringify({ status: 'success', data: { resultType: 'vector', result } }) };
    };
    const ASKED_MS = 1_800_000_000_000;
    const settings = configOf({ interval: '15s' });
    const at = async (seen: number) =>
      (await prometheus.count(settings, { ...PAIR, stable: null }, { ...realIo, now: () => ASKED_MS, http: answering(seen) }))
        .candidate;
    // By the asker's clock, whatever the server's says.
    expect(await at(now - 30.5)).toMatchObject({ targets: { 'a:1': { freshMs: ASKED_MS } } });
    expect(await at(now - 32)).toEqual({ missing: expect.stringMatching(/scraped a:1 32s ago, which is too long/) });
  });
});

const PAIR = { candidate: about(GREEN), stable: about(BLUE) };

function about(build: Guid): Question {
  return { scope: { tenant: 'acme', environment: 'production', service: 'gw' }, build, place: 'green' };
}

function configOf(settings: object): PrometheusConfig {
  const all = { url: server.url, requests: RAW, status: 'code', interval: '200ms', timeout: '2s', ...settings };
  return prometheus.config.parse(all) as PrometheusConfig;
}

function bucketsOf(settings: PrometheusConfig, io: Io): Promise<Counters> {
  return prometheus.countLatency?.(settings, PAIR, io) ?? expect.fail('no latency');
}

function read(settings: object): Promise<Counters> {
  return prometheus.count(configOf(settings), PAIR, realIo);
}

function deltaOf(before: Counters, after: Counters) {
  return countersSince(countersSince(NO_COUNTERS, before, 15_000).memory, after, 15_000);
}

function countOf({ counts }: ReturnType<typeof deltaOf>['candidate']): number {
  return [...(counts.get('requests')?.values() ?? [])].reduce((sum, value) => sum + value, 0);
}

function targets(arm: Counters['candidate']) {
  if (!('targets' in arm)) throw new Error(JSON.stringify(arm));
  return arm.targets;
}

const targetsOf = (arm: Counters['candidate']) => Object.values(targets(arm));
const freshOf = (arm: Counters['candidate']) => targetsOf(arm)[0]?.freshMs;

function total(guid: Guid, value: number, labels = 'code="200"'): string {
  return `http_requests_total{build="${guid}",${labels}} ${value}`;
}

function buckets(guid: Guid, counts: Readonly<Record<string, number>>, labels = 'code="200"'): string[] {
  return Object.entries(counts).map(([le, value]) => `http_seconds_bucket{build="${guid}",le="${le}",${labels}} ${value}`);
}

/** Each process exports its lines from now on; resolves once both were scraped. */
async function say(first: readonly string[], second: readonly string[]): Promise<void> {
  said += 1;
  exporters[0]?.say([...first, `said ${said}`]);
  exporters[1]?.say([...second, `said ${said}`]);
  await until('both were scraped', async () => ((await server.value(`count(said == ${said})`)) === 2 ? true : undefined));
}

async function startExporter() {
  let lines: readonly string[] | undefined = [];
  const exporter = http.createServer((_request, response) => {
    if (lines === undefined) response.writeHead(503).end();
    else response.end(`${lines.join('\n')}\n`);
  });
  await new Promise<void>((resolve) => exporter.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(exporter.address() as AddressInfo).port}`,
    say: (next: readonly string[]) => {
      lines = next;
    },
    down: () => {
      lines = undefined;
    },
    close: () => {
      exporter.close();
      exporter.closeAllConnections();
    },
  };
}
