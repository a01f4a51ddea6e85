/** Gates: what is a failure, what is health, and what is neither. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seeded } from '../../../../src/backtest/calibration.ts';
import {
  type Counts,
  durationSchema,
  emptyMemory,
  fractionSchema,
  type GateMemory,
  gateLimitsSchema,
  judgeGate,
  type Measurement,
  parseDuration,
} from '../../../../src/core/gates/verdict/gate.ts';
import { judgeAll } from '../../../../src/core/gates/verdict/verdict.ts';
import { countText, fractionText, msText } from '../../../../src/core/text.ts';

const SEED = Number(process.env.KVDEPLOY_SEED ?? Date.now() % 1_000_000);
const LIMITS = { max: 0.01, minRequests: 100 };

const total = (requests: number, errors: number): Counts => ({ requests, errors, counting: 'total' });
const sample = (requests: number, errors: number): Counts => ({ requests, errors, counting: 'sample' });
const FRESH = emptyMemory(total(0, 0));

/** The verdicts of one poll after the other. */
function judged(measurements: readonly Measurement[], limits = LIMITS, began: GateMemory = FRESH) {
  let memory = began;
  return measurements.map((measurement) => {
    const result = judgeGate(limits, memory, measurement);
    memory = result.memory;
    return result.judged;
  });
}
const verdicts = (...args: Parameters<typeof judged>) => judged(...args).map((one) => one.verdict);
const verdictOf = (requests: number, errors: number, limits = LIMITS) => verdicts([total(requests, errors)], limits)[0];

describe('a limit of 1 % with at least 100 requests', () => {
  it.each([
    [0, 0, 'hold'],
    [99, 0, 'hold'],
    [100, 0, 'pass'],
    [100, 1, 'pass'],
    [100, 2, 'fail'],
    [99, 1, 'hold'],
    [2, 2, 'fail'],
    [1, 1, 'hold'],
    [10_000, 100, 'pass'],
    [10_000, 101, 'fail'],
  ])('a limit of 1 % judges %i requests with %i errors as %s', (requests, errors, verdict) => {
    expect(verdictOf(requests, errors)).toBe(verdict);
  });

  it('a limit fails as soon as 100 requests could not keep it any more, not only at the hundredth', () => {
    expect(verdicts([total(1, 1), total(2, 2)])).toEqual(['hold', 'fail']);
  });

  it('a limit says counts, percentage and limit, and what is missing', () => {
    const [waiting, failed, passed] = [total(40, 1), total(40, 3), total(500, 1)].map((one) => judged([one])[0]);
    expect(waiting).toEqual({
      verdict: 'hold',
      why: '60 more requests needed; 1 of 40 (2.5 %) failed, limit 1 %',
      requests: 40,
      errors: 1,
    });
    expect(failed).toMatchObject({ verdict: 'fail', why: '3 of 40 (7.5 %) failed, limit 1 %' });
    expect(passed).toMatchObject({ verdict: 'pass', why: '1 of 500 (0.2 %) failed, limit 1 %' });
  });

  it('a limit shows what the source says about the counts', () => {
    const [result] = judged([{ ...sample(20, 20), detail: '20 probes answered 401' }]);
    expect(result?.why).toBe('20 of 20 (100 %) failed (20 probes answered 401), limit 1 %');
  });
});

describe('what is neither health nor failure', () => {
  const nonsense = [
    ['requests that are no number', total(Number.NaN, 0)],
    ['errors that are no number', total(200, Number.NaN)],
    ['endless requests', total(Number.POSITIVE_INFINITY, 0)],
    ['fewer than no requests', total(-1, 0)],
    ['fewer than no errors', total(200, -1)],
    ['more errors than requests', total(200, 201)],
    ['more errors than requests in a sample', sample(20, 21)],
    ['a sample that is no number', sample(Number.NaN, 0)],
    ['no data', { missing: 'no series' }],
  ] as const;

  it.each(nonsense)('a measurement of %s is not yet, and is forgotten', (_what, measurement) => {
    expect(verdicts([measurement])).toEqual(['hold']);
    expect(verdicts([measurement, total(200, 0)])).toEqual(['hold', 'pass']);
    expect(verdicts([total(200, 0), measurement])).toEqual(['pass', 'hold']);
    expect(judgeGate(LIMITS, FRESH, measurement).memory).toEqual(FRESH);
  });

  it.each(nonsense)('a measurement of %s is no beginning to count from', (_what, measurement) => {
    if ('missing' in measurement) return;
    expect(emptyMemory(measurement).baseline).toBeNull();
  });

  it('errors that are counted a moment before their requests are not yet, though both totals make sense', () => {
    const [result] = judged([total(101, 3)], LIMITS, emptyMemory(total(100, 0)));
    expect(result).toEqual({ verdict: 'hold', why: '3 errors but only 1 requests so far', requests: 1, errors: 3 });
  });

  it.each([
    ['a limit', { max: Number.NaN, minRequests: 100 }],
    ['a minimum', { max: 0.01, minRequests: Number.NaN }],
  ])('%s that is no number passes nothing', (_what, limits) => {
    expect(verdictOf(1000, 0, limits)).toBe('hold');
  });

  it('no request at all passes nothing, even where none is required', () => {
    expect(verdictOf(0, 0, { max: 0.01, minRequests: 0 })).toBe('hold');
  });
});

