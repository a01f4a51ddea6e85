// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are placeholders of kvdeploy's queries
/** What histograms look like in the field: bounds in milliseconds, bounds spelled otherwise, summaries and native histograms. */
import { describe, expect, it } from 'vitest';
import type { Counters } from '../../../src/core/gates/counting/counters.ts';
import type { Guid } from '../../../src/core/scope.ts';
import { lookAtComparison } from '../../../src/engine/look-at-gates.ts';
import type { Io } from '../../../src/io.ts';
import type { Question } from '../../../src/metrics/metric-source.ts';
import { type PrometheusConfig, prometheus } from '../../../src/metrics/prometheus/prometheus.ts';
import { CANDIDATE, SCOPE, STABLE } from '../../core/manifest/builds.ts';
import { readingOf } from '../../routers/readings.ts';
import { realIo } from '../../servers/real-io.ts';

const LATENCY = 'http_seconds_bucket{build="${build}"}';
const about: Question = {
  scope: { tenant: 'acme', environment: 'production', service: 'gw' },
  build: '0b9f5bd2-1111-4111-8111-111111111111' as Guid,
  place: 'blue',
};

const configOf = (settings: object): PrometheusConfig =>
  prometheus.config.parse({
    url: 'http://prometheus',
    requests: 'http_requests_total{build="${build}"}',
    status: 'code',
    latency: LATENCY,
    ...settings,
  }) as PrometheusConfig;

/** A server that gives this result, whatever it is asked. */
function answering(result: readonly object[]): Io {
  const body = JSON.stringify({ status: 'success', data: { resultType: 'vector', result } });
  return { ...realIo, http: async () => ({ status: 200, headers: {}, body }) };
}

const series = (counter: string, labels: Readonly<Record<string, string>>, value = '7') => ({
  metric: { kvdeploy_build: 'candidate', kvdeploy_counter: counter, instance: 'a:1', ...labels } as Record<string, string>,
  value: [1_700_000_000, value],
});

async function latency(settings: object, bounds: readonly string[]): Promise<Counters> {
  const io = answering(bounds.map((le) => series('latency', { le })));
  return (await prometheus.countLatency?.(configOf(settings), { candidate: about, stable: null }, io)) ?? expect.fail('none');
}

const namesOf = async (settings: object, bounds: readonly string[]) =>
  prometheus
    .metrics(configOf(settings), await latency(settings, bounds))
    .flatMap(({ metric, counts }) => (counts === 'slower' ? [metric] : []));

