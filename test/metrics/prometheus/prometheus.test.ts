// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are placeholders of kvdeploy's queries
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Guid } from '../../../src/core/scope.ts';
import type { Question } from '../../../src/metrics/metric-source.ts';
import { type PrometheusConfig, prometheus } from '../../../src/metrics/prometheus/prometheus.ts';
import { type Backend, startBackend } from '../../servers/backend.ts';
import { type Haproxy, startHaproxy } from '../../servers/haproxy.ts';
import { load } from '../../servers/load.ts';
import { until } from '../../servers/program.ts';
import { type Prometheus, startPrometheus } from '../../servers/prometheus.ts';
import { realIo } from '../../servers/real-io.ts';
import { sourceContract } from '../contract.ts';

const BLUE = '0b9f5bd2-1111-4111-8111-111111111111' as Guid;
const GREEN = '7f3c2a10-2222-4222-8222-222222222222' as Guid;
const NOBODY = '51ee77aa-3333-4333-8333-333333333333' as Guid;
const REQUESTS = 'sum(http_requests_total{build="${build}"})';
const ERRORS = 'sum(http_requests_total{build="${build}",code=~"5.."})';

let blue: Backend;
let green: Backend;
let proxy: Haproxy;
let server: Prometheus;

// One for the whole file: a fresh Prometheus scrapes nothing in its first five seconds.
beforeAll(async () => {
  blue = await startBackend({ guid: BLUE });
  green = await startBackend({ guid: GREEN, failPercent: 50 });
  proxy = await startHaproxy({
    servers: [
      { name: 'blue', port: blue.port },
      { name: 'green', port: green.port },
    ],
    metrics: true,
  });
  server = await startPrometheus({ targets: [`127.0.0.1:${blue.port}`, `127.0.0.1:${green.port}`, proxy.metricsAddress] });
  await load(proxy.url, { count: 100 });
  await until('both backends were scraped', async () =>
    (await server.value('sum(http_requests_total)')) === 100 ? true : undefined,
  );
});
afterAll(async () => {
  await server.stop();
  await proxy.stop();
  await Promise.all([blue.close(), green.close()]);
});

sourceContract('prometheus', async () => ({
  source: prometheus,
  config: configOf({}),
  io: realIo,
  healthy: about(BLUE, 'blue'),
  failing: about(GREEN, 'green'),
  unknown: about(NOBODY, 'nobody'),
  hang: () => server.freeze(),
  close: () => server.thaw(),
}));

