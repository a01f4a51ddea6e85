/** Recorded rollouts through the gates: when they decide, whom they blame, and that nothing that is missing lets a build go on. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backtestText, calibrationText } from '../../src/backtest/backtest-text.ts';
import { fed, OUR_BLOCKS, settingsOf, whole } from '../core/gates/verdict/judged.ts';
import { EXAMPLES, HEADER, linesOf, SEED, tenants, traceOf } from '../traces.ts';
import { csv, decided, gateTrace, moments } from './replayed.ts';

const example = (name: string) => EXAMPLES[name]?.() ?? expect.fail(`no example ${name}`);
const at = (line: string) => Number(line.split(',')[0]);
const verdictsOf = (text: string) => moments(text).map(({ tS, verdict }) => `${tS} ${verdict}`);

describe('our own vectors as a trace', () => {
  it('our own vectors as a trace give the evidence of the gates themselves, poll by poll', () => {
    const lines = OUR_BLOCKS.flatMap(([kc, nc, kb, nb], index) => [
      `${15 * (index + 1)},,candidate,${nc},${kc}`,
      `${15 * (index + 1)},,stable,${nb},${kb}`,
    ]);
    const settings = settingsOf({ horizonMs: 239 * 15_000, watchMs: 0 });
    const found = moments(csv(lines), { gates: { settings } });
    // The replay counts the time before its first interval too, so that it bets a little less.
    expect(found.at(-1)?.logE).toBeCloseTo(fed(settings, OUR_BLOCKS.map(whole)).logE, 0);
    expect(found.map(({ badRequests }) => badRequests)).toEqual([1, 1, 4, 6, 11]);
  });
});

describe('a candidate', () => {
  it('a candidate that is as good as the stable build goes on as soon as it may', () => {
    const { decision, steps } = decided(example('healthy'));
    expect(decision).toMatchObject({ verdict: 'pass', tS: 180, slice: null, step: 1 });
    expect(steps).toMatchObject([
      { step: 1, share: 0.05, fromS: 0, toS: 180, intervals: 12, advancedS: 180 },
      { step: 2, share: 0.05, fromS: 180, toS: 600, intervals: 28, advancedS: null },
    ]);
  });

  it.each([
    { candidate: 1, polls: 2 },
    { candidate: 0.2, polls: 2 },
    { candidate: 0.05, polls: 6 },
  ])(
    'a candidate that fails $candidate of its requests at 1 % of the traffic is rolled back within $polls polls',
    ({ candidate, polls }) => {
      for (let seed = 1; seed <= 20; seed += 1) {
        const { decision } = decided(traceOf({ seed, candidate, share: 0.01 }));
        expect(decision, `seed ${seed}`).toMatchObject({ verdict: 'fail', slice: null });
        expect(decision.tS, `seed ${seed}`).toBeLessThanOrEqual(15 * polls);
      }
    },
  );

  it('a candidate that fails one tenant is rolled back, and nearly always the tenant is named', () => {
    const named = Array.from({ length: 10 }, (_, index) => {
      const bad = { slice: 'tenant-007', rate: 0.2 };
      const { decision } = decided(traceOf({ seed: index + 1, slices: tenants(20), bad }));
      expect(decision.verdict, `seed ${index + 1}`).toBe('fail');
      return /errors in tenant-007: .* in at most 1 of 100 rollouts$/.test(decision.why);
    });
    expect(named.filter(Boolean).length).toBeGreaterThanOrEqual(7);
  });

  it('a candidate that fails everywhere is rolled back without a slice being blamed', () => {
    for (let seed = 1; seed <= 10; seed += 1)
      expect(decided(traceOf({ seed, slices: { eu: 0.5, us: 0.3, asia: 0.2 }, candidate: 1 })).decision).toMatchObject({
        verdict: 'fail',
        slice: null,
      });
  });

  it('a candidate that answers 401 is rolled back, though nothing of it is a 5xx; the 401 are its bad requests', () => {
    const { decision, blamed } = decided(example('outage-of-401'));
    expect(decision).toMatchObject({ verdict: 'fail', slice: null });
    expect(decision.badRequests).toBeGreaterThan(700);
    expect(blamed?.standing.metric).toBe('401');
  });

  it('a candidate that hangs is rolled back by its latency buckets', () => {
    const rows = [1, 2, 3, 4, 5, 6].flatMap((index) =>
      (['candidate', 'stable'] as const).flatMap((build) => {
        const [all, slow] = build === 'candidate' ? [750, 400] : [14_250, 10];
        const start = `${15 * index},,${build}`;
        return [`${start},${all},0,`, `${start},${all - slow},0,0.5`, `${start},${all - 2},0,2.5`, `${start},${all},0,+Inf`];
      }),
    );
    const { decision, blamed } = decided(csv(rows, `${HEADER},le`));
    expect(decision.verdict).toBe('fail');
    expect(blamed?.standing.metric).toBe('slower than 0.5s');
  });
});

describe('missing data never lets a build go on', () => {
  const lines = linesOf({});
  const sliced = linesOf({ slices: { eu: 0.6, us: 0.4 } });
  const zero = (line: string) => line.replace(/,candidate,.*/, ',candidate,0,0');
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['no line of the candidate any more', csv(lines.filter((line) => at(line) <= 60 || line.includes('stable'))), /give-up/],
    ['no line of the stable build any more', csv(lines.filter((line) => at(line) <= 60 || line.includes('candidate'))), /hold/],
    ['no line at all for a while, until the end', csv(lines.filter((line) => at(line) <= 90 || at(line) >= 590)), /give-up/],
    ['a candidate without a request', csv(lines.map(zero)), /hold/],
    ['a candidate that falls silent', csv(lines.map((line) => (at(line) > 60 ? zero(line) : line))), /hold/],
    [
      'a slice of the candidate without lines',
      csv(sliced.filter((line) => at(line) <= 60 || !line.includes('us,candidate'))),
      /give-up/,
    ],
    [
      'a slice of the stable build without lines',
      csv(sliced.filter((line) => at(line) <= 60 || !line.includes('us,stable'))),
      /hold/,
    ],
    [
      'no line for the whole service any more',
      csv(lines.flatMap((line) => [...(at(line) <= 60 ? [line] : []), line.replace(',,', ',eu,')])),
      /give-up|hold/,
    ],
    [
      'latency bounds in place of counts',
      csv(
        lines.map((line) => line.replace(/,(\d+),\d+$/, (found, count) => (at(line) <= 60 ? `${found},` : `,${count},0,+Inf`))),
        `${HEADER},le`,
      ),
      /give-up/,
    ],
    ['a trace that is too short', csv(lines.filter((line) => at(line) <= 165)), /hold/],
    ['a stable build that fails as well', traceOf({ candidate: 0.1, stable: 0.1 }), /hold/],
    [
      'counters of the stable build that stand still',
      csv(lines.map((line) => (at(line) > 60 ? line.replace(/,stable,.*/, ',stable,0,0') : line))),
      /hold/,
    ],
  ];

  it.each(cases)('missing data never lets a build go on: %s', (_what, text, verdict) => {
    const { decision } = decided(text);
    expect(decision.verdict).toMatch(verdict);
    expect(moments(text).map((moment) => moment.verdict)).not.toContain('pass');
    expect(decision.why).not.toBe('');
  });

  it('a slice without lines is zero requests where chance can say so', () => {
    const few = linesOf({ slices: { eu: 0.999, small: 0.001 } }).filter(
      (line) => !(line.includes('small,candidate') && at(line) > 15),
    );
    expect(decided(csv(few)).decision.verdict).toBe('pass');
  });
});

