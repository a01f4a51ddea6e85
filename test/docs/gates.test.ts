/** docs/gates.md: its configs load, and its table of defaults is what the code has. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { METRIC_DEFAULTS, SETTINGS_DEFAULTS } from '../../src/core/gates/gate-settings.ts';
import { realIo } from '../servers/real-io.ts';
import { root } from './walk.ts';

const PAGE = readFileSync(join(root, 'docs/gates.md'), 'utf8');
const BLOCKS = [...PAGE.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => text);
const folder = mkdtempSync(join(tmpdir(), 'kvdeploy-gates-'));
afterAll(() => rmSync(folder, { recursive: true }));

function configWith(gates: string): string {
  const service = `router: { kind: haproxy, sockets: [/run/haproxy/admin.sock], backend: gw }\n${gates}`;
  const indented = service.replace(/^/gm, '            ');
  return `apiVersion: kvdeploy.dev/v1\nkind: Config\ntenants:\n  acme:\n    environments:\n      production:\n        services:\n          web:\n${indented}`;
}

describe('docs/gates.md', () => {
  it.each(BLOCKS.map((text, index) => [index + 1, text] as const))(
    'docs/gates.md has a config %i that loads and compares',
    async (index, text) => {
      const home = join(folder, String(index));
      mkdirSync(home);
      writeFileSync(join(home, 'kvdeploy.config.yaml'), configWith(text));
      const [service] = (await loadConfig({ cwd: home }, realIo)).services;
      expect(service?.gates).toEqual([]);
      expect(service?.compared.map(({ name, source }) => [name, source])).toEqual([
        ['errors', index === 1 ? 'haproxy' : 'prometheus'],
      ]);
    },
  );

  it('docs/gates.md states the defaults that the code has', () => {
    const { alpha, confidence, dwellMs, blockMs, unverifiedShare, missingMs, blindMs } = SETTINGS_DEFAULTS;
    const { tolerated, harm, limit, dispersion } = METRIC_DEFAULTS;
    expect([alpha, confidence, dwellMs, blockMs, unverifiedShare]).toEqual([0.01, 0.95, 180_000, 15_000, 0.05]);
    expect([missingMs, blindMs]).toEqual([60_000, 120_000]);
    expect([tolerated.times, tolerated.plus, harm.times, limit, dispersion]).toEqual([1.2, 0.0005, 2, 0.01, 4]);
    for (const said of [
      '| `alpha` | 1% |',
      '| `confidence` | 95% |',
      '| `dwell` | 3m |',
      '| `block` | 15s |',
      '| `unverified` | 5% |',
    ])
      expect(PAGE).toContain(said);
  });
});
