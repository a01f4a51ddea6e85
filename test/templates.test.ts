/** The templates of docs/architecture.md, put where they say that they belong: each must compile there and do what its port asks. */
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { make } from '../src/base/changes/make.ts';
import type { Guid } from '../src/core/scope.ts';
import type { MetricSource } from '../src/metrics/metric-source.ts';
import type { Router } from '../src/routers/router.ts';
import type { Store } from '../src/stores/store.ts';
import { freshFolder } from './fresh-folder.ts';
import { drawn, startProxy } from './routers/command/file-world.ts';
import { routerContract } from './routers/contract.ts';
import { changesOf } from './routers/readings.ts';
import { startBackend } from './serve/backend.ts';
import { load } from './servers/load.ts';
import { realIo } from './servers/real-io.ts';
import { storeContract } from './stores/contract.ts';

const ROOT = join(import.meta.dirname, '..');
const HOMES = {
  'router.ts': 'src/routers/toy.ts',
  'metric-source.ts': 'src/metrics/toy.ts',
  'store.ts': 'src/stores/toy.ts',
  'command.ts': 'src/commands/look/example.ts',
};

const copy = freshFolder();
for (const part of ['src', 'tsconfig.json', 'package.json', 'fixtures'])
  cpSync(join(ROOT, part), join(copy, part), { recursive: true });
symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
for (const [name, home] of Object.entries(HOMES)) cpSync(join(ROOT, 'docs/templates', name), join(copy, home));
register('src/routers/index.ts', "import { toy } from './toy.ts';", 'Router<unknown>[] = [', 'Router<unknown>[] = [toy, ');
register(
  'src/metrics/index.ts',
  "import { toy } from './toy.ts';",
  'MetricSource<unknown>[] = [',
  'MetricSource<unknown>[] = [toy, ',
);
const { toyStore } = (await import(join(copy, HOMES['store.ts']))) as {
  toyStore: (memory: Map<string, never>, now: () => number) => Store;
};

/** The one line of a registry, and its import. */
function register(file: string, line: string, from: string, to: string): void {
  const text = readFileSync(join(copy, file), 'utf8');
  expect(text).toContain(from);
  writeFileSync(join(copy, file), text.replace(/\nimport /, `\n${line}\nimport `).replace(from, to));
}

test('all four templates compile in their homes, with one line each in the registries', () => {
  const { stdout, status } = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), ['--noEmit'], { cwd: copy, encoding: 'utf8' });
  expect([stdout, status]).toEqual(['', 0]);
}, 60_000);

test('the router of the template reads back the split that its own change made', async () => {
  const { toy } = (await import(join(copy, HOMES['router.ts']))) as { toy: Router<unknown> };
  const io = realIo;
  const config = { file: join(copy, 'weights.json'), places: ['blue', 'green'] };
  const split = [
    { place: 'green', build: null, percent: 25 },
    { place: 'blue', build: null, percent: 75 },
  ];
  for (const change of changesOf(toy, config, split, { leaving: 'at-once' })) await make(change, io, () => undefined);
  const { places, certainty } = await toy.read(config, io);
  expect(places.map(({ place, percent }) => [place, percent])).toEqual([
    ['blue', 75],
    ['green', 25],
  ]);
  expect(certainty).toBe('configured');
});

routerContract('the router of the template', async () => {
  const { toy } = (await import(join(copy, HOMES['router.ts']))) as { toy: Router<unknown> };
  const guids = ['0b9f6a52-64a2-4d8e-9c0e-6f4b8a7d1111', '7c9e6679-7425-40de-944b-e07fc1f90ae7'].map((text) => text as Guid);
  const backends = await Promise.all(guids.map((guid) => startBackend(guid)));
  const file = join(freshFolder(), 'weights.json');
  const write = (percents: object) => writeFileSync(file, JSON.stringify({ environment: 'production', percents }));
  const written = () => (JSON.parse(readFileSync(file, 'utf8')) as { percents: Record<string, number> }).percents;
  write({ blue: 100, green: 0, grey: 0 });
  const proxy = await startProxy(() => backends[drawn(written()) === 'blue' ? 0 : 1]?.address ?? '');
  const [blue, green] = guids as [Guid, Guid];
  return {
    router: toy,
    config: toy.config.parse({ file, places: ['blue', 'green', 'grey'] }),
    io: realIo,
    environment: 'production',
    counts: false,
    addressed: false,
    members: [
      { place: 'blue', guid: blue },
      { place: 'green', guid: green },
    ],
    stranger: 'grey',
    traffic: async (count) => new Map(Object.entries((await load(proxy.url, { count, keepAlive: false })).byBuild)),
    moveByHand: async (percents) => write({ ...written(), ...percents }),
    stop: async () => rmSync(file),
    close: async () => {
      await proxy.close();
      await Promise.all(backends.map((backend) => backend.close()));
    },
  };
});

test('a router of one file and one line is in the schema of a config and in the table of routers', async () => {
  for (const part of ['.config', 'docs', 'test']) cpSync(join(ROOT, part), join(copy, part), { recursive: true });
  cpSync(join(ROOT, 'schemas'), join(copy, 'schemas'), { recursive: true });
  expect(spawnSync(process.execPath, [join(copy, '.config/schemas.mjs')], { encoding: 'utf8' })).toMatchObject({ status: 0 });
  expect(readFileSync(join(copy, 'schemas/config.json'), 'utf8')).toContain('"const": "toy"');
  expect(readFileSync(join(copy, 'docs/routers.md'), 'utf8')).toMatch(/\| `toy` \|.*\n[\s\S]*write access to the file/);
});

test('the metric source of the template says what is missing, and never a zero in its place', async () => {
  const { toy } = (await import(join(copy, HOMES['metric-source.ts']))) as { toy: MetricSource<unknown> };
  const config = { file: join(copy, 'counts.json') };
  writeFileSync(config.file, JSON.stringify({ green: { 200: 98, 503: 2 } }));
  const about = (place: string) => ({ scope: {}, build: '', place, address: null }) as never;
  expect(await toy.measure(config, about('green'), realIo)).toMatchObject({ requests: 100, errors: 2 });
  expect(await toy.measure(config, about('blue'), realIo)).toEqual({ missing: expect.stringContaining('blue') });
});

storeContract('toy', () => {
  const memory = new Map<string, never>();
  return [toyStore(memory, Date.now), toyStore(memory, Date.now)];
});
