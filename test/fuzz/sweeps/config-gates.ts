/** Gates and their evidence as a config writes them, every kind of source with every key. Must stay good input: the sweeps make it bad. */
import type { Luck } from '../luck.ts';

type Settings = Record<string, unknown>;

/** With each key of `settings` left out by a chance of a half. */
function someOf(luck: Luck, settings: Settings): Settings {
  return Object.fromEntries(Object.entries(settings).filter(() => luck.chance(0.5)));
}

function compareOf(luck: Luck): Settings {
  return someOf(luck, {
    tolerate: someOf(luck, { times: luck.pick([1, 1.2, 1000]), plus: luck.pick(['0%', '0.05%', '100%']) }),
    ruleOut: someOf(luck, { times: luck.pick([1, 2, 1000]), plus: luck.pick(['0.0001%', '1%', '99.9999%']) }),
    limit: luck.pick(['0.0001%', '1%', '99.9%']),
    clusters: luck.pick([1, 4, 2.5, 1000]),
    traffic: luck.chance(0.5),
  });
}

function prometheusGate(luck: Luck): Settings {
  const query = (name: string, more = '') => `sum by (instance, code, region, le) (${name}{build="\${build}"${more}})`;
  const errors = { errors: query('http_requests_total', ',code=~"5.."') };
  const status = { status: 'code' };
  return {
    source: 'prometheus',
    url: luck.pick(['http://127.0.0.1:9090', 'https://prometheus.example/prefix/']),
    requests: query('http_requests_total'),
    ...luck.pick([errors, status, { ...errors, ...status }]),
    ...someOf(luck, {
      slices: 'region',
      latency: query('http_seconds_bucket'),
      timeout: '2s',
      interval: luck.pick(['15s', '1ms']),
    }),
  };
}

function probeGate(luck: Luck): Settings {
  return {
    source: 'http-probe',
    ...someOf(luck, {
      path: luck.pick(['/healthz', '/', '/a?b=c']),
      expectStatus: luck.pick([[200], [200, 401, 599]]),
      maxLatency: luck.pick(['250ms', '1s']),
      header: { name: 'X-Build', equals: luck.pick(['', 'a b']) },
      bodyIncludes: '"ok":true',
      probes: 1 + luck.below(100),
      timeout: '1s',
    }),
  };
}

function commandGate(luck: Luck): Settings {
  return { source: 'command', argv: luck.pick([['/bin/counts', '${build}'], ['counts', '--of=${place}', '-v'], ['${build}']]) };
}

/** One gate of any kind: comparing, limiting, or both; one of a router of this kind may be a mere word. */
export function gateOf(luck: Luck, index: number, router: unknown): unknown {
  if (index === 0 && luck.chance(0.3)) return 'errors';
  const source = luck.pick([prometheusGate, probeGate, commandGate, () => ({ source: router })])(luck);
  const limits = { max: luck.pick(['1%', '0.5 %', '100%', '0%']), ...someOf(luck, { minRequests: 1 + luck.below(500) }) };
  const compare = { compare: compareOf(luck) };
  const name = luck.pick([`gate-${index}`, ...(index === 0 ? ['constructor', 'errors'] : [])]);
  return { name, ...source, ...luck.pick([limits, compare, {}, { ...limits, ...compare }]) };
}

/** How sure the comparing gates must be. */
export function evidenceOf(luck: Luck): Settings {
  return someOf(luck, {
    alpha: luck.pick(['1%', '20%', '0.0001%']),
    confidence: luck.pick(['95%', '50%', '99.9999%']),
    dwell: luck.pick(['3m', '0s', '30d']),
    block: luck.pick(['15s', '100ms', '30d']),
    threshold: luck.pick([0, 5.3, 1e9]),
    unverified: luck.pick(['0%', '5%', '100%']),
  });
}
