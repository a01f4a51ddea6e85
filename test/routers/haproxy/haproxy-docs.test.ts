import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { make } from '../../../src/base/changes/make.ts';
import { parseConfig } from '../../../src/config/load.ts';
import { gatesSchema } from '../../../src/config/schema.ts';
import type { Guid } from '../../../src/core/scope.ts';
import { prometheus } from '../../../src/metrics/prometheus/prometheus.ts';
import { haproxy } from '../../../src/routers/haproxy/haproxy.ts';
import type { HaproxyConfig } from '../../../src/routers/haproxy/haproxy-config.ts';
import { startBackend } from '../../servers/backend.ts';
import { driveHaproxy } from '../../servers/haproxy.ts';
import { load } from '../../servers/load.ts';
import { freePort, tempFolder, until } from '../../servers/program.ts';
import { realIo } from '../../servers/real-io.ts';
import { changesOf } from '../readings.ts';

const BLUE = '0b9f5bd2-1111-4111-8111-111111111111' as Guid;
const GREEN = '7f3c2a10-2222-4222-8222-222222222222' as Guid;

describe('the documentation', () => {
  it('the docs have a haproxy.cfg and a config that work together: a shift, a reload, and the shift still holds', async () => {
    const backends = await Promise.all([BLUE, GREEN].map((guid) => startBackend({ guid })));
    const { folder, remove } = tempFolder();
    const port = await freePort();
    const here = (text: string) =>
      text.replaceAll('/run/haproxy/admin.sock', `${folder}/admin.sock`).replaceAll('/var/lib/haproxy/state', `${folder}/state`);
    const cfg = here(block('docs/haproxy.md', 'haproxy'))
      .replace('127.0.0.1:8080', `127.0.0.1:${port}`)
      .replace('127.0.0.1:9001', `127.0.0.1:${backends[0]?.port}`)
      .replace('127.0.0.1:9002', `127.0.0.1:${backends[1]?.port}`);
    const file = path.join(folder, 'haproxy.cfg');
    writeFileSync(file, cfg);
    const { kind, ...settings } = parse(here(block('docs/haproxy.md', 'yaml'))).tenants.acme.environments.production.services[
      'kv-gateway'
    ].router;
    const config = haproxy.config.parse(settings) as HaproxyConfig;
    const url = `http://127.0.0.1:${port}/`;
    const proxy = await driveHaproxy([{ config: file, socket: `${folder}/admin.sock`, url, stateFile: `${folder}/state` }], {
      remove,
    });
    try {
      expect(kind).toBe(haproxy.kind);
      expect(await haproxy.identify(config, realIo)).toContain('production');
      expect((await load(url, { count: 20 })).byBuild).toEqual({ [BLUE]: 20 });
      const split = [
        { place: 'blue', build: BLUE, percent: 75 },
        { place: 'green', build: GREEN, percent: 25 },
      ];
      for (const change of changesOf(haproxy, config, split, { leaving: 'at-once' })) await make(change, realIo, () => undefined);
      await proxy.reload();
      const reading = await until('green is up', async () => {
        const found = await haproxy.read(config, realIo);
        return found.trouble.length === 0 ? found : undefined;
      });
      expect(reading.places.map(({ place, percent }) => [place, percent])).toEqual([
        ['blue', 75],
        ['green', 25],
      ]);
      const [shown, moved] = byHand();
      expect(await proxy.command(shown)).toMatch(/ gw \d+ blue /);
      await proxy.command(moved);
      const after = await haproxy.read(config, realIo);
      expect(after.places.map(({ place, percent }) => [place, percent])).toEqual([
        ['blue', 100],
        ['green', 0],
      ]);
    } finally {
      await proxy.stop();
      await Promise.all(backends.map((backend) => backend.close()));
    }
  });

  it('the docs show a gate on the counters of HAProxy that the config takes', () => {
    const { gates } = parse(
      /own counters\n[\s\S]*?^```yaml\n([\s\S]*?)^```$/m.exec(readFileSync('docs/haproxy.md', 'utf8'))?.[1] ?? '',
    );
    expect(gatesSchema.safeParse(gates).success).toBe(true);
  });

  it('the docs leave the traffic share out in words that the config takes as they stand', () => {
    const page = readFileSync('docs/haproxy.md', 'utf8');
    const config = parse(block('docs/haproxy.md', 'yaml'));
    const services = config.tenants.acme.environments.production.services;
    services['kv-gateway'].gates = parse(/^```yaml\n(gates: .*traffic: false.*)\n```$/m.exec(page)?.[1] ?? '').gates;
    const { config: read, findings } = parseConfig('/kvdeploy.config.json', 'config', Buffer.from(JSON.stringify(config)));
    expect(findings).toEqual([]);
    expect(read?.services[0]?.compared).toMatchObject([{ name: 'errors', source: 'haproxy', compare: { traffic: false } }]);
  });

  it('the docs have places with replicas that the config takes', () => {
    const page = readFileSync('docs/haproxy.md', 'utf8');
    const [, text = ''] = /^```yaml\n(router:\n[\s\S]*?)^```$/m.exec(page) ?? [];
    const { kind, ...settings } = parse(text).router;
    expect(kind).toBe(haproxy.kind);
    const config = haproxy.config.parse(settings) as HaproxyConfig;
    expect(haproxy.placeSettings(config)).toEqual({ blue: {}, green: { minUp: 2 } });
  });

  it('the docs have Prometheus queries that the config takes', () => {
    const { gates } = parse(block('docs/prometheus.md', 'yaml'));
    const { name: _name, source, ...settings } = gates[0];
    expect(source).toBe(prometheus.kind);
    expect(prometheus.config.safeParse(settings).success).toBe(true);
    const pairs = [...readFileSync('docs/prometheus.md', 'utf8').matchAll(/^requests: (.*)\nerrors: +(.*)$/gm)];
    expect(pairs).toHaveLength(2);
    for (const [, requests, errors] of pairs) {
      expect(prometheus.config.safeParse({ url: 'http://127.0.0.1:9090', requests, errors }).success).toBe(true);
    }
  });
});

/** What the two commands of the page say to the socket. */
function byHand(): [string, string] {
  const page = readFileSync('docs/haproxy.md', 'utf8');
  const [shown = '', moved = ''] = [...page.matchAll(/^echo "(.*)" \| socat stdio \/run\/haproxy\/admin\.sock$/gm)].map(
    (found) => found[1],
  );
  return [shown, moved];
}

/** The first fenced block of this language. */
function block(file: string, language: string): string {
  const found = new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(readFileSync(file, 'utf8'))?.[1];
  if (found === undefined) throw new Error(`${file} has no ${language} block`);
  return found;
}
