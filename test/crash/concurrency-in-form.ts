/** The tests of one form of the rounds with several runners for one scope: a few rounds, or many. */
import { expect, it } from 'vitest';
import { recordReliability } from '../reliability.ts';
import { freezeLeaders, raceFifty, rescueHaproxy, rescueLocal } from './takeover-rounds.ts';

const TIMEOUT = { timeout: 900_000 };
export const seed = Number(process.env['KVDEPLOY_SEED'] ?? Date.now() % 1_000_000);

function record(name: string, what: string, points: number, beganMs: number, failures: number): void {
  const seconds = (performance.now() - beganMs) / 1000;
  console.log(`${what}: ${points} in ${seconds.toFixed(0)} s (seed ${seed})`);
  recordReliability({ name, what, points, seconds, seed: String(seed), failures });
}

export function fiftyRunners(): void {
  it('fifty runners lead one after the other, never two at once, and the others hear BUSY', TIMEOUT, async () => {
    const began = performance.now();
    const { faults, busy } = await raceFifty();
    record('fifty-runners', 'concurrent runners in one scope', 50, began, faults.length);
    expect(faults).toEqual([]);
    expect(busy).toBeGreaterThan(0);
  });
}

/** `suffix`: what the names of these figures end with. */
export function frozenLeadersAndRescues(suffix: string, rounds: number): void {
  it('a leader that was frozen, taken over and woken leaves nothing stale, on both routers', TIMEOUT, async () => {
    const began = performance.now();
    const { stale, faults } = await freezeLeaders(rounds, seed);
    record(`frozen-leaders${suffix}`, 'leaders frozen, replaced and woken', 4 * rounds, began, faults.length);
    console.log(
      `where the leader could not be ended, its last change arrived and was put right: local ${stale[0]}, HAProxy ${stale[1]} of ${rounds}`,
    );
    expect(faults).toEqual([]);
  });

  it('a rescue at any moment of a rollout wins over the rollout that wakes up, on both routers', TIMEOUT, async () => {
    const began = performance.now();
    const faults = (await Promise.all([rescueLocal(rounds, seed), rescueHaproxy(rounds, seed)])).flat();
    record(`rescues${suffix}`, 'rescues during a rollout', 2 * rounds, began, faults.length);
    expect(faults).toEqual([]);
  });
}
