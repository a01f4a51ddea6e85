/** Gates that compare, on a real HAProxy with real visitors: each build ends as it should. The slower ones are in gates.deep.test.ts. */
import { describe, it } from 'vitest';
import { expectReverted, inScene } from './gates-scene.ts';

describe('gates on the counters of HAProxy', () => {
  it('gates on the counters of HAProxy roll back a build that fails 20 % of requests', { timeout: 60_000 }, () =>
    inScene({}, async (scene) => {
      scene.candidate.backend.setFailPercent(20);
      await expectReverted(scene, await scene.promote(), /errors/);
    }),
  );
});
