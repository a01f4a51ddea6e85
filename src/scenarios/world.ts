/** The small local world of a scenario: a temporary folder, builds, metrics, the router as a process, visitors. Must leave nothing behind. */
import nodeFs, { chownSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { makeFolders } from '../base/durable/durable-file.ts';
import { filesystemOf } from '../base/durable/state-dir.ts';
import { KvdeployError } from '../core/errors.ts';
import type { Edge, Installed, Site } from './edge/edge.ts';
import { haproxyEdge } from './edge/haproxy-edge.ts';
import { copyProgram, giveTo, mustRunAs, someoneElse } from './edge/installed.ts';
import { localEdge } from './edge/local-edge.ts';
import { nginxEdge } from './edge/nginx-edge.ts';
import { configText, manifestText, SERVICE } from './files.ts';
import { type Output, type ProgramPlace, type Running, startProcess, startProgram } from './program.ts';
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
  /** The file that the router which kvdeploy brings follows. */
  readonly routes: string;
  readonly edge: Edge;
  /** What is said before anything happens. */
  readonly told: readonly string[];
  readonly place: ProgramPlace;
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

/** What it is opened with. */
interface Opening {
  /** bin/kvdeploy.js. */
  readonly program: string;
  readonly router?: Installed | undefined;
  /** Any other router, in place of one that is installed. */
  readonly edge?: (site: Site) => Edge;
}

/** Opens it with all traffic on the first listed build. On any failure what was started is stopped again. */
export async function openWorld(scenario: Scenario, opening: Opening): Promise<World> {
  const folder = realpathSync(mkdtempSync(join(lastingFolder(), 'kvdeploy-demo-')));
  const closing: Closing = { steps: [], isClosed: false };
  try {
    return await furnish(scenario, opening, folder, closing);
  } catch (error) {
    await closeWorld({ folder, closing }, false);
    throw error;
  }
}

async function furnish(scenario: Scenario, opening: Opening, folder: string, closing: Closing): Promise<World> {
  const { program, router } = opening;
  const isOwn = router === undefined && opening.edge === undefined;
  const [checkout, empty, home, ofRouter] = ['checkout', 'empty', 'home', 'router'].map((name) => join(folder, name)) as Folders;
  for (const each of [checkout, empty, home, ofRouter]) makeFolders(each, nodeFs);
  const backends = new Map<string, Backend>();
  const metrics = await startMetricsBoard(backends);
  closing.steps.push(() => metrics.close());
  const [settings = ''] = Object.keys(scenario.settings);
  const [live = ''] = scenario.listed.production;
  // The places stand in the config in the order of the listing.
  for (const name of new Set([...scenario.listed.production, ...Object.keys(scenario.cast)])) {
    const member = memberOf({ scenario, live }, name);
    if (member.place === NOWHERE) continue;
    const backend = await startBackend(member);
    closing.steps.push(() => backend.close());
    backends.set(member.place, backend);
  }
  const user = !isOwn && process.geteuid?.() === 0 ? someoneElse() : undefined;
  const place = {
    program: user === undefined ? program : copyProgram(program, join(folder, 'kvdeploy')),
    ...{ cwd: checkout, home, stateDir: join(home, '.local/state/kvdeploy'), user },
  };
  const [listen, routes] = [await freeAddress(), join(folder, 'routes.json')];
  const addresses = Object.fromEntries([...backends].map(([name, { address }]) => [name, address]));
  const site = { folder: ofRouter, listen, addresses, place };
  const edge = opening.edge?.(site) ?? edgeOf(site, routes, router);
  const ground = {
    ...{ scenario, folder, checkout, empty, backends, metrics, live, settings, closing, place, routes, edge },
    told: router === undefined ? [] : toldOf(router, edge, user),
    listed: { ...scenario.listed },
    runner: undefined,
    undo: undefined,
  };
  writeFiles(ground);
  if (user !== undefined) {
    giveTo(user, folder);
    mustRunAs(user, checkout);
  }
  await startRouter(ground);
  const visitors = startVisitors(edge.url, isOwn);
  closing.steps.push(() => visitors.stop());
  return { ...ground, visitors };
}

type Folders = [checkout: string, empty: string, home: string, ofRouter: string];

function edgeOf(site: Site, routes: string, router: Installed | undefined): Edge {
  if (router === undefined) return localEdge(site, routes);
  return router.kind === 'haproxy' ? haproxyEdge(site, router) : nginxEdge(site, router);
}

function toldOf({ kind, version, file }: Installed, edge: Edge, user: number | undefined): readonly string[] {
  const asRoot = `You are root: it and every kvdeploy command run as uid ${user}, without an account and without rights.`;
  return [
    `Router: ${kind} ${version} (${file}), started only for this demo.`,
    ...(user === undefined ? [] : [asRoot]),
    ...edge.told,
  ];
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
  write(manifestPath(world, environment), manifestText(environment, builds), world);
}

export function manifestPath({ checkout }: Ground, environment: Environment): string {
  return join(checkout, 'releases', environment, `${SERVICE}.yaml`);
}

export function writeConfig(world: Ground): void {
  const { scenario, settings: name, metrics, edge } = world;
  const settings = scenario.settings[name];
  if (settings === undefined) throw new Error(`${scenario.name} has no settings called ${name}`);
  const gates = settings.gates.replaceAll('@metrics', metrics.address).replaceAll('@router', edge.kind);
  write(configPath(world), configText({ ...settings, gates, router: edge.settings }), world);
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

function write(file: string, text: string, { place: { user } }: Ground): void {
  writeFileSync(file, text);
  if (user !== undefined) chownSync(file, user, user);
}

/** Starts the program; it will not outlive this world. */
export function start(world: Ground, args: readonly string[], output: Output, cwd = world.checkout): Running {
  return closed(world, () => startProgram(args, { ...world.place, cwd }, output));
}

function closed({ closing }: Ground, begin: () => Running): Running {
  if (closing.isClosed) throw new Error('the local world is closed');
  const running = begin();
  closing.steps.push(() => running.stop());
  return running;
}

async function startRouter(world: Ground): Promise<void> {
  const said: string[] = [];
  const { edge, place } = world;
  const isOwn = edge.kind === 'local';
  const router = closed(world, () => startProcess(edge.argv, place, (line) => said.push(line), !isOwn));
  const endsAt = performance.now() + START_MS;
  while (router.isRunning() && performance.now() < endsAt) {
    if ((await edge.percents().catch(() => null)) !== null) return;
    await pause(50);
  }
  const why = said.join(' / ') || `no answer within ${START_MS / 1000} s`;
  if (isOwn) throw new Error(`kvdeploy serve did not start: ${why}`);
  throw new KvdeployError('SYSTEM_ERROR', {
    message: `${edge.argv[0]} did not start: ${why}.`,
    hint: 'Fix what it says. The demo with the router that kvdeploy brings needs nothing: kvdeploy demo',
  });
}

/** Address and port. */
async function freeAddress(): Promise<string> {
  const { address, close } = await listen(() => undefined);
  await close();
  return new URL(address).host;
}
