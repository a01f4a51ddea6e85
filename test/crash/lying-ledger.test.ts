/** A disk that says it took bytes which it never kept: the ledger must neither acknowledge such an entry nor be damaged by it. */
import { expect, it } from 'vitest';
import { recordReliability } from '../reliability.ts';
import { buildProgram } from './build.ts';
import { faultPoints, sweep, tryFault } from './fault-sweep.ts';

it('a lying count at any write of the ledger is no acknowledgement, and the next writer goes on', {
  timeout: 120_000,
}, async () => {
  const began = performance.now();
  const writer = await buildProgram('writer');
  const points = (await faultPoints(writer, ['ledger'])).filter(({ fault }) => fault.startsWith('retval='));
  const faults = await sweep(points, 2, (point) => tryFault(writer, point));
  const seconds = (performance.now() - began) / 1000;
  recordReliability({
    name: 'lying-ledger',
    what: 'wrong byte counts at each write of the ledger',
    points: points.length,
    seconds,
    seed: null,
    failures: faults.length,
  });
  expect(faults).toEqual([]);
  expect(points.length).toBeGreaterThan(3);
});
