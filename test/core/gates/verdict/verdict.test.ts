/** Verdicts: what leads back, what leads on, and that nothing which is missing, late or senseless ever leads on. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type GatePoll, type Poll, unusable } from '../../../../src/core/gates/counting/blocks.ts';
import { beginStep, type Evidence, feed } from '../../../../src/core/gates/evidence/evidence.ts';
import type { HarmBound } from '../../../../src/core/gates/evidence/non-inferiority.ts';
import { type GateSettings, METRIC_DEFAULTS, WHOLE } from '../../../../src/core/gates/gate-settings.ts';
import { type EvidenceVerdict, judgeEvidence, progress } from '../../../../src/core/gates/verdict/evidence-verdict.ts';
import { boundReasons } from '../../../../src/core/gates/verdict/reasons-to-wait.ts';
import { blockOf, type Counts, counted, ERRORS, fed, settingsOf, whole } from './judged.ts';

const SEED = Number(process.env.KVDEPLOY_SEED ?? Date.now() % 1_000_000);
const SETTINGS = settingsOf();
const SHARE = 0.05;
const HEALTHY: Counts = [1, 750, 14, 14_250];
const healthy = (polls: number) => Array.from({ length: polls }, () => whole(HEALTHY));
/** Enough for an advance at 5 %. */
const ENOUGH = 20;

function verdictOf(evidence: Evidence, settings: GateSettings = SETTINGS): EvidenceVerdict {
  return judgeEvidence(settings, evidence, { nowMs: evidence.atMs, nextShare: 0.25 });
}

/** The verdict after healthy polls and then these, 15 s apart. */
function afterHealth(polls: readonly GatePoll[], settings: GateSettings = SETTINGS, share = SHARE): EvidenceVerdict {
  return verdictOf(fed(settings, [...healthy(ENOUGH), ...polls], share), settings);
}

function afterHealthOf(polls: readonly GatePoll[], settings: GateSettings): EvidenceVerdict {
  return verdictOf(fed(settings, polls, SHARE), settings);
}

function reasonsOf(verdict: EvidenceVerdict): string {
  return verdict.verdict === 'hold' ? verdict.reasons.map(({ why }) => why).join('\n') : verdict.verdict;
}

