/** A real nginx before three builds, as the router contract wants it. */
import { writeFileSync } from 'node:fs';
import { parseGuid } from '../../../src/core/scope.ts';
import { nodeIo } from '../../../src/io.ts';
import { nginx } from '../../../src/routers/nginx/nginx.ts';
import type { NginxConfig } from '../../../src/routers/nginx/nginx-config.ts';
import { includeText } from '../../../src/routers/nginx/nginx-include.ts';
import { startBackend } from '../../servers/backend.ts';
import { load } from '../../servers/load.ts';
import { type Nginx, type NginxOptions, startNginx } from '../../servers/nginx.ts';
import type { RouterUnderTest } from '../contract.ts';

export const GUIDS = [
  '0b9f6a52-64a2-4d8e-9c0e-6f4b8a7d1111',
  '7c9e6679-7425-40de-944b-e07fc1f90ae7',
  '5f0c2a4e-1b7d-4e55-8f3a-2c9d7e6b3333',
];

export async function startNginxSubject(): Promise<RouterUnderTest<NginxConfig> & { readonly server: Nginx }> {
  const { server, close } = await openWorld();
  const shareOf = (percents: Readonly<Record<string, number>>) =>
    Object.entries(percents).map(([place, percent]) => ({ place, build: null, percent }));
  const subject: RouterUnderTest<NginxConfig> = {
    router: nginx,
    config: server.config,
    io: nodeIo,
    environment: 'production',
    members: [
      { place: 'blue', guid: guid(0) },
      { place: 'green', guid: guid(1) },
    ],
    stranger: 'grey',
    traffic: async (count) => new Map(Object.entries((await load(server.url, { count, keepAlive: false })).byBuild)),
    moveByHand: async (percents) => {
      writeFileSync(server.config.include, includeText(server.config, shareOf(percents)));
      await server.reload();
    },
    stop: server.stop,
    close,
  };
  return { ...subject, server };
}

export async function openWorld(more: Partial<NginxOptions> = {}) {
  const backends = await Promise.all(GUIDS.map((each) => startBackend({ guid: each, environment: 'production' })));
  const [blue = 0, green = 0, grey = 0] = backends.map(({ port }) => port);
  const options = { places: { blue: [blue], green: [green], grey: [grey] }, ...more };
  const server = await startNginx(options);
  const close = async () => {
    await server.close();
    await Promise.all(backends.map((backend) => backend.close()));
  };
  return { server, backends, options, close };
}

function guid(index: number) {
  const parsed = parseGuid(GUIDS[index] ?? '');
  if (parsed === undefined) throw new Error('not a GUID');
  return parsed;
}
