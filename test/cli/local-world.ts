/** A small world for the CLI tests: config, manifests, backends, `kvdeploy serve`, state and HOME in one temporary folder. Must leave nothing behind. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ServeStatus, STATUS_PATH, statusSchema } from '../../src/routers/local-routes.ts';
import { type Backend, startBackend } from '../servers/backend.ts';
import { freePort, tempFolder, until } from '../servers/program.ts';
import { BIN, type CliAnswer, type CliOptions, type RunningCli, runCli, runInTerminal, startCli, type TerminalAnswer, type TerminalOptions } from './run-cli.ts';

export interface WorldBuild {
  readonly guid: string;
  readonly version: string;
  readonly sequence: number;
  readonly ref: string;
  readonly commit: string;
}

const build = (guid: string, sequence: number, ref: string, commit: string): WorldBuild => ({ guid, version: `1.${sequence}.0`, sequence, ref, commit: commit.repeat(40) });

/** The builds of acme/production; the last two share their first eight characters. */
export const BLUE = build('0b9f1c2d-1111-4aaa-8bbb-000000000040', 40, 'blue', 'a');
export const GREEN = build('7c9e6679-2222-4aaa-8bbb-000000000041', 41, 'green', 'b');
export const AMBER = build('abad1dea-3333-4aaa-8bbb-000000000042', 42, 'amber', 'd');
export const VIOLET = build('abad1dea-4444-4aaa-8bbb-000000000043', 43, 'violet', 'd');
/** Wants the place where BLUE runs. */
export const SQUATTER = build('5c0a77e4-5555-4aaa-8bbb-000000000044', 44, 'blue', 'e');

/** acme/staging: of GREEN's source, of no source that production knows, and of the source that two of production's builds have. */
export const STAGING = {
  blue: build('57a9e000-6666-4aaa-8bbb-000000000005', 5, 'blue', 'b'),
  green: build('57a9e111-7777-4aaa-8bbb-000000000006', 6, 'green', 'c'),
  amber: build('57a9e222-8888-4aaa-8bbb-000000000007', 7, 'amber', 'd'),
};

/** globex/production: another tenant with a service of the same name. It is not protected. */
export const GLOBEX = {
  blue: build('610be000-9999-4aaa-8bbb-000000000010', 10, 'blue', 'a'),
  green: build('610be111-aaaa-4aaa-8bbb-000000000011', 11, 'green', 'b'),
};

type Name = 'production' | 'staging' | 'globex';

const SCOPES: Readonly<Record<Name, { readonly tenant: string; readonly environment: string; readonly builds: readonly WorldBuild[] }>> = {
  production: { tenant: 'acme', environment: 'production', builds: [BLUE, GREEN, AMBER, VIOLET, SQUATTER] },
  staging: { tenant: 'acme', environment: 'staging', builds: Object.values(STAGING) },
  globex: { tenant: 'globex', environment: 'production', builds: Object.values(GLOBEX) },
};

/** What to type for each scope, and what a protected one wants. */
export const PRODUCTION = ['--tenant', 'acme', '--env', 'production'];
export const SURE = ['--confirm', 'production'];
export const IN_STAGING = ['--tenant', 'acme', '--env', 'staging'];
export const IN_GLOBEX = ['--tenant', 'globex', '--env', 'production'];

interface Place {
  readonly name: Name;
  readonly port: number;
  readonly routes: string;
  readonly backends: ReadonlyMap<string, Backend>;
  /** What the manifest lists; tests may change it. */
  builds: readonly WorldBuild[];
}

/** What a test may want to be otherwise in the config. */
export interface Wishes {
  readonly bakeMs?: number;
  readonly requires?: { readonly soak: string };
  readonly copies?: readonly string[];
  readonly stateGroup?: string;
  readonly patience?: string;
}

