/** What a proxy must not pass on, and who may read its status. No I/O. Source: RFC 9110, sections 7.6.1 and 7.8. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/** They belong to one connection. `transfer-encoding` does too, but Node frames the message that it sends by it, and so removes or renews it. */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
];

/** `Connection` may not name these: without them the message would have another end, or another receiver. */
const NEVER_STRIPPED = ['host', 'content-length', 'transfer-encoding'];

/**
 * Removes from `headers` what is meant for one connection only: the known names, and every name that `Connection` lists. Of `Connection`
 * only `close` is left, which the server needs in order to end a connection that its client ends.
 */
export function stripHopByHop(headers: IncomingHttpHeaders): void {
  const listed = (headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase());
  for (const name of [...HOP_BY_HOP, ...listed]) if (!NEVER_STRIPPED.includes(name)) delete headers[name];
  if (listed.includes('close')) headers.connection = 'close';
}

/** The same for a switch of protocols, which needs `Connection: Upgrade` and `Upgrade` on both sides. */
export function stripForUpgrade(headers: IncomingHttpHeaders): void {
  const { upgrade } = headers;
  stripHopByHop(headers);
  if (upgrade === undefined) return;
  headers.connection = 'Upgrade';
  headers.upgrade = upgrade;
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i;

/**
 * Why this request may not read the status, or undefined. A client must be on this machine and must have asked by a loopback name or by
 * `listen`: a front proxy on this machine would otherwise answer for its own clients, and a web page for a name that resolves to 127.0.0.1.
 */
export function statusRefusal({ socket, headers }: IncomingMessage, listen: string): string | undefined {
  if (!/^(?:::ffff:)?127\.|^::1$/.test(socket.remoteAddress ?? '')) return 'Only for clients on this machine.';
  const host = headers.host ?? '';
  if (!LOOPBACK.test(host) && host !== listen) return 'Only by a loopback name, for example http://127.0.0.1.';
  const forwarded = headers.forwarded ?? headers['x-forwarded-for'] ?? headers['via'];
  return forwarded === undefined ? undefined : 'Not through a proxy.';
}
