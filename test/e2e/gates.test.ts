/** Gates that compare, on a real HAProxy with real visitors: each build ends as it should. The slower ones are in gates.deep.test.ts. */
import { describe, expect, it } from 'vitest';
import { expectReverted, inScene } from './gates-scene.ts';
import { openSite, PRODUCTION } from './site.ts';

describe('gates on the counters of HAProxy', () => {
  it('a fixed limit on the counters of HAProxy rolls an all-401 build back', { timeout: 60_000 }, async () => {
    const site = await openSite({ visitors: 200, gates: '[{ name: errors, source: haproxy, max: 1%, minRequests: 20 }]' });
    try {
      site.builds.green.backend.setStatus(401, 200);
      const { result } = await site.run(`promote --build ${site.builds.green.guid} ${PRODUCTION}`);
      expect(result).toMatchObject({ code: 'REVERTED', exitCode: 4, message: expect.stringMatching(/errors failed.*x 4xx/) });
      expect(await site.split()).toEqual({ blue: 100 });
    } finally {
      await site.close();
    }
  });

  it('gates on the counters of HAProxy roll back a build that fails 20 % of requests', { timeout: 60_000 }, () =>
    inScene({}, async (scene) => {
      scene.candidate.backend.setFailPercent(20);
      await expectReverted(scene, await scene.promote(), /errors/);
    }),
  );
});
