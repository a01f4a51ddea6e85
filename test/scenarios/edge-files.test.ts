/** The files of the demo's routers are those of the docs, to the letter. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { haproxyCfg } from '../../src/scenarios/edge/haproxy-edge.ts';
import { nginxConf } from '../../src/scenarios/edge/nginx-edge.ts';

function blockOf(page: string, language: string): string | undefined {
  return new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(readFileSync(page, 'utf8'))?.[1];
}

describe('the files of the routers that the demo starts', () => {
  it('the haproxy.cfg of the demo is the one of docs/haproxy.md, for its own paths', () => {
    const text = haproxyCfg({
      socket: '/run/haproxy/admin.sock',
      stateFile: '/var/lib/haproxy/state',
      listen: '127.0.0.1:8080',
      servers: [
        { name: 'blue', address: '127.0.0.1:9001' },
        { name: 'green', address: '127.0.0.1:9002' },
      ],
    });
    expect(text).toBe(blockOf('docs/haproxy.md', 'haproxy'));
  });

  it('the nginx.conf of the demo is the one of docs/nginx.md, for its own paths', () => {
    const text = nginxConf({
      pid: '/run/nginx.pid',
      errorLog: '/var/log/nginx/error.log',
      include: '/etc/nginx/kvdeploy/web.conf',
      log: '/var/log/nginx/kvdeploy-web.log',
      listen: '127.0.0.1:8080',
      upstreams: [
        { upstream: 'blue_pool', members: ['127.0.0.1:9001'] },
        { upstream: 'green_pool', members: ['127.0.0.1:9002'] },
      ],
      http: [],
    });
    expect(text).toBe(blockOf('docs/nginx.md', 'nginx'));
  });
});
