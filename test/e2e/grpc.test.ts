/** gRPC on a real Prometheus: a mesh counts HTTP 200 for every answer, and the gRPC code stands in a label next to it. */
import { expect, it } from 'vitest';
import { GUIDS, inMetricsScene, type Tick } from './metrics-scene.ts';

const GATE = `requests: 'req_total{build="\${build}"}', status`;

/** A third of the candidate's calls end with UNAVAILABLE, one in a thousand of the stable build's. */
const tick: Tick = (mesh, { share, requests }) => {
  for (const [build, part, failing] of [
    ['blue', 1 - share, 0.001],
    ['green', share, 1 / 3],
  ] as const) {
    const all = Math.round(requests * part);
    const failed = Math.floor(all * failing);
    const labels = { build: GUIDS[build], instance: build, code: 200 };
    mesh.add('req_total', { ...labels, grpc_response_status: 0 }, all - failed);
    mesh.add('req_total', { ...labels, grpc_response_status: 14 }, failed);
  }
};

it('plan names the gRPC label where every status is 200', { timeout: 60_000 }, () =>
  inMetricsScene({ gate: `${GATE}: code`, tick }, async ({ run }) => {
    const { stdout } = await run(`plan --env production --build ${GUIDS.green}`);
    expect(stdout).toMatch(/not judged: gRPC statuses: every code is 2xx.*write status: grpc_response_status/);
  }),
);

it('a build of which a third of the gRPC calls fail is rolled back by its gRPC label', { timeout: 90_000 }, () =>
  inMetricsScene({ gate: `${GATE}: grpc_response_status`, tick }, async ({ promote, percent }) => {
    const { exitCode, result, stderr } = await promote();
    expect([exitCode, result.code, percent()], stderr).toEqual([4, 'REVERTED', 0]);
    expect(result.message).toMatch(/errors: \d+ of \d+/);
  }),
);
