/** How HAProxy itself reaches a server, out of its answer and haproxy.cfg: each way as the request that asks the build needs it. */
import { expect, it } from 'vitest';
import type { Server } from '../../../src/routers/haproxy/haproxy-answer.ts';
import { askOf } from '../../../src/routers/haproxy/haproxy-ask.ts';
import { finder, globalOf, linesOf } from '../../../src/routers/haproxy/haproxy-lines.ts';

/** As the runtime API shows it: an address, or a socket without one; with TLS or not. */
function shown({ unix = false, tls = false }): Server {
  const address = unix ? null : `${tls ? 'https' : 'http'}://10.0.0.1:80`;
  return { name: 'green', address, isUnix: unix, usesTls: tls } as Server;
}

/** The way to server green by this text of haproxy.cfg. */
function wayBy(text: string, seen: { unix?: boolean; tls?: boolean } = {}) {
  const line = finder((linesOf(text) ?? []).filter(({ section }) => section === 'gw'))('green');
  return askOf(shown(seen), line === undefined ? undefined : { line, global: globalOf(text), folder: '/srv' });
}

const HTTPS = { address: 'https://10.0.0.1:80' };

it.each([
  ['ssl verify none', { ...HTTPS, insecure: true }],
  ['ssl verify required ca-file /etc/ca.pem sni str(gw.internal)', { ...HTTPS, ca: '/etc/ca.pem', serverName: 'gw.internal' }],
  ['ssl verifyhost gw.internal ca-file ca.pem', { ...HTTPS, ca: '/srv/ca.pem', serverName: 'gw.internal' }],
  ['ssl ca-file @system-ca sni req.hdr(host)', HTTPS],
])('a server line with `%s` is asked over TLS as HAProxy does', (words, ask) => {
  expect(wayBy(`backend gw\n  server green 10.0.0.1:80 ${words}\n`, { tls: true })).toEqual(ask);
});

it('what `global` says of TLS counts where a server line says nothing', () => {
  const text = 'global\n  ssl-server-verify none\n  ca-base /etc/ssl\nbackend gw\n  server green 10.0.0.1:80 ssl ca-file a.pem\n';
  expect(wayBy(text, { tls: true })).toEqual({ ...HTTPS, insecure: true, ca: '/etc/ssl/a.pem' });
});

it.each([
  ['send-proxy', 1],
  ['send-proxy-v2', 2],
  ['send-proxy-v2-ssl-cn', 2],
])('a server line with `%s` is asked with PROXY protocol v%d', (words, version) => {
  const ask = { address: 'http://10.0.0.1:80', proxyProtocol: version };
  expect(wayBy(`backend gw\n  server green 10.0.0.1:80 check ${words}\n`)).toEqual(ask);
  expect(wayBy(`defaults\n  default-server ${words}\nbackend gw\n  server green 10.0.0.1:80\n`)).toEqual(ask);
  expect(wayBy(`backend gw\n  default-server ${words}\n  server green 10.0.0.1:80\n`)).toEqual(ask);
  const after = `backend gw\n  server green 10.0.0.1:80\n  default-server ${words}\n`;
  expect(wayBy(after)).toEqual({ address: 'http://10.0.0.1:80' });
  expect(wayBy(`defaults a\n  default-server ${words}\ndefaults\nbackend gw from a\n  server green 10.0.0.1:80\n`)).toEqual(ask);
  expect(wayBy(`defaults\n  default-server ${words}\nbackend gw\n  server green 10.0.0.1:80 no-send-proxy\n`)).not.toEqual(ask);
});

it.each([
  ['/run/green.sock', '', '/run/green.sock'],
  ['unix@/run/green.sock', '', '/run/green.sock'],
  ['unix@green.sock', '', '/srv/green.sock'],
  ['/green.sock', 'global\n  chroot /var/lib/haproxy\n', '/var/lib/haproxy/green.sock'],
])('a server at %s is asked on its UNIX socket', (address, head, unixSocket) => {
  expect(wayBy(`${head}backend gw\n  server green ${address}\n`, { unix: true })).toEqual({ address: null, unixSocket });
  const secure = wayBy(`${head}backend gw\n  server green ${address} ssl verify none\n`, { unix: true, tls: true });
  expect(secure).toEqual({ address: 'https://localhost', unixSocket, insecure: true });
});

it.each(['abns@green', 'unix@"$DIR"/green.sock'])('no way is made up for a server at %s', (address) => {
  expect(wayBy(`backend gw\n  server green ${address}\n`, { unix: true })).toEqual({ address: null });
});

it('a server whose line is not known is asked at the address that HAProxy reports, and no more', () => {
  expect(wayBy('backend other\n  server green 10.0.0.1:80 send-proxy\n')).toEqual({ address: 'http://10.0.0.1:80' });
  expect(wayBy('', { unix: true })).toEqual({ address: null });
});

it('a server of a template has the words of its template', () => {
  const lines = linesOf('backend gw\n  server-template pool- 3 app.test:80 send-proxy-v2 check\n') ?? [];
  expect(finder(lines)('pool-2')?.words.proxyProtocol).toBe(2);
  expect(finder(lines)('pool-x')).toBeUndefined();
});
