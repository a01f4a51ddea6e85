/** Rollouts judged by what pods count, as a real Prometheus scrapes it. */
import { expect, it } from 'vitest';
import { GUIDS, inMetricsScene } from './metrics-scene.ts';

it('a good build of many pods is released on what its pods count', { timeout: 120_000 }, () =>
  inMetricsScene(
    {
      gate: `requests: 'req_total{build="\${build}"}', status: code`,
      tick: (pods, { share, requests }) => {
        for (const [build, part] of [
          ['blue', 1 - share],
          ['green', share],
        ] as const)
          for (const pod of [1, 2, 3])
            pods.add(
              'req_total',
              { build: GUIDS[build], instance: `${build}-${pod}`, code: 200 },
              Math.round((requests * part) / 3),
            );
      },
    },
    async ({ promote, percent }) => {
      const { exitCode, stderr } = await promote();
      expect([exitCode, percent()], stderr).toEqual([0, 100]);
    },
  ),
);
