/** gRPC on a real Prometheus: a mesh counts HTTP 200 for every answer, and the gRPC code stands in a label next to it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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

it('a gate is refused whose every status is 200 next to a gRPC label, which is named', { timeout: 60_000 }, () =>
  inMetricsScene({ gate: `${GATE}: grpc_response_status`, tick }, async ({ checkout, run }) => {
    const file = join(checkout, 'kvdeploy.config.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('status: grpc_response_status', 'status: code'));
    for (const command of ['plan', 'promote']) {
      const { exitCode, stdout, stderr } = await run(`${command} --env production --build ${GUIDS.green} --json`);
      expect(exitCode, stderr).toBe(3);
      expect(stdout).toMatch(
        /GATE_NOT_READY.*every code is 2xx, and all series have grpc_response_status.*write status: grpc_response_status/,
      );
    }
  }),
);

it('a build of which a third of the gRPC calls fail is rolled back by its gRPC label', { timeout: 90_000 }, () =>
  inMetricsScene({ gate: `${GATE}: grpc_response_status`, tick }, async ({ promote, percent }) => {
    const { exitCode, result, stderr } = await promote();
    expect([exitCode, result.code, percent()], stderr).toEqual([4, 'REVERTED', 0]);
    expect(result.message).toMatch(/errors: \d+ of \d+/);
  }),
);