describe('a pass', () => {
  it('a pass says what was ruled out, how surely, and the worst that it still allows', () => {
    const verdict = afterHealth([]);
    expect(verdict).toMatchObject({ verdict: 'pass', confidence: 0.95, unverified: [] });
    if (verdict.verdict !== 'pass') return;
    expect(verdict.why).toBe(
      'with 95 % confidence: errors fails less than 2 x stable + 0.5 % (20 of 15000 (0.13 %) seen, dispersion 4); ' +
        'at most 1.5 extra failures per second at the next step',
    );
    // 1,000 requests a second, a quarter of them next, at most 0.5 points and once more what stable fails.
    expect(verdict.bounds[0]?.extraPerSecond).toBeCloseTo(250 * (0.005 + 14 / 14_250), 9);
    expect(judgeEvidence(SETTINGS, fed(SETTINGS, healthy(ENOUGH), SHARE), { nowMs: 300_000, nextShare: null })).toMatchObject({
      verdict: 'pass',
      why: expect.stringMatching(/dispersion 4\)$/),
      bounds: [{ extraPerSecond: null }],
    });
  });

  it('a pass says the largest of what several metrics leave open, and never less than that', () => {
    const metrics = [
      { ...ERRORS, weight: 0.5 },
      { ...ERRORS, metric: 'slow', harm: { times: 2, plus: 0.0201 }, weight: 0.5 },
    ];
    const settings = settingsOf({ metrics });
    const slow: GatePoll = { ...whole(HEALTHY), blocks: { ...whole(HEALTHY).blocks, slow: { [WHOLE]: blockOf(HEALTHY) } } };
    const polls = Array.from({ length: ENOUGH }, () => slow);
    // 250 x (0.0201 + 14 / 14,250) = 5.27.
    expect(afterHealthOf(polls, settings).why).toMatch(
      /dispersion 4\); at most 5\.3 extra failures per second at the next step$/,
    );
  });

  it('a pass needs the least time at a step, and says until when', () => {
    const verdict = verdictOf(fed(SETTINGS, healthy(11), SHARE));
    expect(verdict).toMatchObject({ verdict: 'hold', why: 'watched for 2m45s of 3m', untilMs: 180_000 });
    expect(verdictOf(fed(SETTINGS, healthy(12), SHARE)).verdict).toBe('pass');
  });

  it('a pass needs a bound of this step: what was seen before another share began counts no more', () => {
    const before = fed(SETTINGS, healthy(ENOUGH), SHARE);
    const next = beginStep(SETTINGS, before, { atMs: before.atMs, share: 0.25 });
    expect(verdictOf(next).verdict).toBe('hold');
  });

  it('a pass waits for enough requests, and says about how many a healthy build needs', () => {
    const few = Array.from({ length: 20 }, () => whole([0, 10, 0, 190]));
    const verdict = verdictOf(fed(SETTINGS, few, SHARE));
    expect(reasonsOf(verdict)).toMatch(/^200 of about \d{4} requests needed to rule out harm; errors: 0 of 200 \(0 %\) failed$/);
    if (verdict.verdict === 'hold') expect(verdict.untilMs).toBeGreaterThan(300_000);
  });

  it('a pass at 100 % claims no more than the limit, having nothing to compare with', () => {
    const alone: GatePoll = {
      ...whole([3, 15_000, 0, 0]),
      stable: { state: 'absent' },
    };
    const polls = Array.from({ length: 12 }, () => alone);
    const verdict = verdictOf(fed(SETTINGS, polls, 1));
    expect(verdict).toMatchObject({ verdict: 'pass' });
    expect(verdict.why).toMatch(/less than 1 %, with no stable build to compare with/);
    const unlimited = settingsOf({}, { limit: null });
    expect(reasonsOf(verdictOf(fed(unlimited, polls, 1), unlimited))).toMatch(/no gate here can rule out harm/);
  });
});

describe('a fail verdict', () => {
  it('a fail verdict names metric, counts, the chance of a false alarm and when the evidence was enough', () => {
    const verdict = afterHealth(Array.from({ length: 8 }, () => whole([150, 750, 14, 14_250])));
    expect(verdict).toMatchObject({ verdict: 'fail', falseAlarm: 0.01 });
    expect(verdict.why).toMatch(/^errors: \d+ of \d+ \([\d.]+ %\) vs .* in at most 1 of 100 rollouts$/);
    expect(progress(SETTINGS, fed(SETTINGS, healthy(ENOUGH), SHARE))).toMatchObject({ pass: 1 });
  });

  it('a fail verdict comes at the second poll when everything fails at 1 % of the traffic, at the first after a watch', () => {
    const broken = Array.from({ length: 2 }, () => whole([150, 150, 15, 14_850]));
    expect(verdictOf(fed(SETTINGS, broken.slice(0, 1), 0.01)).verdict).toBe('hold');
    expect(verdictOf(fed(SETTINGS, broken, 0.01)).verdict).toBe('fail');
    const watched = fed(
      SETTINGS,
      Array.from({ length: 6 }, () => whole([0, 0, 15, 14_850])),
      0,
    );
    const begun = beginStep(SETTINGS, watched, { atMs: watched.atMs, share: 0.01 });
    const first = feed(SETTINGS, begun, { atMs: begun.atMs + 15_000, gates: { errors: broken[0] ?? missing } });
    expect(verdictOf(first).verdict).toBe('fail');
  });

  it('a pass never comes while the evidence is half-way there, or while the newest requests fail', () => {
    const young = fed(SETTINGS, [whole([3, 150, 15, 14_850]), whole([3, 150, 15, 14_850]), whole([4, 150, 15, 14_850])], 0.01);
    expect(young.crossed).toBeNull();
    expect(verdictOf(young).logE).toBeGreaterThan(-Math.log(0.01) / 2);
    expect(reasonsOf(verdictOf(young))).toMatch(/more than halfway/);
    // After an hour of health the non-inferiority bound outweighs one bad block by far, and the evidence has only begun.
    const long = fed(SETTINGS, [...healthy(240), whole([40, 750, 14, 14_250])], SHARE);
    expect(reasonsOf(verdictOf(long))).toBe('errors: 40 of 750 (5.33 %) of the newest requests failed');
  });
});

