/** docs/prometheus.md: its gates load, its builds can be listed, and its queries are ones that kvdeploy takes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { gatesSchema } from '../../src/config/schema.ts';
import { listedBuildSchema } from '../../src/core/manifest/manifest.ts';
import { prometheus } from '../../src/metrics/prometheus/prometheus.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/prometheus.md'), 'utf8');
const blocks = [...PAGE.matchAll(/<!-- tested by test\/docs\/prometheus\.test\.ts -->\n```(\w*)\n([\s\S]*?)^```$/gm)].map(
  ([, language, text = '']) => ({ language, text }),
);

it('docs/prometheus.md has gates and builds that config and manifests take', () => {
  const yaml = blocks.filter(({ language }) => language === 'yaml').map(({ text }) => parse(text) as Record<string, unknown[]>);
  expect(yaml.length).toBeGreaterThan(0);
  for (const { gates, builds } of yaml) {
    if (gates !== undefined) expect(gatesSchema.safeParse(gates).error).toBeUndefined();
    for (const build of builds ?? []) expect(listedBuildSchema.safeParse(build).error).toBeUndefined();
  }
});

it('docs/prometheus.md has queries that the source takes', () => {
  const lines = blocks.filter(({ language }) => language === '').flatMap(({ text }) => text.trim().split('\n'));
  expect(lines.length).toBeGreaterThan(0);
  for (const line of lines) {
    const [, requests] = /^requests:\s+(.*)$/.exec(line) ?? [];
    expect(prometheus.config.safeParse({ url: 'http://127.0.0.1:9090', requests, status: 'code' }).error).toBeUndefined();
  }
});
