/** The rules between manifests, each alone. */
import { describe, expect, test } from 'vitest';
import { type Manifest, manifestSchema } from '../../../src/core/manifest/manifest.ts';
import { type KnownNames, manifestBreaches, type PlacedManifest } from '../../../src/core/manifest/manifest-rules.ts';

const A = '7c9e6679-7425-40de-944b-e07fc1f90ae7';
const B = '0b9f1c22-5d0e-4a3b-8f1e-2a6c1d9e4f11';
const hex = (digit: string) => `sha256:${digit.repeat(64)}`;

interface Offer {
  readonly guid: string;
  readonly digest?: string;
  readonly sequence?: number;
  readonly environment?: string;
}

function placed(
  environment: string,
  offers: readonly Offer[],
  place: PlacedManifest['place'] = [environment, 'web.yaml'],
  tenant = 'acme',
): PlacedManifest {
  const builds = offers.map((offer, index) => ({
    version: '1',
    digest: hex('a'),
    sequence: index + 1,
    createdAt: '2026-11-21T09:12:00Z',
    ref: 'green',
    ...offer,
  }));
  const manifest: Manifest = manifestSchema.parse({
    apiVersion: 'kvdeploy.dev/v1',
    kind: 'ReleaseManifest',
    tenant,
    environment,
    service: 'web',
    builds,
  });
  return { file: `${tenant}-${environment}.yaml`, manifest, place };
}

const codes = (manifests: readonly PlacedManifest[], names: KnownNames | null = null) =>
  manifestBreaches(manifests, names).map((each) => each.code);
const known = (...tenants: string[]): KnownNames =>
  new Map(
    tenants.map((tenant) => [
      tenant,
      new Map([
        ['production', ['web']],
        ['staging', ['web']],
      ]),
    ]),
  );

describe('a GUID', () => {
  test('a GUID that is in one scope once is fine', () =>
    expect(codes([placed('production', [{ guid: A }]), placed('staging', [{ guid: B }])])).toEqual([]));

  for (const spelling of [A.toUpperCase(), `{${A}}`, `{${A.toUpperCase()}}`, `urn:uuid:${A}`, `URN:UUID:${A.toUpperCase()}`]) {
    test(`a GUID in two scopes is foreign, even when spelt ${spelling}`, () => {
      expect(
        manifestBreaches([placed('staging', [{ guid: spelling }]), placed('production', [{ guid: A }])], null),
      ).toMatchObject([
        {
          code: 'FOREIGN_BUILD',
          at: { file: 'acme-production.yaml', path: ['builds', 0, 'guid'] },
          related: [{ file: 'acme-staging.yaml', path: ['builds', 0, 'guid'] }],
        },
      ]);
    });
  }

  test('a GUID in two tenants with equal environment and service is foreign', () => {
    expect(codes([placed('production', [{ guid: A }]), placed('production', [{ guid: A }], null, 'globex')])).toEqual([
      'FOREIGN_BUILD',
    ]);
  });
  test('a GUID that is twice in one manifest is refused, in any spelling', () => {
    expect(codes([placed('production', [{ guid: A }, { guid: A.toUpperCase() }])])).toEqual(['REPEATED_GUID']);
  });
  test('a GUID with two digests is refused', () => {
    expect(codes([placed('production', [{ guid: A }, { guid: `{${A}}`, digest: hex('b') }])])).toEqual([
      'REPEATED_GUID',
      'TWO_DIGESTS',
    ]);
  });
  test('a GUID stamped for another environment is foreign, and both places are named', () => {
    expect(manifestBreaches([placed('production', [{ guid: B }, { guid: A, environment: 'staging' }])], null)).toMatchObject([
      { code: 'FOREIGN_BUILD', at: { path: ['builds', 1, 'environment'] }, related: [{ path: ['environment'] }] },
    ]);
    expect(codes([placed('production', [{ guid: A, environment: 'production' }])])).toEqual([]);
  });
});

test('a sequence may be used once in a scope, and again in another', () => {
  expect(
    codes([
      placed('production', [
        { guid: A, sequence: 7 },
        { guid: B, sequence: 7 },
      ]),
    ]),
  ).toEqual(['REPEATED_SEQUENCE']);
  expect(codes([placed('production', [{ guid: A, sequence: 7 }]), placed('staging', [{ guid: B, sequence: 7 }])])).toEqual([]);
});

test('a second manifest for one scope is refused', () => {
  expect(
    codes([placed('production', []), { ...placed('production', [], ['acme', 'production', 'web.yml']), file: 'second' }]),
  ).toEqual(['REPEATED_SCOPE']);
});

describe('the place of a manifest', () => {
  const table: readonly (readonly [string, PlacedManifest['place'], KnownNames | null, boolean])[] = [
    ['environment/service', ['production', 'web.yaml'], null, true],
    ['environment/service, one tenant', ['production', 'web.json'], known('acme'), true],
    ['tenant/environment/service, one tenant', ['acme', 'production', 'web.yml'], known('acme'), true],
    ['tenant/environment/service, several tenants', ['acme', 'production', 'web.yml'], known('acme', 'globex'), true],
    ['environment/service, several tenants', ['production', 'web.yaml'], known('acme', 'globex'), false],
    ['another environment', ['staging', 'web.yaml'], null, false],
    ['another tenant', ['globex', 'production', 'web.yaml'], null, false],
    ['another service', ['production', 'api.yaml'], null, false],
    ['deeper', ['x', 'acme', 'production', 'web.yaml'], null, false],
    ['another extension', ['production', 'web.YAML'], null, false],
    ['outside the root', 'outside', null, false],
    ['standard input', null, known('acme', 'globex'), true],
  ];
  for (const [name, place, names, good] of table) {
    test(`a manifest is ${good ? 'at the right' : 'at the wrong'} place: ${name}`, () =>
      expect(codes([placed('production', [], place)], names)).toEqual(good ? [] : ['WRONG_PLACE']));
  }
});

test('a scope that could be mistaken for a configured one is refused; a merely unknown one is not', () => {
  const names = known('acme');
  expect(codes([placed('prodution', [])], names)).toEqual(['UNKNOWN_NAME']);
  expect(codes([placed('production', [], ['acmee', 'production', 'web.yaml'], 'acmee')], names)).toEqual(['UNKNOWN_NAME']);
  expect(codes([placed('sandbox', [])], names)).toEqual([]);
});