const missing = unusable('missing', 'the source is down');
const candidateMissing: GatePoll = { ...whole([0, 0, 14, 14_250]), candidate: { state: 'missing', why: 'no target' } };
const stableMissing: GatePoll = { ...whole([1, 750, 0, 0]), stable: { state: 'missing', why: 'no target' } };
const NONSENSE: readonly Counts[] = [
  [Number.NaN, 750, 14, 14_250],
  [0, Number.POSITIVE_INFINITY, 14, 14_250],
  [0, -1, 14, 14_250],
  [0.5, 750, 14, 14_250],
  [751, 750, 14, 14_250],
  [0, 750, 14_251, 14_250],
  [0, 1e300, 14, 14_250],
];

/** Every state of the data that must hold, each with what is said about it. */
const DEFECTS: readonly (readonly [string, GatePoll, RegExp])[] = [
  ['no requests at the candidate', whole([0, 0, 14, 14_250]), /no requests for 15s/],
  ...NONSENSE.map((counts) => [`nonsense: ${counts.join(' ')}`, whole(counts), /candidate invalid: errors/] as const),
  ['late data', unusable('late', 'nothing newer'), /candidate late: nothing newer/],
  ['the candidate missing', candidateMissing, /candidate missing: no target/],
  ['the stable build missing', stableMissing, /stable missing: no target/],
  ['both missing', missing, /candidate missing: the source is down/],
  ['a restart of the candidate', { ...whole(HEALTHY), candidate: { state: 'reset', why: 'it restarted' } }, /candidate reset/],
  ['a restart of the stable build', { ...whole(HEALTHY), stable: { state: 'reset', why: 'it restarted' } }, /stable reset/],
  ['a metric that was not counted', counted({ [WHOLE]: blockOf(HEALTHY) }, 'other'), /did not count it/],
  ['slices without the whole', counted({ a: blockOf(HEALTHY) }), /did not count it/],
  [
    'slices that hold more than the whole',
    counted({ [WHOLE]: blockOf(HEALTHY), a: blockOf([1, 751, 0, 0]) }),
    /slices add up to/,
  ],
  ['a stable build called absent next to the candidate', { ...whole(HEALTHY), stable: { state: 'absent' } }, /did not poll/],
  ['a candidate called absent', { ...whole(HEALTHY), candidate: { state: 'absent' } }, /did not poll/],
];

