/** Gates as the config writes them: words, fixed limits, comparisons, and what is said about each mistake. */
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { KvdeployError } from '../../src/core/errors.ts';
import { freshFolder, put } from '../commands/release/validate-run.ts';
import { realIo } from '../servers/real-io.ts';

const PROMETHEUS = `source: prometheus, url: http://127.0.0.1:9, requests: 'r{build="\${build}"}', status: code`;
const LOCAL = 'router: { kind: local, listen: 127.0.0.1:8080, routes: /r.json, addresses: { a: http://127.0.0.1:1 } }';

function configWith(...lines: readonly string[]): string {
  const service = lines.map((line) => `            ${line}\n`).join('');
  return `apiVersion: kvdeploy.dev/v1\nkind: Config\ntenants:\n  acme:\n    environments:\n      production:\n        services:\n          web:\n${service}`;
}

async function load(...lines: readonly string[]) {
  const folder = freshFolder();
  put(folder, { 'kvdeploy.config.yaml': configWith(...lines) });
  return (await loadConfig({ cwd: folder }, realIo)).services[0];
}

async function findings(...lines: readonly string[]) {
  const error = await load(...lines).catch((caught: unknown) => caught);
  if (error instanceof KvdeployError) return error.findings.map(({ message, fix }) => `${message} ${fix}`);
  throw new Error('it loaded');
}

const PROBE = 'name: answers, source: http-probe';

