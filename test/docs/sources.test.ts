/** docs/sources.md: its gates load, and its JSON is what the source `command` reads. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { gatesSchema } from '../../src/config/schema.ts';
import type { Guid } from '../../src/core/scope.ts';
import { nodeIo } from '../../src/io.ts';
import { command } from '../../src/metrics/command.ts';
import { metricSources } from '../../src/metrics/index.ts';
import { local } from '../../src/routers/local/local.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/sources.md'), 'utf8');
const blocks = (language: string) =>
  [...PAGE.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map((found) => found[1] ?? '');

it('docs/sources.md has gates that the config takes', () => {
  const gates = blocks('yaml').flatMap((text) => parse(text).gates ?? []);
  expect(gates).toHaveLength(3);
  expect(gatesSchema.safeParse(gates.map((gate, index) => ({ ...gate, name: `gate-${index}` }))).error).toBeUndefined();
});

it('docs/sources.md has a local router with replicas that the config takes', () => {
  const routers = blocks('yaml').flatMap((text) => parse(text).router ?? []);
  expect(routers).toHaveLength(1);
  for (const { kind, ...settings } of routers)
    expect([kind, local.config.safeParse(settings).error]).toEqual(['local', undefined]);
});

it('docs/sources.md names every source that there is', () => {
  for (const { kind } of metricSources) expect(PAGE).toContain(`\`${kind}\``);
});

it('docs/sources.md shows JSON that the source command counts', async () => {
  const build = '7f3c2a10-2222-4222-8222-222222222222' as Guid;
  const question = { scope: { tenant: 'acme', environment: 'production', service: 'gw' }, build, place: 'green' };
  const settings = command.config.parse({ argv: ['/bin/counts', '${build}'] });
  const io = { ...nodeIo, run: async () => ({ exitCode: 0, stdout: blocks('json')[0] ?? '', stderr: '' }) };
  const { candidate } = await command.count(settings as never, { candidate: question, stable: null }, io);
  expect(candidate).toMatchObject({
    targets: { 'gw-7f9c': { counters: expect.arrayContaining([{ counter: '401', slice: 'eu', value: 17 }]) } },
  });
});