describe('what came later', () => {
  it('a cut trace says the same as the whole one up to its end: what comes later changes nothing', () => {
    const traces = [
      example('one-tenant'),
      example('scrape-gap'),
      example('outage-of-401'),
      traceOf({ candidate: 0.004, intervals: 25 }),
      traceOf({ slices: { eu: 0.7, us: 0.3 }, everyS: 5, intervals: 60 }),
    ];
    const whole = traces.map(verdictsOf);
    fc.assert(
      fc.property(fc.nat(traces.length - 1), fc.nat(), (which, where) => {
        const [header = '', ...lines] = (traces[which] ?? '').trimEnd().split('\n');
        const times = [...new Set(lines.map(at))];
        const until = times[where % times.length] ?? 0;
        const cut = verdictsOf(
          csv(
            lines.filter((line) => at(line) <= until),
            header,
          ),
        );
        expect(cut).toEqual(whole[which]?.slice(0, cut.length));
      }),
      { seed: SEED, numRuns: 40 },
    );
  });

  it('the order of the columns changes nothing', () => {
    const shuffled = example('one-tenant')
      .trimEnd()
      .split('\n')
      .map((line) => {
        const [t, slice, build, requests, errors] = line.split(',');
        return [errors, build, t, requests, slice].join(',');
      })
      .join('\n');
    expect(decided(shuffled)).toEqual(decided(example('one-tenant')));
  });

  it('a slice that comes late changes nothing: it is judged with the others', () => {
    const late = linesOf({ slices: { eu: 1 } }).flatMap((line) =>
      at(line) > 150
        ? [line, line.replace(/eu,(\w+),.*/, (_found, build) => `new,${build},${build === 'stable' ? '5000,5' : '250,250'}`)]
        : [line],
    );
    const { decision } = decided(csv(late));
    expect(decision).toMatchObject({ verdict: 'fail', why: expect.stringMatching(/errors in other: (\d+) of \1 /) });
  });
});

