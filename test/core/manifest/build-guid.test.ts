import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { derived, sha256 } from '../../../src/core/manifest/build-guid.ts';

const SCOPE = { tenant: 'acme', environment: 'production', service: 'kv-gateway' };
const DIGEST = 'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';
const SOURCE = { repository: 'https://example.com/acme/gateway', commit: '3f2a9c1d0b7e4f11' };

/** RFC 9562, 5.5, once more and in another way: on the hex digits. */
function uuid5(namespace: string, name: string): string {
  const bytes = Buffer.concat([Buffer.from(namespace.replaceAll('-', ''), 'hex'), Buffer.from(name, 'utf8')]);
  const hex = createHash('sha1').update(bytes).digest('hex');
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) % 4) + 8).toString(16);
  return [hex.slice(0, 8), hex.slice(8, 12), `5${hex.slice(13, 16)}`, variant + hex.slice(17, 20), hex.slice(20, 32)].join('-');
}

const URLS = '6ba7b811-9dad-11d1-80b4-00c04fd430c8';

test('this test derives the example of RFC 9562', () => {
  expect(uuid5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'www.example.com')).toBe('2ed6657d-e927-568b-95e1-2665a8aea6a2');
});

test('a build with a digest gets the GUID of its digest in its scope', () => {
  const namespace = uuid5(URLS, 'kvdeploy:acme/production/kv-gateway');
  expect(derived({ digest: DIGEST, source: SOURCE }, SCOPE)).toEqual({ guid: uuid5(namespace, DIGEST), digest: DIGEST });
});

test('a build of which only the source is known gets the GUID of repository@commit, and says that its digest is of that', () => {
  const namespace = uuid5(URLS, 'kvdeploy:acme/production/kv-gateway');
  const name = 'https://example.com/acme/gateway@3f2a9c1d0b7e4f11';
  expect(derived({ digest: undefined, source: SOURCE }, SCOPE)).toEqual({
    guid: uuid5(namespace, name),
    digest: `sha256:${createHash('sha256').update(name).digest('hex')}`,
    digestOf: 'source',
  });
});

test('the recipe never changes: these GUIDs are in manifests', () => {
  expect(derived({ digest: DIGEST, source: undefined }, SCOPE).guid).toBe('2745e011-9fa3-5c32-a99d-797bf92c4758');
  expect(derived({ digest: undefined, source: SOURCE }, SCOPE).guid).toBe('0ac5b41a-b602-5c06-afc6-626badcc104b');
});

test.each(['tenant', 'environment', 'service'] as const)('one source built for another %s has another GUID', (part) => {
  const here = derived({ digest: undefined, source: SOURCE }, SCOPE).guid;
  expect(derived({ digest: undefined, source: SOURCE }, { ...SCOPE, [part]: 'other' }).guid).not.toBe(here);
});

test('the digest of bytes is written as a manifest has it', () => {
  expect(sha256('test')).toBe(DIGEST);
});
