/** The fault sweep in full. */
import { describe, expect, it } from 'vitest';
import { recordReliability } from '../reliability.ts';
import { buildProgram } from './build.ts';
import { faultPoints, sweep, tryFault } from './fault-sweep.ts';

/** Every so-many-th point. */
const EACH = 1;

describe('EIO, ENOSPC, EDQUOT, EROFS, EMFILE, EACCES and lying counts at the calls', () => {
  it('an error or a lying count at any call of a durable write: nothing is acknowledged that is not there', {
    timeout: 900_000,
  }, async () => {
    const began = performance.now();
    const writer = await buildProgram('writer');
    const all = await faultPoints(writer);
    const points = all.filter((_, index) => index % EACH === 0);
    const faults = await sweep(points, 2, (point) => tryFault(writer, point));
    const seconds = (performance.now() - began) / 1000;
    console.log(`${points.length} of ${all.length} points, ${seconds.toFixed(0)} s`);
    const what = 'errors and wrong byte counts at every call of six durable writes';
    recordReliability({ name: 'faults', what, points: points.length, seconds, seed: null, failures: faults.length });
    expect(faults).toEqual([]);
    expect(points.length).toBeGreaterThan(300);
  });
});
