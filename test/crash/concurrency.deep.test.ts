/** Frozen leaders and rescues in the middle of rollouts, 200 rounds each. */
import { describe, expect, it } from 'vitest';
import { recordReliability } from '../reliability.ts';
import { freezeLeaders, rescueHaproxy, rescueLocal } from './takeover-rounds.ts';

const ROUNDS = 200;
const seed = Number(process.env['KVDEPLOY_SEED'] ?? Date.now() % 1_000_000);

function record(name: string, what: string, points: number, beganMs: number, failures: number): void {
  const seconds = (performance.now() - beganMs) / 1000;
  console.log(`${what}: ${points} in ${seconds.toFixed(0)} s (seed ${seed})`);
  recordReliability({ name, what, points, seconds, seed: String(seed), failures });
}

describe(`several runners for one scope (seed ${seed})`, { timeout: 900_000 }, () => {
  it('a leader that was frozen, taken over and woken leaves nothing stale, on both routers', async () => {
    const began = performance.now();
    const { stale, faults } = await freezeLeaders(ROUNDS, seed);
    record('frozen-leaders', 'leaders frozen, taken over and woken', 4 * ROUNDS, began, faults.length);
    console.log(
      `where the leader could not be ended, its last change arrived and was put right: local ${stale[0]}, HAProxy ${stale[1]} of ${ROUNDS}`,
    );
    expect(faults).toEqual([]);
  });

  it('a rescue at any moment of a rollout wins over the rollout that wakes up, on both routers', async () => {
    const began = performance.now();
    const faults = (await Promise.all([rescueLocal(ROUNDS, seed), rescueHaproxy(ROUNDS, seed)])).flat();
    record('rescues', 'rescues in the middle of a rollout', 2 * ROUNDS, began, faults.length);
    expect(faults).toEqual([]);
  });
});
