/** The outside for `make`: HTTP and line sockets with deadlines. Must send nothing before it has called `allowed`. */
import nodeFs from 'node:fs';
import { type IncomingMessage, request as startRequest } from 'node:http';
import { connect as connectPlain, isIP, type Socket as NetSocket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type Allowed, type Asking, type HttpAnswer, type Outside, permit } from './change.ts';
import { runProgram } from './run-program.ts';

const MAX_ANSWER_BYTES = 1024 * 1024;

/** Of a line socket: the states of all servers of a HAProxy, some 100 bytes each. */
const MAX_LINES_BYTES = 16 * 1024 * 1024;

/** Everything break-glass needs of the machine. Secrets are environment variables. */
export const nodeOutside: Outside = {
  fs: nodeFs,
  http: askHttp,
  socket: askSocket,
  run: runProgram,
  secret: (name) => process.env[name],
  resolve: resolveHost,
};

/**
 * One HTTP/1.1 request on its own connection: connects (TLS verified), calls `allowed`, sends. Does not follow redirects. The
 * answer has at most `mostBytes` (default: 1 MiB); `timeoutMs` covers everything.
 */
export async function askHttp(request: Asking, allowed: Allowed): Promise<HttpAnswer> {
  const url = webAddress(request.url);
  const deadline = AbortSignal.timeout(request.timeoutMs);
  const socket = await connected(dialWeb(url, request), deadline, url.host, request.timeoutMs);
  try {
    permit(allowed);
    return await orLate(exchange(socket, url, request), deadline, late(request.url, request.timeoutMs));
  } finally {
    socket.destroy();
  }
}

/**
 * Sends one line on a UNIX socket (a path) or TCP (`host:port`) and reads until the other side closes. Calls `allowed` after
 * connecting. The answer has at most 16 MiB; `timeoutMs` covers everything.
 */
export async function askSocket(address: string, line: string, timeoutMs: number, allowed: Allowed): Promise<string> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const socket = await connected(dialLine(address), deadline, address, timeoutMs);
  try {
    permit(allowed);
    socket.write(`${line}\n`);
    return await orLate(wholeText(socket, address, MAX_LINES_BYTES), deadline, late(address, timeoutMs));
  } finally {
    socket.destroy();
  }
}

/** The addresses of a host name, as a connection to it would look them up. */
async function resolveHost(host: string, timeoutMs: number): Promise<readonly string[]> {
  // Loaded here, since most rescues need no name, and it takes as long as all else that is loaded.
  const { lookup } = await import('node:dns/promises');
  const deadline = AbortSignal.timeout(timeoutMs);
  const found = await orLate(lookup(host, { all: true }), deadline, `${host} was not resolved within ${timeoutMs} ms`);
  return found.map(({ address }) => address);
}

function late(address: string, timeoutMs: number): string {
  return `${address} returned no complete answer within ${timeoutMs} ms; it is unknown whether it made the change`;
}

function webAddress(text: string): URL {
  if (!URL.canParse(text)) throw new Error(`not a URL: ${text}`);
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new Error(`only http and https are supported, not ${url.protocol}`);
  if (url.username !== '' || url.password !== '') throw new Error(`a URL must not contain a password: ${url.host}`);
  return url;
}

interface Dialled {
  readonly socket: NetSocket;
  /** The event after which it can be used. */
  readonly ready: string;
}

function dialWeb(url: URL, { connectTo, tls }: Asking): Dialled {
  const named = url.hostname.replace(/^\[|\]$/g, '');
  const host = connectTo ?? named;
  if (url.protocol === 'http:') return { socket: connectPlain({ host, port: Number(url.port || 80) }), ready: 'connect' };
  const name = isIP(named) === 0 ? { servername: named } : {};
  const socket = connectTls({
    host,
    port: Number(url.port || 443),
    ...name,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
    ...tls,
  });
  return { socket, ready: 'secureConnect' };
}

function dialLine(address: string): Dialled {
  if (address.startsWith('/')) return { socket: connectPlain({ path: address }), ready: 'connect' };
  const [, host, port] = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(address) ?? [];
  if (host === undefined || port === undefined) throw new Error(`not a socket address (a path or host:port): ${address}`);
  return { socket: connectPlain({ host, port: Number(port) }), ready: 'connect' };
}

async function connected(dialled: Dialled, deadline: AbortSignal, to: string, timeoutMs: number): Promise<NetSocket> {
  const { socket, ready } = dialled;
  const opened = new Promise<void>((resolve, reject) => {
    socket.once(ready, resolve);
    // Stays for the socket's life: an error that no one awaits must not end the process.
    socket.on('error', (error) => reject(inWords(error)));
  });
  try {
    await orLate(opened, deadline, `${to} did not accept a connection within ${timeoutMs} ms`);
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return socket;
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
  if (UNTRUSTED.includes(code)) return new Error(`${error.message} (private CA: set NODE_EXTRA_CA_CERTS)`, { cause: error });
  if (code !== 'EPROTO' && !code.startsWith('ERR_SSL_')) return error;
  return new Error(`the server does not support TLS 1.2 or newer (${reason ?? code})`, { cause: error });
}

function orLate<T>(work: Promise<T>, deadline: AbortSignal, message: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(new Error(message));
    if (deadline.aborted) stop();
    deadline.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => deadline.removeEventListener('abort', stop));
  });
}

function exchange(socket: NetSocket, url: URL, request: Asking): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const body = request.body === undefined ? undefined : Buffer.from(request.body);
    const length = body === undefined ? {} : { 'content-length': String(body.length) };
    const outgoing = startRequest(
      {
        method: request.method,
        host: url.hostname,
        path: `${url.pathname}${url.search}`,
        headers: { ...request.headers, ...length, host: url.host, connection: 'close' },
        // Without an agent, node uses exactly this connection.
        createConnection: () => socket,
      },
      (answer) => {
        const all = wholeText(answer, url.host, request.mostBytes);
        all.then((body) => resolve({ status: answer.statusCode ?? 0, headers: flat(answer), body }), reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function flat(answer: IncomingMessage): Record<string, string> {
  return Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name, [value ?? ''].flat().join(', ')]));
}

function wholeText(stream: NetSocket | IncomingMessage, from: string, mostBytes = MAX_ANSWER_BYTES): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    stream.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > mostBytes) reject(new Error(`${from} sent more than ${mostBytes} bytes`));
      else chunks.push(chunk);
    });
    stream.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    stream.on('error', reject);
    stream.on('close', () => reject(new Error(`${from} closed the connection before the answer was complete`)));
  });
}
