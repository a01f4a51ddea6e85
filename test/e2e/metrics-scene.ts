/**
 * A small production whose counters are made up by the test: real Prometheus, real `kvdeploy serve`, two builds that answer who they are, and
 * pods that exist in their metrics alone. What is sent to the builds by the router's split is counted, not requested.
 */

import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { runCli, startCli } from '../cli/run-cli.ts';
import { startBackend } from '../servers/backend.ts';
import { freePort, tempFolder } from '../servers/program.ts';
import { startPrometheus } from '../servers/prometheus.ts';
import { type Ran, ranOf, type Started } from './site.ts';

/** The GUIDs of the stable build and of the candidate. */
export const GUIDS = { blue: '11111111-0000-4000-8000-000000000001', green: '22222222-0000-4000-8000-000000000002' } as const;
const PROMOTE = `promote --env production --build ${GUIDS.green} -y --json`;

/** What both builds count, series by series as Prometheus reads them: `req_total{build="…",instance="pod-1",code="200"}`. */
export class Series {
  readonly #values = new Map<string, number>();

  /** Adds to a counter; a new one begins at 0. */
  add(name: string, labels: Readonly<Record<string, string | number>>, count: number): void {
    const key = `${name}{${Object.entries(labels)
      .map(([label, value]) => `${label}="${value}"`)
      .join(',')}}`;
    this.#values.set(key, (this.#values.get(key) ?? 0) + count);
  }