describe('a real Prometheus', () => {
  it('a real Prometheus counts exactly what the build answered, as totals', async () => {
    expect(await measure({}, about(GREEN))).toEqual({ requests: 50, errors: 25, counting: 'total' });
  });

  it('an error series that does not exist yet is no errors, as long as requests are counted', async () => {
    expect(await server.value(`sum(http_requests_total{build="${BLUE}",code="500"})`)).toBeUndefined();
    expect(await measure({}, about(BLUE))).toEqual({ requests: 50, errors: 0, counting: 'total' });
  });

  it('a real Prometheus answers from the metrics of HAProxy itself, by the place', async () => {
    const series = 'haproxy_server_http_responses_total{proxy="gw",server="${place}"';
    const settings = { requests: `sum(${series}})`, errors: `sum(${series},code="5xx"})` };
    await until('HAProxy was scraped', async () => {
      const found = await measure(settings, about(GREEN, 'green'));
      return 'missing' in found || found.requests < 50 ? undefined : true;
    });
    expect(await measure(settings, about(GREEN, 'green'))).toEqual({ requests: 50, errors: 25, counting: 'total' });
    expect(await measure(settings, about(NOBODY, 'nobody'))).toEqual({ missing: expect.stringMatching(/no fresh series/) });
  });

  it.each([
    ['a mistake in the query', 'sum(http_requests_total{build="${build}"}', /refused the query \(bad_data\): .*parse error/],
    ['not a number', 'sum(http_requests_total{build="${build}"}) * 0 / 0', /returns NaN/],
    ['infinity', 'sum(http_requests_total{build="${build}"}) / 0', /returns \+Inf/],
    ['a negative number', '-sum(http_requests_total{build="${build}"})', /returns -50/],
    ['a fraction', 'sum(http_requests_total{build="${build}"}) / 3', /not a request count/],
    ['a scalar', 'scalar(sum(http_requests_total{build="${build}"}))', /refused the query .*got scalar/],
    ['a range', 'http_requests_total{build="${build}"}[1m]', /refused the query .*got range vector/],
  ])('the prometheus source answers %s with what is missing, in either query', async (_what, query, why) => {
    expect(await measure({ requests: query }, about(GREEN))).toEqual({ missing: expect.stringMatching(why) });
    expect(await measure({ errors: query }, about(GREEN))).toEqual({ missing: expect.stringMatching(why) });
  });

  it('the prometheus source adds the series of a query up, and takes a comment in it for a comment', async () => {
    const settings = { requests: `${REQUESTS.slice(4, -1)} # every status`, errors: ERRORS.slice(4, -1) };
    expect(await measure(settings, about(GREEN))).toEqual({ requests: 50, errors: 25, counting: 'total' });
    expect(await measure({ requests: settings.requests, errors: undefined, status: 'code' }, about(GREEN))).toEqual({
      requests: 50,
      errors: 25,
      counting: 'total',
    });
  });

  it('the prometheus source refuses more errors than requests: the queries do not count the same thing', async () => {
    const settings = { requests: ERRORS, errors: REQUESTS };
    expect(await measure(settings, about(GREEN))).toEqual({ missing: expect.stringMatching(/50 errors of only 25 requests/) });
  });

  it('the prometheus source puts a build into the query so that it stays one string', async () => {
    const odd = about('"} or vector(1) or x{y="' as Guid);
    expect(await measure({}, odd)).toEqual({ missing: expect.stringMatching(/no fresh series/) });
  });

  it('the prometheus source has nothing to say about a frozen server, within two seconds', async () => {
    await server.freeze();
    try {
      const startedAt = performance.now();
      expect(await measure({ timeout: '2s' }, about(BLUE))).toEqual({ missing: expect.stringMatching(/timed out after 2 s$/) });
      expect(performance.now() - startedAt).toBeLessThan(2800);
    } finally {
      await server.thaw();
    }
  });

  it('the prometheus source misses a build as soon as one scrape of it fails', async () => {
    const passing = await startBackend({ guid: NOBODY });
    const other = await startPrometheus({ targets: [`127.0.0.1:${passing.port}`] });
    try {
      await load(passing.address, { count: 10 });
      await until('ten requests are seen', async () =>
        (await other.value('sum(http_requests_total)')) === 10 ? true : undefined,
      );
      expect(await measure({ url: other.url }, about(NOBODY))).toMatchObject({ requests: 10, errors: 0 });
      await passing.close();
      const gone = await until(
        'its series are stale',
        async () => {
          const found = await measure({ url: other.url }, about(NOBODY));
          return 'missing' in found ? found.missing : undefined;
        },
        2000,
      );
      expect(gone).toMatch(/no fresh series/);
      await other.stop();
      expect(await measure({ url: other.url }, about(NOBODY))).toEqual({ missing: expect.stringMatching(/cannot be queried/) });
    } finally {
      await other.stop();
    }
  });
});

