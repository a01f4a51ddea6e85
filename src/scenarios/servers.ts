/** The servers of the local world, on loopback: one for each place, and one that stands in for Prometheus. Must know nothing of kvdeploy. */
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Member } from './scenario.ts';

/** Real requests after which a build that fails begins to: more than the first step sends, so that it looks healthy there. */
const HEALTHY_REQUESTS = 40;

const FAIL_EVERY = 5;

/** What runs at a place, and what it reports about itself. */
type Binary = Pick<Member, 'guid' | 'version' | 'environment' | 'behaviour'>;

/** Answers to real requests, as the build itself would count them. */
export interface Answered {
  readonly requests: number;
  readonly errors: number;
}

export interface Listening {
  /** `http://127.0.0.1:PORT`. */
  readonly address: string;
  close(): Promise<void>;
}

/** One place of the router, and the build that runs there. */
export interface Backend extends Listening {
  /** Exchanges what runs there: immediately, or when the next real request comes. */
  exchange(binary: Binary, when: 'now' | 'with-traffic'): void;
  /** By the GUID of the build that answered. A build that has answered nothing yet is missing. */
  answered(): ReadonlyMap<string, Answered>;
  /** False: from now on requests that measure health are cut off; real ones are still answered. */
  setMeasuring(measuring: boolean): void;
}

/** A server at a free port. */
export async function listen(serve: RequestListener): Promise<Listening> {
  const server = createServer(serve);
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return { address: `http://127.0.0.1:${port}`, close };
}

/** Starts the build. `/healthz` reports its GUID, `/kv/probe` is what the gate polls, everything else is real traffic. */
export async function startBackend(build: Binary): Promise<Backend> {
  const place: Running = { binary: build, waiting: undefined, real: 0, asked: 0, measuring: true, answered: new Map() };
  return {
    ...(await listen((request, response) => serveOne(place, request, response))),
    exchange: (binary, when) => {
      if (when === 'now') place.binary = binary;
      else place.waiting = binary;
    },
    answered: () => place.answered,
    setMeasuring: (measuring) => {
      place.measuring = measuring;
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
  response.writeHead(status).end(status === 200 ? `served by ${version}\n` : `${version} failed\n`);
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

/** Stands in for Prometheus. */
export interface MetricsBoard extends Listening {
  /** Silent: every series is gone, as after a rule that drops them as noise. */
  setSilent(silent: boolean): void;
}

/** One of the questions that the query joins, and the labels that its answer must have. */
const QUESTION =
  /label_replace\(\nsum\((requests|errors)_total\{build="([0-9a-f-]{36})"\}\)\n, "(\w+)", "(\w+)", "", ""\), "(\w+)", "(\w+)", "", ""\)/g;

/**
 * Answers instant queries about the builds' own counters, and nothing for a build that has answered no request: `sum(requests_total{build="GUID"})` and `sum(errors_total{build="GUID"})`, labelled and joined as the source asks for them, in the
 * form of Prometheus' HTTP API v1. It does not say when it scraped: no sample here is older than its question.
 */
export async function startMetricsBoard(backends: ReadonlyMap<string, Pick<Backend, 'answered'>>): Promise<MetricsBoard> {
  let silent = false;
  const count = (what: string, guid: string): number | undefined => {
    const seen = silent ? [] : [...backends.values()].flatMap((backend) => backend.answered().get(guid) ?? []);
    if (seen.length === 0) return undefined;
    return seen.reduce((sum, { requests, errors }) => sum + (what === 'errors' ? errors : requests), 0);
  };
  const listening = await listen((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://metrics');
    if (pathname !== '/api/v1/query') return void response.writeHead(404).end();
    const asked = (searchParams.get('query') ?? '').matchAll(QUESTION);
    const result = [...asked].flatMap(([, what = '', guid = '', one = '', its = '', other = '', others = '']) => {
      const found = count(what, guid);
      return found === undefined ? [] : [{ metric: { [one]: its, [other]: others }, value: [Date.now() / 1000, String(found)] }];
    });
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ status: 'success', data: { resultType: 'vector', result } }));
  });
  return {
    ...listening,
    setSilent: (value) => {
      silent = value;
    },
  };
}
