/** The test of one form of the fault sweep of break-glass: every fault of every call, or a few of them. */
import { expect, it } from 'vitest';
import { recordReliability } from '../reliability.ts';
import { sweep } from './fault-sweep.ts';
import { openRescueSite, type RescueFault, rescueFaults, tryRescueFault } from './rescue-faults.ts';

const LANES = 2;

/** `each`: every so-many-th fault. */
export function faultsOfARescue(name: string, each: number): void {
  it('break-glass on a failing or lying machine restores traffic or says what failed, and claims nothing untrue', {
    timeout: 1_200_000,
  }, async () => {
    const began = performance.now();
    const free = await Promise.all(Array.from({ length: LANES }, openRescueSite));
    const all = await rescueFaults(free[0] as (typeof free)[number]);
    const points = all.filter((point, index) => index % each === Math.floor(each / 2) || isAboutLeader(point));
    const faults = await sweep(points, LANES, async (point) => {
      const place = free.pop();
      if (place === undefined) throw new Error('more lanes than sites');
      return tryRescueFault(place, point).finally(() => free.push(place));
    });
    await Promise.all(free.map(({ site }) => site.close()));
    const seconds = (performance.now() - began) / 1000;
    console.log(`${points.length} of ${all.length} faults of break-glass, ${seconds.toFixed(0)} s`);
    const calls = each === 1 ? 'every call' : `one in ${each} calls`;
    const what = `errors and wrong byte counts at ${calls} of break-glass while it ends a frozen leader`;
    recordReliability({ name, what, points: points.length, seconds, seed: null, failures: faults.length });
    expect(faults).toEqual([]);
    expect(points.length).toBeGreaterThan(200 / each);
  });
}

/** Who cannot be looked for is not gone: these are in every form. */
function isAboutLeader({ call, fault }: RescueFault): boolean {
  return fault === 'error=EMFILE' && /"\/proc\/\d+\/stat"/.test(call.text);
}
