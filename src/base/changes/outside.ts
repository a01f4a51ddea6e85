/** The outside for `make`: HTTP and line sockets with deadlines. Must send nothing before it has called `allowed`. */
import nodeFs from 'node:fs';
import { type IncomingMessage, request as startRequest } from 'node:http';
import type { Socket as NetSocket } from 'node:net';
import { deadlineIn, dialLine, dialWeb, orLate } from '../dial/dial.ts';
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
  monotonic: () => performance.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

/**
 * One HTTP/1.1 request on a connection of its own: connects (TLS verified), calls `allowed`, sends. Before that, only a PROXY header
 * and a TLS handshake are sent. Does not follow redirects. The answer has at most `mostBytes` (default: 1 MiB); `timeoutMs` covers everything.
 */
export async function askHttp(request: Asking, allowed: Allowed): Promise<HttpAnswer> {
  const url = webAddress(request.url);
  const deadline = deadlineIn(request.timeoutMs);
  const socket = await dialWeb(url, request, deadline);
  try {
    permit(allowed);
    return await orLate(exchange(socket, url, request), deadline, late(request.url, request.timeoutMs, request.method === 'GET'));
  } finally {
    socket.destroy();
  }
}

/**
 * Sends one line on a UNIX socket (a path) or TCP (`host:port`) and reads until the other side closes. Calls `allowed` after
 * connecting. The answer has at most 16 MiB; `timeoutMs` covers everything.
 */
export async function askSocket(address: string, line: string, timeoutMs: number, allowed: Allowed): Promise<string> {
  const deadline = deadlineIn(timeoutMs);
  const socket = await dialLine(address, deadline);
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
  const found = await orLate(
    lookup(host, { all: true }),
    deadlineIn(timeoutMs),
    `${host} was not resolved within ${timeoutMs} ms`,
  );
  return found.map(({ address }) => address);
}

function late(address: string, timeoutMs: number, asksOnly = false): string {
  const why = `${address} returned no complete answer within ${timeoutMs} ms`;
  return asksOnly ? why : `${why}; it is unknown whether it made the change`;
}

function webAddress(text: string): URL {
  if (!URL.canParse(text)) throw new Error(`not a URL: ${text}`);
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new Error(`only http and https are supported, not ${url.protocol}`);
  if (url.username !== '' || url.password !== '') throw new Error(`a URL must not contain a password: ${url.host}`);
  return url;
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
        headers: { ...request.headers, ...length, host: request.host ?? url.host, connection: 'close' },
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

/** Each header with all of its values: of some, such as `etag`, node's own `headers` keeps the first alone. */
function flat({ headersDistinct }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(Object.entries(headersDistinct).map(([name, values = []]) => [name, values.join(', ')]));
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
