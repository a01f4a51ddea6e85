/** Raw counters: differences over one window of both builds, and every way in which there is none. */
import { describe, expect, it } from 'vitest';
import { gatePollOf } from '../../../../src/core/gates/counting/blocks.ts';
import { type CounterMemory, counterMemorySchema } from '../../../../src/core/gates/counting/counter-memory.ts';
import {
  type ArmCounters,
  type Counters,
  countersSince,
  type Delta,
  hasMoved,
  NO_COUNTERS,
  type Target,
} from '../../../../src/core/gates/counting/counters.ts';
import { judgedBounds, type MetricCounters, RESTARTS } from '../../../../src/core/gates/counting/metric-counters.ts';
import { WHOLE } from '../../../../src/core/gates/gate-settings.ts';
import { blockOf } from '../verdict/judged.ts';

const LAG_MS = 10_000;
const ERRORS: MetricCounters = { metric: 'errors', requests: 'requests', failures: 'errors', counts: 'failures' };

/** One target: `requests` and `errors` by slice, asked at so many seconds, started at 0 unless said otherwise. */
function target(atS: number, values: Readonly<Record<string, number>>, startedMs: number | null = 0): Target {
  const counters = Object.entries(values).map(([name, value]) => {
    const [counter = '', slice = ''] = name.split('|');
    return { counter, slice, value };
  });
  return { startedMs, freshMs: atS * 1000, counters };
}

const one = (it: Target): ArmCounters => ({ targets: { a: it } });
const of = (atS: number, requests: number, errors?: number): ArmCounters =>
  one(target(atS, errors === undefined ? { requests } : { requests, errors }));

/** The last difference of readings, one after the other. */
function read(readings: readonly Counters[], memory: CounterMemory = NO_COUNTERS): Delta {
  let delta: Delta | undefined;
  for (const reading of readings) delta = countersSince(delta?.memory ?? memory, reading, LAG_MS);
  return delta ?? expect.fail('no reading');
}

const both = (atS: number, requests: number, errors?: number): Counters => ({
  candidate: of(atS, requests, errors),
  stable: of(atS, 10 * requests, errors),
});
const states = ({ candidate, stable }: Delta) => [candidate.arm.state, stable.arm.state];
const errorsOf = (delta: Delta) => gatePollOf(delta, [ERRORS]).blocks['errors']?.[WHOLE];

