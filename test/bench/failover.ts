/** One bad build after the other behind one router: how long after the gate failed clients still reached it. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Edge, type Site, settingLines } from '../../src/scenarios/edge/edge.ts';
import { allowPrograms, installed } from '../../src/scenarios/edge/installed.ts';
import { endOf, saidIn } from '../../src/scenarios/program.ts';
import { scenarioSchema } from '../../src/scenarios/scenario.ts';
import { backendOf, closeWorld, memberOf, openWorld, start, type World } from '../../src/scenarios/world.ts';

const LIMIT_MS = 30_000;

/** Fresh requests to the router that are looked at, each on a connection of its own, besides those of the visitors. */
const EVERY_MS = 4;

const SURE = ['--env', 'production', '--yes', '--confirm', 'production'];

const member = (guid: string, place: string, sequence: number) => ({
  ...{ guid, place, sequence, version: `1.${sequence}.0`, environment: 'production', behaviour: 'works' },
});

/** The same gate for every router: what the builds themselves count. */
const SCENARIO = scenarioSchema.parse({
  name: 'failover',
  title: 'from the failed gate to the stable build',
  cast: {
    stable: member('41d0a6c3-2f60-4c52-9a3e-5b1de0f74a01', 'blue', 40),
    bad: member('bad0c0de-61f7-4e19-8c55-0a9f4d7be103', 'green', 41),
  },
  listed: { production: ['stable', 'bad'], staging: [] },
  settings: {
    only: {
      steps: '[{ percent: 50, bake: 10m }, { percent: 100, bake: 1s }]',
      gates: `[{ name: errors, source: prometheus, url: '@metrics', requests: 'sum(requests_total{build="\${build}"})', errors: 'sum(errors_total{build="\${build}"})', max: 2%, minRequests: 20 }]`,
    },
  },
  opening: [],
  rows: [],
});

/** What is measured, and where the files of this repository are. */
export interface Setting {
  readonly router: 'local' | 'haproxy' | 'nginx' | 'command';
  readonly rounds: number;
  readonly program: string;
  readonly root: string;
}

/** Of each round, milliseconds from the poll that failed, by the ledger, to the begin of the last request that did not reach the stable build. */
export async function failovers({ router, rounds, program, root }: Setting): Promise<readonly number[]> {
  const opening = {
    local: {},
    haproxy: () => ({ router: installed('haproxy') }),
    nginx: () => ({ router: installed('nginx') }),
    command: { edge: (site: Site) => commandEdge(site, root) },
  }[router];
  const world = await openWorld(SCENARIO, { program, ...(typeof opening === 'function' ? opening() : opening) });
  try {
    await run(world, ['adopt', ...SURE], 0);
    const values: number[] = [];
    for (let round = 0; round < rounds; round += 1) values.push(await failover(world));
    return values;
  } finally {
    await closeWorld(world, false);
  }
}

async function failover(world: World): Promise<number> {
  const [stable, bad] = [memberOf(world, 'stable'), memberOf(world, 'bad')];
  const backend = backendOf(world, 'bad');
  backend.exchange({ ...bad, behaviour: 'works' }, 'now');
  const promoted = start(world, ['promote', '--build', bad.guid, ...SURE, '--json'], () => undefined);
  await until('half of the traffic', async () => (await world.edge.percents().catch(() => undefined))?.get(bad.place) === 50);
  const requests = sample(world.edge.url);
  await until('the candidate to answer', async () => requests.seen().some(({ guid }) => guid === bad.guid));
  backend.exchange({ ...bad, behaviour: 'answers-500' }, 'now');
  const exit = await endOf(promoted);
  if (exit !== 4) throw new Error(`expected the promotion to exit 4, got ${exit}`);
  // What is on its way is answered by then.
  await pause(1000);
  const seen = requests.stop();
  const failedMs = await failedAt(world);
  await run(world, ['builds', 'pardon', bad.guid, ...SURE, '--reason', 'the next round'], 0);
  const last = Math.max(...seen.filter(({ guid }) => guid !== stable.guid).map(({ beganMs }) => beganMs));
  return Math.max(0, last - failedMs);
}

/** By the ledger. */
async function failedAt(world: World): Promise<number> {
  const lines = await run(world, ['history', '--env', 'production', '--json'], 0);
  const history = saidIn(lines).documents.get('history') as {
    readonly entries: readonly { readonly event: { readonly type: string; readonly verdict?: string; readonly atMs: number } }[];
  };
  const failed = history.entries.findLast(({ event }) => event.type === 'polled' && event.verdict === 'fail');
  if (failed === undefined) throw new Error('the ledger knows of no gate that failed');
  return failed.event.atMs;
}

async function run(world: World, args: readonly string[], wanted: number): Promise<readonly string[]> {
  const lines: string[] = [];
  const exit = await endOf(start(world, args, (line) => lines.push(line)));
  if (exit !== wanted) throw new Error(`kvdeploy ${args.join(' ')}: exit ${exit}\n${lines.join('\n')}`);
  return lines;
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const endsAt = performance.now() + LIMIT_MS;
  while (!(await isSo())) {
    if (performance.now() > endsAt) throw new Error(`waited ${LIMIT_MS / 1000} s for ${what}`);
    await pause(50);
  }
}

interface Visit {
  readonly beganMs: number;
  /** Null: no build answered. */
  readonly guid: string | null;
}

function sample(url: string) {
  const seen: Visit[] = [];
  const timer = setInterval(() => {
    const beganMs = performance.timeOrigin + performance.now();
    get(`${url}/kv/item`, { agent: false, timeout: 5000 }, (response) => {
      const own = response.headers['x-build-guid'];
      response.resume().on('end', () => seen.push({ beganMs, guid: typeof own === 'string' ? own : null }));
    }).on('error', () => seen.push({ beganMs, guid: null }));
  }, EVERY_MS);
  return {
    seen: () => seen,
    stop: () => {
      clearInterval(timer);
      return seen;
    },
  };
}

/** docs/examples/split-file.sh, and a stand-in for the router that reads its file. */
function commandEdge({ folder, listen, addresses, place }: Site, root: string): Edge {
  const [script, proxy, file] = ['split-file.sh', 'proxy.mjs', 'web.json'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  copyFileSync(join(root, 'docs/examples/split-file.sh'), script);
  copyFileSync(join(root, 'test/bench/failover-proxy.mjs'), proxy);
  const places = Object.keys(addresses);
  const percent = Object.fromEntries(places.map((name, at) => [name, at === 0 ? 100 : 0]));
  const members = Object.fromEntries(Object.entries(addresses).map(([name, address]) => [name, [{ name, address }]]));
  writeFileSync(file, `${JSON.stringify({ environment: 'production', percent, members })}\n`);
  const argv = (verb: string) => ['/bin/sh', script, folder, verb];
  const [read, set, identify] = [argv('read'), argv('set'), argv('identify')];
  allowPrograms(place.home, [read, set, identify]);
  const split = () => JSON.parse(readFileSync(file, 'utf8')) as { readonly percent: Readonly<Record<string, number>> };
  return {
    kind: 'command',
    url: `http://${listen}`,
    settings: settingLines({ kind: 'command', target: 'web', read, set, identify, places }),
    told: [],
    argv: [process.execPath, proxy, new URL(`http://${listen}`).port, file],
    percents: async () => {
      await (await fetch(`http://${listen}/healthz`, { signal: AbortSignal.timeout(2000) })).text();
      return new Map(Object.entries(split().percent));
    },
    served: async () => ({}),
  };
}
