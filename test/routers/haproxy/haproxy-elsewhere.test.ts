/** A HAProxy on another host: what is said when it does not answer is what helps on that host. */
import { expect, it } from 'vitest';
import { haproxy } from '../../../src/routers/haproxy/haproxy.ts';
import type { HaproxyConfig } from '../../../src/routers/haproxy/haproxy-config.ts';
import { realIo } from '../../servers/real-io.ts';

it('a HAProxy on another host that does not answer is to be looked at there, by the path of its socket', async () => {
  const config = haproxy.config.parse({
    sockets: ['/run/haproxy/admin.sock'],
    backend: 'gw',
    serverStateFile: '/var/lib/haproxy/state',
    locations: { n2: { ssh: 'kv@10.0.0.12' } },
  }) as HaproxyConfig;
  const silent = { ask: () => Promise.reject(new Error('n2: the connection ended')) };
  await expect(haproxy.read(config, { ...realIo, elsewhere: () => silent })).rejects.toMatchObject({
    code: 'UNREACHABLE',
    message: expect.stringContaining('HAProxy at n2 cannot be queried: n2: the connection ended'),
    hint: expect.stringMatching(/^Check on n2 that HAProxy is running.*socat stdio \/run\/haproxy\/admin\.sock$/),
  });
});
