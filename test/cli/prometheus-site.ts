/** A small site whose one gate asks a Prometheus that the test makes up: config, two builds, `kvdeploy serve`, state and HOME in one folder. */
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import http, { type IncomingMessage, type RequestListener, type Server } from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { startBackend } from '../servers/backend.ts';
import { freePort, tempFolder } from '../servers/program.ts';
import { type CliAnswer, type CliOptions, type RunningCli, runCli, startCli } from './run-cli.ts';

/** The GUIDs of the stable build and of the candidate. */
export const GUIDS = { blue: '11111111-0000-4000-8000-000000000001', green: '22222222-0000-4000-8000-000000000002' } as const;

export interface PrometheusSite {
  readonly folder: string;
  /** As in the config, after `name` and `source`: `url: …, status: code, requests: '…'`. */
  writeGate(gate: string, evidence?: string): void;
  /** What both builds have besides what every build needs, such as `labels: { pod: a }`. */
  writeBuilds(blue?: string, green?: string): void;
  run(words: string, options?: CliOptions): Promise<CliAnswer>;
  /** Starts `kvdeploy serve` and adopts the stable build. */
  adopt(): Promise<CliAnswer>;
  /** The text of every file of state and HOME. */
  kept(): string;
  close(): Promise<void>;
}

export async function openPrometheusSite(): Promise<PrometheusSite> {
  const { folder, remove } = tempFolder();
  for (const dir of ['releases/production', 'home']) mkdirSync(join(folder, dir), { recursive: true });
  const backends = await Promise.all([GUIDS.blue, GUIDS.green].map((guid) => startBackend({ guid, environment: 'production' })));
  const [blue, green] = backends.map(({ address }) => address);
  const router = {
    kind: 'local',
    listen: `127.0.0.1:${await freePort()}`,
    routes: join(folder, 'routes.json'),
    addresses: { blue, green },
  };
  const inSite = { cwd: folder, timeoutMs: 60_000 };
  const run = (words: string, options: CliOptions = {}) =>
    runCli(words.split(/\s+/), { ...inSite, ...options, env: { HOME: join(folder, 'home'), ...options.env } });
  let serve: RunningCli | undefined;
  const site: PrometheusSite = {
    folder,
    writeGate: (gate, evidence = '{ block: 1s, dwell: 3s, watch: 1s }') =>
      writeFileSync(join(folder, 'kvdeploy.config.yaml'), configText(router, gate, evidence)),
    writeBuilds: (blueMore = '', greenMore = '') =>
      writeFileSync(join(folder, 'releases/production/app.yaml'), manifestText(blueMore, greenMore)),
    run,
    adopt: async () => {
      serve = startCli(['serve', '--env', 'production', '--initially', 'blue'], {
        ...inSite,
        env: { HOME: join(folder, 'home') },
        timeoutMs: 600_000,
      });
      await serve.waitFor(/serving http/);
      return run('adopt --env production -y');
    },
    kept: () => [join(folder, 'home'), join(folder, 'state')].map(textsBelow).join('\n'),
    close: async () => {
      serve?.signal('SIGKILL');
      await serve?.ended;
      await Promise.all(backends.map((backend) => backend.close()));
      remove();
    },
  };
  site.writeBuilds();
  return site;
}

function textsBelow(dir: string): string {
  const names = readdirSync(dir, { recursive: true, encoding: 'utf8' }).map((name) => join(dir, name));
  return names
    .filter((file) => statSync(file).isFile())
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');
}

function configText(router: object, gate: string, evidence: string): string {
  return `apiVersion: kvdeploy.dev/v1
kind: Config
stateDir: state
tenants:
  acme:
    environments:
      production:
        services:
          app:
            router: ${JSON.stringify(router)}
            identity: { path: /, header: x-build-guid }
            steps: [{ percent: 25, bake: 2s }, { percent: 100, bake: 2s }]
            patience: 20s
            evidence: ${evidence}
            gates:
              - { name: errors, source: prometheus, ${gate} }
`;
}

