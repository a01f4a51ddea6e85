/** A whole small production for end-to-end tests: real HAProxy, real builds, a checkout, a state folder, and bin/kvdeploy.js run in it. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import type { OutputLine, ResultLine } from '../../src/core/output.ts';
import { type CliAnswer, type RunningCli, runInTerminal, startCli } from '../cli/run-cli.ts';
import { type Backend, startBackend } from '../servers/backend.ts';
import { type Haproxy, type HaproxyOptions, startHaproxy } from '../servers/haproxy.ts';
import { load } from '../servers/load.ts';
import { tempFolder } from '../servers/program.ts';
import { configText, manifestText } from './site-files.ts';

export const PLACES = ['blue', 'green', 'amber'] as const;
export type PlaceName = (typeof PLACES)[number];

/** A build: what its manifest says, and the real server that runs it. */
export interface E2eBuild {
  readonly guid: string;
  readonly place: PlaceName;
  readonly sequence: number;
  readonly backend: Backend;
}
export type Builds = Readonly<Record<PlaceName, E2eBuild>>;

export interface SiteOptions {
  /** Made before, where something else must know their addresses; own ones otherwise. */
  readonly builds?: Builds;
  /** As in the config: `[{ percent: 50, bake: 400ms }, …]`. */
  readonly steps?: string;
  readonly gates?: string;
  readonly patience?: string;
  /** As in the config: `{ dwell: 2s, block: 1s }`. */
  readonly evidence?: string;
  /** Lines added to HAProxy's backend. */
  readonly backendLines?: readonly string[];
  /** Anything else that HAProxy is started with. */
  readonly proxy?: Partial<HaproxyOptions>;
  readonly sockets?: 1 | 2;
  /** The members of the second location, where it has backends of its own. */
  readonly elsewhere?: Builds;
  readonly description?: string;
  /** What the router's config names in place of HAProxy's own sockets. */
  readonly configSockets?: (sockets: readonly string[]) => readonly string[];
  /** What the router's config says in place of HAProxy's own state files. */
  readonly configStateFiles?: (files: readonly string[]) => readonly string[];
  /** As in the config: which servers each place has. */
  readonly places?: unknown;
  /** False: nothing is adopted yet. */
  readonly adopted?: boolean;
  /** Real requests per second to the first location, all the time. */
  readonly visitors?: number;
  /** What the visitors say in `x-region`, in turn. */
  readonly regions?: readonly string[];
}

export interface Site {
  readonly builds: Builds;
  readonly haproxy: Haproxy;
  readonly checkout: string;
  readonly stateDir: string;
  /** `<state>/acme/production/gw` */
  readonly scopeDir: string;
  /** The environment variables of whoever works here. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs kvdeploy to its end with these words; `--json` lines are checked against schemas/output-line.json. */
  run(words: string): Promise<Ran>;
  start(words: string): Started;
  /** Runs it at a terminal, where a person types the environment's name when asked, and calls what a rollback leaves bad. */
  type(words: string): Promise<{ readonly exitCode: number; readonly screen: string }>;
  /** Percent by place, from HAProxy's own `show servers state`. */
  split(location?: number): Promise<Readonly<Record<string, number>>>;
  /** Administrative state by place, in HAProxy's words. */
  states(): Promise<Readonly<Record<string, 'ready' | 'drain' | 'maint'>>>;
  /** Who answers `count` real requests, by place. */
  answers(count?: number, location?: number): Promise<Readonly<Record<string, number>>>;
  /** Writes the config again, with some of the options changed. */
  writeConfig(changed?: SiteOptions): void;
  writeManifest(builds?: readonly E2eBuild[]): void;
  close(): Promise<void>;
}

export interface Ran extends CliAnswer {
  readonly result: ResultLine;
}
export interface Started extends Omit<RunningCli, 'ended'> {
  readonly ended: Promise<Ran>;
}

export const PRODUCTION = '--env production --confirm production --json';

