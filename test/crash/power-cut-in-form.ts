/** The test of one form of the power cuts on a real ext4: a few of them, or many. */
import { expect, it } from 'vitest';
import { recordReliability } from '../reliability.ts';
import { WRITES } from './fault-sweep.ts';
import { mayMount } from './mounts.ts';
import { cutPower } from './power-cut.ts';

/** `times`: how often power is cut at each acknowledgement. */
export function powerCuts(name: string, times: number): void {
  it('a power cut at an acknowledgement takes nothing away that was acknowledged, and would without the flushes', {
    timeout: 280_000,
  }, async () => {
    if (!mayMount(`${3 + 3 * times + 1} power cuts on ext4`)) return;
    const began = performance.now();
    const { points, faults } = await cutPower(WRITES, times);
    const careless = await cutPower(['pointer', 'ledger'], 1, true);
    const seconds = (performance.now() - began) / 1000;
    console.log(`${points} power cuts, ${seconds.toFixed(0)} s; ${careless.faults.length} losses where nothing was flushed`);
    const what = 'power cut on ext4 at each acknowledgement of six durable writes';
    recordReliability({ name, what, points, seconds, seed: null, failures: faults.length });
    expect(faults).toEqual([]);
    expect(points).toBe(4 + 3 * times);
    expect(careless.faults.length).toBeGreaterThan(0);
  });
}