export interface LocalWorld {
  readonly folder: string;
  /** Where config and manifests lie. */
  readonly checkout: string;
  readonly stateDir: string;
  readonly home: string;
  backend(name: Name, ref: string): Backend;
  routes(name: Name): string;
  writeConfig(wishes?: Wishes): void;
  writeManifest(name: Name, builds: readonly WorldBuild[]): void;
  run(args: readonly string[], options?: CliOptions): Promise<CliAnswer>;
  start(args: readonly string[], options?: CliOptions): RunningCli;
  atTerminal(args: readonly string[], options?: TerminalOptions): Promise<TerminalAnswer>;
  /** Runs a POSIX shell script in which `kvdeploy` is a command: for pipes, and for what was printed to be pasted. */
  shell(script: string, options?: { readonly cwd?: string; readonly env?: CliOptions['env'] }): Promise<ShellAnswer>;
  status(name: Name): Promise<ServeStatus>;
  /** Percent at a place, by the router's word. */
  percent(name: Name, ref: string): Promise<number>;
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
export async function openLocalWorld(serving: readonly Name[] = ['production']): Promise<LocalWorld> {
  const { folder, remove } = tempFolder();
  const checkout = join(folder, 'checkout');
  const home = join(folder, 'home');
  const stateDir = join(folder, 'state');
  for (const dir of [checkout, home, join(checkout, '.git')]) mkdirSync(dir);
  const places = new Map<Name, Place>();
  for (const name of Object.keys(SCOPES) as Name[]) places.set(name, await openPlace(name, folder));
  const place = (name: Name) => places.get(name) as Place;
  const serves = new Map<Name, RunningCli>();
  const inWorld = <Options extends { readonly cwd?: string; readonly env?: CliOptions['env'] }>(options: Options | undefined) => ({
    cwd: checkout,
    ...options,
    env: { HOME: home, USER: 'tess', ...options?.env },
  });
  const world: LocalWorld = {
    folder,
    checkout,
    stateDir,
    home,
    backend: (name, ref) => place(name).backends.get(ref) as Backend,
    routes: (name) => place(name).routes,
    writeConfig: (wishes = {}) => writeFileSync(join(checkout, 'kvdeploy.config.yaml'), configText([...places.values()], stateDir, wishes)),
    writeManifest: (name, builds) => {
      const { tenant, environment } = SCOPES[name];
      const dir = join(checkout, 'releases', tenant, environment);
      mkdirSync(dir, { recursive: true });
      writeFileSync(join(dir, 'kv-gateway.yaml'), manifestText(name, builds));
    },
    run: (args, options) => runCli(args, inWorld(options)),
    start: (args, options) => startCli(args, inWorld(options)),
    atTerminal: (args, options) => runInTerminal(args, inWorld(options)),
    shell: (script, options) => runShell(script, inWorld(options)),
    status: (name) => askStatus(place(name)),
    percent: async (name, ref) => (await askStatus(place(name))).split.find((share) => share.place === ref)?.percent ?? 0,
    keep: (as) => copyAll(folder, join(folder, `kept-${as}`)),
    restore: async (as) => {
      const from = join(folder, `kept-${as}`);
      copyAll(from, folder);
      for (const name of serves.keys()) await until(`${name} to follow its old routes`, async () => isSettled(place(name)));
    },
    startServe: async (name) => {
      const { tenant, environment } = SCOPES[name];
      const options = { ...inWorld({}), timeoutMs: 300_000 };
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
  world.writeConfig();
  for (const name of places.keys()) world.writeManifest(name, SCOPES[name].builds);
  await Promise.all(serving.map((name) => world.startServe(name)));
  return world;
}

function runShell(script: string, options: { readonly cwd: string; readonly env: CliOptions['env'] }): Promise<ShellAnswer> {
  const env = { PATH: process.env['PATH'], LANG: 'C.UTF-8', TERM: 'xterm', ...options.env };
  const child = spawn('sh', ['-c', `kvdeploy() { node ${BIN} "$@"; }\n${script}`], { cwd: options.cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
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
  return { name, port: await freePort(), routes: join(folder, `routes-${name}.json`), backends, builds };
}

function copyAll(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const name of ['state', 'copy', 'routes-production.json', 'routes-staging.json', 'routes-globex.json']) {
    // A routes file is replaced, never removed: whoever follows it would rightly complain.
    if (!name.startsWith('routes') || !existsSync(join(from, name))) rmSync(join(to, name), { recursive: true, force: true });
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

function manifestText(name: Name, builds: readonly WorldBuild[]): string {
  const { tenant, environment } = SCOPES[name];
  const head = ['apiVersion: kvdeploy.dev/v1', 'kind: ReleaseManifest', `tenant: ${tenant}`, `environment: ${environment}`, 'service: kv-gateway'];
  const rows = builds.flatMap((each) => [
    `  - guid: ${each.guid}`,
    `    version: ${each.version}`,
    `    digest: sha256:${createHash('sha256').update(each.guid).digest('hex')}`,
    `    sequence: ${each.sequence}`,
    '    createdAt: 2026-11-21T09:12:00Z',
    `    ref: ${each.ref}`,
    `    source: { repository: https://example.com/${tenant}/gateway, commit: ${each.commit} }`,
  ]);
  return `${[...head, 'builds:', ...rows].join('\n')}\n`;
}

function configText(places: readonly Place[], stateDir: string, wishes: Wishes): string {
  const text = (name: Name) => serviceText(places.find((each) => each.name === name) as Place, wishes);
  const requires = wishes.requires === undefined ? [] : [`        requires: { environment: staging, soak: ${wishes.requires.soak} }`];
  return `${[
    'apiVersion: kvdeploy.dev/v1',
    'kind: Config',
    `stateDir: ${JSON.stringify(stateDir)}`,
    ...(wishes.stateGroup === undefined ? [] : [`stateGroup: ${wishes.stateGroup}`]),
    'tenants:',
    '  acme:',
    '    environments:',
    '      staging:',
    text('staging'),
    '      production:',
    '        protected: true',
    ...requires,
    text('production'),
    '  globex:',
    '    environments:',
    '      production:',
    text('globex'),
  ].join('\n')}\n`;
}

function serviceText({ port, routes, backends, name }: Place, { bakeMs = 300, copies, patience = '20s' }: Wishes): string {
  const addresses = [...backends].map(([ref, { address }]) => `${ref}: ${JSON.stringify(address)}`).join(', ');
  return [
    '        services:',
    '          kv-gateway:',
    `            router: { kind: local, listen: "127.0.0.1:${port}", routes: ${JSON.stringify(routes)}, addresses: { ${addresses} } }`,
    '            identity: { path: /healthz, header: x-build-guid, environmentHeader: x-build-environment }',
    `            steps: [{ percent: 25, bake: ${bakeMs}ms }, { percent: 100, bake: 200ms }]`,
    '            poll: 100ms',
    `            patience: ${patience}`,
    '            gates: [{ name: answers, source: http-probe, path: /probe, probes: 5, max: 10%, minRequests: 5 }]',
    ...(copies === undefined || name !== 'production' ? [] : [`            pointer: { copies: ${JSON.stringify(copies)} }`]),
  ].join('\n');
}

/** One line per file, folder and link below the given paths: mode, size, time of the last change, SHA-256. What differs was touched. */
export function fingerprint(...roots: readonly string[]): readonly string[] {
  return roots.flatMap((root) => (existsSync(root) ? below(root) : [`${root} is not there`]));
}

/** As `fingerprint`, without the times: a probe file that came and went is not a change. */
export function contents(...roots: readonly string[]): readonly string[] {
  return fingerprint(...roots).map((line) => line.replace(/^(\S+ \S+) \S+/, '$1'));
}

function below(file: string): string[] {
  const stat = lstatSync(file);
  const line = `${file} ${stat.mode.toString(8)} ${stat.mtimeMs}`;
  if (stat.isDirectory()) return [line, ...readdirSync(file).sort().flatMap((name) => below(join(file, name)))];
  return [`${line} ${stat.size} ${createHash('sha256').update(readFileSync(file)).digest('hex')}`];
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