describe('the steps', () => {
  const walk = (shares: readonly number[]) =>
    shares.flatMap((share, step) =>
      linesOf({ share, intervals: 20, seed: step + 1 }).map((line) =>
        line.replace(/^\d+/, (t) => String(Number(t) + 300 * step)),
      ),
    );

  it('the steps are those of a rollout that waits for its gates, up to a stable build without requests', () => {
    const { decision, steps } = decided(csv(walk([0.05, 0.25, 0.5, 1])));
    expect(decision).toMatchObject({ verdict: 'pass', step: 4, tS: 1080, released: true });
    expect(steps.filter(({ advancedS }) => advancedS !== null)).toMatchObject([
      { step: 1, share: 0.05, fromS: 0, advancedS: 180 },
      { step: 2, share: 0.25, fromS: 300, advancedS: 480 },
      { step: 3, share: 0.5, fromS: 600, advancedS: 780 },
      { step: 4, share: 1, fromS: 900, advancedS: 1080 },
    ]);
  });

  it('the steps stay where they are while the recorded rollout runs ahead of the gates', () => {
    const { decision, steps } = decided(csv(walk([0.25, 0.25])));
    expect(steps[0]).toMatchObject({ step: 1, share: 0.25 });
    expect(decision.cannotTell[1]).toMatch(/at 5 %, the share of step 1: it has 25 % of the traffic in the trace/);
    const quick = walk([0.05, 0.25, 0.5, 1]).filter((line) => at(line) % 300 <= 60 && at(line) % 300 > 0);
    expect(decided(csv(quick)).decision.verdict).not.toBe('pass');
  });

  it('the steps that the trace has no traffic for are passed by no one, and named', () => {
    const { decision } = decided(example('healthy'));
    expect(decision).toMatchObject({ verdict: 'pass', step: 1, released: false });
    expect(decision.cannotTell).toEqual([
      'what the candidate does at 25 %, 50 %, 100 % of the traffic',
      'what happens within 15 s: a rollout polls every 1s; here counts are spread evenly over each interval',
      'how the stable build fails by itself: a rollout watches it alone for 1m30s first; here its first interval stands for that',
    ]);
  });

  it('the steps before the last need a stable build to compare with', () => {
    const { decision } = decided(csv(walk([1, 1])));
    expect(decision).toMatchObject({ verdict: 'hold', step: 1, why: expect.stringMatching(/^no stable build serves here/) });
    const failing = decided(csv(linesOf({ share: 1, candidate: 0.1 })));
    expect(failing.decision.verdict).toBe('fail');
  });

  it('the steps do not end with a lucky minute in which all few requests went to the candidate', () => {
    const lucky = Array.from({ length: 20 }, (_, index) => 60 * (index + 1)).flatMap((t) => [
      `${t},,candidate,${t === 60 ? 4 : 1},0`,
      `${t},,stable,${t === 60 ? 0 : 19},0`,
    ]);
    const { decision, steps } = decided(csv(lucky));
    expect(decision).toMatchObject({ verdict: 'hold', step: 1, released: false });
    expect(steps.every(({ share }) => share < 1)).toBe(true);
  });

  it('the steps go back for what fails after they were passed', () => {
    const lines = linesOf({ intervals: 60 }).map((line) => {
      if (at(line) <= 600 || line.includes('stable')) return line;
      return line.replace(/(\d+),\d+$/, (_found, requests) => `${requests},${requests}`);
    });
    expect(decided(csv(lines)).decision).toMatchObject({ verdict: 'fail', released: false });
  });

  it('the steps need no line of the stable build at 100 %, once it had one with no requests', () => {
    const lines = walk([0.5, 0.5, 0.5, 1]).filter((line) => !(line.includes('stable') && at(line) > 930));
    expect(decided(csv(lines)).steps.at(-1)).toMatchObject({ step: 4, share: 1, advancedS: expect.any(Number) });
  });

  it('the steps keep the share that was recorded where it was under another plan', () => {
    expect(decided(traceOf({ share: 0.01, intervals: 8 })).steps).toMatchObject([{ step: 1, share: 0.01 }]);
  });

  it('the steps are not left by chance', () => {
    const { steps } = decided(traceOf({ requests: 40, slices: { eu: 1 }, share: 0.05, intervals: 200 }));
    expect(new Set(steps.map(({ share }) => share)).size).toBe(1);
  });

  it('the steps bake as long as the config says', () => {
    const gates = { steps: [{ percent: 5, bakeMs: 300_000 }] };
    expect(decided(example('healthy'), { gates }).decision).toMatchObject({ verdict: 'pass', tS: 300 });
  });
});

