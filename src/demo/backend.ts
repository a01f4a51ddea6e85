/** One build of the demo as a real little HTTP server on loopback. Must not know anything of kvdeploy. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { DemoBuild } from './builds.ts';

/** Real requests after which a build that fails begins to: more than the first step brings, so that it fools that one. */
const HEALTHY_REQUESTS = 40;
const FAIL_EVERY = 5;

export interface Backend {
  readonly build: DemoBuild;
  readonly address: string;
  /** From now on requests that measure health are cut off; real ones are still answered. */
  stopMeasuring(): void;
  close(): Promise<void>;
}

/** Starts the build. `/healthz` says who it is, `/kv/probe` is what the gate asks, everything else is real traffic. */
export async function startBackend(build: DemoBuild): Promise<Backend> {
  let real = 0;
  let asked = 0;
  let measuring = true;
  const server = createServer((request, response) => {
    response.setHeader('x-build-guid', build.guid);
    response.setHeader('x-build-environment', build.environment);
    if (request.url === '/healthz') return void response.end('ok\n');
    if (request.url === '/kv/probe' && !measuring) return void request.socket.destroy();
    if (request.url !== '/kv/probe') real += 1;
    asked += 1;
    const fails = build.behaviour === 'fails' && real > HEALTHY_REQUESTS && asked % FAIL_EVERY === 0;
    answer(response, fails, build);
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    build,
    address: `http://127.0.0.1:${port}`,
    stopMeasuring: () => {
      measuring = false;
    },
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function answer(response: ServerResponse, fails: boolean, build: DemoBuild): void {
  if (fails) response.writeHead(500).end(`${build.version} lost its way\n`);
  else response.end(`served by ${build.version}\n`);
}
