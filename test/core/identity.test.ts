/** How a config says which build runs somewhere: what fits together, what a place changes, and what older plans have. */
import { describe, expect, it } from 'vitest';
import { identityAt, identitySchema, statedIdentitySchema } from '../../src/core/identity.ts';

const problem = (identity: object) => {
  const parsed = identitySchema.safeParse({ path: '/healthz', header: 'x-build', ...identity });
  return parsed.success ? undefined : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
};

describe('an identity', () => {
  it.each([
    [{ json: 'build.id' }, 'json: give either header or json'],
    [{ unixSocket: '/run/a.sock', port: 8081 }, 'port: give either unixSocket or port'],
    [{ verify: 'none', ca: '/etc/ca.pem' }, 'ca: give either verify or ca'],
    [{ scheme: 'http', serverName: 'a.internal' }, 'serverName: serverName is for https'],
    [{ path: undefined }, 'path: give the path that is asked'],
    [{ header: undefined }, ': give one of header, json and program'],
    [{ is: 'sha' }, 'is: must be guid, digest, commit, version or label.NAME'],
    [{ host: 'a b' }, 'host: a host name'],
    [{ host: 'a\r\nx: y' }, 'host: a host name'],
    [{ ca: 'ca.pem' }, 'ca: an absolute path'],
    [{ port: 0 }, 'port: '],
    [{ unixSocket: `/run/${'ä'.repeat(60)}.sock` }, 'unixSocket: a socket path has at most 107 bytes'],
    [{ json: undefined, header: undefined, program: ['/bin/a'], path: '/healthz' }, 'path: a program asks in its own way'],
  ])('an identity with %j is refused, with its reason at the key', (more, reason) => {
    expect(problem(more)).toContain(reason);
  });

  it('an identity as older versions wrote it into their plans is read as it was', () => {
    for (const old of [
      { path: '/', header: 'x-build-guid' },
      { path: '/x?y', json: 'a.b', environmentHeader: 'x-env', environmentJson: 'c' },
    ])
      expect(statedIdentitySchema.parse(old)).toEqual(old);
  });
});

describe('the identity of a place', () => {
  const service = identitySchema.parse({
    path: '/healthz',
    header: 'x-git-sha',
    is: 'commit',
    environmentHeader: 'x-env',
    port: 8081,
  });
  const at = (identity: object | undefined) =>
    identityAt(service, { kind: 'haproxy', places: { blue: ['b1'], green: { servers: ['g1'], identity } } }, 'green');

  it('a place without an identity of its own is asked as the service says', () => {
    expect(at(undefined)).toEqual(service);
    expect(identityAt(service, { places: { blue: ['b1'] } }, 'blue')).toEqual(service);
    expect(identityAt(service, { kind: 'haproxy' }, 'constructor')).toEqual(service);
    expect(identityAt('none', { places: {} }, 'blue')).toBe('none');
  });

  it('what a place says takes the place of what it contradicts, and leaves the rest', () => {
    expect(at({ unixSocket: '/run/g.sock' })).toEqual({
      path: '/healthz',
      header: 'x-git-sha',
      is: 'commit',
      environmentHeader: 'x-env',
      unixSocket: '/run/g.sock',
    });
    expect(at({ json: 'a.b', environmentJson: 'env' })).toMatchObject({ json: 'a.b', environmentJson: 'env', port: 8081 });
    expect(at({ json: 'a.b', environmentJson: 'env' })).not.toHaveProperty('header');
    expect(at({ program: ['/bin/which'] })).toEqual({ is: 'commit', program: ['/bin/which'] });
  });

  it('a place whose identity does not fit that of the service is refused', () => {
    expect(() =>
      identityAt(identitySchema.parse({ program: ['/bin/a'] }), { places: { green: { identity: { header: 'x' } } } }, 'green'),
    ).toThrow(/path/);
  });
});
