/** A small site for the CLI tests: config, manifests, backends, `kvdeploy serve`, state and HOME in one temporary folder. Must leave nothing behind. */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { routesText, type ServeStatus, STATUS_PATH, statusSchema } from '../../src/routers/local/local-routes.ts';
import { type Backend, startBackend } from '../servers/backend.ts';
import { freePort, tempFolder, until } from '../servers/program.ts';
import { configText, manifestText, type Name, SCOPES, type SiteBuild, type Wishes } from './local-builds.ts';
import {
  BIN,
  type CliAnswer,
  type CliOptions,
  type RunningCli,
  runCli,
  runInTerminal,
  startCli,
  type TerminalAnswer,
  type TerminalOptions,
} from './run-cli.ts';

interface Place {
  readonly name: Name;
  readonly port: number;
  readonly routes: string;
  readonly backends: ReadonlyMap<string, Backend>;
}

export interface LocalSite {
  readonly folder: string;
  /** Where config and manifests lie. */
  readonly checkout: string;
  readonly stateDir: string;
  readonly home: string;
  backend(name: Name, ref: string): Backend;
  routes(name: Name): string;
  /** Where clients reach the service. */
  url(name: Name): string;
  writeConfig(wishes?: Wishes): void;
  writeManifest(name: Name, builds: readonly SiteBuild[]): void;
  run(args: readonly string[], options?: CliOptions): Promise<CliAnswer>;
  start(args: readonly string[], options?: CliOptions): RunningCli;
  atTerminal(args: readonly string[], options?: TerminalOptions): Promise<TerminalAnswer>;
  /** Runs a POSIX shell script in which `kvdeploy` is a command: for pipes, and for what was printed to be pasted. */
  shell(script: string, options?: { readonly cwd?: string; readonly env?: CliOptions['env'] }): Promise<ShellAnswer>;
  status(name: Name): Promise<ServeStatus>;
  /** Percent at a place, by the router's word. */
  percent(name: Name, ref: string): Promise<number>;
  /** As a person would by hand: all traffic to one place, behind kvdeploy's back. */
  moveTraffic(name: Name, ref: string): Promise<void>;
  /** Keeps the state and the routes files under a name, and brings them back. */
  keep(as: string): void;
  restore(as: string): Promise<void>;
  stopServe(name: Name): Promise<void>;
  startServe(name: Name): Promise<void>;
  close(): Promise<void>;
}

export interface ShellAnswer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Opens it with everything on each scope's `blue`, nothing adopted, and `kvdeploy serve` running for each of `serving`. */
export async function openLocalSite(serving: readonly Name[] = ['production']): Promise<LocalSite> {
  const { folder, remove } = tempFolder();
  const checkout = join(folder, 'checkout');
  const home = join(folder, 'home');
  const stateDir = join(folder, 'state');
  for (const dir of [checkout, home, join(checkout, '.git')]) mkdirSync(dir);
  const places = new Map<Name, Place>();
  for (const name of Object.keys(SCOPES) as Name[]) places.set(name, await openPlace(name, folder));
  const place = (name: Name) => places.get(name) as Place;
  const serves = new Map<Name, RunningCli>();
  const inSite = <Options extends { readonly cwd?: string; readonly env?: CliOptions['env'] }>(options: Options | undefined) => ({
    cwd: checkout,
    ...options,
    env: { HOME: home, USER: 'tess', ...options?.env },
  });
  const site: LocalSite = {
    folder,
    checkout,
    stateDir,
    home,
    backend: (name, ref) => place(name).backends.get(ref) as Backend,
    routes: (name) => place(name).routes,
    url: (name) => `http://127.0.0.1:${place(name).port}/`,
    writeConfig: (wishes = {}) =>
      writeFileSync(join(checkout, 'kvdeploy.config.yaml'), configText([...places.values()], stateDir, wishes)),
    writeManifest: (name, builds) => {
      const { tenant, environment } = SCOPES[name];
      const dir = join(checkout, 'releases', tenant, environment);
      mkdirSync(dir, { recursive: true });
      writeFileSync(join(dir, 'kv-gateway.yaml'), manifestText(name, builds));
    },
    run: (args, options) => runCli(args, inSite(options)),
    start: (args, options) => startCli(args, inSite(options)),
    atTerminal: (args, options) => runInTerminal(args, inSite(options)),
    shell: (script, options) => runShell(script, inSite(options)),
    status: (name) => askStatus(place(name)),
    percent: async (name, ref) => (await askStatus(place(name))).split.find((share) => share.place === ref)?.percent ?? 0,
    moveTraffic: async (name, ref) => {
      const places = [...place(name).backends.keys()];
      writeFileSync(
        place(name).routes,
        routesText(places.map((one) => ({ place: one, build: null, percent: one === ref ? 100 : 0 }))),
      );
      await until(`${name} to follow its routes`, async () => isSettled(place(name)));
    },
    keep: (as) => copyAll(folder, join(folder, `kept-${as}`)),
    restore: async (as) => {
      const from = join(folder, `kept-${as}`);
      copyAll(from, folder);
      for (const name of serves.keys()) await until(`${name} to follow its old routes`, async () => isSettled(place(name)));
    },
    startServe: async (name) => {
      const { tenant, environment } = SCOPES[name];
      const options = { ...inSite({}), timeoutMs: 3_600_000 };
      const running = startCli(['serve', '--tenant', tenant, '--env', environment, '--initially', 'blue'], options);
      serves.set(name, running);
      await running.waitFor(/serving http/);
    },
    stopServe: async (name) => {
      serves.get(name)?.signal('SIGTERM');
      await serves.get(name)?.ended;
      serves.delete(name);
    },
    close: async () => {
      for (const running of serves.values()) running.signal('SIGKILL');
      await Promise.all([...serves.values()].map(({ ended }) => ended));
      for (const { backends } of places.values()) for (const backend of backends.values()) await backend.close();
      remove();
    },
  };
  site.writeConfig();
  for (const name of places.keys()) site.writeManifest(name, SCOPES[name].builds);
  await Promise.all(serving.map((name) => site.startServe(name)));
  return site;
}

