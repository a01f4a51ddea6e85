/** The sentences of fixed limits and comparisons: what they print on both sides must say the same as the verdict. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emptyMemory, judgeGate } from '../../../../src/core/gates/verdict/gate.ts';
import { versusText } from '../../../../src/core/text.ts';

const parts = fc
  .integer({ min: 1, max: 10_000_000 })
  .chain((whole) => fc.tuple(fc.integer({ min: 0, max: whole }), fc.constant(whole)));

/** As a config can write them: up to four digits of a percent. */
const limits = fc.integer({ min: 0, max: 1_000_000 }).map((millionths) => millionths / 1_000_000);

/** Counts near a limit, where rounding would lie. */
const near = fc
  .tuple(limits, fc.integer({ min: 1, max: 10_000_000 }), fc.integer({ min: -2, max: 2 }))
  .map(([max, requests, off]) => {
    return { max, requests, errors: Math.min(requests, Math.max(0, Math.round(max * requests) + off)) };
  });

const any = fc.tuple(limits, parts).map(([max, [errors, requests]]) => ({ max, requests, errors }));

describe('the text of a fixed limit', () => {
  it('the text of a fixed limit never prints a failure rate that contradicts its verdict', () => {
    fc.assert(
      fc.property(fc.oneof(near, any), fc.integer({ min: 1, max: 1000 }), ({ max, requests, errors }, minRequests) => {
        const memory = emptyMemory({ requests: 0, errors: 0, counting: 'total' });
        const { judged } = judgeGate({ max, minRequests }, memory, { requests, errors, counting: 'total' });
        const [, rate = '', limit = ''] = /\(([\d.e-]+) %\) failed.*, limit ([\d.e-]+) %$/.exec(judged.why) ?? [];
        if (judged.verdict === 'fail') expect(Number(rate), judged.why).toBeGreaterThan(Number(limit));
        if (judged.verdict === 'pass') expect(Number(rate), judged.why).toBeLessThanOrEqual(Number(limit));
        if (Number(rate) === Number(limit)) expect(errors / requests).toBe(max);
      }),
      { numRuns: 5000 },
    );
  });

  it.each([
    [1001, 1_000_000, 'fail', '1001 of 1000000 (0.1001 %) failed, limit 0.1 %'],
    [1000, 1_000_000, 'pass', '1000 of 1000000 (0.1 %) failed, limit 0.1 %'],
    [0, 99, 'hold', '1 more request needed; 0 of 99 (0 %) failed, limit 0.1 %'],
    [0, 98, 'hold', '2 more requests needed; 0 of 98 (0 %) failed, limit 0.1 %'],
  ])('%d errors of %d requests are a %s: "%s"', (errors, requests, verdict, why) => {
    const memory = emptyMemory({ requests: 0, errors: 0, counting: 'total' });
    const { judged } = judgeGate({ max: 0.001, minRequests: 100 }, memory, { requests, errors, counting: 'total' });
    expect(judged).toMatchObject({ verdict, why });
  });
});

describe('the text of a comparison', () => {
  it('the text of a comparison never prints the same rate for two builds that differ', () => {
    fc.assert(
      fc.property(parts, parts, (one, other) => {
        const [first = '', second = ''] = [...versusText(one, other).matchAll(/\(([\d.e-]+) %\)/g)].map(([, rate]) => rate);
        expect(Math.sign(Number(first) - Number(second))).toBe(Math.sign(one[0] / one[1] - other[0] / other[1]));
      }),
      { numRuns: 5000 },
    );
    expect(versusText([1, 3000], [0, 0])).toBe('1 of 3000 (0.03 %) vs 0 of 0');
  });
});
