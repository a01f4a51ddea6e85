/** Opens connections with a deadline: TCP, UNIX sockets, the PROXY header, TLS. Must trust no certificate that was not asked for. */
import { connect as connectPlain, isIP, type Socket as NetSocket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Asking } from '../changes/change.ts';
import { SOCKET_PATH_BYTES } from '../text.ts';
import { proxyHeader } from './proxy-header.ts';

/** One deadline for a whole call, and how it is said. */
export interface Deadline {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

export function deadlineIn(timeoutMs: number): Deadline {
  return { signal: AbortSignal.timeout(timeoutMs), timeoutMs };
}

/** A connection on which the request can be sent. The caller destroys it. */
export async function dialWeb(url: URL, asking: Asking, deadline: Deadline): Promise<NetSocket> {
  const { connectTo, unixSocket, proxyProtocol } = asking;
  const to = unixSocket ?? url.host;
  const named = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  const plain = unixSocket === undefined ? connectPlain({ host: connectTo ?? named, port }) : connectPath(unixSocket);
  const socket = await opened(plain, 'connect', to, deadline);
  try {
    if (proxyProtocol !== undefined) socket.write(proxyHeader(proxyProtocol, socket));
    if (url.protocol === 'http:') return socket;
    return await opened(secured(socket, named, asking), 'secureConnect', to, deadline);
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** A connection to a UNIX socket (a path) or TCP (`host:port`). The caller destroys it. */
export async function dialLine(address: string, deadline: Deadline): Promise<NetSocket> {
  if (address.startsWith('/')) return opened(connectPath(address), 'connect', address, deadline);
  const [, host, port] = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(address) ?? [];
  if (host === undefined || port === undefined) throw new Error(`not a socket address (a path or host:port): ${address}`);
  return opened(connectPlain({ host, port: Number(port) }), 'connect', address, deadline);
}

function connectPath(path: string): NetSocket {
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES)
    throw new Error(`a socket path has at most ${SOCKET_PATH_BYTES} bytes: ${path}`);
  return connectPlain({ path });
}

/** `host` is the name that is verified, and not where the socket leads; TLS sends no IP address as a name (RFC 6066, 3). */
function secured(socket: NetSocket, named: string, { tls }: Asking): TLSSocket {
  const { servername: name = named, insecure = false, ...pem } = tls ?? {};
  return connectTls({
    socket,
    host: name,
    ...(isIP(name) === 0 ? { servername: name } : {}),
    rejectUnauthorized: !insecure,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
    ...pem,
  });
}

async function opened<S extends NetSocket>(socket: S, ready: string, to: string, deadline: Deadline): Promise<S> {
  const open = new Promise<void>((resolve, reject) => {
    socket.once(ready, resolve);
    // Stays for the socket's life: an error that no one awaits must not end the process.
    socket.on('error', (error) => reject(inWords(error)));
  });
  try {
    await orLate(open, deadline, `${to} did not accept a connection within ${deadline.timeoutMs} ms`);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

const UNTRUSTED = [
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
];

/** OpenSSL's reasons for refusing a connection, with what to do about them. */
function inWords(error: Error & { readonly code?: string; readonly reason?: string }): Error {
  const { code = '', reason } = error;
  if (UNTRUSTED.includes(code))
    return new Error(`${error.message} (private CA: set ca, or NODE_EXTRA_CA_CERTS)`, { cause: error });
  if (code !== 'EPROTO' && !code.startsWith('ERR_SSL_')) return error;
  return new Error(`the server does not support TLS 1.2 or newer (${reason ?? code})`, { cause: error });
}

/** The same result, or an Error with `message` once the deadline has passed. */
export function orLate<T>(work: Promise<T>, { signal }: Deadline, message: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(new Error(message));
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