describe('the live schedule', () => {
  /** A candidate whose first ten seconds fail at a rate, as recorded every so often. */
  const coldStart = (rate: number, everyS: number) => {
    const times = Array.from({ length: 300 / everyS }, (_, index) => everyS * (index + 1));
    return times.flatMap((t) => {
      const failed = t <= 10 ? Math.round(50 * everyS * rate) : 0;
      return [`${t},,candidate,${50 * everyS},${failed}`, `${t},,stable,${950 * everyS},${everyS}`];
    });
  };

  it.each([0.02, 0.06, 0.1, 0.2])('the live schedule judges a cold start of %f alike, however finely it was recorded', (rate) => {
    const [live, coarse] = [1, 5].map((everyS) => decided(csv(coldStart(rate, everyS))).decision);
    expect(coarse).toMatchObject({ verdict: live?.verdict });
    // One block of the share test apart, at most.
    expect(Math.abs((coarse?.tS ?? 0) - (live?.tS ?? 0))).toBeLessThanOrEqual(15);
  });

  it('the live schedule bakes a build once it is warm', () => {
    const steps = [5, 100].map((percent) => ({ percent, bakeMs: 180_000 }));
    const passedAt = (warmUpMs: number) => decided(example('healthy'), { gates: { steps }, warmUpMs }).decision.tS;
    expect([passedAt(0), passedAt(60_000)]).toEqual([180, 240]);
  });

  it('the live schedule decides within an interval, at the poll that saw enough', () => {
    const { decision } = decided(csv(linesOf({ candidate: 1, everyS: 60, requests: 60_000 })));
    expect(decision.verdict).toBe('fail');
    expect(decision.tS).toBeLessThan(60);
    expect(decision.badRequests).toBeLessThan(3000);
  });

  it('the live schedule of a slow source polls once for several intervals', () => {
    const slow = decided(csv(linesOf({ candidate: 1, everyS: 1, requests: 1000 })), { gates: { pollMs: 15_000 } });
    expect(slow.decision).toMatchObject({ verdict: 'fail', tS: expect.closeTo(15 * Math.round(slow.decision.tS / 15), 9) });
  });

  it('the live schedule watches the stable build alone before the first line of the candidate', () => {
    const lines = linesOf({}).filter((line) => at(line) > 120 || line.includes('stable'));
    const { decision } = decided(csv(lines));
    expect(decision.cannotTell.join()).not.toMatch(/fails by itself/);
    expect(decided(csv(linesOf({}))).decision.cannotTell.join()).toMatch(/fails by itself/);
  });
});

