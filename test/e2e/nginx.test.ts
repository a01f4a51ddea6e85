/** Rollouts and rescues behind a real nginx, judged by what its log counts, with clients all along. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { mayMount } from '../crash/mounts.ts';
import { BUILDS, type NginxSite, openNginxSite, SURE } from './nginx-scene.ts';

const LIMIT = { timeout: 150_000 };

const promote = ['promote', '--build', BUILDS.green.guid, ...SURE];

const may = mayMount('the machine file');

describe('a rollout behind nginx', () => {
  let site: NginxSite | undefined;
  afterEach(() => site?.close());

  /** With clients all along, whom it can be asked about once they are ended. */
  async function adopted(...asked: Parameters<typeof openNginxSite>) {
    site = await openNginxSite(...asked);
    const clients = site.clients(150);
    const { exitCode, stderr } = await site.run(['adopt', ...SURE]);
    expect(exitCode, stderr).toBe(0);
    return { ...site, clients };
  }

  it(
    'a good build is promoted, a rescue brings the old one back, and no client on a fresh connection sees an error',
    LIMIT,
    async () => {
      const { run, clients, nginx } = await adopted();
      const ready = await run(['doctor', '--env', 'production']);
      expect(ready.exitCode, ready.stdout).toBe(0);
      const { exitCode, stderr } = await run(promote);
      expect(exitCode, stderr).toBe(0);
      const rescued = await run([
        'rollback',
        '--break-glass',
        '--to',
        BUILDS.blue.guid,
        ...SURE,
        '--reason',
        'a drill behind nginx',
      ]);
      expect(rescued.exitCode, rescued.stderr).toBe(0);
      const seen = await clients.end();
      expect(seen).toMatchObject({ failed: 0, lost: 0 });
      expect(seen.byBuild[BUILDS.green.guid]).toBeGreaterThan(0);
      const answer = await fetch(nginx.url);
      expect(answer.headers.get('x-build-guid')).toBe(BUILDS.blue.guid);
    },
  );

  it('a build that fails is rolled back by what nginx logs', LIMIT, async () => {
    if (!may) return;
    const { run, clients, builds } = await adopted();
    for (const backend of builds.green) backend.setFailPercent(50);
    const { exitCode, stderr } = await run(promote);
    await clients.end();
    expect(stderr).toContain('REVERTED');
    expect(exitCode).toBe(4);
  });

  it('a replica that resets every connection is seen, although nginx hides it from all clients', LIMIT, async () => {
    if (!may) return;
    const broken = createServer(({ url, socket }, response) => {
      if (url !== '/healthz') socket.resetAndDestroy();
      else response.setHeader('x-build-guid', BUILDS.green.guid).setHeader('x-build-environment', 'production').end();
    });
    await new Promise<void>((resolve) => broken.listen(0, '127.0.0.1', resolve));
    const { port } = broken.address() as AddressInfo;
    const { run, clients } = await adopted([port], '[{ name: errors, compare: { ruleOut: { plus: 0.5% }, clusters: 1 } }]');
    const { exitCode, stderr } = await run(promote);
    const seen = await clients.end();
    broken.close();
    expect(seen).toMatchObject({ failed: 0 });
    expect(stderr).toContain(`127.0.0.1:${port}`);
    expect(exitCode).toBe(4);
  });

  it('a place that answers as another build is refused, and nothing moves', LIMIT, async () => {
    if (!may) return;
    const { run, builds, nginx, clients } = await adopted();
    builds.green[1]?.setGuid('57a9e000-0000-4000-8000-000000000001');
    const { exitCode, stderr } = await run(promote);
    await clients.end();
    expect(stderr).toMatch(/BUILD_GONE/);
    expect(exitCode).toBe(3);
    expect((await fetch(nginx.url)).headers.get('x-build-guid')).toBe(BUILDS.blue.guid);
  });

  it('nginx without its master takes no promotion, and a rescue does not claim that it moved', LIMIT, async () => {
    if (!may) return;
    const { run, nginx, clients } = await adopted();
    await nginx.killMaster();
    await clients.end();
    const refused = await run(promote);
    expect(refused.stderr).toContain('the master process of nginx is gone');
    expect(refused.exitCode).toBe(3);
    const rescued = await run(['rollback', '--break-glass', ...SURE, '--reason', 'a drill behind nginx']);
    expect(rescued.exitCode, rescued.stderr).toBe(5);
    expect(rescued.stderr).toMatch(/the master process of nginx is gone.* end them, then start nginx: kill -QUIT \d+ \d+/);
  });
});