describe('the unit of buckets', () => {
  it('the buckets of a mesh are named in milliseconds where the config says so', async () => {
    expect(await namesOf({ unit: 'ms' }, ['0.5', '70', '250', '2500', '+Inf'])).toEqual(
      ['0.5ms', '70ms', '250ms', '2500ms'].map((bound) => `slower than ${bound}`),
    );
  });

  it('buckets are named in seconds without a unit, as plans of older versions have them', async () => {
    for (const settings of [{}, { unit: 's' }])
      expect(await namesOf(settings, ['0.25', '1.0', '+Inf'])).toEqual(['slower than 0.25s', 'slower than 1s']);
  });

  it('buckets that look like milliseconds are named in plan where no unit is given, and never guessed', async () => {
    const notes = async (settings: object, bounds: readonly string[]) =>
      prometheus.notes?.(configOf(settings), (await latency(settings, bounds)).candidate);
    const said = [
      'the latency buckets (50 to 250) look like milliseconds and are read as seconds: set unit: ms, or unit: s if they are',
    ];
    expect(await notes({}, ['50', '100', '250', '+Inf'])).toEqual(said);
    expect(await notes({}, ['0.5', '5', '60000', '+Inf'])).toHaveLength(1);
    expect(await notes({ latency: 'response_latency_ms_bucket{build="${build}"}' }, ['1', '5', '+Inf'])).toHaveLength(1);
    expect(await notes({ unit: 'ms' }, ['50', '100', '250', '+Inf'])).toEqual([]);
    expect(await notes({ unit: 's' }, ['50', '100', '250', '+Inf'])).toEqual([]);
    expect(await notes({}, ['0.005', '0.5', '10', '300', '+Inf'])).toEqual([]);
  });

  it.each([
    [[], []],
    [['50'], [/^latency is compared on the buckets that both builds have: 250s; not judged: slower than 50s$/]],
    [['50', '250'], [/^latency cannot be judged, so the rollout would wait for it until patience ends: .*none but \+Inf/]],
  ])('a plan has the note of the unit, and what the candidate’s buckets %j are compared on', async (without: string[], said) => {
    const at = Date.now() / 1000;
    const of = (counter: string, labels: Readonly<Record<string, string>>, value: string) => ({
      ...series(counter, labels),
      value: [at, value],
    });
    const http: Io['http'] = async (request) => {
      const buckets = ['50', '250', '+Inf'].map((le) => of('latency', { le }, '9'));
      const counts = [of('requests', { code: '200' }, '9'), of('seen', {}, String(at))];
      const isLatency = decodeURIComponent(`${request.url}${request.body ?? ''}`).includes('http_seconds_bucket');
      const ours = isLatency ? buckets.filter(({ metric }) => !without.includes(metric['le'] ?? '')) : counts;
      const theirs = (isLatency ? buckets : counts).map(({ metric, ...rest }) => ({
        ...rest,
        metric: { ...metric, kvdeploy_build: 'stable', instance: 'b:1' },
      }));
      const result = [...ours, ...theirs];
      return { status: 200, headers: {}, body: JSON.stringify({ status: 'success', data: { resultType: 'vector', result } }) };
    };
    const settings = {
      url: 'http://prometheus',
      requests: 'http_requests_total{build="${build}"}',
      status: 'code',
      latency: LATENCY,
    };
    const gate = { name: 'errors', source: 'prometheus', settings, compare: {} };
    const reading = readingOf([]);
    const builds = { scope: SCOPE, candidate: CANDIDATE, stable: STABLE };
    const seen = await lookAtComparison([gate], {}, builds, reading, async () => reading, { ...realIo, http });
    const [{ silent, countable } = expect.fail('no gate')] = seen.gates;
    expect(silent).toBeUndefined();
    expect(countable?.metrics).toEqual(expect.arrayContaining(['slower than 50s', 'slower than 250s']));
    expect(countable?.notes).toEqual([/look like milliseconds/, ...said].map((text) => expect.stringMatching(text)));
  });

  it('a unit without a latency query is refused', () => {
    const { error } = prometheus.config.safeParse({
      url: 'http://prometheus',
      requests: 'http_requests_total{build="${build}"}',
      status: 'code',
      unit: 'ms',
    });
    expect(error?.issues[0]).toMatchObject({
      path: ['unit'],
      message: expect.stringMatching(/add a latency query, or remove it/),
    });
  });

  it.each(['+Inf', 'Inf', 'inf', '+inf', 'Infinity'])('the bucket of everything is known when it is spelled %s', async (le) => {
    expect((await latency({}, ['0.5', le])).candidate).toMatchObject({
      targets: { 'a:1': { counters: [{ counter: 'le:0.5' }, { counter: 'le:+Inf' }] } },
    });
  });
});

describe('what is no classic histogram', () => {
  it('a native histogram is called so, with what to do', async () => {
    const native = { metric: { kvdeploy_build: 'candidate' }, histogram: [1_700_000_000, { count: '7', sum: '1', buckets: [] }] };
    const io = answering([native]);
    const pair = { candidate: about, stable: null };
    const fix = /returned native histograms, .*scrape_classic_histograms.*query NAME_bucket; for requests, query histogram_count/;
    for (const reading of [
      await prometheus.count(configOf({}), pair, io),
      await prometheus.countLatency?.(configOf({}), pair, io),
    ])
      expect(reading?.candidate).toEqual({ missing: expect.stringMatching(fix) });
  });

  it('a summary is called so, with what to do', async () => {
    const quantiles = (counter: string) => answering([series(counter, { quantile: '0.99', code: '200' }, '0.25')]);
    const pair = { candidate: about, stable: null };
    expect((await prometheus.countLatency?.(configOf({}), pair, quantiles('latency')))?.candidate).toEqual({
      missing: expect.stringMatching(/quantiles of a summary, which are no counts; export a histogram.*_bucket series/),
    });
    expect((await prometheus.count(configOf({}), pair, quantiles('requests'))).candidate).toEqual({
      missing: expect.stringMatching(/quantiles of a summary, which are no counts; query its _count series/),
    });
  });
});