function manifestText(blue: string, green: string): string {
  const build = (name: 'blue' | 'green', sequence: number, more: string) =>
    `  - { guid: ${GUIDS[name]}, sequence: ${sequence}, createdAt: 2026-11-2${sequence}T09:12:00Z, ref: ${name}, ${
      more.includes('version:') ? '' : `version: 1.${sequence}.0, `
    }digest: "sha256:${String(sequence).repeat(64)}"${more === '' ? '' : `, ${more}`} }\n`;
  return `apiVersion: kvdeploy.dev/v1
kind: ReleaseManifest
tenant: acme
environment: production
service: app
builds:
${build('blue', 1, blue)}${build('green', 2, green)}`;
}

/** What a made-up Prometheus was asked. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly query: string;
  readonly parameters: URLSearchParams;
}

export interface FakePrometheus {
  readonly url: string;
  readonly asked: Asked[];
  /** How long the usual answer takes, whether both builds have one series in it, and whether the candidate has buckets for requests. */
  readonly mood: { delayMs: number; same: boolean; odd: boolean };
  close(): Promise<void>;
}

/** The usual answer: five requests a millisecond for both builds, and no errors. */
export interface FakeOptions {
  readonly tls?: https.ServerOptions;
  /** Answers itself and returns true, or leaves it to the usual answer. */
  readonly answer?: (asked: Asked, ...rest: Parameters<RequestListener>) => boolean;
  /** Labels of the series of each build, with a name of their metric; without the last, as of a sum. */
  readonly labels?: (arm: 'candidate' | 'stable') => Readonly<Record<string, string>>;
  /** What the usual answer says next to its data. */
  readonly notes?: object;
}

export async function startFakePrometheus(options: FakeOptions = {}): Promise<FakePrometheus> {
  const asked: Asked[] = [];
  const mood = { delayMs: 0, same: false, odd: false };
  const listener: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const url = new URL(request.url ?? '/', 'http://127.0.0.1');
      const parameters = new URLSearchParams([...url.searchParams, ...new URLSearchParams(Buffer.concat(chunks).toString())]);
      const one = { method: request.method ?? '', path: url.pathname, headers: request.headers, parameters };
      const what = { ...one, query: parameters.get('query') ?? '' };
      asked.push(what);
      if (options.answer?.(what, request, response) === true) return;
      const own = mood.same ? () => ({ __name__: 'x', instance: 'a' }) : options.labels;
      const odd = (arm: string) => ({ __name__: 'x', instance: arm, ...(mood.odd && arm === 'candidate' ? { le: '1' } : {}) });
      const data = usual(what.query, { labels: own ?? odd });
      setTimeout(() => response.end(JSON.stringify({ status: 'success', ...options.notes, data })), mood.delayMs);
    });
  };
  const server: Server = options.tls === undefined ? http.createServer(listener) : https.createServer(options.tls, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http${options.tls === undefined ? '' : 's'}://127.0.0.1:${port}`,
    asked,
    mood,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const STARTED = performance.now() - 1000;

const REQUESTS_PER_MS = 5;

function usual(query: string, { labels = (arm) => ({ __name__: 'x', instance: arm }) }: FakeOptions) {
  const atS = Date.now() / 1000;
  const result = (['candidate', 'stable'] as const)
    .filter((arm) => query.includes(`"${arm}"`))
    .flatMap((arm) =>
      [
        ['requests', String(Math.floor((performance.now() - STARTED) * REQUESTS_PER_MS))] as const,
        ['seen', String(atS)] as const,
        ...(query.includes('"errors"') ? [['errors', '0'] as const] : []),
      ].map(([counter, value]) => ({
        metric: {
          ...labels(arm),
          ...(counter === 'requests' ? { code: '200' } : {}),
          kvdeploy_build: arm,
          kvdeploy_counter: counter,
        },
        value: [atS, value],
      })),
    );
  return { resultType: 'vector', result };
}
