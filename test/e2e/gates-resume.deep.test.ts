/** Rollouts with comparing gates that are killed and resumed on a real HAProxy: what was seen before counts, and so does what happened meanwhile. */
import { describe, expect, it } from 'vitest';
import { type OutputLine, outputLineSchema } from '../../src/core/output.ts';
import { expectPromoted, expectReverted, inScene, type Scene } from './gates-scene.ts';
import { PRODUCTION, type Ran } from './site.ts';

const SLOW = { timeout: 180_000 };

/** Kills the rollout while its gate gathers evidence; says how many requests of the candidate the gate had seen at each poll. */
async function killed({ site, candidate }: Scene): Promise<readonly number[]> {
  const running = site.start(`promote --build ${candidate.guid} ${PRODUCTION}`);
  await running.waitFor(/needed to rule out harm; errors: 0 of [1-9]/);
  running.signal('SIGKILL');
  await running.ended.catch(() => undefined);
  const lines = running.stdout().split('\n').slice(0, -1);
  return requestsSeen(lines.map((line) => outputLineSchema.parse(JSON.parse(line))));
}

function requestsSeen(lines: readonly OutputLine[]): number[] {
  // Before the first step the stable build alone is counted.
  return lines.flatMap((line) => (line.type === 'poll' && line.step > 0 ? line.gates.map(({ requests }) => requests) : []));
}

describe('a rollout with gates that compare', () => {
  it('a comparing rollout killed while it gathers evidence is resumed with that evidence, to 100 %', SLOW, () =>
    inScene({}, async (scene) => {
      const before = await killed(scene);
      const resumed: Ran = await scene.site.run(`resume ${PRODUCTION}`);
      await expectPromoted(scene, resumed);
      expect(Math.max(...before)).toBeGreaterThan(0);
      expect(requestsSeen(resumed.json)[0]).toBeGreaterThanOrEqual(Math.max(...before));
    }),
  );

  it('a build that began to fail after its rollout was killed is rolled back by whoever resumes', SLOW, () =>
    inScene({}, async (scene) => {
      await killed(scene);
      scene.candidate.backend.setFailPercent(30);
      await expectReverted(scene, await scene.site.run(`resume ${PRODUCTION}`), /Gate errors failed: errors: \d+ of \d+/);
    }),
  );
});
