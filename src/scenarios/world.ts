/** The small local world of a scenario: a temporary folder, builds, metrics, the router as a process, visitors. Must leave nothing behind. */
import nodeFs, { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { makeFolders } from '../base/durable/durable-file.ts';
import { filesystemOf } from '../base/durable/state-dir.ts';
import { type ServeStatus, STATUS_PATH, statusSchema } from '../routers/local/local-routes.ts';
import { configText, manifestText, SERVICE } from './files.ts';
import { type Output, type Place, type Running, startProgram } from './program.ts';
import type { Environment, Member, Scenario } from './scenario.ts';
import { type Backend, listen, type MetricsBoard, startBackend, startMetricsBoard } from './servers.ts';
import { startVisitors, type Visitors } from './visitors.ts';

const START_MS = 10_000;

const ENVIRONMENTS: readonly Environment[] = ['production', 'staging'];

/** The place of a build that production does not run. */
const NOWHERE = 'nowhere';

export interface World {
  readonly scenario: Scenario;
  /** Holds everything; removed at the end. */
  readonly folder: string;
  /** Where config and manifests are, and where the commands run. */
  readonly checkout: string;
  /** A folder without config. */
  readonly empty: string;
  /** The file that the router follows. */
  readonly routes: string;
  /** Address and port of the router. */
  readonly listen: string;
  readonly place: Place;
  /** By place. */
  readonly backends: Map<string, Backend>;
  readonly metrics: MetricsBoard;
  readonly visitors: Visitors;
  /** The name of the build that all visitors were on when last looked at. */
  live: string;
  /** What config and manifests say, to bring them back when they are lost. */
  settings: string;
  readonly listed: Record<Environment, readonly string[]>;
  /** The runner in the background. */
  runner: Running | undefined;
  /** Restores what was last edited by hand. */
  undo: (() => void) | undefined;
  readonly closing: Closing;
}

/** How what was started is stopped again, in the order of starting. */
interface Closing {
  readonly steps: (() => Promise<void> | void)[];
  isClosed: boolean;
}

/** State on tmpfs is refused, and on many machines /tmp is one. */
function lastingFolder(): string {
  return [tmpdir(), '/var/tmp'].find((dir) => filesystemOf(dir, nodeFs).kind !== 'volatile') ?? tmpdir();
}

/** Opens it with all traffic on the first listed build. `program` is bin/kvdeploy.js. On any failure what was started is stopped again. */
export async function openWorld(scenario: Scenario, program: string): Promise<World> {
  const folder = realpathSync(mkdtempSync(join(lastingFolder(), 'kvdeploy-demo-')));
  const closing: Closing = { steps: [], isClosed: false };
  try {
    return await furnish(scenario, program, folder, closing);
  } catch (error) {
    await closeWorld({ folder, closing }, false);
    throw error;
  }
}

async function furnish(scenario: Scenario, program: string, folder: string, closing: Closing): Promise<World> {
  const [checkout, empty, home] = [join(folder, 'checkout'), join(folder, 'empty'), join(folder, 'home')];
  for (const each of [checkout, empty, home]) makeFolders(each, nodeFs);
  const backends = new Map<string, Backend>();
  const metrics = await startMetricsBoard(backends);
  closing.steps.push(() => metrics.close());
  const [settings = ''] = Object.keys(scenario.settings);
  const [live = ''] = scenario.listed.production;
  const ground = {
    ...{ scenario, folder, checkout, empty, backends, metrics, live, settings, closing },
    place: { program, cwd: checkout, home, stateDir: join(home, '.local/state/kvdeploy') },
    routes: join(folder, 'routes.json'),
    listen: await freeAddress(),
    listed: { ...scenario.listed },
    runner: undefined,
    undo: undefined,
  };
  // The places stand in the config in the order of the listing.
  for (const name of new Set([...scenario.listed.production, ...Object.keys(scenario.cast)])) {
    const member = memberOf(ground, name);
    if (member.place === NOWHERE) continue;
    const backend = await startBackend(member);
    closing.steps.push(() => backend.close());
    backends.set(member.place, backend);
  }
  writeFiles(ground);
  await startRouter(ground);
  const visitors = startVisitors(`http://${ground.listen}`);
  closing.steps.push(() => visitors.stop());
  return { ...ground, visitors };
}

/** Ends everything that was started in it, newest first. `keep`: leaves the folder, to be looked at. */
export async function closeWorld({ folder, closing }: Pick<World, 'folder' | 'closing'>, keep: boolean): Promise<void> {
  closing.isClosed = true;
  for (const each of closing.steps.splice(0).reverse()) await each();
  if (!keep) rmSync(folder, { recursive: true, force: true });
}

/** The build of that name; `live` is the one that all visitors were on. Throws for a name that is not in the cast. */
export function memberOf({ scenario, live }: Pick<World, 'scenario' | 'live'>, name: string): Member {
  const member = scenario.cast[name === 'live' ? live : name];
  if (member === undefined) throw new Error(`${name} is not in the cast of ${scenario.name}`);
  return member;
}

/** The server at the build's place. */
export function backendOf(world: World, name: string): Backend {
  const backend = world.backends.get(memberOf(world, name).place);
  if (backend === undefined) throw new Error(`${name} runs nowhere`);
  return backend;
}

type Ground = Omit<World, 'visitors'>;

export function writeManifest(world: Ground, environment: Environment): void {
  const builds = world.listed[environment].map((name) => memberOf(world, name));
  writeFileSync(manifestPath(world, environment), manifestText(environment, builds));
}

export function manifestPath({ checkout }: Ground, environment: Environment): string {
  return join(checkout, 'releases', environment, `${SERVICE}.yaml`);
}

export function writeConfig(world: Ground): void {
  const { scenario, settings: name, metrics, backends, listen, routes } = world;
  const settings = scenario.settings[name];
  if (settings === undefined) throw new Error(`${scenario.name} has no settings called ${name}`);
  const gates = settings.gates.replaceAll('@metrics', metrics.address);
  const addresses = Object.fromEntries([...backends].map(([place, { address }]) => [place, address]));
  writeFileSync(configPath(world), configText({ ...settings, gates, addresses, listen, routes }));
}

export function configPath({ checkout }: Ground): string {
  return join(checkout, 'kvdeploy.config.yaml');
}

/** Deletes config and manifests, and cuts off whoever measures health. */
export function loseEverything(world: World): void {
  rmSync(configPath(world));
  rmSync(join(world.checkout, 'releases'), { recursive: true });
  for (const backend of world.backends.values()) backend.setMeasuring(false);
}

export function bringBack(world: World): void {
  writeFiles(world);
  for (const backend of world.backends.values()) backend.setMeasuring(true);
}

function writeFiles(world: Ground): void {
  for (const environment of ENVIRONMENTS) {
    makeFolders(join(world.checkout, 'releases', environment), nodeFs);
    writeManifest(world, environment);
  }
  writeConfig(world);
}

/** Starts the program; it will not outlive this world. */
export function start(world: Ground, args: readonly string[], output: Output, cwd = world.checkout): Running {
  if (world.closing.isClosed) throw new Error('the local world is closed');
  const running = startProgram(args, { ...world.place, cwd }, output);
  world.closing.steps.push(() => running.stop());
  return running;
}

async function startRouter(world: Ground): Promise<void> {
  const said: string[] = [];
  const { place } = memberOf(world, 'live');
  const router = start(world, ['serve', '--env', 'production', '--initially', place], (line) => said.push(line));
  const endsAt = performance.now() + START_MS;
  while (router.isRunning() && performance.now() < endsAt) {
    if ((await statusOf(world).catch(() => null)) !== null) return;
    await pause(50);
  }
  const why = said.join(' / ') || `no answer at ${world.listen} within ${START_MS / 1000} s`;
  throw new Error(`kvdeploy serve did not start: ${why}`);
}

/** What the router itself reports. */
export async function statusOf({ listen: at }: Pick<World, 'listen'>): Promise<ServeStatus> {
  const response = await fetch(`http://${at}${STATUS_PATH}`, { signal: AbortSignal.timeout(2000) });
  return statusSchema.parse(await response.json());
}

/** The percentage that the router gives to each place. */
export async function percentsOf(world: Pick<World, 'listen'>): Promise<ReadonlyMap<string, number>> {
  const { split } = await statusOf(world);
  return new Map(split.map(({ place, percent }) => [place, percent]));
}

/** Address and port. */
async function freeAddress(): Promise<string> {
  const { address, close } = await listen(() => undefined);
  await close();
  return new URL(address).host;
}