describe('no path leads on from', () => {
  it.each(DEFECTS)('no pass comes after a poll with %s', (_name, poll, why) => {
    const verdict = afterHealth([poll]);
    expect(verdict.verdict).toBe('hold');
    expect(reasonsOf(verdict)).toMatch(why);
  });

  it('no pass comes from a gate that the poll does not even name', () => {
    const evidence = fed(SETTINGS, healthy(ENOUGH), SHARE);
    const next = feed(SETTINGS, evidence, { atMs: evidence.atMs + 15_000, gates: {} });
    expect(reasonsOf(verdictOf(next))).toMatch(/its source returned nothing/);
  });

  it('no pass comes from a poll of the past, nor from one that comes twice: it adds nothing', () => {
    const evidence = fed(SETTINGS, healthy(ENOUGH), SHARE);
    for (const atMs of [evidence.atMs, evidence.atMs - 1, Number.NaN]) {
      const again = feed(SETTINGS, evidence, { atMs, gates: { errors: whole([750, 750, 0, 14_250]) } });
      expect(again.streams).toEqual(evidence.streams);
      expect(reasonsOf(verdictOf(again))).toMatch(/no newer than the previous poll/);
    }
  });

  it('no pass comes from a last poll that is too old, or from the future', () => {
    const evidence = fed(SETTINGS, healthy(ENOUGH), SHARE);
    const at = (nowMs: number) => reasonsOf(judgeEvidence(SETTINGS, evidence, { nowMs, nextShare: 0.25 }));
    expect(at(evidence.atMs + 30_000)).toBe('pass');
    expect(at(evidence.atMs + 30_001)).toMatch(/the last poll is 30s old/);
    expect(at(evidence.atMs - 1)).toMatch(/future timestamp/);
    expect(at(Number.NaN)).not.toBe('pass');
  });

  it('no pass comes from nothing at all', () => {
    expect(verdictOf(fed(SETTINGS, [], SHARE)).verdict).toBe('hold');
    expect(
      verdictOf(
        fed(
          SETTINGS,
          Array.from({ length: 200 }, () => whole([0, 0, 0, 0])),
          SHARE,
        ),
      ).verdict,
    ).toBe('hold');
  });

  it('no pass comes at the end of the longest time at a step: it holds, however long', () => {
    const silent = Array.from({ length: 300 }, () => whole([0, 5, 0, 95]));
    expect(verdictOf(fed(SETTINGS, silent, SHARE)).verdict).toBe('hold');
  });

  it.each([...Array.from({ length: 4 }, (_, k) => k)])('no pass comes after any sequence that ends in a defect (%i)', (round) => {
    const seed = SEED + round;
    const anything = fc.oneof(
      { arbitrary: fc.constant(whole(HEALTHY)), weight: 6 },
      { arbitrary: fc.constantFrom(...DEFECTS.map(([, poll]) => poll)), weight: 1 },
      { arbitrary: fc.nat({ max: 750 }).map((failures) => whole([failures, 750, 14, 14_250])), weight: 1 },
    );
    const polls = fc.array(fc.tuple(anything, fc.constantFrom(1000, 5000, 15_000, 40_000)), { maxLength: 40 });
    const defect = fc.constantFrom(...DEFECTS.map(([, poll]) => poll));
    fc.assert(
      fc.property(polls, defect, (sequence, last) => {
        const start = fed(SETTINGS, healthy(ENOUGH), SHARE);
        const steps = [...sequence, [last, 15_000] as const];
        const end = steps.reduce<Evidence>(
          (evidence, [poll, ms]) => feed(SETTINGS, evidence, { atMs: evidence.atMs + ms, gates: { errors: poll } }),
          start,
        );
        expect(verdictOf(end).verdict, `seed ${seed}`).not.toBe('pass');
      }),
      { seed, numRuns: 100 },
    );
  });
});

