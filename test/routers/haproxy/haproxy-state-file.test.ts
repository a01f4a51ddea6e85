import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Change } from '../../../src/base/changes/change.ts';
import { make } from '../../../src/base/changes/make.ts';
import { nodeOutside } from '../../../src/base/changes/outside.ts';
import type { Guid } from '../../../src/core/scope.ts';
import { haproxy } from '../../../src/routers/haproxy/haproxy.ts';
import type { HaproxyConfig } from '../../../src/routers/haproxy/haproxy-config.ts';
import type { Leaving } from '../../../src/routers/router.ts';
import { type Backend, startBackend } from '../../servers/backend.ts';
import { type Haproxy, startHaproxy } from '../../servers/haproxy.ts';
import { load } from '../../servers/load.ts';
import { realIo } from '../../servers/real-io.ts';
import { changesOf } from '../readings.ts';

const BLUE = '0b9f5bd2-1111-4111-8111-111111111111' as Guid;
const GREEN = '7f3c2a10-2222-4222-8222-222222222222' as Guid;

let backends: readonly Backend[];
let proxy: Haproxy;

beforeEach(async () => {
  backends = await Promise.all([BLUE, GREEN].map((guid) => startBackend({ guid })));
});
afterEach(async () => {
  await proxy.stop();
  await Promise.all(backends.map((backend) => backend.close()));
});

const faults: Readonly<Record<string, () => Promise<void>>> = {
  'a reload': () => proxy.reload(),
  'a restart': () => proxy.restart(),
  'kill -9': async () => {
    await proxy.kill();
    await proxy.start();
  },
};

describe.each(Object.keys(faults))('after %s, with a server-state file', (fault) => {
  it(`a shift, a revert, a drain and a break-glass still hold after ${fault}, with a server-state file`, async () => {
    await start(true);
    await set(25);
    await faults[fault]?.();
    expect(await percents()).toEqual([75, 25]);

    await set(0);
    await faults[fault]?.();
    expect(await percents()).toEqual([100, 0]);
    expect((await load(proxy.url, { count: 30 })).byBuild).toEqual({ [BLUE]: 30 });

    await set(100, { leaving: 'drain' });
    await faults[fault]?.();
    expect(await percents()).toEqual([0, 100]);

    // As a pointer keeps them: rendered before, read back from JSON, made by break-glass's own outside.
    const kept = JSON.parse(JSON.stringify(changesOf(haproxy, config(), split(0), { leaving: 'at-once' }))) as Change[];
    for (const change of kept) await make(change, nodeOutside, () => undefined);
    await faults[fault]?.();
    expect(await percents()).toEqual([100, 0]);
    expect((await load(proxy.url, { count: 30 })).byBuild).toEqual({ [BLUE]: 30 });
  });

  it(`the bad build comes back after ${fault} when the server-state file is not written: this is the harm`, async () => {
    await start(true);
    await set(100);
    const { serverStateFile: _left, ...without } = config();
    for (const change of changesOf(haproxy, without, split(0), { leaving: 'at-once' }))
      await make(change, realIo, () => undefined);
    expect(await percents()).toEqual([100, 0]);
    await faults[fault]?.();
    expect(await percents()).toEqual([0, 100]);
  });

  it(`an HAProxy without a server-state file returns to the weights of haproxy.cfg after ${fault}`, async () => {
    await start(false);
    await set(0);
    await faults[fault]?.();
    expect(await percents()).toEqual([50, 50]);
  });
});

describe('the server-state file', () => {
  it('the server-state file loses the weights when haproxy.cfg got other ones meanwhile, but keeps maintenance', async () => {
    await start(true);
    await set(25);
    await asIfConfiguredWeightWas50();
    expect(await percents()).toEqual([50, 50]);
    await set(0);
    await asIfConfiguredWeightWas50();
    expect(await percents()).toEqual([100, 0]);
  });
});

/** Restarts with a state file that was saved under another haproxy.cfg. */
async function asIfConfiguredWeightWas50(): Promise<void> {
  const state = await proxy.command('show servers state');
  const changed = state.replaceAll(/^(\S+ gw \S+ \S+ \S+ \S+ \S+ \S+) 100 /gm, '$1 50 ');
  expect(changed).not.toBe(state);
  writeFileSync(proxy.stateFiles[0] ?? '', changed);
  await proxy.restart();
}

async function start(stateFile: boolean): Promise<void> {
  const [blue, green] = backends;
  proxy = await startHaproxy({
    servers: [
      { name: 'blue', port: blue?.port ?? 0 },
      { name: 'green', port: green?.port ?? 0 },
    ],
    stateFile,
  });
}

function config(): HaproxyConfig {
  return haproxy.config.parse({
    sockets: proxy.sockets,
    backend: proxy.backend,
    serverStateFile: proxy.stateFiles,
  }) as HaproxyConfig;
}

function split(percent: number) {
  return [
    { place: 'blue', build: BLUE, percent: 100 - percent },
    { place: 'green', build: GREEN, percent },
  ];
}

async function set(percent: number, how: Leaving = { leaving: 'at-once' }): Promise<void> {
  for (const change of changesOf(haproxy, config(), split(percent), how)) await make(change, realIo, () => undefined);
}

async function percents(): Promise<number[]> {
  const { places } = await haproxy.read(config(), realIo);
  return places.map(({ percent }) => percent);
}
