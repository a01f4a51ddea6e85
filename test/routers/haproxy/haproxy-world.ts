/** A real HAProxy before three builds, as the router contract wants it. */
import type { Guid } from '../../../src/core/scope.ts';
import { haproxy } from '../../../src/routers/haproxy/haproxy.ts';
import type { HaproxyConfig } from '../../../src/routers/haproxy/haproxy-config.ts';
import { type Backend, startBackend } from '../../servers/backend.ts';
import { startHaproxy } from '../../servers/haproxy.ts';
import { load } from '../../servers/load.ts';
import { realIo } from '../../servers/real-io.ts';
import type { RouterUnderTest } from '../contract.ts';

const [BLUE, GREEN, OLD] = [
  '0b9f5bd2-1111-4111-8111-111111111111',
  '7f3c2a10-2222-4222-8222-222222222222',
  '51ee77aa-3333-4333-8333-333333333333',
] as [Guid, Guid, Guid];

export async function startHaproxySubject(): Promise<RouterUnderTest<HaproxyConfig>> {
  const backends = await Promise.all([BLUE, GREEN, OLD].map((guid) => startBackend({ guid })));
  const [blue, green, old] = backends as [Backend, Backend, Backend];
  const proxy = await startHaproxy({
    servers: [
      { name: 'blue', port: blue.port },
      { name: 'green', port: green.port, extra: 'disabled' },
      { name: 'old', port: old.port, extra: 'disabled' },
    ],
  });
  return {
    router: haproxy,
    config: haproxy.config.parse({
      ...{ sockets: proxy.sockets, backend: proxy.backend, serverStateFile: proxy.stateFiles },
    }) as HaproxyConfig,
    io: realIo,
    environment: 'production',
    members: [
      { place: 'blue', guid: BLUE },
      { place: 'green', guid: GREEN },
    ],
    stranger: 'old',
    finest: 0.5,
    traffic: async (count) => new Map(Object.entries((await load(proxy.url, { count })).byBuild)),
    moveByHand: async (percents) => {
      for (const [place, percent] of Object.entries(percents)) {
        await proxy.command(`set server gw/${place} weight ${percent}; set server gw/${place} state ready`);
      }
    },
    stop: () => proxy.kill(),
    close: async () => {
      await proxy.stop();
      await Promise.all(backends.map((backend) => backend.close()));
    },
  };
}
