import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { check as verify } from '../../../src/base/changes/checks.ts';
import { make } from '../../../src/base/changes/make.ts';
import { nodeIo } from '../../../src/io.ts';
import { nginx } from '../../../src/routers/nginx/nginx.ts';
import type { NginxConfig } from '../../../src/routers/nginx/nginx-config.ts';
import { includeText } from '../../../src/routers/nginx/nginx-include.ts';
import { startBackend } from '../../servers/backend.ts';
import type { Nginx, NginxOptions } from '../../servers/nginx.ts';
import { until } from '../../servers/program.ts';
import { routerContract } from '../contract.ts';
import { changesOf, checksOf } from '../readings.ts';
import { GUIDS, openWorld, startNginxSubject } from './nginx-world.ts';

routerContract('nginx', startNginxSubject);

async function world(more: Partial<NginxOptions> = {}) {
  const opened = await openWorld(more);
  onTestFinished(opened.close);
  return opened;
}

const at = (percent: number) => [share('blue', 100 - percent), share('green', percent)];

async function shift({ config }: Nginx, percent: number): Promise<void> {
  for (const change of changesOf(nginx, config, at(percent), { leaving: 'at-once' })) await make(change, nodeIo, () => undefined);
}

async function settled({ config }: Nginx, percent: number) {
  return until(`${percent} %`, async () => {
    const reading = await nginx.read(config, nodeIo);
    return reading.places.find(({ place }) => place === 'green')?.percent === percent ? reading : undefined;
  });
}

describe('the splits of nginx', () => {
  it.each([0, 0.01, 1, 33.3, 50, 99.99, 100])('nginx takes %s %, and its workers say so', async (percent) => {
    const { server } = await world();
    await shift(server, percent);
    const reading = await settled(server, percent);
    expect(reading.trouble).toEqual([]);
    expect(reading.doubts).toBeUndefined();
    expect(reading.places.find(({ place }) => place === 'blue')?.percent).toBeCloseTo(100 - percent, 6);
  });

  it.each([
    [0.005, 'steps of 0.01 %'],
    [0.001, 'steps of 0.01 %'],
    [33.333, 'steps of 0.01 %'],
  ])('nginx cannot set %s %%, and says why', async (percent, why) => {
    const { server } = await world();
    expect(nginx.impossible(server.config, await nginx.read(server.config, nodeIo), percent)).toContain(why);
  });
});

