/** `kvdeploy serve`: a small reverse proxy that follows the routes file. Must decide nothing about a rollout. */
import { existsSync } from 'node:fs';
import { type ClientRequest, createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createProxyServer, type ProxyServer } from 'http-proxy-3';
import { make } from '../base/changes/make.ts';
import { nodeOutside } from '../base/changes/outside.ts';
import { KvdeployError } from '../core/errors.ts';
import { placeNames } from '../routers/local/local-config.ts';
import { BUILD_HEADER, routesText, type ServeStatus, STATUS_PATH } from '../routers/local/local-routes.ts';
import { Dispatch, type Served } from './dispatch.ts';
import { statusRefusal, stripForUpgrade, stripHopByHop } from './forwarding.ts';
import { type Following, followRoutes } from './routes-follower.ts';

const UPSTREAM_TIMEOUT_MS = 120_000;

/** How long requests in flight may take to end after `close`. */
const DRAIN_MS = 2000;

/** What to serve. Port 0 in `listen` takes a free port. */
export interface ServeSettings extends Served {
  readonly listen: string;
  /** Place that gets all traffic if there is no routes file yet; the file is then written. */
  readonly initially?: string | undefined;
}

export interface Serving {
  readonly url: string;
  /** Stops accepting, lets requests in flight end for at most 2 s, then cuts them. */
  close(): Promise<void>;
}

/**
 * Serves until closed. `tell` hears one line when the routes file can no longer be followed or a member goes out of rotation, and one when
 * that is over. Rejects with USAGE for an unknown `initially`, UNREACHABLE when the address cannot be listened on, STATE_UNWRITABLE when the
 * first routes file cannot be written.
 */
export async function serve(settings: ServeSettings, tell: (line: string) => void): Promise<Serving> {
  checkInitially(settings);
  const server = createServer();
  const url = await listen(server, settings.listen);
  let following: Following;
  try {
    await writeInitial(settings);
    following = followRoutes(settings.routes, placeNames(settings), tell);
  } catch (error) {
    server.close();
    throw error;
  }
  const dispatch = new Dispatch(settings, following, tell);
  const upgraded = attach(server, settings.listen, dispatch);
  return { url, close: () => close(server, dispatch, upgraded) };
}

function attach(server: Server, listen: string, dispatch: Dispatch): Set<Duplex> {
  const upgraded = new Set<Duplex>();
  const proxy = createProxyServer({ xfwd: true, proxyTimeout: UPSTREAM_TIMEOUT_MS });
  // This proxy sets both: which build answered, and whether the client's connection stays open.
  proxy.on('proxyRes', (answered, _request, response) => {
    stripHopByHop(answered.headers);
    delete answered.headers[BUILD_HEADER];
    delete answered.headers.connection;
    // Left open, the client would wait for the rest of a response that was cut off.
    answered.once('close', () => {
      if (!answered.complete) response.destroy(new Error('the response was cut off'));
    });
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (request.url === STATUS_PATH) answerStatus(request, response, listen, () => dispatch.status());
    else pass(proxy, request, response, dispatch);
  });
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    upgraded.add(socket);
    socket.on('close', () => upgraded.delete(socket));
    upgrade({ proxy, request, socket, head }, dispatch);
  });
  return upgraded;
}

function pass(proxy: ProxyServer, request: IncomingMessage, response: ServerResponse, dispatch: Dispatch): void {
  const choice = dispatch.take();
  if (choice === undefined) {
    const why = 'No split yet: start `kvdeploy serve` with --initially PLACE, or let kvdeploy write the routes file.\n';
    answer(response, 503, why);
    return;
  }
  const { member, label } = choice;
  response.setHeader(BUILD_HEADER, label);
  stripHopByHop(request.headers);
  const unanswered = dispatch.answers.watch(member.name, response);
  // The member answered: its response begins to be passed on.
  response.once('pipe', () => dispatch.answered(choice));
  proxy.web(request, response, { target: member.url }, (error) => {
    unanswered();
    if (!response.headersSent) dispatch.failed(choice, request, error);
    if (response.headersSent) response.destroy();
    else answer(response, 502, `${member.place} at ${member.url} did not answer: ${error.message}\n`);
  });
}

interface Upgrade {
  readonly proxy: ProxyServer;
  readonly request: IncomingMessage;
  readonly socket: Socket;
  readonly head: Buffer;
}

