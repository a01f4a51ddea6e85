/** What a rule of the config meets before it knows that its value is of the right shape: anything at all, at any place. */
import { expect, test } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';

const router = { kind: 'haproxy', sockets: ['/run/a.sock'], backend: 'gw', serverStateFile: '/var/lib/a' };
const prometheus = {
  name: 'queries',
  source: 'prometheus',
  url: 'http://127.0.0.1:9090',
  requests: 'r{build="${build}"}',
  status: 'code',
  slices: 'region',
  latency: 'l{build="${build}"}',
  interval: '15s',
  compare: {
    tolerate: { times: 1.2, plus: '0.05%' },
    ruleOut: { times: 2, plus: '1%' },
    limit: '1%',
    clusters: 4,
    traffic: false,
  },
};
const probe = {
  name: 'probe',
  source: 'http-probe',
  max: '1%',
  minRequests: 5,
  expectStatus: [200],
  header: { name: 'x', equals: 'y' },
};
const command = { name: 'counts', source: 'command', argv: ['/bin/counts', '${build}'] };
const service = {
  router,
  identity: { path: '/id', json: 'build', environmentJson: 'env' },
  steps: [
    { percent: 10, bake: '5m' },
    { percent: 100, bake: '5m' },
  ],
  gates: ['errors', prometheus, probe, command],
  evidence: { alpha: '1%', confidence: '95%', dwell: '3m', block: '15s', threshold: 5.3, unverified: '5%' },
  pointer: { copies: ['/mnt/copy'] },
  poll: '1s',
  patience: '5m',
};
const requiring = (environment: string) => ({ requires: { environment, soak: '30m' } });
const other = {
  ...service,
  router: { kind: 'local', listen: '127.0.0.1:8081', routes: '/r.json', addresses: { a: 'http://h:1' } },
};
const WHOLE = {
  apiVersion: 'kvdeploy.dev/v1',
  kind: 'Config',
  manifests: 'releases',
  stateDir: '/var/lib/kvdeploy',
  stateGroup: 'ops',
  tenants: {
    acme: {
      environments: {
        production: { protected: true, ...requiring('staging'), services: { web: service } },
        staging: { ...requiring('test'), services: { web: other } },
        test: {},
      },
    },
  },
};

const ODD: readonly unknown[] = [null, true, -7, '', 'staging', '\u0000', [], {}, [[]], [null], [{}], { a: { b: null } }];

interface Place {
  readonly at: string;
  /** The whole config with another value here. */
  with(value: unknown): unknown;
}

function places(value: unknown, at: string, put: (value: unknown) => unknown): Place[] {
  const inner = Object.entries(typeof value === 'object' && value !== null ? value : {}).flatMap(([key, child]) =>
    places(child, `${at}.${key}`, (odd) =>
      put(
        Array.isArray(value)
          ? value.map((old, index) => (String(index) === key ? odd : old))
          : { ...(value as object), [key]: odd },
      ),
    ),
  );
  return [{ at, with: put }, ...inner];
}

const PLACES = places(WHOLE, 'config', (value) => value);
const parsed = (document: unknown, name: string) => parseConfig(`/w/${name}`, name, Buffer.from(JSON.stringify(document)));

test('the config that is changed is good as it stands', () => {
  expect(parsed(WHOLE, 'kvdeploy.config.yaml').findings).toEqual([]);
});

/** Thousands of configs are read; a busy machine may be slow. */
const LONG_MS = 120_000;

// A map that came from YAML has no prototype: it cannot even be made a text.
test.each(['kvdeploy.config.yaml', 'kvdeploy.config.json'])(
  '%s with an odd value at any one place is read or refused with a finding',
  (name) => {
    expect(PLACES.length).toBeGreaterThan(100);
    let refused = 0;
    for (const place of PLACES) {
      for (const odd of ODD) {
        const { config, findings } = parsed(place.with(odd), name);
        expect(config === undefined, `${place.at} = ${JSON.stringify(odd)}`).toBe(findings.length > 0);
        refused += findings.length > 0 ? 1 : 0;
      }
    }
    expect(refused).toBeGreaterThan(PLACES.length * 5);
  },
  LONG_MS,
);

test(
  'rules that look at two places at once hold on to nothing where both are odd',
  () => {
    const pairs: readonly (readonly [string, string])[] = [
      ['router.kind', 'gates.0'],
      ['router', 'gates'],
      ['gates.1.name', 'gates.2.name'],
      ['steps.0.percent', 'steps.1.percent'],
      ['production.requires.environment', 'staging.requires.environment'],
      ['staging.requires', 'test'],
    ];
    const placeOf = (from: readonly Place[], end: string) => {
      const found = from.find(({ at }) => at.endsWith(end));
      if (found === undefined) throw new Error(`no ${end}`);
      return found;
    };
    for (const [one, two] of pairs) {
      for (const first of ODD) {
        const half = placeOf(PLACES, one).with(first);
        for (const second of ODD) {
          const document = placeOf(
            places(half, 'config', (value) => value),
            two,
          ).with(second);
          const { config, findings } = parsed(document, 'kvdeploy.config.yaml');
          expect(config === undefined, `${one} = ${JSON.stringify(first)}, ${two} = ${JSON.stringify(second)}`).toBe(
            findings.length > 0,
          );
        }
      }
    }
  },
  LONG_MS,
);
