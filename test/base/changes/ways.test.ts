/** The ways in which a member or an API is reached: real sockets, real TLS, PROXY headers, secrets, programs. */
import fs, { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { type AddressInfo, createServer as createRaw, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Asked, Change } from '../../../src/base/changes/change.ts';
import { check } from '../../../src/base/changes/checks.ts';
import { type IdentityCheck, identify } from '../../../src/base/changes/identity.ts';
import { make } from '../../../src/base/changes/make.ts';
import { nodeOutside } from '../../../src/base/changes/outside.ts';
import { proxyHeader } from '../../../src/base/dial/proxy-header.ts';
import { GREEN } from '../../break-glass/scene.ts';
import { freshFolder } from '../../fresh-folder.ts';
import { certificate } from '../../servers/certificates.ts';
import { freePort, startProgram, until } from '../../servers/program.ts';
import { proxied } from '../../servers/proxied.ts';

const folder = freshFolder();
const closing: (() => unknown)[] = [];
const allowed = () => undefined;

beforeAll(() => {
  certificate(folder, 'ca');
  certificate(folder, 'other-ca');
  certificate(folder, 'member', { by: 'ca', names: 'DNS:green.internal' });
  certificate(folder, 'client', { by: 'ca', names: 'DNS:kvdeploy' });
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const pem = (name: string) => join(folder, name);
const files = (name: string) => ({ key: readFileSync(pem(`${name}.key`)), cert: readFileSync(pem(`${name}.pem`)) });
const tells = (_request: IncomingMessage, response: ServerResponse) => response.setHeader('x-build', GREEN).end('{}');

async function listening(server: Server, where: string | number = 0): Promise<number> {
  await new Promise<void>((open) =>
    typeof where === 'string' ? server.listen(where, open) : server.listen(where, '127.0.0.1', open),
  );
  closing.push(() => new Promise<void>((closed) => server.close(() => closed())));
  return typeof where === 'string' ? 0 : (server.address() as AddressInfo).port;
}

const asked = (url: string, over: Partial<Asked> = {}) =>
  ({ kind: 'http', url, header: 'x-build', equals: GREEN, timeoutMs: 5000, ...over }) as const;

/** As an identity and as a check, which must agree. */
async function both(url: string, over: Partial<Asked> = {}, outside = nodeOutside): Promise<string> {
  const member = await identify(asked(url, over), outside);
  const read = await check(asked(url, over), outside);
  const said = 'unknown' in read ? read.unknown : read.ok ? 'right' : read.why;
  if (member.kind === 'right') expect(said).toBe('right');
  else expect(said).toBe(member.why);
  return said;
}

describe('TLS', () => {
  const secure = async (options: object = {}) => {
    const port = await listening(createSecure({ ...files('member'), ...options }, tells));
    return `https://127.0.0.1:${port}/`;
  };

  it('a member is verified by its own CA and its own name, and by no other', async () => {
    const url = await secure();
    const ca = pem('ca.pem');
    expect(await both(url, { ca, serverName: 'green.internal' })).toBe('right');
    expect(await both(url, { ca })).toContain("does not match certificate's altnames");
    expect(await both(url, { ca, serverName: 'blue.internal' })).toContain("does not match certificate's altnames");
    expect(await both(url, { ca: pem('other-ca.pem'), serverName: 'green.internal' })).toContain('unable to verify');
    expect(await both(url, { ca: pem('none.pem') })).toContain('ENOENT');
    expect(await both(url)).toContain('private CA: set ca');
  });

  it('a member over TLS that verifies no one is asked, but no secret goes there', async () => {
    const url = await secure();
    expect(await both(url, { insecure: true })).toBe('right');
    const secret = { name: 'TOKEN', header: 'x-token' };
    const outside = { ...nodeOutside, secret: () => 's3cret' };
    expect(await both(url, { insecure: true, secret }, outside)).toContain('TOKEN is not sent to');
  });

  it('a CA that any user could have written is not believed', async () => {
    fs.copyFileSync(pem('ca.pem'), pem('loose.pem'));
    fs.chmodSync(pem('loose.pem'), 0o666);
    expect(await both(await secure(), { ca: pem('loose.pem'), serverName: 'green.internal' })).toContain('any user can write');
  });

  it('a request shows its client certificate, under the name that it asks for', async () => {
    const url = await secure({ ca: readFileSync(pem('ca.pem')), requestCert: true });
    const change: Change = {
      kind: 'request',
      method: 'PUT',
      url,
      ca: pem('ca.pem'),
      serverName: 'green.internal',
      cert: pem('client.pem'),
      key: pem('client.key'),
      expect: [200],
      timeoutMs: 5000,
    };
    await make(change, nodeOutside, allowed);
    const { cert: _, key: __, ...without } = change;
    await expect(make(without, nodeOutside, allowed)).rejects.toThrow();
    fs.chmodSync(pem('client.key'), 0o644);
    fs.chmodSync(folder, 0o755);
    await expect(make(change, nodeOutside, allowed)).rejects.toThrow('any user can read');
    fs.chmodSync(pem('client.key'), 0o600);
    fs.chmodSync(folder, 0o700);
  });
});

describe('sockets and hosts', () => {
  it('a member is asked on its UNIX socket, and a path that is too long names no other socket', async () => {
    const unixSocket = join(folder, 'green.sock');
    await listening(createServer(tells), unixSocket);
    expect(await both('http://localhost/', { unixSocket })).toBe('right');
    expect(await both('http://localhost/', { unixSocket: join(folder, 'x'.repeat(107)) })).toContain('at most 107 bytes');
    expect(await both('http://localhost/', { unixSocket: join(folder, 'none.sock') })).toContain('ENOENT');
  });

  it('a member over TLS on a UNIX socket is verified by the name that is given', async () => {
    const unixSocket = join(folder, 'tls.sock');
    await listening(createSecure(files('member'), tells), unixSocket);
    expect(await both('https://green.internal/', { unixSocket, ca: pem('ca.pem') })).toBe('right');
    expect(await both('https://blue.internal/', { unixSocket, ca: pem('ca.pem') })).toContain('does not match');
  });

  it('a member hears the host that is given, and otherwise the one of the URL', async () => {
    const hosts: (string | undefined)[] = [];
    const port = await listening(
      createServer((request, response) => {
        hosts.push(request.headers.host);
        tells(request, response);
      }),
    );
    await identify(asked(`http://127.0.0.1:${port}/`, { host: 'api.example:8443' }), nodeOutside);
    await identify(asked(`http://127.0.0.1:${port}/`), nodeOutside);
    expect(hosts).toEqual(['api.example:8443', `127.0.0.1:${port}`]);
  });

  it('a member with an IPv6 address is asked there', async () => {
    const server = createServer(tells);
    await new Promise<void>((open) => server.listen(0, '::1', open));
    closing.push(() => new Promise<void>((closed) => server.close(() => closed())));
    expect(await both(`http://[::1]:${(server.address() as AddressInfo).port}/`)).toBe('right');
  });
});

describe('the PROXY protocol', () => {
  it.each([
    [1, /^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+$/],
    [2, /^v2 21 11 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+$/],
  ] as const)('a PROXY header of version %s stands before the request, and before TLS', async (proxyProtocol, header) => {
    const plain = await proxied(tells);
    const secure = await proxied(tells, files('member'));
    closing.push(plain.close, secure.close);
    expect(await both(`http://127.0.0.1:${plain.port}/`, { proxyProtocol })).toBe('right');
    const tls = { ca: pem('ca.pem'), serverName: 'green.internal' };
    expect(await both(`https://127.0.0.1:${secure.port}/`, { proxyProtocol, ...tls })).toBe('right');
    for (const { said, port } of [plain, secure]) {
      expect(said).toHaveLength(2);
      for (const line of said) {
        expect(line).toMatch(header);
        expect(line.endsWith(` ${port}`)).toBe(true);
      }
    }
  });

  it('a PROXY header on a UNIX socket names no addresses', async () => {
    const unixSocket = join(folder, 'proxied.sock');
    const server = await proxied(tells, undefined, unixSocket);
    closing.push(server.close);
    for (const proxyProtocol of [1, 2] as const)
      expect((await identify(asked('http://localhost/', { unixSocket, proxyProtocol }), nodeOutside)).kind).toBe('right');
    expect(server.said).toEqual(['PROXY UNKNOWN', 'LOCAL']);
  });

  it('a PROXY header of IPv6 addresses has them byte by byte', () => {
    const ends = { localAddress: 'fe80::1%eth0', localPort: 4660, remoteAddress: '2001:db8::ff00:42:8329', remotePort: 443 };
    expect(proxyHeader(1, ends).toString()).toBe('PROXY TCP6 fe80::1 2001:db8::ff00:42:8329 4660 443\r\n');
    expect(proxyHeader(2, ends).toString('hex')).toBe(
      '0d0a0d0a000d0a515549540a21210024fe80000000000000000000000000000120010db8000000000000ff0000428329123401bb',
    );
    const mapped = { ...ends, localAddress: '::ffff:10.1.2.3', remoteAddress: '::1' };
    expect(proxyHeader(2, mapped).toString('hex').slice(32, 64)).toBe('00000000000000000000ffff0a010203');
    expect(proxyHeader(1, { ...ends, remoteAddress: '10.0.0.1' }).toString()).toBe('PROXY UNKNOWN\r\n');
  });

  it("HAProxy's accept-proxy takes both versions, and sees this end as the client", async () => {
    const port = await freePort();
    const config = pem('haproxy.cfg');
    const answer = 'http-request return status 200 hdr x-build %[src]:%[src_port] content-type text/plain string ok';
    const lines = ['defaults', ' mode http', ' timeout client 5s', 'frontend fe', ` bind 127.0.0.1:${port} accept-proxy`];
    fs.writeFileSync(config, `${[...lines, ` ${answer}`].join('\n')}\n`);
    const haproxy = await startProgram('haproxy', ['-db', '-f', config], folder);
    closing.push(() => haproxy.signal('SIGTERM'));
    await until('HAProxy listens', async () => {
      const { kind } = await identify(asked(`http://127.0.0.1:${port}/`, { proxyProtocol: 1 }), nodeOutside);
      return kind === 'gone' ? true : undefined;
    });
    for (const proxyProtocol of [1, 2] as const) {
      const said = await identify(asked(`http://127.0.0.1:${port}/`, { proxyProtocol }), nodeOutside);
      expect(said).toMatchObject({ why: expect.stringMatching(/returned 127\.0\.0\.1:\d+ in x-build/) });
    }
    expect(await both(`http://127.0.0.1:${port}/`)).not.toContain('returned');
  });
});

describe('secrets', () => {
  const echo = async () => {
    const heard: IncomingMessage['headers'][] = [];
    const port = await listening(
      createServer((request, response) => {
        heard.push(request.headers);
        const said = String(request.headers['x-api-key'] ?? request.headers.authorization);
        response.writeHead(403, { 'x-build': said }).end(`no such key: ${said}`);
      }),
    );
    return { url: `http://127.0.0.1:${port}/`, heard };
  };
  const outside = { ...nodeOutside, secret: (name: string) => (name === 'API_KEY' ? 'pa55word' : undefined) };

  it('a secret goes in the header that is named, with its scheme or alone, and is printed nowhere even where the server echoes it', async () => {
    const { url, heard } = await echo();
    const plain = await both(url, { secret: { name: 'API_KEY', header: 'x-api-key' } }, outside);
    const scheme = await both(url, { secret: { name: 'API_KEY', header: 'authorization', scheme: 'token' } }, outside);
    expect(heard[0]).toMatchObject({ 'x-api-key': 'pa55word' });
    expect(heard[2]).toMatchObject({ authorization: 'token pa55word' });
    const request: Change = {
      kind: 'request',
      method: 'POST',
      url,
      secret: { name: 'API_KEY', header: 'x-api-key' },
      expect: [200],
      timeoutMs: 5000,
    };
    const failure = await make(request, outside, allowed).catch((error: Error) => error.message);
    expect([plain, scheme, failure].join()).not.toContain('pa55word');
    expect(plain).toContain('returned [API_KEY] in x-build');
    expect(failure).toContain('answered 403, expected 200: no such key: [API_KEY]');
  });

  it('a secret that no header can carry is named, and not printed', async () => {
    const { url, heard } = await echo();
    const broken = { ...nodeOutside, secret: () => 'pa55word\n' };
    const said = await both(url, { secret: { name: 'API_KEY', header: 'x-api-key' } }, broken);
    expect(said).toContain('the secret API_KEY has a line break');
    expect([said, heard].join()).not.toContain('pa55word');
  });

  it('a secret that is not set is no request without it', async () => {
    const { url, heard } = await echo();
    expect(await both(url, { secret: { name: 'NONE', header: 'x-api-key' } }, outside)).toContain('NONE is not set');
    expect(heard).toEqual([]);
  });
});

describe('what is to be heard', () => {
  const says = async (headers: Record<string, string | string[]>, body = '{}') => {
    const port = await listening(createServer((_request, response) => response.writeHead(200, headers).end(body)));
    return `http://127.0.0.1:${port}/`;
  };

  it('a commit must be heard to the letter, and a GUID in any spelling', async () => {
    const url = await says({ 'x-build': 'abc123def', 'x-guid': `{${GREEN.toUpperCase()}}` });
    const exactly = (equals: string, over: Partial<IdentityCheck> = {}) =>
      identify({ ...asked(url), equals, exact: true, ...over } as IdentityCheck, nodeOutside);
    expect(await exactly('abc123def')).toEqual({ kind: 'right' });
    expect(await exactly('ABC123DEF')).toMatchObject({ kind: 'gone', why: expect.stringContaining('not ABC123DEF') });
    expect(await exactly('abc123de')).toMatchObject({ kind: 'gone' });
    expect(await exactly(GREEN, { header: 'x-guid' })).toMatchObject({ kind: 'gone' });
    expect(await identify(asked(url, { header: 'x-guid' }), nodeOutside)).toEqual({ kind: 'right' });
  });

  it('a header that is sent twice counts where it says one thing, and not where it says two', async () => {
    expect(await both(await says({ 'x-build': [GREEN, GREEN] }))).toBe('right');
    expect(await both(await says({ 'x-build': [GREEN, 'other'] }))).toContain(`returned ${GREEN}, other`);
  });

  it('an answer in chunks, of HTTP/1.0, or that ends too early is what it is', async () => {
    const raw = async (text: string) => {
      const server = createRaw((socket) => {
        socket.on('error', () => {});
        socket.once('data', () => socket.end(text));
      });
      return `http://127.0.0.1:${await listening(server)}/`;
    };
    const json = { json: ['build'], header: undefined } as unknown as Partial<Asked>;
    const body = JSON.stringify({ build: GREEN });
    const half = body.slice(0, 20);
    const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
    const chunked = `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunk(half)}${chunk(body.slice(20))}`;
    expect(await both(await raw(`${chunked}0\r\n\r\n`), json)).toBe('right');
    expect(await both(await raw(`HTTP/1.0 200 OK\r\n\r\n${body}`), json)).toBe('right');
    expect(await both(await raw(chunked), json)).toMatch(/aborted|before the answer was complete/);
    expect(await both(await raw(`HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n${body}`), json)).toMatch(
      /aborted|before the answer/,
    );
    expect(await both(await raw('HTTP/1.1 200'), json)).not.toBe('right');
  });
});