describe('progress', () => {
  const on = (evidence: Evidence, settings: GateSettings = SETTINGS) => progress(settings, evidence).pass;

  it('the progress is as far as whatever is furthest behind: time, blocks, requests', () => {
    expect(on(fed(SETTINGS, healthy(6), SHARE))).toBeCloseTo(0.5, 12);
    expect(on(fed(SETTINGS, healthy(11), SHARE))).toBeCloseTo(11 / 12, 12);
    expect(on(fed(SETTINGS, healthy(12), SHARE))).toBe(1);
    const quick = settingsOf({ dwellMs: 1000, lagMs: 0 });
    expect(on(fed(quick, healthy(4), SHARE), quick)).toBe(0.5);
    const few = fed(
      SETTINGS,
      Array.from({ length: 20 }, () => whole([0, 10, 0, 190])),
      SHARE,
    );
    expect(on(few)).toBeGreaterThan(0);
    expect(on(few)).toBeLessThan(1);
  });

  it('the progress is nothing while something is in the way that no waiting ends', () => {
    const good = healthy(ENOUGH);
    for (const poll of [unusable('missing', 'down'), whole([0, 0, 14, 14_250]), whole([40, 750, 14, 14_250])])
      expect(on(fed(SETTINGS, [...good, poll], SHARE))).toBe(0);
    expect(on(fed(SETTINGS, [...good, ...good.map(() => whole([75, 750, 1425, 14_250]))], SHARE))).toBe(0);
    const evidence = fed(SETTINGS, good, SHARE);
    expect([30_000, 30_001].map((ms) => progress(SETTINGS, evidence, evidence.atMs + ms).pass)).toEqual([1, 0]);
  });

  it('the progress is whole exactly where the verdict is pass', () => {
    const seed = SEED;
    const some = fc.constantFrom(whole(HEALTHY), whole(HEALTHY), whole([30, 750, 14, 14_250]), unusable('late', 'nothing newer'));
    fc.assert(
      fc.property(fc.array(some, { maxLength: 30 }), (polls) => {
        const evidence = fed(SETTINGS, polls, SHARE);
        const verdict = verdictOf(evidence);
        if (verdict.verdict === 'pass' || verdict.verdict === 'hold')
          expect(on(evidence) === 1, `seed ${seed}`).toBe(verdict.verdict === 'pass');
      }),
      { seed, numRuns: 200 },
    );
  });
});

describe('what is missing', () => {
  const row = (poll: GatePoll, polls: number) => afterHealth(Array.from({ length: polls }, () => poll));

  it('missing data of the candidate alone: holds at once and gives up after a minute', () => {
    expect([1, 3, 4].map((polls) => row(candidateMissing, polls).verdict)).toEqual(['hold', 'hold', 'give-up']);
    expect(row(candidateMissing, 4)).toMatchObject({ grounds: 'missing' });
    expect(row(candidateMissing, 4)).not.toHaveProperty('falseAlarm');
  });

  it('missing data of both builds: holds, and gives up after two minutes above 1 % of the traffic', () => {
    expect([1, 7, 8].map((polls) => row(missing, polls).verdict)).toEqual(['hold', 'hold', 'give-up']);
    expect(row(missing, 8)).toMatchObject({ grounds: 'blind' });
    const small = [...healthy(ENOUGH), ...Array.from({ length: 50 }, () => missing)];
    expect(verdictOf(fed(SETTINGS, small, 0.01)).verdict).toBe('hold');
  });

  it('missing data of the stable build: holds, while the limit still guards', () => {
    expect(row(stableMissing, 40).verdict).toBe('hold');
    const failing: GatePoll = { ...stableMissing, ...{ blocks: whole([750, 750, 0, 0]).blocks } };
    expect(row(failing, 6)).toMatchObject({ verdict: 'fail' });
  });

  it('missing data after a long time without a poll is no silence of hours', () => {
    let evidence = fed(SETTINGS, healthy(ENOUGH), SHARE);
    for (const ms of [5 * 3_600_000, 1000, 1000])
      evidence = feed(SETTINGS, evidence, { atMs: evidence.atMs + ms, gates: { errors: missing } });
    expect(verdictOf(evidence).verdict).toBe('hold');
  });

  it('missing data of one poll is made up for by the next one', () => {
    expect(afterHealth([missing, whole(HEALTHY)]).verdict).toBe('pass');
    expect(afterHealth([missing, candidateMissing, missing, whole(HEALTHY)]).verdict).toBe('pass');
  });

  it('missing data by a restart of the candidate: its non-inferiority bound begins again', () => {
    const reset: GatePoll = { ...whole(HEALTHY), candidate: { state: 'reset', why: 'it restarted' } };
    expect(afterHealth([reset, ...healthy(5)]).verdict).toBe('hold');
    expect(afterHealth([reset, ...healthy(12)]).verdict).toBe('pass');
  });
});