describe('a candidate without a line', () => {
  it('a candidate without a line is unknown: the verdict is hold, at the end of the trace', () => {
    const { decision } = decided(csv(linesOf({}).filter((line) => line.includes('stable'))));
    expect(decision).toMatchObject({ verdict: 'hold', tS: 600, step: 1, released: false, badRequests: 0 });
    expect(decision.why).toMatch(/no line for the candidate build, so nothing is known of it/);
  });
});

describe('a rollout begins with the first line of the candidate', () => {
  const before = linesOf({ stable: 0.03, candidate: 0.03 });
  it('a rollout begins with the first line of the candidate; the stable build before it says what is usual', () => {
    expect(decided(csv(before)).decision).toMatchObject({
      verdict: 'hold',
      why: expect.stringMatching(/the stable build fails too/),
    });
    const later = before.filter((line) => at(line) > 60 || line.includes('stable'));
    expect(moments(csv(later))[0]?.tS).toBe(75);
    expect(decided(csv(later)).decision.verdict).toBe('pass');
  });
});

describe('a fixed limit', () => {
  const fixed = [{ name: 'errors', max: 0.01, minRequests: 2000 }];
  const steps = [{ percent: 5, bakeMs: 120_000 }];
  const alone = { gates: { settings: null, fixed, steps } };

  it('a fixed limit fails as soon as it cannot be kept', () => {
    expect(decided(example('five-percent'), alone).decision).toMatchObject({ verdict: 'fail', tS: 15, logE: 0, slice: null });
  });
  it('a fixed limit passes when enough was seen for long enough', () => {
    expect(decided(example('healthy'), alone).decision).toMatchObject({ verdict: 'pass', tS: 120 });
  });
  it('a fixed limit lets a build warm up, and judges what comes then', () => {
    const cold = (line: string) => (at(line) <= 30 && line.includes('candidate') ? line.replace(/,\d+$/, ',200') : line);
    const text = csv(linesOf({}).map(cold));
    const gates = { ...alone.gates, fixed: [{ name: 'errors', max: 0.01, minRequests: 2000, warmUpMs: 60_000 }] };
    expect(decided(text, alone).decision).toMatchObject({ verdict: 'fail', tS: 15 });
    expect(decided(text, { gates }).decision).toMatchObject({ verdict: 'pass', tS: 180 });
    expect(decided(traceOf({ candidate: 1 }), { gates }).decision).toMatchObject({ verdict: 'fail', tS: 15 });
  });
  it('a fixed limit holds while the candidate is not counted', () => {
    const early = csv(linesOf({}).filter((line) => at(line) <= 60 || line.includes('stable')));
    expect(decided(early, alone).decision).toMatchObject({ verdict: 'hold', why: expect.stringMatching(/no data/) });
  });
  it('a fixed limit next to a comparing gate lets a build go on only where both do', () => {
    expect(decided(example('healthy'), { gates: { fixed, steps: [{ percent: 5, bakeMs: 0 }] } }).decision.tS).toBe(180);
    const strict = [{ name: 'errors', max: 0.0001, minRequests: 2000 }];
    expect(decided(example('healthy'), { gates: { fixed: strict } }).decision.verdict).toBe('fail');
  });
});

