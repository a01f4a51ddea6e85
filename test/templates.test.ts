/** The templates of docs/architecture.md, put where they say that they belong: each must compile there and do what its port asks. */
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { make } from '../src/base/changes/make.ts';
import type { MetricSource } from '../src/metrics/metric-source.ts';
import type { Router } from '../src/routers/router.ts';
import type { Store } from '../src/stores/store.ts';
import { freshFolder } from './fresh-folder.ts';
import { changesOf } from './routers/readings.ts';
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
  const config = { file: join(copy, 'weights.json') };
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