describe('what an exit code of nginx does not show', () => {
  it('a reload that nginx does not make is seen, although test and reload ended well', async () => {
    const { server, options } = await world();
    const taken = await startBackend({ guid: GUIDS[2] ?? '' });
    onTestFinished(() => taken.close());
    server.write({ ...options, httpLines: [`server { listen 127.0.0.1:${taken.port}; }`] });
    await shift(server, 50);
    const reading = await nginx.read(server.config, nodeIo);
    expect(reading.places.find(({ place }) => place === 'green')?.percent).toBe(0);
    expect(reading.trouble.join()).toContain('is not what nginx serves');
    for (const wanted of checksOf(nginx, server.config, at(50)).filter(({ kind }) => kind === 'http'))
      expect(await verify(wanted, nodeIo)).toMatchObject({ ok: false });
  }, 30_000);

  it('an edit of the include without a reload is trouble, and one with a reload is no split of kvdeploy', async () => {
    const { server } = await world();
    appendFileSync(server.config.include, 'map $uri $other { default 1; }\n');
    const { trouble } = await nginx.read(server.config, nodeIo);
    expect(trouble.join()).toContain('is not what nginx serves: someone edited it, or did not reload');
    const text = readFileSync(server.config.include, 'utf8');
    writeFileSync(server.config.include, text.replace(/default "[^"]*"/, 'default "green=100 0123456789abcdef"'));
    await server.reload();
    await expect(nginx.read(server.config, nodeIo)).rejects.toThrow(
      /serves green=100 0123456789abcdef, which is no split of this config/,
    );
  });

  it('workers whose master was killed are named, since a reload reaches no one', async () => {
    const { server } = await world();
    await server.killMaster();
    const { unusable } = await nginx.read(server.config, nodeIo);
    expect(unusable?.why).toMatch(/the master process of nginx is gone, and its workers \(\d+/);
    expect(unusable?.cure).toMatch(/kill -QUIT \d+/);
    expect(nginx.impossible(server.config, await nginx.read(server.config, nodeIo), 100)).toContain('master process');
  });

  it('a worker that is killed is replaced with the same split', async () => {
    const { server } = await world();
    await shift(server, 25);
    await settled(server, 25);
    server.killWorkers();
    expect((await settled(server, 25)).trouble).toEqual([]);
  });

  it('old workers with open connections are trouble until they end', async () => {
    const { server, backends } = await world();
    backends[0]?.setDelayMs(1500);
    const slow = fetch(server.url).catch(() => undefined);
    await until('the request is on its way', async () =>
      (await nginx.read(server.config, nodeIo)).places.length > 0 ? true : undefined,
    );
    await shift(server, 50);
    const { trouble } = await settled(server, 50);
    expect(trouble.join()).toContain('1 worker of nginx still busy with open connections, under an earlier split');
    await slow;
    await until('the old worker ends', async () =>
      (await nginx.read(server.config, nodeIo)).trouble.length === 0 ? true : undefined,
    );
  });
});

describe('set-ups of nginx that kvdeploy does not drive', () => {
  it.each([
    ['no shutdown timeout', { topLines: [] }, 'no worker_shutdown_timeout'],
    ['a long shutdown timeout', { topLines: ['worker_shutdown_timeout 1h;'] }, 'worker_shutdown_timeout is 1h'],
    [
      'a second split',
      { httpLines: ['map $uri $kv_place2 { default 1; }', 'geo $kv_place { default blue; }'] },
      'sets $kv_… too',
    ],
  ])('%s is named with what to do', async (_name, more, why) => {
    const { server, options } = await world();
    server.write({ ...options, ...more });
    const { unusable } = await nginx.read(server.config, nodeIo);
    if (why !== undefined)
      expect(unusable).toMatchObject({ why: expect.stringContaining(why), cure: expect.stringMatching(/./) });
  });

  it('a place whose upstream does not exist is named, although nginx -t accepts it', async () => {
    const { server } = await world();
    const places = { ...server.config.places, green: { ...server.config.places['green'], upstream: 'grene_pool' } };
    const config = nginx.config.parse({ ...server.config, places }) as NginxConfig;
    writeFileSync(config.include, includeText(config, [share('blue', 100)]));
    await server.reload();
    const { unusable } = await nginx.read(config, nodeIo);
    expect(unusable?.why).toContain('no upstream block grene_pool, which green needs');
  });

  it('servers that the config does not name, and what hides errors, are doubts', async () => {
    const { server, options } = await world();
    const hiding = ['proxy_intercept_errors on;', 'proxy_cache_use_stale error;'];
    server.write({ ...options, places: { ...options.places, green: [...(options.places.green ?? []), 9] }, serverLines: hiding });
    const { doubts } = await nginx.read(server.config, nodeIo);
    expect(doubts).toEqual([
      expect.stringContaining('proxy_cache_use_stale hides errors'),
      expect.stringContaining('proxy_intercept_errors'),
      expect.stringContaining('upstream green_pool also has 127.0.0.1:9'),
    ]);
  });

  it('a configuration that does not load is refused, since neither a shift nor a rollback would get through', async () => {
    const { server, options } = await world();
    server.write({ ...options, httpLines: ['nonsense on;'] });
    const { unusable } = await nginx.read(server.config, nodeIo);
    expect(unusable?.why).toContain('unknown directive "nonsense"');
    expect(unusable?.cure).toContain('/usr/sbin/nginx -c');
  });

  it('servers of two places in one upstream block are refused, since nginx would hide the errors of one at the other', async () => {
    const { server, options } = await world();
    const [grey = 0] = options.places['grey'] ?? [];
    server.write({ ...options, places: { ...options.places, blue: [...(options.places.blue ?? []), grey] } });
    const { unusable } = await nginx.read(server.config, nodeIo);
    expect(unusable?.why).toContain(`upstream blue_pool has 127.0.0.1:${grey}, a server of grey`);
  });

  it('a configuration that may not be looked at is a doubt, not a yes', async () => {
    const { server } = await world({ settings: { dump: ['/bin/false'] } });
    const { doubts } = await nginx.read(server.config, nodeIo);
    expect(doubts?.join()).toContain('could not be looked at (/bin/false)');
  });
});

function share(place: string, percent: number) {
  return { place, build: null, percent };
}