describe('counters', () => {
  it('counters begin with the first reading: it is no difference yet', () => {
    expect(states(read([both(0, 1000, 5)]))).toEqual(['missing', 'missing']);
  });

  it('counters of a target that no ledger can keep are invalid, not forgotten', () => {
    const named = (atS: number): ArmCounters => ({ targets: { ['__proto__']: target(atS, { requests: 10 * atS }) } });
    const delta = read([15, 30].map((atS) => ({ candidate: named(atS), stable: of(atS, atS) })));
    expect(delta.candidate.arm).toEqual({ state: 'invalid', why: 'a target cannot be called __proto__' });
  });

  it('counters say what was counted since', () => {
    const delta = read([both(0, 1000, 5), both(15, 1150, 7)]);
    expect(states(delta)).toEqual(['counted', 'counted']);
    expect(errorsOf(delta)).toEqual(blockOf([2, 150, 2, 1500]));
  });

  it('a counter of errors is born with the first: one that was not there while its target was up counts from 0', () => {
    const delta = read([both(0, 1000), both(15, 1150, 7)]);
    expect(errorsOf(delta)).toEqual(blockOf([7, 150, 7, 1500]));
    expect(errorsOf(read([both(0, 1000), both(15, 1150)]))).toEqual(blockOf([0, 150, 0, 1500]));
  });

  it('counters of a target that started since count from 0; of one that was there before only from now', () => {
    const two = (startedMs: number | null): Counters => ({
      candidate: { targets: { a: target(15, { requests: 100 }), b: target(15, { requests: 70, errors: 7 }, startedMs) } },
      stable: of(15, 2000),
    });
    const begun = both(0, 100);
    expect(errorsOf(read([begun, two(5000)]))?.candidate).toEqual({ requests: 70, failures: 7 });
    expect(errorsOf(read([begun, two(-5000)]))?.candidate).toEqual({ requests: 0, failures: 0 });
    expect(errorsOf(read([begun, two(null)]))?.candidate).toEqual({ requests: 0, failures: 0 });
  });

  it('counters that went back restarted: what they show is a lower bound, and a restart is counted', () => {
    const restarted = read([
      both(0, 1000, 5),
      { candidate: one(target(15, { requests: 40, errors: 4 }, 9000)), stable: of(15, 11_000, 6) },
    ]);
    expect(states(restarted)).toEqual(['reset', 'counted']);
    expect(errorsOf(restarted)).toEqual(blockOf([4, 40, 1, 1000]));
    const poll = gatePollOf(restarted, [ERRORS]);
    expect(poll.blocks[RESTARTS]?.[WHOLE]).toEqual(blockOf([1, 2, 0, 1]));
    // Nobody knows when it started: of each counter the lesser of both readings of it.
    const undated = (values: Readonly<Record<string, number>>, atS: number) => one(target(atS, values, null));
    const guessed = read([
      { candidate: undated({ requests: 1000, errors: 5 }, 0), stable: of(0, 0) },
      { candidate: undated({ requests: 20, errors: 6 }, 15), stable: of(15, 1000) },
    ]);
    expect(states(guessed)).toEqual(['reset', 'counted']);
    expect(errorsOf(guessed)?.candidate).toEqual({ requests: 20, failures: 1 });
  });

  it('counters that went back or are gone without a restart are invalid: a cut answer makes no new failures', () => {
    const back = read([both(0, 1000, 5), both(15, 1100, 4)]);
    expect(states(back)).toEqual(['invalid', 'invalid']);
    const gone: Counters = { candidate: of(15, 1100), stable: of(15, 11_000, 5) };
    expect(states(read([both(0, 1000, 5), gone]))).toEqual(['invalid', 'counted']);
    const whole = read([both(0, 1000, 5), gone, both(30, 1200, 6)]);
    expect(states(whole)).toEqual(['counted', 'counted']);
    expect(errorsOf(whole)).toEqual(blockOf([1, 200, 1, 2000]));
  });

  describe('that are gone', () => {
    const without = (atS: number, requests: number): Counters => ({
      candidate: of(atS, requests),
      stable: of(atS, 10 * requests, 5),
    });
    const withErrors = (atS: number, requests: number, errors: number): Counters => ({
      candidate: of(atS, requests, errors),
      stable: of(atS, 10 * requests, 5),
    });
    const begun = [both(0, 1000, 5), both(15, 1100, 5)];

    it('counters gone for longer than data are waited for begin anew, with no difference and no restart', () => {
      const early = read([...begun, without(20, 1150), without(30, 1200)]);
      expect(states(early)).toEqual(['invalid', 'counted']);
      const late = read([without(31, 1250)], early.memory);
      expect(late.candidate).toMatchObject({ arm: { state: 'reset', why: 'a no longer has errors' }, restarts: 0 });
      expect(errorsOf(late)?.candidate).toEqual({ requests: 0, failures: 0 });
      expect(hasMoved(early.memory, late.memory)).toBe(true);
      const next = read([without(45, 1300)], late.memory);
      expect(states(next)).toEqual(['counted', 'counted']);
      expect(errorsOf(next)).toEqual(blockOf([0, 50, 0, 500]));
      expect(counterMemorySchema.parse(JSON.parse(JSON.stringify(next.memory)))).toEqual(next.memory);
    });

    it.each([5, 9, 3])('counters that come back at %i begin there: no one knows where they count from', (value) => {
      const given = read([...begun, without(20, 1150), without(31, 1250), without(45, 1300)]);
      const back = read([withErrors(60, 1400, value)], given.memory);
      expect(states(back)).toEqual(['counted', 'counted']);
      expect(errorsOf(back)?.candidate).toEqual({ requests: 100, failures: 0 });
      expect(errorsOf(read([withErrors(75, 1500, value + 2)], back.memory))?.candidate).toEqual({ requests: 100, failures: 2 });
    });

    it('counters missing from an answer now and then are only cut short: whole answers between are counted', () => {
      const cut = read([...begun, without(20, 1150), withErrors(25, 1200, 6), without(40, 1250)]);
      expect(states(cut)).toEqual(['invalid', 'counted']);
      // Nothing moved but what was noticed, and a whole answer that cannot be used for the other build's sake clears that.
      const stableDown = (atS: number): Counters => ({ candidate: { missing: 'down' }, stable: of(atS, 13_000, 7) });
      const stableCut = (atS: number): Counters => ({ candidate: { missing: 'down' }, stable: of(atS, 13_000) });
      const seen = read([both(25, 1200, 6), stableCut(30), stableDown(41), stableCut(42)]);
      expect(states(seen)).toEqual(['missing', 'invalid']);
      expect(hasMoved(read([both(25, 1200, 6)]).memory, seen.memory)).toBe(false);
      expect(errorsOf(read([both(50, 1300, 7)], seen.memory))).toEqual(blockOf([1, 100, 1, 1000]));
    });
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, -1, 0.5, 1e300])('counters of %f are invalid', (value) => {
    expect(states(read([both(0, 0), { candidate: of(15, value), stable: of(15, 10) }]))).toEqual(['invalid', 'counted']);
  });

  it('counters that are there twice are invalid, and so are those of no known time', () => {
    const twice: Target = {
      ...target(15, { requests: 10 }),
      counters: [10, 11].map((value) => ({ counter: 'requests', slice: '', value })),
    };
    expect(states(read([both(0, 0), { candidate: one(twice), stable: of(15, 10) }]))[0]).toBe('invalid');
    const timeless = { ...target(15, { requests: 10 }), freshMs: Number.NaN };
    expect(states(read([both(0, 0), { candidate: one(timeless), stable: of(15, 10) }]))[0]).toBe('invalid');
  });

  it('counters of a target that does not answer are missing, and so are those of no target', () => {
    const mute: ArmCounters = {
      targets: { a: target(15, { requests: 10 }), b: { startedMs: 0, freshMs: 15_000, counters: null } },
    };
    expect(read([both(0, 0), { candidate: mute, stable: of(15, 10) }]).candidate.arm).toEqual({
      state: 'missing',
      why: 'b does not answer',
    });
    expect(states(read([both(0, 0), { candidate: { targets: {} }, stable: of(15, 10) }]))).toEqual(['missing', 'counted']);
    expect(states(read([both(0, 0), { candidate: { missing: 'down' }, stable: { missing: 'down' } }]))).toEqual([
      'missing',
      'missing',
    ]);
  });

  it('counters of several processes that cannot be told apart begin anew once they go back, or one is gone', () => {
    const sum = (atS: number, values: Readonly<Record<string, number>>): ArmCounters => ({
      targets: { total: { ...target(atS, values, null), several: true } },
    });
    const pair = (atS: number, values: Readonly<Record<string, number>>): Counters => ({
      candidate: sum(atS, values),
      stable: of(atS, 100 * atS),
    });
    const known = [pair(0, { requests: 1000, errors: 9 }), pair(15, { requests: 1100, errors: 9 })];
    expect(errorsOf(read(known))?.candidate).toEqual({ requests: 100, failures: 0 });
    for (const fewer of [{ requests: 700, errors: 12 }, { requests: 1200 }] as const) {
      const back = read([...known, pair(30, fewer)]);
      expect(back.candidate).toMatchObject({
        arm: { state: 'reset', why: expect.stringMatching(/^total decreased: it is a sum over processes/) },
        restarts: 1,
      });
      expect(errorsOf(back)?.candidate).toEqual({ requests: 0, failures: 0 });
      const more = { ...fewer, requests: fewer.requests + 50 };
      expect(errorsOf(read([pair(45, more)], back.memory))?.candidate).toEqual({ requests: 50, failures: 0 });
    }
    expect(counterMemorySchema.parse(JSON.parse(JSON.stringify(read(known).memory)))).toEqual(read(known).memory);
  });
});

