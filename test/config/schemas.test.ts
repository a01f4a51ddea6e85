/** The JSON Schemas: fresh, described, and of one mind with zod. */
import * as fs from 'node:fs';
import path from 'node:path';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseMachine } from '../../src/base/owners/machine-format.ts';
import { schema } from '../../src/commands/setup/schema.ts';
import { type SchemaName, schemaNames, schemaText } from '../../src/config/json-schemas.ts';
import { configSchema } from '../../src/config/schema.ts';
import { manifestSchema } from '../../src/core/manifest/manifest.ts';

const root = path.resolve(import.meta.dirname, '../..');
const ajv = new Ajv({ strict: false, validateFormats: false });
const compile = (name: SchemaName) => ajv.compile(JSON.parse(schemaText(name)));

for (const name of schemaNames) {
  test(`schemas/${name}.json is what \`npm run schemas\` writes, and what \`kvdeploy schema ${name}\` prints`, () => {
    expect(fs.readFileSync(path.join(root, 'schemas', `${name}.json`), 'utf8')).toBe(schema(name));
  });
}

test('an unknown schema is refused with the known ones', () => {
  expect(() => schema('confg')).toThrow(/no schema "confg". Did you mean "config"/);
});

test('every property of a manifest and a config is described', () => {
  const bare: string[] = [];
  const walk = (node: Record<string, unknown>, at: string): void => {
    for (const [key, value] of Object.entries((node.properties ?? {}) as Record<string, Record<string, unknown>>)) {
      if (typeof value.description !== 'string') bare.push(`${at}/${key}`);
      walk(value, `${at}/${key}`);
    }
    for (const inner of [node.items, node.additionalProperties, ...((node.oneOf ?? node.anyOf ?? []) as unknown[])]) {
      if (inner !== null && typeof inner === 'object') walk(inner as Record<string, unknown>, at);
    }
  };
  for (const name of ['release-manifest', 'config'] as const) walk(JSON.parse(schemaText(name)), name);
  // Inside the settings of routers, sources and identity their own authors describe.
  expect(bare.filter((each) => !/\/(router|gates|identity)\//.test(each))).toEqual([]);
});

describe('ajv and zod', () => {
  test('ajv and zod agree on every fixture that is well formed', () => {
    const folder = path.join(root, 'fixtures/validate/good');
    expect(compile('config')(parse(fs.readFileSync(path.join(folder, 'kvdeploy.config.yaml'), 'utf8')))).toBe(true);
    expect(
      compile('release-manifest')(parse(fs.readFileSync(path.join(folder, 'releases/production/kv-gateway.yaml'), 'utf8'))),
    ).toBe(true);
  });

  // What zod knows beyond JSON Schema: reserved device names, real dates, durations of more than 30 days, and in the config
  // rising percentages, unique gate names and environments that exist.
  test('ajv and zod agree on generated manifests, good and bad (seeded)', () => {
    const seed = Number(process.env.KVDEPLOY_SEED ?? Date.now() % 1_000_000);
    const accepts = compile('release-manifest');
    const verdicts = { good: 0, bad: 0 };
    fc.assert(
      fc.property(manifests(), (manifest) => {
        const good = manifestSchema.safeParse(manifest).success;
        verdicts[good ? 'good' : 'bad']++;
        expect(accepts(manifest)).toBe(good);
      }),
      { seed, numRuns: 3000 },
    );
    expect(verdicts.good).toBeGreaterThan(100);
    expect(verdicts.bad).toBeGreaterThan(100);
  });

  test('ajv and zod agree on durations and shares in a config', () => {
    const accepts = compile('config');
    const config = (bake: unknown, percent: unknown) => ({
      apiVersion: 'kvdeploy.dev/v1',
      kind: 'Config',
      tenants: { acme: { environments: { production: { services: { web: { steps: [{ percent, bake }] } } } } } },
    });
    for (const [bake, percent] of [
      ['5m', 100],
      ['1h30m', 100],
      ['5 m', 100],
      ['5', 100],
      ['m5', 100],
      [5, 100],
      ['5m', 0],
      ['5m', 101],
      ['5m', '100'],
      ['1m1h', 100],
    ]) {
      expect(accepts(config(bake, percent)), `${bake} ${percent}`).toBe(configSchema.safeParse(config(bake, percent)).success);
    }
  });
});

function manifests(): fc.Arbitrary<unknown> {
  const mostly = <T>(good: fc.Arbitrary<T>, ...bad: unknown[]) =>
    fc.oneof({ weight: 30, arbitrary: good as fc.Arbitrary<unknown> }, { weight: 1, arbitrary: fc.constantFrom(...bad) });
  const name = mostly(
    fc.constantFrom('acme', 'production', 'kv-gateway', 'a'),
    'Acme',
    '-a',
    'a-',
    '',
    'a_b',
    'pr\u043ed',
    7,
    null,
    'a'.repeat(64),
    'a\n',
  );
  const guid = mostly(
    fc
      .uuid()
      .chain((plain) =>
        fc.constantFrom(plain, plain.toUpperCase(), `{${plain}}`, `urn:uuid:${plain}`, `URN:UUID:${plain.toUpperCase()}`),
      ),
    'x',
    '',
    `{${'0'.repeat(36)}`,
    '7c9e6679-7425-40de-944b-e07fc1f90ae',
    'urn:uuid:{7c9e6679-7425-40de-944b-e07fc1f90ae7}',
    5,
  );
  const build = fc.record(
    {
      guid,
      version: mostly(fc.constantFrom('1', '2026.11.21-3'), '', 1.1, 'v'.repeat(129)),
      digest: mostly(fc.constant(`sha256:${'a'.repeat(64)}`), `sha256:${'A'.repeat(64)}`, 'sha512:aa', ''),
      sequence: mostly(fc.nat(), -1, 1.5, '1', 2 ** 53),
      createdAt: fc.constant('2026-11-21T09:12:00Z'),
      ref: mostly(fc.constantFrom('green', 'srv:1', 'a_b'), '', '-a', 'a b', 'a/b'),
      environment: name,
      source: mostly(
        fc.constant({ repository: 'r', commit: '3f2a9c1' }),
        { repository: 'r' },
        { repository: '', commit: '3f2a9c1' },
        { repository: 'r', commit: 'XYZ' },
        {},
      ),
      record: mostly(fc.constant('r'), 1),
    },
    { requiredKeys: ['guid', 'version', 'digest', 'sequence', 'createdAt', 'ref'] },
  );
  const whole = fc.record({
    apiVersion: mostly(fc.constant('kvdeploy.dev/v1'), 'v2'),
    kind: mostly(fc.constant('ReleaseManifest'), 'Config'),
    tenant: name,
    environment: name,
    service: name,
    builds: mostly(fc.array(build, { maxLength: 3 }), null, {}, [null]),
  });
  return fc.oneof(
    { weight: 20, arbitrary: whole as fc.Arbitrary<unknown> },
    { weight: 1, arbitrary: whole.map((each) => ({ ...each, extra: 1 })) },
  );
}

test('the schema of the machine file and its reader are of one mind', () => {
  const valid = compile('machine');
  const reads = (value: unknown) => {
    try {
      parseMachine(JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  };
  const scope = 'acme/production/web';
  const samples: readonly [unknown, boolean][] = [
    [{}, true],
    [{ stateOwners: ['kvdeploy', 1001], configOwners: [0], programs: [['/bin/true']], drill: { warnDays: 30 } }, true],
    [
      {
        targets: {
          [scope]: { files: ['/a'], sockets: ['edge:9999'], requests: [{ method: 'POST', url: 'https://a.example/' }] },
        },
      },
      true,
    ],
    [{ stateOwner: [] }, false],
    [{ stateOwners: 'kvdeploy' }, false],
    [{ programs: [[]] }, false],
    [{ targets: { [scope]: { files: ['relative'] } } }, false],
    [{ targets: { [scope]: { requests: [{ url: 'https://a.example/' }] } } }, false],
  ];
  for (const [value, expected] of samples) expect([value, valid(value), reads(value)]).toEqual([value, expected, expected]);
});