/** The only protocol that is passed on. */
const WEBSOCKET = /^websocket$/i;

function upgrade({ proxy, request, socket, head }: Upgrade, dispatch: Dispatch): void {
  socket.on('error', () => socket.destroy());
  const passes = request.method === 'GET' && WEBSOCKET.test(request.headers.upgrade ?? '');
  const choice = passes ? dispatch.take() : undefined;
  if (choice === undefined) {
    refuseUpgrade(socket, passes ? '503 Service Unavailable' : '501 Not Implemented');
    return;
  }
  const count = dispatch.answers.watchUpgrade(choice.member.name, socket);
  stripForUpgrade(request.headers);
  /** The headers are this proxy's own here too: which build answered, and that a refusal ends the connection. */
  const own = ({ headers, statusCode = 0 }: IncomingMessage, connection: string) => {
    stripForUpgrade(headers);
    headers.connection = connection;
    headers[BUILD_HEADER] = choice.label;
    count(statusCode);
    dispatch.answered(choice);
  };
  // Told within `ws`, before the proxy itself listens for the answer.
  const watch = (outgoing: ClientRequest) => {
    outgoing.once('upgrade', (answer) => own(answer, 'Upgrade'));
    outgoing.once('response', (answer) => own(answer, 'close'));
  };
  proxy.on('proxyReqWs', watch);
  proxy.ws(request, socket, head, { target: choice.member.url }, (error) => {
    // Before the switch of protocols the client still understands an HTTP answer.
    if (socket.bytesWritten > 0) return;
    dispatch.failed(choice, request, error);
    refuseUpgrade(socket, '502 Bad Gateway');
  });
  proxy.off('proxyReqWs', watch);
}

function refuseUpgrade(socket: Socket, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}

function answerStatus(request: IncomingMessage, response: ServerResponse, listen: string, status: () => ServeStatus): void {
  const refusal = statusRefusal(request, listen);
  if (refusal !== undefined) answer(response, 403, `${refusal}\n`);
  else if (request.method !== 'GET') answer(response, 405, 'Only GET.\n');
  else answer(response, 200, `${JSON.stringify(status(), null, 2)}\n`, 'application/json');
}

function answer(response: ServerResponse, code: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(code, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(text);
}

function checkInitially(settings: ServeSettings): void {
  const { initially } = settings;
  const places = placeNames(settings);
  if (initially === undefined || places.includes(initially)) return;
  const message = `--initially ${initially}: the router's config has no such place.`;
  throw new KvdeployError('USAGE', { message, hint: `Use one of: ${places.join(', ')}.` });
}

async function writeInitial(settings: ServeSettings): Promise<void> {
  const { initially, routes } = settings;
  if (initially === undefined || existsSync(routes)) return;
  const split = placeNames(settings).map((place) => ({ place, build: null, percent: place === initially ? 100 : 0 }));
  try {
    await make({ kind: 'write-file', path: routes, content: routesText(split) }, nodeOutside, () => undefined);
  } catch (cause) {
    throw new KvdeployError('STATE_UNWRITABLE', {
      message: `The first routes file ${routes} could not be written: ${cause instanceof Error ? cause.message : String(cause)}.`,
      hint: 'Create its folder, or set another path in the config.',
      cause,
    });
  }
}

async function listen(server: Server, address: string): Promise<string> {
  const at = address.lastIndexOf(':');
  const host = address.slice(0, at).replace(/^\[|\]$/g, '');
  const port = Number(address.slice(at + 1));
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const message = `Cannot listen on ${address}: ${cause.message}.`;
      const hint = 'Stop the program that is listening there, or set another address in the config.';
      reject(new KvdeployError('UNREACHABLE', { message, hint, cause }));
    });
    server.listen(port, host, resolve);
  });
  const { port: real } = server.address() as AddressInfo;
  return `http://${address.slice(0, at)}:${real}`;
}

async function close(server: Server, dispatch: Dispatch, upgraded: ReadonlySet<Duplex>): Promise<void> {
  dispatch.stop();
  for (const socket of upgraded) socket.destroy();
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // A connection that is kept alive becomes idle only when its request ends.
  const idle = setInterval(() => server.closeIdleConnections(), 20);
  const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  await closed;
  clearInterval(idle);
  clearTimeout(cut);
}