describe('the window', () => {
  it('the window is the same for both: while one is late nothing moves, and the next difference spans the gap', () => {
    const late: Counters = { candidate: of(15, 1150), stable: of(6, 10_600) };
    const waiting = read([both(6, 1060), late]);
    expect(states(waiting)).toEqual(['late', 'late']);
    expect(waiting.memory).toEqual(read([both(6, 1060)]).memory);
    expect(errorsOf(read([both(20, 1200)], waiting.memory))).toEqual(blockOf([0, 140, 0, 1400]));
  });

  it('the window of a build that is late for too long is missing', () => {
    expect(states(read([both(0, 1000), { candidate: of(15, 1150), stable: of(0, 10_000) }]))).toEqual(['counted', 'missing']);
    expect(states(read([both(0, 1000), { candidate: of(0, 1000), stable: of(15, 11_500) }]))).toEqual(['missing', 'counted']);
  });

  it('there is no window of builds that end far apart', () => {
    expect(states(read([both(0, 1000), { candidate: of(15, 1150), stable: of(26, 12_600) }]))).toEqual(['late', 'late']);
  });

  it('the window begins anew for a stable build that was missing while the candidate went on', () => {
    const alone: Counters = { candidate: of(15, 1150, 3), stable: { missing: 'down' } };
    const without = read([both(0, 1000, 0), alone]);
    expect(states(without)).toEqual(['counted', 'missing']);
    expect(errorsOf(without)?.candidate).toEqual({ requests: 150, failures: 3 });
    const again = read([both(30, 1300, 4)], without.memory);
    expect(states(again)).toEqual(['counted', 'missing']);
    expect(errorsOf(read([both(45, 1450, 4)], again.memory))).toEqual(blockOf([0, 150, 0, 1500]));
  });

  it('the window of a candidate that was missing spans the gap for both', () => {
    const gap: Counters = { candidate: { missing: 'timeout' }, stable: of(15, 11_500) };
    const missing = read([both(0, 1000), gap]);
    expect(states(missing)).toEqual(['missing', 'counted']);
    expect(errorsOf(missing)).toEqual(blockOf([0, 0, 0, 0]));
    expect(errorsOf(read([both(30, 1300)], missing.memory))).toEqual(blockOf([0, 300, 0, 3000]));
  });

  it('the window of a candidate that comes to be during the rollout begins with both', () => {
    const before: Counters = { candidate: { targets: {} }, stable: of(0, 10_000) };
    const born = read([before, { ...before, stable: of(15, 11_500) }, both(30, 1300)]);
    expect(states(born)).toEqual(['missing', 'counted']);
    expect(errorsOf(read([both(45, 1450)], born.memory))).toEqual(blockOf([0, 150, 0, 1500]));
  });

  it('the window of a candidate alone, by plan, needs no stable build', () => {
    const alone = (atS: number, requests: number): Counters => ({ candidate: of(atS, requests), stable: { absent: true } });
    expect(states(read([both(0, 1000), alone(15, 1100), alone(30, 1300)]))).toEqual(['counted', 'absent']);
  });

  it('the window outlives the process: the memory is plain JSON', () => {
    const { memory } = read([both(0, 1000, 5)]);
    expect(counterMemorySchema.parse(JSON.parse(JSON.stringify(memory)))).toEqual(memory);
  });
});

describe('blocks', () => {
  it('the blocks are counted by slice, and their sum is the whole', () => {
    const slices = (atS: number, times: number) =>
      one(target(atS, { 'requests|eu': 100 * times, 'requests|a': 10 * times, 'errors|eu': 2 * times }));
    const delta = read([
      { candidate: slices(0, 1), stable: slices(0, 1) },
      { candidate: slices(15, 2), stable: slices(15, 3) },
    ]);
    expect(gatePollOf(delta, [ERRORS]).blocks['errors']).toEqual({
      [WHOLE]: blockOf([2, 110, 4, 220]),
      eu: blockOf([2, 100, 4, 200]),
      a: blockOf([0, 10, 0, 20]),
    });
  });

  it('the blocks judge the bounds that most of the stable build keeps, and never infinity', () => {
    const stable = [
      { le: Number.POSITIVE_INFINITY, count: 1000 },
      { le: 0.1, count: 399 },
      { le: 0.25, count: 400 },
      { le: 1, count: 1000 },
    ];
    expect(judgedBounds(stable)).toEqual([0.25, 1]);
    expect(judgedBounds([])).toEqual([]);
    expect(judgedBounds([{ le: 1, count: 0 }])).toEqual([]);
  });
});