describe('a server that misbehaves', () => {
  const row = (counter: string, value: unknown) => ({
    metric: { kvdeploy_build: 'candidate', kvdeploy_counter: counter },
    value: [1_700_000_000, value],
  });
  const sample = (value: unknown) => ({
    status: 'success',
    data: { resultType: 'vector', result: [row('requests', value), row('errors', value)] },
  });
  const series = (count: number) =>
    JSON.stringify({
      ...sample('5'),
      data: { resultType: 'vector', result: Array.from({ length: count }, () => row('requests', '1')) },
    });

  it.each([
    ['a redirect', 302, '', /redirects to .*\/login;/],
    ['a login page', 200, '<html>Sign in</html>', /not in Prometheus's format/],
    ['no body', 200, '', /not in Prometheus's format/],
    ['an error page', 502, 'Bad Gateway', /answered 502/],
    ['good data under a bad status', 503, JSON.stringify(sample('5')), /answered 503/],
    ['its own error', 422, '{"status":"error","errorType":"execution","error":"too many samples"}', /too many samples/],
    ['partial data', 200, JSON.stringify({ ...sample('5'), warnings: ['one store did not answer'] }), /partial data: one store/],
    ['a scalar', 200, '{"status":"success","data":{"resultType":"scalar","result":[1,"5"]}}', /answered a scalar/],
    ['a number that is no text', 200, JSON.stringify(sample(5)), /not plain numbers/],
    ['hexadecimal', 200, JSON.stringify(sample('0x10')), /not a request count/],
    ['no value', 200, JSON.stringify(sample('')), /not a request count/],
    [
      'another question',
      200,
      '{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"5"]}]}}',
      /not requested/,
    ],
    ['more than 50,000 series', 200, series(50_001), /50001 series; the limit is 50000/],
    ['more than sixteen megabytes', 200, JSON.stringify(sample('5')).padEnd(17 * 1024 * 1024), /cannot be queried/],
  ])('a misbehaving Prometheus is answered with what is missing: %s', async (_what, status, body, why) => {
    const { url, close } = await fakeServer((_request, response) => response.writeHead(status, { location: '/login' }).end(body));
    expect(await measure({ url, timeout: '2s' }, about(BLUE))).toEqual({ missing: expect.stringMatching(why) });
    await close();
  });

  it('a Prometheus is asked everything at once, and to look back no further than two scrape intervals', async () => {
    const asked: URLSearchParams[] = [];
    const { url, close } = await fakeServer((request, response) => {
      asked.push(new URL(request.url ?? '', 'http://x').searchParams);
      expect(request.url).toMatch(/^\/prefix\/api\/v1\/query\?/);
      response.end(JSON.stringify(sample('5')));
    });
    expect(await measure({ url: `${url}/prefix/`, interval: '10s', timeout: '700ms' }, about(BLUE))).toEqual({
      requests: 5,
      errors: 5,
      counting: 'total',
    });
    await close();
    expect(asked.length).toBe(1);
    for (const query of [ERRORS, REQUESTS]) expect(asked[0]?.get('query')).toContain(query.replace('${build}', BLUE));
    expect(asked[0]?.get('lookback_delta')).toBe('21');
    expect(asked[0]?.get('timeout')).toBe('700ms');
  });
});

describe('configuration', () => {
  it.each([
    ['a query that names no build', { requests: 'sum(http_requests_total)' }, /could not distinguish a bad build/],
    [
      'an errors query that names no build',
      { errors: 'sum(http_requests_total{code=~"5.."})' },
      /could not distinguish a bad build/,
    ],
    [
      'a placeholder that does not exist',
      { requests: 'sum(x{a="${build}",b="${guid}"})' },
      /no placeholder \$\{guid\}.*Known are/,
    ],
    ['a rate', { requests: 'sum(rate(x{build="${build}"}[5m]))' }, /raw counter total/],
    ['an answer for unknown builds', { requests: 'sum(x{a="${build}"}) or vector(0)' }, /missing data would look like zero/],
    ['neither errors nor a status', { errors: undefined }, /which requests failed/],
    ['a label of ours', { slices: 'kvdeploy_build' }, /name of a label/],
    ['the bounds of buckets for slices', { slices: 'le' }, /bounds of buckets/],
    ['slices by status', { status: 'code', slices: 'code' }, /a different label/],
    ['a latency query that names no build', { latency: 'x_bucket' }, /could not distinguish a bad build/],
    ['a timeout above the interval', { timeout: '3s', interval: '2s' }, /at most 2s/],
    ['an address without http', { url: 'localhost:9090' }, /address like/],
    ['a password in the address', { url: 'http://me:secret@localhost:9090' }, /contains a user or password/],
    ['an unknown key', { token: 'x' }, /Unrecognized key|unrecognized/i],
  ])('the prometheus source refuses %s', (_what, settings, why) => {
    const { error } = prometheus.config.safeParse({
      url: 'http://127.0.0.1:9090',
      requests: REQUESTS,
      errors: ERRORS,
      ...settings,
    });
    expect(JSON.stringify(error?.issues.map(({ message }) => message))).toMatch(why);
  });
});

function about(build: Guid, place = 'green'): Question {
  return { scope: { tenant: 'acme', environment: 'production', service: 'gw' }, build, place };
}

function configOf(settings: Record<string, unknown>): PrometheusConfig {
  const url = server.url;
  return prometheus.config.parse({ url, requests: REQUESTS, errors: ERRORS, interval: '200ms', ...settings }) as PrometheusConfig;
}

function measure(settings: Record<string, unknown>, question: Question) {
  return prometheus.measure(configOf(settings), question, realIo);
}

async function fakeServer(answer: http.RequestListener): Promise<{ url: string; close(): Promise<void> }> {
  const fake = http.createServer(answer).listen(0, '127.0.0.1');
  await once(fake, 'listening');
  return {
    url: `http://127.0.0.1:${(fake.address() as AddressInfo).port}`,
    close: async () => {
      fake.close();
      fake.closeAllConnections();
      await once(fake, 'close');
    },
  };
}