let sites = 0;

/** One build at each place. GUIDs differ between the sites of a file, which may share a metrics server. */
export async function startBuilds(): Promise<Builds> {
  sites += 1;
  return startedBuilds();
}

/** The same builds once more, as another data centre runs them. */
export const startElsewhere = (): Promise<Builds> => startedBuilds();

async function startedBuilds(): Promise<Builds> {
  const site = String(sites).padStart(4, '0');
  const made = PLACES.map(async (place, index): Promise<[PlaceName, E2eBuild]> => {
    const guid = `${String(index + 1).repeat(8)}-${site}-4000-8000-00000000000${index + 1}`;
    return [place, { guid, place, sequence: 40 + index, backend: await startBackend({ guid, environment: 'production' }) }];
  });
  return Object.fromEntries(await Promise.all(made)) as unknown as Builds;
}

/** Opens it with all traffic on blue, which is adopted; green and amber wait in maintenance. */
export async function openSite(options: SiteOptions = {}): Promise<Site> {
  const builds = options.builds ?? (await startBuilds());
  const { folder, remove } = tempFolder();
  const haproxy = await startHaproxy({
    servers: PLACES.map((name) => ({
      name,
      port: builds[name].backend.port,
      ...(options.elsewhere === undefined ? {} : { ports: [builds, options.elsewhere].map((at) => at[name].backend.port) }),
      ...(name === 'blue' ? {} : { extra: 'disabled' }),
    })),
    sockets: options.sockets ?? 1,
    ...options.proxy,
    ...(options.description === undefined ? {} : { description: options.description }),
    ...(options.backendLines === undefined ? {} : { backendLines: options.backendLines }),
  });
  const leaving = new AbortController();
  const { visitors = 0, regions = [null] } = options;
  const visit = (region: string | null) =>
    load(haproxy.url, {
      count: 1_000_000,
      perSecond: visitors / regions.length,
      signal: leaving.signal,
      ...(region === null ? {} : { headers: { 'x-region': region } }),
    });
  const visits = Promise.all(visitors === 0 ? [] : regions.map(visit));
  const close = async () => {
    leaving.abort();
    await visits;
    await haproxy.stop();
    const all = [builds, ...(options.elsewhere === undefined ? [] : [options.elsewhere])];
    await Promise.all(all.flatMap((at) => PLACES.map((place) => at[place].backend.close())));
    remove();
  };
  const site = furnish(folder, builds, haproxy, options, close);
  site.writeConfig();
  site.writeManifest();
  if (options.adopted === false) return site;
  const { exitCode, stderr, result } = await site.run(`adopt ${PRODUCTION}`);
  if (exitCode === 0) return site;
  await close();
  throw new Error(`adopt ended with ${exitCode}: ${result.message} ${stderr}`);
}

