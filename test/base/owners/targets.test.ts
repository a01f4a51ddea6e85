/** What of a pointer must stand in the machine file where others could have written it, and what the printed stanza allows. */
import { describe, expect, test } from 'vitest';
import type { Change, Check } from '../../../src/base/changes/change.ts';
import type { IdentityCheck } from '../../../src/base/changes/identity.ts';
import { parseMachine } from '../../../src/base/owners/machine-format.ts';
import { notAllowed, type Reach, reachOf, reachText, stanza } from '../../../src/base/owners/targets.ts';

const NAME = 'acme/production/web';
const TIME = { timeoutMs: 100 } as const;
const SECRET = { name: 'CF_TOKEN', header: 'authorization', scheme: 'Bearer' } as const;
const API = 'https://api.example/deployments';

const request = (over: object = {}): Change => ({ kind: 'request', method: 'POST', url: API, expect: [200], ...TIME, ...over });
const http = (over: object = {}) => ({ kind: 'http', url: API, header: 'x', equals: 'y', ...TIME, ...over }) as const;
const program = (argv: readonly string[]) => ({ kind: 'run', argv, json: ['x'], equals: 'y', ...TIME }) as const;

const reach = (parts: { changes?: readonly Change[]; checks?: readonly Check[]; identity?: readonly IdentityCheck[] }): Reach =>
  reachOf({ changes: [], checks: [], identity: [], questions: [], ...parts });

describe('what a pointer touches', () => {
  test('a program touches the machine wherever it stands: in a change, a check or an identity', () => {
    const { programs } = reach({
      changes: [{ kind: 'run', argv: ['/a'], stdin: 'x', ...TIME }],
      checks: [program(['/b', '-x'])],
      identity: [program(['/c'])],
    });
    expect(programs).toEqual([['/a'], ['/b', '-x'], ['/c']]);
  });

  test('a question without a secret reads a URL, and one with a secret is a request that the machine file must name with it', () => {
    expect(reach({ checks: [http()], identity: [http({ url: 'http://m/' })] })).toMatchObject({
      checks: [API, 'http://m/'],
      requests: [],
    });
    expect(reach({ checks: [http({ secret: SECRET })] })).toMatchObject({
      checks: [],
      requests: [{ method: 'GET', url: API, secret: 'CF_TOKEN' }],
    });
  });

  test('a UNIX socket that a member is asked on is a socket', () => {
    expect(reach({ identity: [http({ unixSocket: '/run/evil.sock', secret: SECRET })] })).toMatchObject({
      sockets: ['/run/evil.sock'],
      requests: [{ method: 'GET', url: API, secret: 'CF_TOKEN' }],
    });
  });

  test('whom TLS believes belongs to the request: another CA, name or key is another request', () => {
    const tls = { ca: '/etc/ca.pem', cert: '/etc/c.pem', key: '/etc/c.key', serverName: 'api.example' };
    const plain = { method: 'POST', url: API, secret: 'CF_TOKEN' };
    const allowed = (one: object) => {
      const machine = parseMachine(JSON.stringify({ targets: { [NAME]: { requests: [one] } } }));
      return notAllowed(reach({ changes: [request({ secret: SECRET, ...tls })] }), machine, NAME) === undefined;
    };
    expect(allowed({ ...plain, ...tls })).toBe(true);
    for (const other of [plain, { ...plain, ...tls, ca: '/tmp/ca.pem' }, { ...plain, ...tls, serverName: 'evil.example' }])
      expect(allowed(other)).toBe(false);
  });

  test('a secret by its old short form is the same secret', () => {
    expect(reach({ changes: [request({ bearerSecret: 'CF_TOKEN' })] })).toEqual(
      reach({ changes: [request({ secret: SECRET })] }),
    );
  });
});

describe('what the machine file allows', () => {
  const checks = [program(['/usr/bin/kubectl', 'get', 'deploy'])];

  test('a program of the machine is allowed to every scope, by its exact argv', () => {
    const machine = (programs: unknown) => parseMachine(JSON.stringify({ programs }));
    expect(notAllowed(reach({ checks }), machine([['/usr/bin/kubectl', 'get', 'deploy']]), NAME)).toBeUndefined();
    for (const other of [['/usr/bin/kubectl'], ['/usr/bin/kubectl', 'get', 'deploy', '-A'], ['kubectl', 'get', 'deploy']])
      expect(notAllowed(reach({ checks }), machine([other]), NAME)?.programs).toHaveLength(1);
  });

  test('the stanza that is printed allows exactly what was missing', () => {
    const all = reach({
      changes: [
        request({ secret: SECRET, ca: '/etc/ca.pem' }),
        { kind: 'socket', address: '/run/a.sock', commands: ['x'], ...TIME },
      ],
      checks: [...checks, http({ secret: SECRET }), { kind: 'file', path: '/etc/routes', content: '' }],
      identity: [http({ url: 'http://m/', unixSocket: '/run/m.sock' })],
    });
    const printed = parseMachine(stanza(all, {}, NAME).join('\n'));
    expect(notAllowed(all, printed, NAME)).toBeUndefined();
    expect(notAllowed(all, printed, 'acme/staging/web')).toEqual(all);
    expect(reachText(all)).toContain(`POST ${API} with CF_TOKEN, ca /etc/ca.pem`);
  });
});
