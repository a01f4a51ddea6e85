/** A target whose split stands in a file: the example script drives it, and a small proxy reads it for each request. */
import { chmodSync, copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as ask, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { parseGuid } from '../../../src/core/scope.ts';
import { nodeIo } from '../../../src/io.ts';
import { command } from '../../../src/routers/command/command.ts';
import type { CommandConfig } from '../../../src/routers/command/command-config.ts';
import { freshFolder } from '../../fresh-folder.ts';
import { startBackend } from '../../serve/backend.ts';
import { load } from '../../servers/load.ts';
import type { RouterUnderTest } from '../contract.ts';

const SCRIPT = join(import.meta.dirname, '../../../docs/examples/split-file.sh');

const GUIDS = [
  '0b9f6a52-64a2-4d8e-9c0e-6f4b8a7d1111',
  '7c9e6679-7425-40de-944b-e07fc1f90ae7',
  '5f0c2a4e-1b7d-4e55-8f3a-2c9d7e6b3333',
];

export const PLACES = ['blue', 'green', 'grey'] as const;

/** The target `web` in `folder`, and the same as `scratch`. */
export async function startFileWorld(): Promise<
  RouterUnderTest<CommandConfig> & { readonly folder: string; readonly script: string }
> {
  const folder = freshFolder();
  const script = join(folder, 'split-file.sh');
  copyFileSync(SCRIPT, script);
  chmodSync(script, 0o755);
  const file = join(folder, 'web.json');
  const first = JSON.stringify({ environment: 'production', percent: { blue: 100, green: 0, grey: 0 } });
  writeFileSync(file, first);
  writeFileSync(join(folder, 'scratch.json'), first);
  const backends = await Promise.all(GUIDS.map((guid) => startBackend(guid)));
  const addresses = new Map(PLACES.map((place, at) => [place, backends[at]?.address ?? '']));
  const proxy = await startProxy(() => addresses.get(drawn(percentsIn(file))) ?? '');
  const guid = (at: number) => parseGuid(GUIDS[at] ?? '') ?? never();
  const verb = (word: string) => [script, folder, word];
  return {
    folder,
    script,
    router: command,
    config: command.config.parse({
      ...{ target: 'web', read: verb('read'), set: verb('set'), identify: verb('identify') },
      places: ['blue', 'green', 'grey'],
    }) as CommandConfig,
    io: nodeIo,
    environment: 'production',
    finest: 0.1,
    counts: false,
    addressed: false,
    members: [
      { place: 'blue', guid: guid(0) },
      { place: 'green', guid: guid(1) },
    ],
    stranger: 'grey',
    traffic: async (count) => new Map(Object.entries((await load(proxy.url, { count, keepAlive: false })).byBuild)),
    moveByHand: async (percents) => {
      const { environment, percent } = JSON.parse(readFileSync(file, 'utf8')) as { environment: string; percent: object };
      writeFileSync(file, JSON.stringify({ environment, percent: { ...percent, ...percents } }));
    },
    stop: async () => rmSync(file),
    close: async () => {
      await proxy.close();
      await Promise.all(backends.map((backend) => backend.close()));
      if (existsSync(folder)) rmSync(folder, { recursive: true });
    },
  };
}

function percentsIn(file: string): Readonly<Record<string, number>> {
  return (JSON.parse(readFileSync(file, 'utf8')) as { percent: Record<string, number> }).percent;
}

let turn = 0;

/** Every hundredth in its turn, so that shares are exact and chance plays no part. */
export function drawn(percents: Readonly<Record<string, number>>): (typeof PLACES)[number] {
  turn = (turn + 37) % 100;
  let from = 0;
  for (const place of PLACES) {
    from += percents[place] ?? 0;
    if (turn < from) return place;
  }
  return 'grey';
}

export async function startProxy(addressNow: () => string) {
  const server = createServer((incoming, response) => {
    const onward = ask(addressNow(), { method: incoming.method, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

function never(): never {
  throw new Error('not a GUID');
}
