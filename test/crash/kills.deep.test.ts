/** The kill sweep in full: every call of every command that changes something outside. */
import { describe, expect, it } from 'vitest';
import { recordReliability } from '../reliability.ts';
import { sweepKills } from './kill-sweep.ts';

describe('kill -9 at every call of promote, rollback, break-glass, adopt, abort, resume and reconcile', () => {
  it('a kill -9 at any call loses nothing acknowledged, and the next command works unaided', { timeout: 3_000_000 }, async () => {
    const began = performance.now();
    const { points, faults, byAct } = await sweepKills(1, 2);
    const seconds = (performance.now() - began) / 1000;
    console.log(`${points} points, ${seconds.toFixed(0)} s; calls that change something: ${byAct}`);
    const what = `SIGKILL at every state-changing call of seven commands (${byAct})`;
    recordReliability({ name: 'kills', what, points, seconds, seed: null, failures: faults.length });
    expect(faults).toEqual([]);
    expect(points).toBeGreaterThan(200);
  });
});