describe('intervals', () => {
  const count = (...times: readonly number[]) =>
    gateTrace(csv(times.flatMap((t) => [`${t},,candidate,1,0`, `${t},,stable,1,0`]))).intervals;

  it('the intervals are as long as the first is from the second, and holes among them are missing', () => {
    expect(count(15, 30, 75, 90)).toMatchObject({
      everyS: 15,
      all: [{ tS: 15 }, { tS: 30 }, { tS: 45, rows: [] }, { tS: 60, rows: [] }, { tS: 75 }, { tS: 90 }],
    });
    expect(count(0, 5, 10.4, 15.1).all).toHaveLength(4);
    expect(count(3600, 3605).everyS).toBe(5);
    expect(count(7).everyS).toBe(7);
  });
  it('the intervals are as long as the others where the first began before the rollout, or a hole follows it', () => {
    expect(count(5, 20, 35, 50)).toMatchObject({ everyS: 15, all: [{ tS: 5 }, { tS: 20 }, { tS: 35 }, { tS: 50 }] });
    expect(count(15, 45, 60, 75)).toMatchObject({ everyS: 15, all: [{ tS: 15 }, { tS: 30, rows: [] }, { tS: 45 }, {}, {}] });
    const early = csv(linesOf({}).map((line) => `${at(line) - 10}${line.slice(line.indexOf(','))}`));
    expect(decided(early).decision.verdict).toBe(decided(csv(linesOf({}))).decision.verdict);
    expect(moments(early)[0]?.fromS).toBe(0);
  });
  it.each([15, 60, 120, 180])('intervals of %i s are no holes where one line came early', (everyS) => {
    const lines = linesOf({ everyS });
    const early = csv(
      lines.map((line) => (at(line) === 4 * everyS ? `${3 * everyS + 1}${line.slice(line.indexOf(','))}` : line)),
    );
    const [even, uneven] = [csv(lines), early].map((trace) => decided(trace).decision);
    expect([even?.verdict, uneven?.verdict]).toEqual(['pass', 'pass']);
    expect((uneven?.tS ?? 0) - (even?.tS ?? 0)).toBeLessThanOrEqual(everyS);
  });
  it('the intervals of holes everywhere are not many times the lines', () => {
    const times = Array.from({ length: 2000 }, (_, index) => (index < 5 ? index : index * 1000));
    expect(count(...times).all.length).toBeLessThan(20_000 + 4 * times.length);
  });
  it('the intervals of a hole without end are few', () => {
    expect(count(0.001, 0.002, 31_000_000).all.length).toBeLessThan(300);
  });
});

describe('the text', () => {
  it('the text of a calibration by more replays than a function takes arguments names the greatest', () => {
    const greatest = Array.from({ length: 300_000 }, (_, index) => index / 100_000);
    const found = { greatest, replaysNeeded: 99, replayS: 15, threshold: 5, dispersion: null, clusters: null };
    expect(calibrationText('x.csv', found, null)).toMatch(/300000 of 15s, greatest ln E 3\.00/);
  });

  it('the text of a backtest says verdict, when, why, who, what is missing, and each step', () => {
    const hold = backtestText('x.csv', decided(csv(linesOf({ intervals: 6 }))));
    expect(hold).toMatch(/^backtest of x\.csv\n {2}verdict {2}hold at 90 s/);
    expect(hold).toMatch(/needed .*watched for 1m30s of 3m/);
    const back = backtestText('x.csv', decided(example('one-tenant')));
    for (const word of ['verdict  fail', 'slice    tenant-007', 'ln E', 'step  share', 'advanced', 'unknown'])
      expect(back).toContain(word);
    expect(back.split('\n').filter((line) => / $/.test(line))).toEqual([]);
  });
});