describe('totals', () => {
  it('totals count from the beginning of the bake', () => {
    const began = emptyMemory(total(1000, 500));
    expect(verdicts([total(1099, 500), total(1100, 501), total(1100, 502)], LIMITS, began)).toEqual(['hold', 'pass', 'fail']);
  });

  it('totals count from the first counts where nothing was known at the beginning', () => {
    const results = judged([total(1000, 500), total(1100, 500)], LIMITS, emptyMemory(null));
    expect(results.map((one) => one.verdict)).toEqual(['hold', 'pass']);
    expect(results[0]?.why).toBe('this is the first reading');
  });

  it.each([
    ['requests', total(10, 2)],
    ['both', total(10, 0)],
    ['errors', total(600, 1)],
  ])('totals that go back (%s) are not yet, and counting begins again there', (_which, back) => {
    const began = emptyMemory(total(500, 2));
    const on = total(back.requests + 100, back.errors);
    const results = judged([back, on, total(on.requests, on.errors + 2)], LIMITS, began);
    expect(results.map((one) => one.verdict)).toEqual(['hold', 'pass', 'fail']);
    expect(results[0]?.why).toContain('decreased');
  });

  it('totals do not add up: the same total twice is the same count', () => {
    expect(judged([total(60, 0), total(60, 0)]).map((one) => one.requests)).toEqual([60, 60]);
  });
});

describe('samples', () => {
  it('samples add up over the polls', () => {
    expect(verdicts([sample(50, 0), sample(49, 1), sample(1, 0)])).toEqual(['hold', 'hold', 'pass']);
    expect(verdicts([sample(50, 1), sample(5, 1)])).toEqual(['hold', 'fail']);
  });

  it('samples have no beginning: a baseline of samples is none', () => {
    expect(emptyMemory(sample(50, 50)).baseline).toBeNull();
  });
});

describe('all gates together', () => {
  it.each([
    [[], 'hold'],
    [['pass'], 'pass'],
    [['pass', 'pass'], 'pass'],
    [['pass', 'hold'], 'hold'],
    [['hold', 'fail'], 'fail'],
    [['pass', 'fail'], 'fail'],
    [['hold', 'give-up', 'pass'], 'give-up'],
    [['give-up', 'fail'], 'fail'],
  ] as const)('all gates together: %j say %s', (all, verdict) => {
    expect(judgeAll(all.map((one) => ({ verdict: one })))).toBe(verdict);
  });
});