describe('an incident that both builds share', () => {
  const shared = Array.from({ length: 12 }, () => whole([75, 750, 1425, 14_250]));

  it('an incident that both builds share holds and blames no one', () => {
    for (let polls = 1; polls <= shared.length; polls += 1) {
      const verdict = afterHealth(shared.slice(0, polls));
      expect(verdict.verdict).toBe('hold');
      expect(reasonsOf(verdict)).toMatch(/the stable build fails too/);
    }
  });

  it('an incident at one request a second is said within two minutes to be beyond the limit', () => {
    const settings = settingsOf({}, { limit: 0.01 });
    const polls = Array.from({ length: 9 }, () => whole([1, 1, 14, 14]));
    expect(verdictOf(fed(settings, polls, 0.05), settings)).toMatchObject({
      verdict: 'hold',
      reasons: expect.arrayContaining([expect.objectContaining({ what: 'limit' })]),
    });
  });

  it('one failed request of a small slice is no incident', () => {
    const settings = settingsOf({}, { weight: 0.5, slices: [{ name: 'small', weight: 0.5 }] });
    const poll = counted({ [WHOLE]: blockOf(HEALTHY), small: blockOf([0, 5, 1, 95]) });
    const verdict = verdictOf(
      fed(
        settings,
        Array.from({ length: 3 }, () => poll),
        SHARE,
      ),
      settings,
    );
    expect(reasonsOf(verdict)).not.toMatch(/the stable build fails/);
  });
});

describe('slices', () => {
  const sliced = (small: number) =>
    settingsOf(
      { maxDwellMs: 7_200_000 },
      {
        weight: 0.5,
        slices: [
          { name: 'big', weight: 0.25 },
          { name: 'small', weight: 0.25 },
        ].slice(0, small > 0 ? 2 : 1),
      },
    );
  const poll = (small: number, failures: number) =>
    counted({
      [WHOLE]: blockOf([1 + failures, 750, 14, 14_250]),
      big: blockOf([1, 750 - small, 14, 14_250 - 19 * small]),
      ...(small > 0 ? { small: blockOf([failures, small, 0, 19 * small]) } : {}),
    });
  const verdict = (small: number, failures = 0) => {
    const settings = sliced(small);
    return verdictOf(
      fed(
        settings,
        Array.from({ length: ENOUGH }, () => poll(small, failures)),
        SHARE,
      ),
      settings,
    );
  };

  it('slices too small for a bound may go on while they are little of the traffic, and are named', () => {
    expect(verdict(2)).toMatchObject({ verdict: 'pass', unverified: ['errors in small'] });
    expect(verdict(2).why).toMatch(/at the next step; too small to judge: errors in small$/);
  });

  it('slices large enough to rule harm out in, where it is not ruled out, hold', () => {
    expect(reasonsOf(verdict(30))).toMatch(/harm is not yet ruled out in small/);
    const settings = sliced(30);
    const evidence = fed(
      settings,
      Array.from({ length: ENOUGH }, () => poll(30, 0)),
      SHARE,
    );
    expect(progress(settings, evidence).pass).toBeLessThan(1);
  });

  it('members of which harm is not ruled out are named once, for every metric that waits for them', () => {
    const members = ['member g1', 'member g2', 'member g3', 'member g4', 'member g5', 'member g6'];
    const bound = (metric: string, waiting: readonly string[]) =>
      ({
        metric: { gate: 'errors', metric },
        stream: { step: [9, 0] },
        ruledOut: true,
        waiting,
        unverifiedShare: 0,
      }) as unknown as HarmBound;
    const evidence = fed(sliced(0), [poll(0, 0)], SHARE);
    const bounds = [bound('errors', members), bound('4xx', members), bound('3xx', ['big']), bound('1xx', [])];
    expect(boundReasons(sliced(0), evidence, bounds).map(({ why }) => why)).toEqual([
      'errors, 4xx: harm is not yet ruled out in members g1, g2, g3, g4, g5 and 1 more',
      '3xx: harm is not yet ruled out in big',
    ]);
  });

  it('requests that are much of the traffic and in no slice hold', () => {
    const settings = sliced(0);
    const polls = Array.from({ length: ENOUGH }, () =>
      counted({ [WHOLE]: blockOf(HEALTHY), big: blockOf([1, 600, 14, 11_400]) }),
    );
    expect(reasonsOf(verdictOf(fed(settings, polls, SHARE), settings))).toMatch(/20 % of the traffic is in slices too small/);
  });
});

