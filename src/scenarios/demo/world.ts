/** The small world of the demo and of the replays: a temporary folder, builds, the router as a process, visitors. Must leave nothing behind. */
import nodeFs, { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { makeFolders } from '../../base/durable/durable-file.ts';
import { filesystemOf } from '../../base/durable/state-dir.ts';
import { type ServeStatus, STATUS_PATH, statusSchema } from '../../routers/local/local-routes.ts';
import { type Backend, startBackend } from './backend.ts';
import { configText, type DemoBuild, type Environment, manifestText, SERVICE, type Settings } from './builds.ts';
import { type Load, startLoad } from './load.ts';
import { type Place, type Running, startProgram, startQuietly } from './program.ts';

const START_MS = 10_000;

/** Who plays in it. */
export interface Cast {
  /** Each runs at a place of its own; the first one serves everything. */
  readonly production: readonly DemoBuild[];
  /** Listed only; they run nowhere near production. */
  readonly staging: readonly DemoBuild[];
  readonly settings: Settings;
}

export interface World {
  /** The folder that holds everything; removed at the end. */
  readonly folder: string;
  /** Where config and manifests lie, and where the commands are run. */
  readonly workplace: string;
  readonly place: Place;
  readonly url: string;
  /** The file that the router follows. */
  readonly routes: string;
  readonly load: Load;
  readonly backends: readonly Backend[];
  /** The build that all traffic must be on between two scenes. */
  live: DemoBuild;
  writeConfig(settings: Settings): void;
  writeManifest(environment: Environment, builds: readonly DemoBuild[]): void;
  /** Deletes config and manifests, and cuts off whoever measures health. */
  loseEverything(): void;
  /** Gives config, the folders of manifests and measuring back; the manifests are the caller's to write. */
  restore(settings: Settings): void;
  /** Runs the program and resolves with its exit code, or the name of the signal that ended it. */
  run(args: readonly string[], at?: Partial<Place>): Promise<number | string>;
  /** Each line of its output is handed to `tell`. */
  startInBackground(args: readonly string[], tell: (line: string) => void, at?: Partial<Place>): Running;
  status(): Promise<ServeStatus>;
  close(options: { readonly keep: boolean }): Promise<void>;
}

/** How what was started is stopped again, in the order of starting. */
interface Closing {
  readonly steps: (() => Promise<void> | void)[];
  closed: boolean;
}

/** State on tmpfs is refused, and on many machines /tmp is one. */
function lastingFolder(): string {
  return [tmpdir(), '/var/tmp'].find((dir) => filesystemOf(dir, nodeFs).kind !== 'volatile') ?? tmpdir();
}

/** Opens it with all traffic on the first build. On any failure what was started is stopped again. */
export async function openWorld(options: { readonly program: string; readonly show: boolean }, cast: Cast): Promise<World> {
  const folder = realpathSync(mkdtempSync(join(lastingFolder(), 'kvdeploy-demo-')));
  const closing: Closing = { steps: [], closed: false };
  const close = async ({ keep }: { readonly keep: boolean }) => {
    closing.closed = true;
    for (const each of closing.steps.splice(0).reverse()) await each();
    if (!keep) rmSync(folder, { recursive: true, force: true });
  };
  try {
    return await furnish({ folder, ...options }, cast, closing, close);
  } catch (error) {
    await close({ keep: false });
    throw error;
  }
}

async function furnish(
  { folder, program, show }: { readonly folder: string; readonly program: string; readonly show: boolean },
  cast: Cast,
  closing: Closing,
  close: World['close'],
): Promise<World> {
  const workplace = join(folder, 'checkout');
  const home = join(folder, 'home');
  const makeReleases = () => {
    for (const environment of ['production', 'staging']) makeFolders(join(workplace, 'releases', environment), nodeFs);
  };
  for (const dir of [home, join(folder, 'empty')]) makeFolders(dir, nodeFs);
  makeReleases();
  const place: Place = { program, cwd: workplace, home, stateDir: join(home, '.local/state/kvdeploy'), show };
  const backends: Backend[] = [];
  for (const build of cast.production) {
    const backend = await startBackend(build);
    backends.push(backend);
    closing.steps.push(() => backend.close());
  }
  const listen = `127.0.0.1:${await freePort()}`;
  const url = `http://${listen}`;
  const routes = join(folder, 'routes.json');
  const needs = { listen, routes, addresses: addressesOf(backends) };
  const writeConfig: World['writeConfig'] = (settings) =>
    writeFileSync(join(workplace, 'kvdeploy.config.yaml'), configText({ ...needs, ...settings }));
  const writeManifest: World['writeManifest'] = (environment, builds) =>
    writeFileSync(join(workplace, 'releases', environment, `${SERVICE}.yaml`), manifestText(environment, builds));
  writeConfig(cast.settings);
  writeManifest('production', cast.production);
  writeManifest('staging', cast.staging);
  const live = firstOf(cast);
  await startRouter(url, live.place, place, closing);
  const load = startLoad(url);
  closing.steps.push(() => load.stop());
  return {
    folder,
    workplace,
    place,
    url,
    routes,
    load,
    backends,
    live,
    writeConfig,
    writeManifest,
    loseEverything: () => {
      rmSync(join(workplace, 'kvdeploy.config.yaml'));
      rmSync(join(workplace, 'releases'), { recursive: true });
      for (const backend of backends) backend.setMeasuring(false);
    },
    restore: (settings) => {
      makeReleases();
      writeConfig(settings);
      for (const backend of backends) backend.setMeasuring(true);
    },
    run: (args, at) => startOwned(closing, () => startProgram(args, { ...place, ...at })).ended,
    startInBackground: (args, tell, at) => startOwned(closing, () => startQuietly(args, { ...place, ...at }, tell)),
    status: () => askStatus(url),
    close,
  };
}

/** Starts a program that will not outlive this world. */
function startOwned(closing: Closing, start: () => Running): Running {
  if (closing.closed) throw new Error('the demo is over');
  const running = start();
  closing.steps.push(() => running.stop());
  return running;
}

function firstOf({ production }: Cast): DemoBuild {
  const [first] = production;
  if (first === undefined) throw new Error('a world without a build that serves');
  return first;
}

async function startRouter(url: string, initially: string, place: Place, closing: Closing): Promise<void> {
  const said: string[] = [];
  const router = startQuietly(['serve', '--env', 'production', '--initially', initially], place, (line) => said.push(line));
  closing.steps.push(() => router.stop());
  const endsAt = performance.now() + START_MS;
  while (router.isRunning() && performance.now() < endsAt) {
    if (
      await askStatus(url).then(
        () => true,
        () => false,
      )
    )
      return;
    await pause(50);
  }
  throw new Error(`kvdeploy serve did not start: ${said.join(' / ') || `no answer at ${url} within ${START_MS / 1000} s`}`);
}

function askStatus(url: string): Promise<ServeStatus> {
  return new Promise((resolve, reject) => {
    const request = get(`${url}${STATUS_PATH}`, { timeout: 2000 }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('error', reject);
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => {
        try {
          resolve(statusSchema.parse(JSON.parse(body)));
        } catch (error) {
          reject(error);
        }
      });
    });
    request.on('error', reject).on('timeout', () => request.destroy(new Error('the router did not answer within 2 s')));
  });
}

function addressesOf(backends: readonly Backend[]): Record<string, string> {
  return Object.fromEntries(backends.map(({ build, address }) => [build.place, address]));
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
