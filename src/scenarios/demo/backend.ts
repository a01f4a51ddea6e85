/** One place of the router as a real little HTTP server on loopback, and the build that runs there. Must not know anything of kvdeploy. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Binary, DemoBuild } from './builds.ts';

/** Real requests after which a build that fails begins to: more than the first step brings, so that it fools that one. */
const HEALTHY_REQUESTS = 40;

const FAIL_EVERY = 5;

/** Answers to real requests, as the build itself would count them. */
export interface Answered {
  readonly requests: number;
  readonly errors: number;
}

export interface Backend {
  /** The build that was put there first. */
  readonly build: DemoBuild;
  readonly address: string;
  /** Exchanges what runs there: at once, or when the next real request comes. */
  exchange(binary: Binary, when: 'now' | 'with-traffic'): void;
  /** By the GUID of the build that answered. A build that answered nothing yet is not in it. */
  answered(): ReadonlyMap<string, Answered>;
  /** False: from now on requests that measure health are cut off; real ones are still answered. */
  setMeasuring(measuring: boolean): void;
  close(): Promise<void>;
}

/** Starts the build. `/healthz` says who it is, `/kv/probe` is what the gate asks, everything else is real traffic. */
export async function startBackend(build: DemoBuild): Promise<Backend> {
  const place: Running = { binary: build, waiting: undefined, real: 0, asked: 0, measuring: true, answered: new Map() };
  const server = createServer((request, response) => serveOne(place, request, response));
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    build,
    address: `http://127.0.0.1:${port}`,
    exchange: (binary, when) => {
      if (when === 'now') place.binary = binary;
      else place.waiting = binary;
    },
    answered: () => place.answered,
    setMeasuring: (measuring) => {
      place.measuring = measuring;
    },
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

interface Running {
  binary: Binary;
  /** Takes the binary's place when the next real request comes. */
  waiting: Binary | undefined;
  real: number;
  asked: number;
  measuring: boolean;
  readonly answered: Map<string, Answered>;
}

function serveOne(place: Running, { url, socket }: IncomingMessage, response: ServerResponse): void {
  const isReal = url !== '/healthz' && url !== '/kv/probe';
  if (isReal && place.waiting !== undefined) {
    place.binary = place.waiting;
    place.waiting = undefined;
  }
  const { guid, environment } = place.binary;
  response.setHeader('x-build-guid', guid);
  if (environment !== null) response.setHeader('x-build-environment', environment);
  if (url === '/healthz') return void response.end('ok\n');
  if (url === '/kv/probe' && !place.measuring) return void socket.destroy();
  if (isReal) place.real += 1;
  place.asked += 1;
  const status = statusOf(place);
  if (status === undefined) return;
  if (isReal) {
    const { requests, errors } = place.answered.get(guid) ?? { requests: 0, errors: 0 };
    place.answered.set(guid, { requests: requests + 1, errors: errors + (status === 200 ? 0 : 1) });
  }
  const { version } = place.binary;
  response.writeHead(status).end(status === 200 ? `served by ${version}\n` : `${version} lost its way\n`);
}

/** Undefined: no answer, ever. */
function statusOf({ binary, real, asked }: Running): number | undefined {
  switch (binary.behaviour) {
    case 'works':
      return 200;
    case 'fails':
      return real > HEALTHY_REQUESTS && asked % FAIL_EVERY === 0 ? 500 : 200;
    case 'answers-500':
      return 500;
    case 'answers-401':
      return 401;
    case 'answers-nothing':
      return undefined;
  }
}
