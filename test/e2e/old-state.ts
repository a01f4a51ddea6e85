/** What version 0.1.0 left on a disk (fixtures/state-0.1.0), brought back to where it lay, with its builds and routers at their addresses. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { type CliAnswer, type CliOptions, type RunningCli, startCli } from '../cli/run-cli.ts';
import { load } from '../servers/load.ts';
import { until } from '../servers/program.ts';

const FIXTURE = fileURLToPath(new URL('../../fixtures/state-0.1.0/', import.meta.url));

/** Ledger and pointers name this folder, so it can lie nowhere else. */
export const ROOT = '/tmp/kvdeploy-state-0.1.0';
const CHECKOUT = join(ROOT, 'checkout');
export const SURE = ['--confirm', 'production'];

/** One service for each thing that can have happened; make.mjs in the fixture says how. */
export const SERVICES = ['promoted', 'failed', 'open', 'suspect', 'killed', 'held', 'eventful'] as const;
export type Service = (typeof SERVICES)[number];
type Place = 'blue' | 'green' | 'amber';

interface OldConfig {
  readonly tenants: { readonly acme: { readonly environments: { readonly production: { readonly services: OldServices } } } };
}
type OldServices = Readonly<
  Record<Service, { readonly router: { readonly listen: string; readonly addresses: Readonly<Record<Place, string>> } }>
>;
interface OldManifest {
  readonly builds: readonly { readonly guid: string; readonly ref: Place }[];
}

export interface OldState {
  /** Fails one request of so many. */
  failOneOf(service: Service, place: Place, many: number): void;
  /** Real requests to a service, until everything is closed. */
  visit(service: Service, perSecond: number): void;
  start(service: Service, args: readonly string[], options?: CliOptions): RunningCli;
  run(service: Service, args: readonly string[], options?: CliOptions): Promise<CliAnswer>;
  /** Percent by place, by the router's own word. */
  split(service: Service): Promise<Readonly<Record<string, number>>>;
}

/** The fixed folder and addresses belong to one process of this machine at a time; whoever ends gives them back. */
export function waitForTurn(deadlineMs: number): Promise<net.Server> {
  const take = async () => {
    const turn = net.createServer().listen(7700, '127.77.0.1');
    try {
      await once(turn, 'listening');
      return turn;
    } catch {
      return undefined;
    }
  };
  return until('the turn to use the fixed addresses', take, deadlineMs);
}

/** GUID of the build at a place. */
export function guidOf(service: Service, place: Place): string {
  const { builds } = parse(readFileSync(join(FIXTURE, `checkout/releases/production/${service}.yaml`), 'utf8')) as OldManifest;
  return builds.find(({ ref }) => ref === place)?.guid ?? '';
}

/** What the version before printed with `--json` when the state was kept. */
export function saidBefore(command: 'status' | 'builds', service: Service): unknown {
  const lines = readFileSync(join(FIXTURE, `made/said/${command}-${service}.jsonl`), 'utf8')
    .trim()
    .split('\n');
  return documentOf(lines.map((line) => JSON.parse(line)));
}

export function documentOf(lines: readonly { readonly type: string }[]): unknown {
  const document = lines.find(({ type }) => type === 'document');
  return (document as { readonly data?: unknown } | undefined)?.data;
}

