import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { hostsIn } from '../../src/routers/locations-config.ts';
import { nginx } from '../../src/routers/nginx/nginx.ts';
import type { NginxConfig } from '../../src/routers/nginx/nginx-config.ts';

describe('the locations of a target', () => {
  const { kind: _kind, ...settings } = parse(
    /```yaml\n([\s\S]*?)```/.exec(readFileSync('docs/hosts.md', 'utf8'))?.[1] ?? '',
  ).router;

  it('the config of docs/hosts.md has three locations, two of them at other hosts', () => {
    const config = nginx.config.parse(settings) as NginxConfig;
    expect(nginx.locations(config)).toEqual(['n1', 'n2', 'n3']);
    expect(Object.keys(hostsIn(config.locations))).toEqual(['n2', 'n3']);
    expect(nginx.targets(config)).toEqual([
      'nginx include /etc/nginx/kvdeploy/web.conf',
      'nginx include kv@10.0.0.12:/etc/nginx/kvdeploy/web.conf',
      'nginx include kv@10.0.0.13:/etc/nginx/kvdeploy/web.conf',
    ]);
  });

  it.each([
    ['an option in place of a host', { n2: { ssh: '-oProxyCommand=id' } }],
    ['a host with an option after it', { n2: { ssh: 'kv@10.0.0.1 -v' } }],
    ['no user', { n2: { ssh: '10.0.0.1' } }],
    ['a relative key', { n2: { ssh: 'kv@10.0.0.1', key: 'id' } }],
    ['a key with a token of ssh', { n2: { ssh: 'kv@10.0.0.1', key: '/%h' } }],
    ['two local ones', { n1: 'local', n2: 'local' }],
    ['none', {}],
    ['a word', { n1: 'remote' }],
    ['an unknown key', { n2: { ssh: 'kv@10.0.0.1', command: 'id' } }],
  ])('%s is refused as locations', (_name, locations) => {
    expect(nginx.config.safeParse({ ...settings, locations }).success).toBe(false);
  });
});