describe(`any counts (seed ${SEED})`, () => {
  // Ten thousandths of a percent, as the config can write them.
  const millionths = fc.integer({ min: 0, max: 1_000_000 });
  const limits = fc.record({ millionths, minRequests: fc.integer({ min: 1, max: 1_000_000_000 }) });
  const count = fc.oneof(fc.nat(500), fc.nat(1_000_000_000));

  it('any counts fail exactly when the limit cannot be kept any more, and pass exactly when it is kept by enough', () => {
    fc.assert(
      fc.property(limits, count, count, (limit, one, other) => {
        const { minRequests } = limit;
        const max = fractionSchema.parse(`${(limit.millionths / 10_000).toFixed(4)}%`);
        const [requests, errors] = [Math.max(one, other), Math.min(one, other)];
        const least = BigInt(Math.max(requests, minRequests)) * BigInt(limit.millionths);
        const broken = BigInt(errors) * 1_000_000n > least;
        const wanted = broken ? 'fail' : requests >= minRequests ? 'pass' : 'hold';
        expect(verdictOf(requests, errors, { max, minRequests })).toBe(wanted);
      }),
      { seed: SEED, numRuns: 3000 },
    );
  });

  it('any counts exactly at a limit are within it, whatever the limit', () => {
    for (let percent = 0; percent <= 100; percent += 1) {
      const max = fractionSchema.parse(`${percent}%`);
      expect([percent, verdictOf(100, percent, { max, minRequests: 100 })]).toEqual([percent, 'pass']);
    }
    for (const tenths of [1, 3, 7, 9, 11]) {
      const max = fractionSchema.parse(`${tenths / 10} %`);
      expect([tenths, verdictOf(1000, tenths, { max, minRequests: 100 })]).toEqual([tenths, 'pass']);
    }
  });

  it('any counts pass only on what was seen: a pass has enough requests since the last gap', () => {
    const measurement: fc.Arbitrary<Measurement> = fc.oneof(
      fc.record({
        requests: fc.oneof(fc.nat(300), fc.double()),
        errors: fc.oneof(fc.nat(3), fc.double()),
        counting: fc.constant('total' as const),
      }),
      fc.constant({ missing: 'no answer' }),
    );
    fc.assert(
      fc.property(fc.array(measurement, { maxLength: 12 }), (all) => {
        for (const [index, one] of judged(all, LIMITS, emptyMemory(null)).entries()) {
          const now = all[index];
          if (one.verdict === 'hold') continue;
          expect(now).toBeDefined();
          if (now === undefined || 'missing' in now) throw new Error('missing data was judged');
          expect(Number.isFinite(now.requests) && now.errors <= now.requests && now.errors >= 0).toBe(true);
          if (one.verdict === 'pass') expect(one.requests).toBeGreaterThanOrEqual(LIMITS.minRequests);
          expect(one.requests).toBeLessThanOrEqual(now.requests);
        }
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  it('any counts that failed stay failed until a limit could be kept again: only errors never pass', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(40), { minLength: 1, maxLength: 30 }), (steps) => {
        let requests = 0;
        const all = steps.map((step) => {
          requests += step;
          return total(requests, requests);
        });
        expect(verdicts(all)).not.toContain('pass');
      }),
      { seed: SEED },
    );
  });
});

describe('texts', () => {
  it.each([
    [0, '0 %'],
    [0.0026, '0.26 %'],
    [0.075, '7.5 %'],
    [1 / 3, '33.33 %'],
    [1, '100 %'],
    [0.0001, '0.01 %'],
    [0.00001, '0.001 %'],
    [0.000001, '0.0001 %'],
  ])('the text of the share %d is %s', (fraction, text) => {
    expect(fractionText(fraction)).toBe(text);
  });

  it('the text of a rate puts the count before every percentage', () => {
    expect(countText(3, 40)).toBe('3 of 40 (7.5 %)');
    expect(countText(0, 0)).toBe('0 of 0');
  });
});

describe('what is written in the config', () => {
  it.each([
    ['1%', 0.01],
    ['0.5 %', 0.005],
    ['0.7%', 0.007],
    ['100%', 1],
    ['0%', 0],
    ['0.0001%', 0.000001],
  ])('the config may give a share of %s', (text, fraction) => {
    expect(fractionSchema.parse(text)).toBe(fraction);
  });

  it.each(['1', '0.01', '101%', '100.0001%', '-1%', '1 percent', '1  %', '1.00001%', '.5%', '1,5%', '1%\n', '', '٣%'])(
    'the config may not give %j as a share',
    (text) => {
      expect(fractionSchema.safeParse(text).success).toBe(false);
    },
  );

  it('durations of whole milliseconds below a second are read as they are written', () => {
    for (let ms = 0; ms < 1000; ms += 1) expect(parseDuration(msText(ms))).toBe(ms);
  });

  it('a duration that is none says what one looks like', () => {
    expect(durationSchema.safeParse('soon').error?.issues[0]?.message).toContain('90s');
    expect(durationSchema.parse('1h30m')).toBe(5_400_000);
  });

  it('a gate needs a name and a limit; 100 requests are assumed', () => {
    expect(gateLimitsSchema.parse({ name: 'errors', max: '1%' })).toEqual({ name: 'errors', max: 0.01, minRequests: 100 });
    for (const wrong of [
      { max: '1%' },
      { name: 'errors' },
      { name: 'Errors', max: '1%' },
      { name: 'errors', max: '1%', minRequests: 0 },
    ]) {
      expect(gateLimitsSchema.safeParse(wrong).success).toBe(false);
    }
  });
});

describe('counts by location of the router', () => {
  const part = (requests: number, errors: number) => ({ requests, errors, failed: { 401: errors } });
  const at = (parts: Readonly<Record<string, ReturnType<typeof part>>>): Counts => {
    const sum = (key: 'requests' | 'errors') => Object.values(parts).reduce((all, one) => all + one[key], 0);
    return { requests: sum('requests'), errors: sum('errors'), counting: 'total', parts };
  };
  const began = emptyMemory(at({ a: part(1000, 0), b: part(1000, 500) }));

  it('a location that is silent keeps what it counted, and another still fails the limit', () => {
    const polls = [at({ a: part(1060, 0), b: part(1060, 500) }), at({ a: part(1090, 0) }), at({ a: part(1100, 5) })];
    expect(judged(polls, LIMITS, began).map(({ verdict, requests }) => [verdict, requests])).toEqual([
      ['pass', 120],
      ['pass', 150],
      ['fail', 160],
    ]);
  });

  it('a location that comes back goes on from where it was, and a new one from what it shows first', () => {
    const polls = [at({ a: part(1100, 0) }), at({ a: part(1100, 0), b: part(1100, 500), c: part(900, 900) })];
    expect(judged(polls, LIMITS, began).map(({ verdict, requests, errors }) => [verdict, requests, errors])).toEqual([
      ['pass', 100, 0],
      ['pass', 200, 0],
    ]);
  });

  it('a location whose counters begin again loses no failure that was seen', () => {
    const polls = [
      at({ a: part(1100, 1), b: part(1000, 500) }),
      at({ a: part(3, 0), b: part(1100, 500) }),
      at({ a: part(53, 2) }),
    ];
    expect(judged(polls, LIMITS, began).map(({ verdict, errors }) => [verdict, errors])).toEqual([
      ['pass', 1],
      ['pass', 1],
      ['fail', 3],
    ]);
  });

  it('a failed limit names the statuses, and a baseline of an older version only begins', () => {
    expect(judged([at({ a: part(1100, 30), b: part(1000, 500) })], LIMITS, began)[0]?.why).toMatch(/\(30 x 401\), limit 1 %/);
    expect(verdicts([at({ a: part(5000, 4000) }), at({ a: part(5200, 4000) })], LIMITS, emptyMemory(total(5000, 0)))).toEqual([
      'hold',
      'pass',
    ]);
  });
});

describe('a fixed limit and members of a place', () => {
  const part = (member: string | undefined, requests: number, errors: number) => {
    return { requests, errors, failed: { '5xx': errors }, ...(member === undefined ? {} : { member }) };
  };
  /** Ten members with so many requests each, of which the third fails so many, and the others so many. */
  const ten = (requests: number, ofThird: number, ofOthers = 0): Counts => {
    const all = Array.from({ length: 10 }, (_, index) => {
      const errors = index === 2 ? ofThird : ofOthers;
      return [`edge1 green-${index + 1}`, part(`member green-${index + 1} at edge1`, requests, errors)] as const;
    });
    const errors = ofThird + 9 * ofOthers;
    return { requests: 10 * requests, errors, counting: 'total', parts: Object.fromEntries(all) };
  };
  const began = emptyMemory(ten(0, 0));

  it('one member of ten that is far above a fixed limit fails the gate though all of them together keep it, and is named', () => {
    const limits = { max: 0.05, minRequests: 100 };
    const [last] = judged([ten(90, 18)], limits, began);
    expect(last).toMatchObject({ verdict: 'fail', requests: 900, errors: 18 });
    expect(last?.why).toMatch(
      /^member green-3 at edge1: 18 of 90 \(20 %\) failed \(18 x 5xx\), limit 5 %; all members: 18 of 900 /,
    );
  });

  it('one member that answers nothing but 500 fails a fixed limit before all of them have the least requests', () => {
    expect(judged([ten(8, 8)], { max: 0.05, minRequests: 1000 }, began)[0]).toMatchObject({
      verdict: 'fail',
      why: expect.stringMatching(/^member green-3 at edge1: 8 of 8 /),
    });
  });

  it('a member that is a little unlucky fails no fixed limit', () => {
    const limits = { max: 0.01, minRequests: 100 };
    expect(verdicts([ten(30, 2), ten(100, 3), ten(1000, 20)], limits, began)).toEqual(['pass', 'pass', 'pass']);
  });

  it('no healthy member at a tenth of the limit fails it, whatever the number of polls', () => {
    const limits = { max: 0.01, minRequests: 100 };
    const random = seeded(20261130);
    for (let run = 0; run < 100; run += 1) {
      const totals = Array.from({ length: 60 }, (_, index) => ({ name: `green-${index}`, requests: 0, errors: 0 }));
      const polls = Array.from({ length: 100 }, (): Counts => {
        for (const total of totals) {
          total.requests += 5;
          for (let request = 0; request < 5; request += 1) if (random() < 0.001) total.errors += 1;
        }
        const parts = totals.map(({ name, requests, errors }) => [name, part(`member ${name}`, requests, errors)] as const);
        const sum = (key: 'requests' | 'errors') => totals.reduce((all, total) => all + total[key], 0);
        return { requests: sum('requests'), errors: sum('errors'), counting: 'total', parts: Object.fromEntries(parts) };
      });
      const nothing = totals.map(({ name }) => [name, part(`member ${name}`, 0, 0)] as const);
      const empty: Counts = { requests: 0, errors: 0, counting: 'total', parts: Object.fromEntries(nothing) };
      expect(verdicts(polls, limits, emptyMemory(empty))).not.toContain('fail');
    }
  });

  it('what a member counted before the bake is not held against it', () => {
    const before = emptyMemory(ten(1000, 500));
    expect(verdicts([ten(1060, 500)], { max: 0.05, minRequests: 100 }, before)).toEqual(['pass']);
  });
});
