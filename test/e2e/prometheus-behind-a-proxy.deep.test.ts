/** A real Prometheus behind a proxy of the test's own, which is slow, wants a tenant and a token, and whose metrics know builds by their version. */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { inMetricsScene } from './metrics-scene.ts';

const DELAY_MS = 1500;

/** Passes on what names its tenant, late. */
async function startProxy() {
  const to = { url: '', refused: 0 };
  const server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (request.headers['x-scope-orgid'] !== 'team-a' || request.headers.authorization === undefined) {
      to.refused += 1;
      response.writeHead(401).end('no org id\n');
      return;
    }
    await wait(DELAY_MS);
    const type = request.headers['content-type'];
    const answer = await fetch(`${to.url}${(request.url ?? '').replace(/^\/prefix/, '')}`, {
      method: request.method ?? 'GET',
      ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }),
      headers: type === undefined ? {} : { 'content-type': type },
    });
    response.writeHead(answer.status).end(await answer.text());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/prefix`;
  const close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { to, url, close };
}

it('a good build is released by its version on a slow Prometheus that wants a tenant', { timeout: 120_000 }, async () => {
  const proxy = await startProxy();
  try {
    await inMetricsScene(
      {
        via: (url) => {
          proxy.to.url = url;
          return proxy.url;
        },
        gate: `timeout: 2s, headers: { X-Scope-OrgID: team-a }, basic: { username: deploy, password: { env: HOME } }, requests: 'sum by (instance, code) (req_total{version=~"\${version}"})', status: code`,
        tick: (pods, { share, requests }) => {
          for (const [version, part] of [
            ['1.1.0', 1 - share],
            ['1.2.0', share],
          ] as const)
            pods.add('req_total', { version, instance: version, code: 200 }, Math.round(requests * part));
        },
        patience: '60s',
      },
      async ({ promote, run, percent }) => {
        const { exitCode, stderr } = await promote();
        expect([exitCode, percent(), proxy.to.refused], stderr).toEqual([0, 100, 0]);
        const doctor = await run('doctor --env production');
        expect(doctor.stdout).toMatch(/gate errors .*requests failed/);
      },
    );
  } finally {
    await proxy.close();
  }
});
