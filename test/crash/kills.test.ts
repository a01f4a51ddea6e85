/** The kill sweep's short form: every so-many-th call of every command. */
import { describe, expect, it } from 'vitest';
import { recordReliability } from '../reliability.ts';
import { sweepKills } from './kill-sweep.ts';

const EACH = 37;

describe('kill -9 at the calls of promote, rollback, break-glass, adopt, abort, resume and reconcile', () => {
  it(`a kill -9 at each ${EACH}th call loses nothing acknowledged, and the next command works`, {
    timeout: 120_000,
  }, async () => {
    const began = performance.now();
    const { points, faults, byAct } = await sweepKills(EACH, 1);
    const seconds = (performance.now() - began) / 1000;
    console.log(`${points} points, ${seconds.toFixed(0)} s; calls that change something: ${byAct}`);
    const what = `SIGKILL at one in ${EACH} state-changing calls of seven commands`;
    recordReliability({ name: 'kills-short', what, points, seconds, seed: null, failures: faults.length });
    expect(faults).toEqual([]);
    expect(points).toBeGreaterThan(5);
  });
});