function runShell(script: string, options: { readonly cwd: string; readonly env: CliOptions['env'] }): Promise<ShellAnswer> {
  const env = { PATH: process.env['PATH'], LANG: 'C.UTF-8', TERM: 'xterm', ...options.env };
  const child = spawn('sh', ['-c', `kvdeploy() { node ${BIN} "$@"; }\n${script}`], {
    cwd: options.cwd,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ exitCode: code ?? -1, ...said }));
  });
}

async function openPlace(name: Name, folder: string): Promise<Place> {
  const { builds, environment } = SCOPES[name];
  const backends = new Map<string, Backend>();
  for (const { ref, guid } of builds) if (!backends.has(ref)) backends.set(ref, await startBackend({ guid, environment }));
  return { name, port: await freePort(), routes: join(folder, `routes-${name}.json`), backends };
}

function copyAll(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  const routes = (Object.keys(SCOPES) as Name[]).map((name) => `routes-${name}.json`);
  for (const name of ['state', 'copy', ...routes, ...routes.map((file) => `${file}.kvdeploy-state`)]) {
    // A routes file is replaced, never removed: whoever follows it would rightly complain.
    if (!name.endsWith('.json') || !existsSync(join(from, name))) rmSync(join(to, name), { recursive: true, force: true });
    if (existsSync(join(from, name))) cpSync(join(from, name), join(to, name), { recursive: true, preserveTimestamps: true });
  }
}

async function isSettled(place: Place): Promise<true | undefined> {
  const { applied, problem } = await askStatus(place);
  const { split } = JSON.parse(readFileSync(place.routes, 'utf8')) as { split: { place: string; percent: number }[] };
  const wanted = split.filter((share) => share.percent > 0).every((share) => applied.includes(share.place));
  return wanted && problem === null ? true : undefined;
}

async function askStatus({ port }: Place): Promise<ServeStatus> {
  const answer = await fetch(`http://127.0.0.1:${port}${STATUS_PATH}`, { signal: AbortSignal.timeout(2000) });
  return statusSchema.parse(await answer.json());
}

/** The result line of `--json`; it must be the last one. */
export function resultOf(answer: CliAnswer) {
  const last = answer.json.at(-1);
  if (last?.type !== 'result') throw new Error(`the last line is no result:\n${answer.stdout}\n${answer.stderr}`);
  return last;
}

/** A printed command as arguments for `run`: what a shell makes of it, `kvdeploy` left out. */
export function pasted(command: string): readonly string[] {
  return command
    .replace(/\s+# .*$/, '')
    .split(/\s+/)
    .slice(1);
}
