/** A tiny HTTP backend whose build, environment and failures a test decides. It lives in the test's own process. */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

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
  /** The status of every answer that does not fail; also of `/healthz`. */
  setStatus(status: number): void;
  setGuid(guid: string): void;
  setEnvironment(environment: string): void;
  setDelayMs(ms: number): void;
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
    delayMs: options.delayMs ?? 0,
    requests: 0,
    hangPercent: 0,
    failingRegion: null as string | null,
    scraped: true,
  };
  const counted = new Map<string, number>();

  const answer = (request: http.IncomingMessage, response: http.ServerResponse) => {
    response.setHeader('x-build-guid', state.guid);
    if (state.environment !== undefined) response.setHeader('x-build-environment', state.environment);
    if (request.url === '/metrics')
      return void (state.scraped ? response.end(metricsText(counted)) : response.writeHead(503).end());
    if (request.url === '/healthz') return void response.writeHead(state.status).end(JSON.stringify({ guid: state.guid }));
    state.requests += 1;
    if ((state.requests * state.hangPercent) % 100 < state.hangPercent) return;
    const region = request.headers['x-region'];
    const failed =
      (state.requests * state.failPercent) % 100 < state.failPercent || (region !== undefined && region === state.failingRegion);
    const code = failed ? 500 : state.status;
    const series = `build="${state.guid}",code="${code}"${typeof region === 'string' ? `,region="${region}"` : ''}`;
    counted.set(series, (counted.get(series) ?? 0) + 1);
    response.writeHead(code).end(`${state.guid}\n`);
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
    setStatus(status) {
      state.status = status;
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
      counted.clear();
    },
    crashLoop({ upMs, downMs }) {
      const die = () => {
        server.close();
        server.closeAllConnections();
        counted.clear();
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

/** The Prometheus text format; a series is born with its first request. */
function metricsText(counted: ReadonlyMap<string, number>): string {
  const lines = [...counted].map(([labels, value]) => `http_requests_total{${labels}} ${value}\n`);
  return `# TYPE http_requests_total counter\n${lines.join('')}`;
}