describe('gates', () => {
  it('a gate may be a word, which asks the router', async () => {
    const service = await load(LOCAL, 'gates: [errors]');
    expect(service?.gates).toEqual([]);
    expect(service?.compared).toEqual([{ name: 'errors', source: 'local', settings: {}, compare: {} }]);
  });

  it('a gate called errors needs no source where the router counts, whatever else it sets', async () => {
    const service = await load(LOCAL, 'gates: [{ name: errors, compare: { traffic: false }, max: 1%, expect: [404] }]');
    expect(service?.compared).toMatchObject([{ name: 'errors', source: 'local', compare: { traffic: false } }]);
    expect(service?.gates).toMatchObject([{ name: 'errors', source: 'local', max: 0.01, settings: { expect: [404] } }]);
  });

  it.each([
    ['router: { kind: kubernetes-gateway }', 'gates: [{ name: errors, compare: {} }]'],
    [LOCAL, 'gates: [{ name: answers, compare: {} }]'],
    ['patience: 1m', 'gates: [{ name: errors }]'],
  ])('a gate without a source that no router counts says that the source is missing: %s %s', async (router, gates) => {
    expect(await findings(router, gates)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^The key "source" is missing\./)]),
    );
  });

  it('a gate has a fixed limit with max, compares without it, and does both with both', async () => {
    const kinds = async (rest: string) => {
      const service = await load(LOCAL, `gates: [{ ${PROBE}${rest} }]`);
      return [service?.gates.length, service?.compared.length];
    };
    expect(await kinds(', max: 1%')).toEqual([1, 0]);
    expect(await kinds('')).toEqual([0, 1]);
    expect(await kinds(', max: 1%, compare: {}')).toEqual([1, 1]);
  });

  it('a gate reads clumps, the old name of clusters, and not both', async () => {
    const service = await load(LOCAL, `gates: [{ ${PROBE}, compare: { clumps: 9 } }]`);
    expect(service?.compared[0]?.compare).toEqual({ clusters: 9 });
    await expect(load(LOCAL, `gates: [{ ${PROBE}, compare: { clumps: 9, clusters: 9 } }]`)).rejects.toThrow(
      /keep one of the two/,
    );
    await expect(load(LOCAL, `gates: [{ ${PROBE}, compare: { clumps: many } }]`)).rejects.toMatchObject({
      hint: expect.stringContaining('such as 4'),
    });
  });

  it('a service says how long the stable build is watched, and each gate how long a build warms up', async () => {
    const gates = `gates: [{ ${PROBE}, warmUp: 60s }, { name: limited, source: http-probe, max: 1%, warmUp: 30s }]`;
    const service = await load(LOCAL, gates, 'evidence: { watch: 0s }');
    expect(service).toMatchObject({ evidence: { watchMs: 0 }, compared: [{ warmUpMs: 60_000 }], gates: [{ warmUpMs: 30_000 }] });
    expect(service?.gates[0]?.settings).toEqual({});
    await expect(load(LOCAL, `gates: [{ ${PROBE}, warmUp: 2h }]`)).rejects.toThrow(/A warm-up lasts at most 1h/);
    await expect(load(LOCAL, 'evidence: { watch: 2h }')).rejects.toThrow(/watched for at most 1h/);
  });

  it('a gate hands on margins and how sure to be', async () => {
    const service = await load(
      LOCAL,
      `gates: [{ ${PROBE}, compare: { tolerate: { times: 1.5 }, ruleOut: { plus: 0.5% }, limit: 2%, clusters: 9 } }]`,
      'evidence: { alpha: 0.5%, confidence: 99%, dwell: 2m, block: 5s, threshold: 5.5, unverified: 10% }',
    );
    expect(service?.compared[0]?.compare).toEqual({
      tolerate: { times: 1.5 },
      ruleOut: { plus: 0.005 },
      limit: 0.02,
      clusters: 9,
    });
    expect(service?.evidence).toEqual({
      alpha: 0.005,
      confidence: 0.99,
      dwellMs: 120_000,
      blockMs: 5000,
      leastLogE: 5.5,
      unverifiedShare: 0.1,
    });
  });

  it('a fixed limit on router counters may expect statuses, and a service may say that probes are enough', async () => {
    const service = await load(LOCAL, 'probesOnly: true', 'gates: [{ name: a, source: local, max: 1%, expect: [404, 401] }]');
    expect(service).toMatchObject({ probesOnly: true, gates: [{ settings: { expect: [404, 401] } }] });
    expect(await load(LOCAL, 'gates: [errors]')).toMatchObject({ probesOnly: false });
    const classes = await load(LOCAL, 'gates: [{ name: a, source: haproxy, max: 1%, expect: [4xx] }]');
    expect(classes?.gates[0]?.settings).toEqual({ expect: ['4xx'] });
  });

  it('a gate that compares may expect statuses, by number or on HAProxy by class', async () => {
    const service = await load(LOCAL, 'gates: [{ name: a, source: local, expect: [301, 101] }]');
    expect(service?.compared[0]?.settings).toEqual({ expect: [301, 101] });
    const classes = await load(LOCAL, 'gates: [{ name: a, source: haproxy, expect: [3xx, 1xx] }]');
    expect(classes?.compared[0]?.settings).toEqual({ expect: ['3xx', '1xx'] });
  });

  it.each([
    [
      'a single status of HAProxy, which counts classes',
      'source: haproxy, max: 1%, expect: [404]',
      /classes of statuses: write \[3xx\].*or \[4xx\] for 401 too/,
    ],
    ['5xx as expected', 'source: local, max: 1%, expect: [503]', /5xx are always errors/],
    ['5xx as expected of Prometheus', `${PROMETHEUS}, expect: [503]`, /a 5xx is always an error/i],
    [
      'a word that is no status and no gRPC code',
      `${PROMETHEUS}, expect: [NOTFOUNDD]`,
      /a status such as 301, 3xx, or NOT_FOUND/i,
    ],
    ['200 as expected, which is always good', 'source: local, expect: [200]', /other than 200/],
  ])('the gates of a config do not take %s', async (_what, rest, message) => {
    expect(String(await findings(LOCAL, `gates: [{ name: a, ${rest} }]`))).toMatch(message);
  });

  it.each([
    ['a word that is none', [LOCAL, 'gates: [erors]'], /"erors" is not allowed here. Did you mean/],
    ['a word without a router that counts', ['gates: [errors]'], /only a router of the kind haproxy, nginx or local counts/i],
    ['a router of no known kind', [LOCAL.replace('local', 'lokal'), 'gates: [errors]'], /"lokal" is not allowed here/],
    [
      'an unknown source',
      [LOCAL, 'gates: [{ name: a, source: prometeus }]'],
      /"prometeus" is not allowed here. Did you mean "?prometheus/,
    ],
    ['a misspelt key', [LOCAL, `gates: [{ ${PROBE}, comparre: {} }]`], /Unknown key "comparre"/],
    [
      'a margin below the stable build',
      [LOCAL, `gates: [{ ${PROBE}, compare: { tolerate: { times: 0.5 } } }]`],
      />=1|at least 1|1/,
    ],
    [
      'one name twice',
      [LOCAL, `gates: [errors, { name: errors, source: http-probe }]`],
      /there is already a gate called errors above/i,
    ],
    ['a number in place of a gate', [LOCAL, 'gates: [3]'], /\S/],
    ['certainty', [LOCAL, 'gates: [errors]', 'evidence: { alpha: 0% }'], /above 0%/],
    ['a limit of nothing', [LOCAL, `gates: [{ ${PROBE}, compare: { limit: 0% } }]`], /above 0% and below 100%/],
    ['a limit of everything', [LOCAL, `gates: [{ ${PROBE}, compare: { limit: 100% } }]`], /above 0% and below 100%/],
    ['to rule out nothing', [LOCAL, `gates: [{ ${PROBE}, compare: { ruleOut: { plus: 0% } } }]`], /above 0% and below 100%/],
    [
      'another choice that fits in no way',
      ['router: { kind: haproxy, sockets: [/a.sock], backend: gw, serverStateFile: relative }', `gates: [{ ${PROBE} }]`],
      /serverStateFile|absolute|Invalid input/i,
    ],
    ['a confidence of everything', [LOCAL, 'gates: [errors]', 'evidence: { confidence: 100% }'], /below 100%/],
  ])('the gates of a config refuse %s, in one finding', async (_what, lines, message) => {
    const found = await findings(...lines);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(message);
  });
});