function furnish(folder: string, builds: Builds, haproxy: Haproxy, options: SiteOptions, close: Site['close']): Site {
  const checkout = join(folder, 'checkout');
  const stateDir = join(folder, 'state');
  const env = { HOME: join(folder, 'home') };
  for (const dir of [env.HOME, join(checkout, 'releases/production')]) mkdirSync(dir, { recursive: true });
  const start = (words: string): Started => {
    const args = words.split(/\s+/).filter((word) => word !== '');
    const running = startCli(args, { cwd: checkout, env, timeoutMs: 60_000 });
    return { ...running, ended: running.ended.then((answer) => ranOf(args, answer)) };
  };
  const command = (line: string, location = 0) => haproxy.command(line, location);
  return {
    builds,
    haproxy,
    checkout,
    stateDir,
    scopeDir: join(stateDir, 'acme/production/gw'),
    env,
    start,
    run: (words) => start(words).ended,
    type: (words) =>
      runInTerminal(words.split(/\s+/), {
        cwd: checkout,
        env,
        timeoutMs: 30_000,
        keys: [
          { waitFor: /Type production/, type: 'production\r' },
          ...(words.startsWith('rollback') ? [{ waitFor: /Is \S+ bad\?/, type: 'y\r' }] : []),
        ],
      }),
    split: async (location) => percentsOf(await command('show servers state gw', location)),
    states: async () => statesOf(await command('show servers state gw')),
    answers: async (count = 40, location = 0) => {
      const { byBuild } = await load(haproxy.urls[location] ?? '', { count, keepAlive: false });
      const placeOf = (guid: string) => PLACES.find((place) => builds[place].guid === guid) ?? guid;
      return Object.fromEntries(Object.entries(byBuild).map(([guid, times]) => [placeOf(guid), times]));
    },
    writeConfig: (changed = {}) =>
      writeFileSync(join(checkout, 'kvdeploy.config.yaml'), configText(haproxy, stateDir, { ...options, ...changed })),
    writeManifest: (listed = PLACES.map((place) => builds[place])) => {
      for (const [environment, builds] of [['production', listed] as const, ['staging', []] as const]) {
        mkdirSync(join(checkout, 'releases', environment), { recursive: true });
        writeFileSync(join(checkout, 'releases', environment, 'gw.yaml'), manifestText(environment, builds));
      }
    },
    close,
  };
}

const isOutputLine = new Ajv({ strict: false }).compile<OutputLine>(
  JSON.parse(readFileSync(new URL('../../schemas/output-line.json', import.meta.url), 'utf8')),
);

/** The answer with its last line, the result. Throws when a line is not what the published schema says. */
export function ranOf(args: readonly string[], answer: CliAnswer): Ran {
  if (!args.includes('--json')) return { ...answer, result: undefined as unknown as ResultLine };
  const lines = answer.stdout.split('\n').filter((line) => line !== '');
  for (const line of lines) {
    if (!isOutputLine(JSON.parse(line))) throw new Error(`${line}\nis no output line: ${JSON.stringify(isOutputLine.errors)}`);
  }
  const last = answer.json.at(-1);
  if (last?.type === 'result') return { ...answer, result: last };
  if (answer.exitCode > 128) return { ...answer, result: undefined as unknown as ResultLine };
  throw new Error(`${args.join(' ')} ended with ${answer.exitCode} and without a result:\n${answer.stdout}${answer.stderr}`);
}

function rowsOf(states: string): { name: string; admin: number; weight: number }[] {
  const rows = states.split('\n').map((line) => line.split(' '));
  return rows.flatMap(([, backend, , name, , , admin, weight]) =>
    backend === 'gw' && name !== undefined ? [{ name, admin: Number(admin), weight: Number(weight) }] : [],
  );
}

/** Bits 1, 2 and 32 of the administrative state are maintenance, 8 and 16 drain (HAProxy, server-t.h). */
const stateOf = (admin: number) => ((admin & 35) !== 0 ? 'maint' : (admin & 24) !== 0 ? 'drain' : 'ready');

function statesOf(states: string) {
  return Object.fromEntries(rowsOf(states).map(({ name, admin }) => [name, stateOf(admin)] as const));
}

function percentsOf(states: string): Record<string, number> {
  const weights = rowsOf(states).map(({ name, admin, weight }) => [name, stateOf(admin) === 'ready' ? weight : 0] as const);
  const total = weights.reduce((sum, [, weight]) => sum + weight, 0);
  return Object.fromEntries(weights.filter(([, weight]) => weight > 0).map(([name, weight]) => [name, (100 * weight) / total]));
}

/** The data of the one document that a command gave. */
export function documentOf<T>(ran: CliAnswer): T {
  const line = ran.json.find((one) => one.type === 'document');
  return (line?.type === 'document' ? line.data : undefined) as T;
}

/** Takes the whole checkout away: config and manifests. */
export function loseCheckout(site: Site): void {
  for (const name of ['kvdeploy.config.yaml', 'releases']) rmSync(join(site.checkout, name), { recursive: true });
}
