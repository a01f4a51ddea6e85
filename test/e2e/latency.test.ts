/** Trouble with latency on a real Prometheus: whatever it is, errors are judged as if nothing were asked of latency. */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { GUIDS, inMetricsScene, type Series, type Tick } from './metrics-scene.ts';

const LONG = { timeout: 120_000 };
const GATE = `requests: 'req_total{build="\${build}"}', status: code, latency: 'lat_bucket{build="\${build}"}'`;

/** Requests of one build, a part of which fail; all of them are quick. */
function count(
  series: Series,
  build: keyof typeof GUIDS,
  counted: { requests: number; failing: number; bounds: string[] },
): void {
  const labels = { build: GUIDS[build], instance: build };
  const failed = Math.round(counted.requests * counted.failing);
  series.add('req_total', { ...labels, code: 500 }, failed);
  series.add('req_total', { ...labels, code: 200 }, Math.round(counted.requests) - failed);
  for (const le of [...counted.bounds, '+Inf']) series.add('lat_bucket', { ...labels, le }, Math.round(counted.requests));
}

/** Half of the candidate's responses are errors. */
const failing =
  (bounds: string[]): Tick =>
  (series, { share, requests }) => {
    count(series, 'blue', { requests: requests * (1 - share), failing: 0, bounds: ['0.1', '0.5'] });
    count(series, 'green', { requests: requests * share, failing: 0.5, bounds });
  };

it(
  'a build whose histogram has a bucket more is rolled back for its errors, and latency is compared on what both have',
  LONG,
  () =>
    inMetricsScene({ gate: GATE, tick: failing(['0.1', '0.25', '0.5']) }, async ({ promote, percent }) => {
      const { exitCode, result, stderr } = await promote();
      expect([exitCode, percent()], stderr).toEqual([4, 0]);
      expect(result.message).toMatch(/Gate errors failed: errors: \d+ of \d+ .* vs /);
      expect(result.message).toMatch(/latency is compared on the buckets that both builds have: 0\.1s 0\.5s/);
    }),
);

it('a build is rolled back for its errors while the histogram query is too slow to be answered', LONG, async () => {
  let slow = false;
  const { via, close } = await delayed((query) => slow && query.includes('lat_bucket'));
  const tick = failing(['0.1', '0.5']);
  try {
    await inMetricsScene(
      {
        gate: GATE,
        via,
        tick: (series, now) => {
          slow = now.share > 0;
          tick(series, now);
        },
      },
      async ({ promote, percent }) => {
        const { exitCode, result, stderr } = await promote();
        expect([exitCode, percent()], stderr).toEqual([4, 0]);
        expect(result.message).toMatch(/Gate errors failed: errors: \d+ of \d+ .* vs /);
      },
    );
  } finally {
    await close();
  }
});

/** Of the candidate's requests most are slow in its first seconds, as caches and a JIT make them. */
const cold = (coldTicks: number): Tick => {
  let served = 0;
  return (series, { share, requests }) => {
    served += share > 0 ? 1 : 0;
    for (const [build, part] of [
      ['blue', 1 - share],
      ['green', share],
    ] as const) {
      const all = Math.round(requests * part);
      const labels = { build: GUIDS[build], instance: build };
      series.add('req_total', { ...labels, code: 200 }, all);
      const quick = build === 'green' && served < coldTicks ? 0.2 : 0.97;
      series.add('lat_bucket', { ...labels, le: '100' }, Math.round(all * quick));
      for (const le of ['250', '+Inf']) series.add('lat_bucket', { ...labels, le }, all);
    }
  };
};

it('a build that is slow in its first seconds is released where the gate lets it warm up', LONG, () =>
  inMetricsScene({ gate: `${GATE}, unit: ms, warmUp: 5s`, tick: cold(40) }, async ({ promote, percent }) => {
    const { exitCode, result, stderr } = await promote();
    expect([exitCode, percent()], `${result.message} ${stderr}`).toEqual([0, 100]);
  }),
);

it('a build that is slow and stays so is rolled back after its warm-up, in the unit of its histogram', LONG, () =>
  inMetricsScene({ gate: `${GATE}, unit: ms, warmUp: 2s`, tick: cold(1e9) }, async ({ promote, percent }) => {
    const { exitCode, result, stderr } = await promote();
    expect([exitCode, percent()], stderr).toEqual([4, 0]);
    expect(result.message).toMatch(/slower than 100ms: \d+ of \d+/);
  }),
);

/** A server in front of Prometheus that keeps some queries for 2.6 s. */
async function delayed(isSlow: (query: string) => boolean) {
  let behind = '';
  const server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    if (isSlow(decodeURIComponent(`${request.url}${body}`))) await wait(2600);
    const type = request.headers['content-type'];
    const sent =
      request.method === 'POST' ? { method: 'POST', body, headers: type === undefined ? {} : { 'content-type': type } } : {};
    try {
      const answer = await fetch(`${behind}${request.url}`, sent);
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
    } catch {
      // Who asked last may be answered after Prometheus has stopped.
      response.destroy();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    via: (url: string) => {
      behind = url;
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