  /** Takes every series away that has this label, as a pod that leaves. */
  remove(label: string, value: string): void {
    for (const key of [...this.#values.keys()]) if (key.includes(`${label}="${value}"`)) this.#values.delete(key);
  }

  text(): string {
    return [...this.#values].map(([key, value]) => `${key} ${value}\n`).join('');
  }
}

/** One tenth of a second of the world: `share` (0..1) is the candidate's by the router's split, `requests` what both builds got, `second` since it began. */
export type Tick = (series: Series, now: { readonly share: number; readonly requests: number; readonly second: number }) => void;

export interface MetricsSceneOptions {
  readonly tick: Tick;
  /** What Prometheus reads in place of the series that `tick` made. */
  readonly text?: (series: Series) => string;
  /** Requests per second to both builds together, 6,000 when left out. */
  readonly perSecond?: number;
  /** As in the config, after `source`, `url` and `interval`: `requests: '…', status: code`. */
  readonly gate: string;
  /** A prefix for Prometheus's address, for a server of the test's own in between. */
  readonly via?: (url: string) => string;
  /** As in the config; a watch of the stable build of 1 s where it names none. */
  readonly evidence?: string;
  readonly steps?: string;
  readonly patience?: string;
}

export interface MetricsScene {
  readonly checkout: string;
  readonly prometheus: string;
  run(words: string): Promise<Ran>;
  start(words: string): Started;
  /** Promotes the candidate to its end. */
  promote(more?: string): Promise<Ran>;
  /** The candidate's percent, by the routes file. */
  percent(): number;
}

/** At a quarter of so many a good build is known to be good after the eight blocks that a step takes anyway. */
const REQUESTS_PER_SECOND = 6000;
const TICK_MS = 100;

/** Opens it with the stable build adopted, acts, closes it. Prometheus takes about six seconds to start. */
export async function inMetricsScene(options: MetricsSceneOptions, act: (scene: MetricsScene) => Promise<void>): Promise<void> {
  const { folder, remove } = tempFolder();
  const checkout = join(folder, 'checkout');
  const routes = join(folder, 'routes.json');
  for (const dir of [join(checkout, 'releases/production'), join(folder, 'home')]) mkdirSync(dir, { recursive: true });
  const percent = () => percentIn(routes);
  const [blue, green] = await Promise.all(
    [GUIDS.blue, GUIDS.green].map((guid) => startBackend({ guid, environment: 'production' })),
  );
  const world = await startWorld(options, () => percent() / 100);
  const prometheus = await startPrometheus({ targets: [world.target], honorLabels: true });
  const url = options.via?.(prometheus.url) ?? prometheus.url;
  const addresses = { blue: blue?.address, green: green?.address };
  const router = { kind: 'local', listen: `127.0.0.1:${await freePort()}`, routes, addresses };
  writeFileSync(join(checkout, 'kvdeploy.config.yaml'), configText(options, { url, router, stateDir: join(folder, 'state') }));
  writeFileSync(join(checkout, 'releases/production/app.yaml'), MANIFEST);
  const inScene = { cwd: checkout, env: { HOME: join(folder, 'home') }, timeoutMs: 120_000 };
  const start = (words: string): Started => {
    const args = words.split(/\s+/);
    const running = startCli(args, inScene);
    return { ...running, ended: running.ended.then((answer) => ranOf(args, answer)) };
  };
  const serve = startCli(['serve', '--env', 'production', '--initially', 'blue'], { ...inScene, timeoutMs: 600_000 });
  try {
    await serve.waitFor(/serving http/);
    const adopted = await runCli(['adopt', '--env', 'production', '-y'], inScene);
    if (adopted.exitCode !== 0) throw new Error(`adopt ended with ${adopted.exitCode}: ${adopted.stderr}`);
    const promote = (more = '') => start(`${PROMOTE} ${more}`.trim()).ended;
    await act({ checkout, prometheus: prometheus.url, start, run: (words) => start(words).ended, promote, percent });
  } finally {
    serve.signal('SIGKILL');
    await serve.ended;
    await Promise.all([world.stop(), prometheus.stop(), blue?.close(), green?.close()]);
    remove();
  }
}

function percentIn(routes: string): number {
  try {
    const { split } = JSON.parse(readFileSync(routes, 'utf8')) as { split: { place: string; percent: number }[] };
    return split.find(({ place }) => place === 'green')?.percent ?? 0;
  } catch {
    // Not there before the router has started.
    return 0;
  }
}

/** Counts go on by the clock, however busy the machine is. */
async function startWorld({ tick, text, perSecond = REQUESTS_PER_SECOND }: MetricsSceneOptions, share: () => number) {
  const series = new Series();
  const began = performance.now();
  let ticks = 0;
  const turn = () => {
    const due = Math.floor((performance.now() - began) / TICK_MS);
    for (; ticks < due; ticks += 1)
      tick(series, { share: share(), requests: (perSecond * TICK_MS) / 1000, second: (ticks * TICK_MS) / 1000 });
  };
  const clock = setInterval(turn, TICK_MS);
  const server = http.createServer((_request, response) => {
    turn();
    response.setHeader('content-type', 'text/plain; version=0.0.4');
    response.end(text?.(series) ?? series.text());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = async () => {
    clearInterval(clock);
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { target: `127.0.0.1:${(server.address() as AddressInfo).port}`, stop };
}

const withWatch = (evidence: string) => (evidence.includes('watch') ? evidence : evidence.replace('{', '{ watch: 1s,'));

function configText(
  options: MetricsSceneOptions,
  { url, router, stateDir }: { readonly url: string; readonly router: object; readonly stateDir: string },
): string {
  return `apiVersion: kvdeploy.dev/v1
kind: Config
stateDir: ${stateDir}
tenants:
  acme:
    environments:
      production:
        services:
          app:
            router: ${JSON.stringify(router)}
            identity: { path: /, header: x-build-guid }
            steps: ${options.steps ?? '[{ percent: 25, bake: 2s }, { percent: 100, bake: 2s }]'}
            patience: ${options.patience ?? '20s'}
            evidence: ${withWatch(options.evidence ?? '{ block: 1s, dwell: 3s }')}
            gates:
              - { name: errors, source: prometheus, url: "${url}", interval: 200ms, ${options.gate} }
`;
}

const MANIFEST = `apiVersion: kvdeploy.dev/v1
kind: ReleaseManifest
tenant: acme
environment: production
service: app
builds:
  - { guid: ${GUIDS.blue}, version: 1.1.0, digest: "sha256:${'ab'.repeat(32)}", sequence: 1, createdAt: 2026-11-21T09:12:00Z, ref: blue }
  - { guid: ${GUIDS.green}, version: 1.2.0, digest: "sha256:${'cd'.repeat(32)}", sequence: 2, createdAt: 2026-11-22T09:12:00Z, ref: green }
`;
