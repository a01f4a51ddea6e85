/** A tiny HTTP backend whose build, environment and failures a test decides. It lives in the test's own process. */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { ownMetrics } from './own-metrics.ts';

export interface BackendOptions {
  readonly guid: string;
  readonly environment?: string;
  readonly failPercent?: number;
  /** Milliseconds before each answer. */
  readonly delayMs?: number;
  /** A fixed port, where a configuration from elsewhere names it; a free one otherwise. */
  readonly port?: number;
}

export interface Backend {
  readonly port: number;
  /** `http://127.0.0.1:<port>` */
  readonly address: string;
  setFailPercent(percent: number): void;
  /** The status of every answer that does not fail; also of `/healthz`, unless it has one of its own. */
  setStatus(status: number, healthz?: number): void;
  setGuid(guid: string): void;
  /** Undefined: it says none. */
  setEnvironment(environment: string | undefined): void;
  setDelayMs(ms: number): void;
  /** So many of each hundred requests take so many milliseconds longer; `/healthz` and `/metrics` do not. */
  setSlow(slow: { readonly percent: number; readonly ms: number }): void;
  /** Of its histogram `http_request_duration_seconds`, besides `+Inf`; null: it has none. */
  setLatencyBounds(bounds: readonly number[] | null): void;
  /** Answers nothing to so many of each hundred requests. */
  setHangPercent(percent: number): void;
  /** Fails every request of clients that name this region in `x-region`; none when null. */
  setFailingRegion(region: string | null): void;
  /** False: `/metrics` answers 503, as a scrape that fails. */
  setScraped(scraped: boolean): void;
  /** As a restart: every counter begins anew. */
  forget(): void;
  /** As a process that dies and is started again, over and over, until it is closed. */
  crashLoop(times: { readonly upMs: number; readonly downMs: number }): void;
  /** Requests answered so far, without `/healthz` and `/metrics`. */
  requests(): number;
  close(): Promise<void>;
}

/** Fails exactly `failPercent` of each hundred requests, evenly spread, so that counts in tests are exact. */
export async function startBackend(options: BackendOptions): Promise<Backend> {
  const state = {
    ...options,
    environment: options.environment,
    failPercent: options.failPercent ?? 0,
    status: 200,
    healthz: 200,
    delayMs: options.delayMs ?? 0,
    requests: 0,
    hangPercent: 0,
    slow: { percent: 0, ms: 0 },
    failingRegion: null as string | null,
    scraped: true,
  };
  const counted = ownMetrics();

  const answer = (request: http.IncomingMessage, response: http.ServerResponse) => {
    response.setHeader('x-build-guid', state.guid);
    if (state.environment !== undefined) response.setHeader('x-build-environment', state.environment);
    if (request.url === '/metrics') return void (state.scraped ? response.end(counted.text()) : response.writeHead(503).end());
    if (request.url === '/healthz') return void response.writeHead(state.healthz).end(JSON.stringify({ guid: state.guid }));
    state.requests += 1;
    if ((state.requests * state.hangPercent) % 100 < state.hangPercent) return;
    const beganMs = performance.now();
    const region = request.headers['x-region'];
    const failed =
      (state.requests * state.failPercent) % 100 < state.failPercent || (region !== undefined && region === state.failingRegion);
    const code = failed ? 500 : state.status;
    const reply = () => {
      response.writeHead(code).end(`${state.guid}\n`);
      counted.count(state.guid, code, typeof region === 'string' ? region : undefined, (performance.now() - beganMs) / 1000);
    };
    if ((state.requests * state.slow.percent) % 100 < state.slow.percent) setTimeout(reply, state.slow.ms);
    else reply();
  };
  const server = http.createServer((request, response) => {
    if (state.delayMs > 0) setTimeout(answer, state.delayMs, request, response);
    else answer(request, response);
  });
  server.keepAliveTimeout = 60_000;
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const loop = { timer: undefined as NodeJS.Timeout | undefined };

  return {
    port,
    address: `http://127.0.0.1:${port}`,
    setFailPercent(percent) {
      state.failPercent = percent;
    },
    setStatus(status, healthz = status) {
      state.status = status;
      state.healthz = healthz;
    },
    setGuid(guid) {
      state.guid = guid;
    },
    setEnvironment(environment) {
      state.environment = environment;
    },
    setDelayMs(ms) {
      state.delayMs = ms;
    },
    setSlow(slow) {
      state.slow = slow;
    },
    setLatencyBounds(bounds) {
      counted.setBounds(bounds);
    },
    setHangPercent(percent) {
      state.hangPercent = percent;
    },
    setFailingRegion(region) {
      state.failingRegion = region;
    },
    setScraped(scraped) {
      state.scraped = scraped;
    },
    forget() {
      counted.forget();
    },
    crashLoop({ upMs, downMs }) {
      const die = () => {
        server.close();
        server.closeAllConnections();
        counted.forget();
        loop.timer = setTimeout(rise, downMs);
      };
      const rise = () => {
        server.listen(port, '127.0.0.1');
        loop.timer = setTimeout(die, upMs);
      };
      loop.timer = setTimeout(die, upMs);
    },
    requests: () => state.requests,
    async close() {
      clearTimeout(loop.timer);
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