/** Brings everything back as it was, starts the builds and routers of these services, acts, and ends what it started. */
export async function inOldState(services: readonly Service[], act: (old: OldState) => Promise<void>): Promise<void> {
  restore();
  const config = parse(readFileSync(join(CHECKOUT, 'kvdeploy.config.yaml'), 'utf8')) as OldConfig;
  const routers = config.tenants.acme.environments.production.services;
  const fails = new Map<string, number>();
  const servers: http.Server[] = [];
  const running: RunningCli[] = [];
  const leaving = new AbortController();
  const visits: Promise<unknown>[] = [];
  const start = (service: Service, args: readonly string[], options: CliOptions = {}) => {
    const env = { HOME: join(ROOT, 'home'), USER: 'tess' };
    const words = [...args, '--env', 'production', '--service', service];
    return startCli(words, { cwd: CHECKOUT, timeoutMs: 60_000, ...options, env });
  };
  const old: OldState = {
    failOneOf: (service, place, many) => void fails.set(`${service} ${place}`, many),
    visit: (service, perSecond) => {
      const url = `http://${routers[service].router.listen}/`;
      visits.push(load(url, { count: 1_000_000, perSecond, signal: leaving.signal }));
    },
    start,
    run: (service, args, options) => start(service, args, options).ended,
    split: async (service) => {
      const answer = await fetch(`http://${routers[service].router.listen}/.well-known/kvdeploy/status`);
      const { split } = (await answer.json()) as { split: { place: string; percent: number }[] };
      return Object.fromEntries(split.filter(({ percent }) => percent > 0).map(({ place, percent }) => [place, percent]));
    },
  };
  try {
    for (const service of services)
      for (const [place, address] of Object.entries(routers[service].router.addresses))
        servers.push(await startBuild(guidOf(service, place as Place), address, () => fails.get(`${service} ${place}`) ?? 200));
    for (const service of services) running.push(start(service, ['serve'], { timeoutMs: 600_000 }));
    await Promise.all(running.map((router) => router.waitFor(/serving http/, 20_000)));
    await act(old);
  } finally {
    leaving.abort();
    await Promise.all(visits);
    for (const router of running) router.signal('SIGKILL');
    await Promise.all(running.map(({ ended }) => ended));
    for (const server of servers) server.close().closeAllConnections();
    rmSync(ROOT, { recursive: true, force: true });
  }
}

/** Git keeps neither modes nor times: the state was its owner's alone, and its last sign of life is long ago. */
function restore(): void {
  rmSync(ROOT, { recursive: true, force: true });
  cpSync(join(FIXTURE, 'made'), ROOT, { recursive: true });
  cpSync(join(FIXTURE, 'checkout'), CHECKOUT, { recursive: true });
  mkdirSync(join(CHECKOUT, '.git'));
  const longAgo = new Date(Date.now() - 24 * 3_600_000);
  for (const name of ['', ...readdirSync(ROOT, { recursive: true, encoding: 'utf8' })]) {
    const path = join(ROOT, name);
    chmodSync(path, statSync(path).isDirectory() ? 0o700 : 0o600);
    utimesSync(path, longAgo, longAgo);
  }
}

/** What PROBES_ONLY asks for: each service that only probes judge says so. Plan files are of the config with it. */
export function sayThatProbesAreEnough(): void {
  const file = join(CHECKOUT, 'kvdeploy.config.yaml');
  const before = readFileSync(file, 'utf8');
  const after = before.replace(/^( +)gates: \[\{ name: answers, source: http-probe/gm, '$1probesOnly: true\n$&');
  writeFileSync(file, after);
  const hash = (text: string) => createHash('sha256').update(text).digest('hex');
  const path = join(ROOT, 'written/plan-promoted.json');
  const { sha256: _, ...plan } = JSON.parse(readFileSync(path, 'utf8').replaceAll(hash(before), hash(after)));
  writeFileSync(
    path,
    `${JSON.stringify({ ...plan, sha256: hash(JSON.stringify(plan)) }, null, 2)}
`,
  );
}

async function startBuild(guid: string, address: string, failsOneOf: () => number): Promise<http.Server> {
  let requests = 0;
  const server = http.createServer((request, response) => {
    if (request.url === '/') requests += 1;
    const failed = request.url === '/' && requests % failsOneOf() === 0;
    response.writeHead(failed ? 500 : 200, { 'x-build-guid': guid, 'x-build-environment': 'production' }).end('hello\n');
  });
  const { hostname, port } = new URL(address);
  server.listen(Number(port), hostname);
  await once(server, 'listening');
  return server;
}