describe('the split', () => {
  const settings = settingsOf({
    metrics: [
      { ...ERRORS, weight: 0.9 },
      {
        ...METRIC_DEFAULTS,
        gate: 'errors',
        metric: 'traffic',
        kind: 'traffic',
        certified: false,
        dispersion: 20,
        weight: 0.1,
        slices: [],
      },
    ],
  });
  const both = (counts: Counts): GatePoll => ({
    ...whole(counts),
    blocks: { errors: { [WHOLE]: blockOf(counts) }, traffic: { [WHOLE]: blockOf([0, counts[1], 0, counts[3]]) } },
  });

  it('a split as planned passes, off it holds', () => {
    const run = (counts: Counts) =>
      verdictOf(
        fed(
          settings,
          Array.from({ length: ENOUGH }, () => both(counts)),
          SHARE,
        ),
        settings,
      );
    expect(run(HEALTHY).verdict).toBe('pass');
    expect(reasonsOf(run([0, 500, 14, 14_500]))).not.toBe('pass');
  });

  const verdictAfter = (polls: number, counts: Counts) =>
    verdictOf(
      fed(
        settings,
        Array.from({ length: polls }, () => both(counts)),
        SHARE,
      ),
      settings,
    );

  it('a split that no request has shown yet is not measured, rather than 0 of 0', () => {
    const reasons = reasonsOf(verdictAfter(1, [0, 0, 0, 0]));
    expect(reasons).toMatch(/the share of the traffic has not been measured yet/);
    expect(reasons).not.toMatch(/0 of 0 of the requests/);
  });

  it('a split with a candidate that gets nothing gives up, and calls no build bad, since nothing of it failed', () => {
    const verdict = verdictAfter(8, [0, 0, 14, 15_000]);
    expect(verdict).toMatchObject({ verdict: 'give-up', grounds: 'traffic', gate: 'errors' });
    expect(verdict.why).toMatch(
      /^traffic: the candidate had 0 of 120000 requests \(0 %\); the plan was 5 %; .*; only the share of the traffic is evidence/,
    );
  });

  it('a split with a candidate that gets nearly nothing and fails what it gets fails: in doubt the build is bad', () => {
    expect(verdictAfter(8, [60, 60, 14, 15_000])).toMatchObject({ verdict: 'fail', confirmed: expect.any(Array) });
  });
});

describe('a poll', () => {
  it('a poll of two gates holds while either is missing', () => {
    const two = settingsOf({
      metrics: [
        { ...ERRORS, weight: 0.5 },
        { ...ERRORS, gate: 'probe', weight: 0.5 },
      ],
    });
    const run = (last: Poll['gates']) => {
      const gates = { errors: whole(HEALTHY), probe: whole(HEALTHY) };
      let evidence = fed(two, [], SHARE);
      for (let index = 0; index < ENOUGH; index += 1) evidence = feed(two, evidence, { atMs: evidence.atMs + 15_000, gates });
      return verdictOf(feed(two, evidence, { atMs: evidence.atMs + 15_000, gates: last }), two);
    };
    expect(run({ errors: whole(HEALTHY), probe: whole(HEALTHY) }).verdict).toBe('pass');
    expect(run({ errors: whole(HEALTHY) }).verdict).toBe('hold');
    expect(run({ errors: whole(HEALTHY), probe: missing }).verdict).toBe('hold');
  });
});
