/** Metrics against what the router served: a jump is no request, and set-ups in which the two differ are no jump. */
import { describe, expect, it } from 'vitest';
import { type ArmCounters, countersSince, type Delta, NO_COUNTERS } from '../../../../src/core/gates/counting/counters.ts';

function arm(atS: number, requests: number): ArmCounters {
  const counters = [
    { counter: 'requests', slice: '', value: requests },
    { counter: 'errors', slice: '', value: 0 },
  ];
  return { targets: { 'app pod:1': { startedMs: null, freshMs: atS * 1000, counters } } };
}

/** The candidate's metrics and what the router served of it, a second apart. */
function read(moments: readonly (readonly [requests: number, served: number])[]): Delta[] {
  let memory = NO_COUNTERS;
  return moments.map(([requests, served], atS) => {
    const delta = countersSince(
      memory,
      { candidate: arm(atS, requests), stable: arm(atS, atS), served: { candidate: served } },
      2000,
    );
    memory = delta.memory;
    return delta;
  });
}

const statesOf = (deltas: readonly Delta[]) => deltas.map(({ candidate }) => candidate.arm.state);
const steady = Array.from({ length: 20 }, (_, at) => [1000 + 50 * at, 50 * at] as const);
const after = (more: number) => Array.from({ length: 5 }, (_, at) => [2000 + more + 50 * at, 1000 + 50 * at] as const);

describe('what the router served', () => {
  it('a counter that jumps far beyond what the router served is named, for that poll alone, and not counted', () => {
    const deltas = read([...steady, ...after(9000)]);
    expect(statesOf(deltas).slice(-6)).toEqual(['counted', 'invalid', 'counted', 'counted', 'counted', 'counted']);
    expect(deltas[20]?.candidate).toMatchObject({
      arm: {
        why: 'app pod:1: a counter jumps: 9050 requests in one poll, though the router served 100; this poll is not counted',
      },
    });
    expect(deltas[20]?.candidate.counts.size).toBe(0);
    expect(deltas[21]?.candidate.counts.get('requests')?.get('')).toBe(50);
  });

  it.each([
    ['metrics that count a sample of the requests', (at: number) => [5 * at, 50 * at]],
    ['clients that come by other ways', (at: number) => [2000 * at, 50 * at]],
    ['clients of which the router sees none', (at: number) => [300 * at, 0]],
    ['a scrape every 15 s', (at: number) => [750 * Math.floor(at / 15), 50 * at]],
    [
      'traffic that grows tenfold',
      (at: number) => [at < 30 ? 50 * at : 500 * at - 13_500, at < 30 ? 50 * at : 500 * at - 13_500],
    ],
    ['a router that begins anew', (at: number) => [50 * at, 50 * (at % 30)]],
  ] as const)('%s is no jump', (_, moment) => {
    const deltas = read(Array.from({ length: 90 }, (_unused, at) => moment(at) as [number, number]));
    expect(new Set(statesOf(deltas.slice(1)))).toEqual(new Set(['counted']));
  });

  it('clients that come by other ways from now on hold one poll, not all that follow', () => {
    const deltas = read([...steady, ...Array.from({ length: 20 }, (_, at) => [4000 + 2000 * at, 1000 + 50 * at] as const)]);
    expect(statesOf(deltas).filter((state) => state === 'invalid').length).toBeLessThan(4);
    expect(statesOf(deltas).slice(-12)).toEqual(Array.from({ length: 12 }, () => 'counted'));
  });
});
