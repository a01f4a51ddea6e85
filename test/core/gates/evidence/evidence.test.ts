/** The evidence of a rollout: the vectors poll by poll, what the ledger keeps of it, who is to blame. */
import { describe, expect, it } from 'vitest';
import { seeded } from '../../../../src/backtest/calibration.ts';
import { type GatePoll, unusable } from '../../../../src/core/gates/counting/blocks.ts';
import { LOG_NOTHING, mixtureLogE } from '../../../../src/core/gates/evidence/e-process.ts';
import {
  beginStep,
  continued,
  type Evidence,
  evidenceLogE,
  evidenceSchema,
  feed,
  openEvidence,
  streamsOf,
} from '../../../../src/core/gates/evidence/evidence.ts';
import { compactEvidence, misfit } from '../../../../src/core/gates/evidence/evidence-store.ts';
import { streamLogC } from '../../../../src/core/gates/evidence/evidence-stream.ts';
import {
  calibratedLogE,
  type GateSettings,
  harmAt,
  METRIC_DEFAULTS,
  OTHER,
  rollbackLogE,
  WHOLE,
  weighted,
} from '../../../../src/core/gates/gate-settings.ts';
import { blameOf, standings, standingText } from '../../../../src/core/gates/verdict/blamed.ts';
import { blockOf, type Counts, counted, ERRORS, fed, settingsOf, whole } from '../verdict/judged.ts';

const BLOCKS: readonly Counts[] = [
  [1, 150, 14, 14_850],
  [0, 150, 15, 14_850],
  [3, 150, 12, 14_850],
  [2, 150, 17, 14_850],
  [5, 150, 14, 14_850],
];
/** 240 polls of 15 s, of which the first begins with half of the mass. */
const HORIZON = { horizonMs: 239 * 15_000 };

/** ln E (or another number) after each of the five blocks. */
function alongBlocks(settings: GateSettings, of: (evidence: Evidence) => number): number[] {
  return BLOCKS.map((_, index) => of(fed(settings, BLOCKS.slice(0, index + 1).map(whole))));
}

function expectVector(found: readonly number[], expected: readonly number[]): void {
  for (const [index, value] of expected.entries()) expect(found[index]).toBeCloseTo(value, 9);
}

describe('our own vectors, poll by poll', () => {
  const stream = (evidence: Evidence) => streamsOf(evidence, ERRORS)[0] ?? expect.fail('no stream');
  const waitingOf = { share: 'block', absolute: 'poll' } as const;
  const alone = (part: 'share' | 'absolute') => (evidence: Evidence) =>
    mixtureLogE(stream(evidence)[part], evidence.waiting[waitingOf[part]]);

  it('the share process has the values of our vectors, poll by poll', () => {
    const expected = [0.361059124668, 0.0502494947935, 0.985224114667, 2.07485398864, 4.25485711084];
    expectVector(alongBlocks(settingsOf(HORIZON), alone('share')), expected);
  });

  it('the absolute process has the values of our vectors, poll by poll', () => {
    const expected = [-0.0505416972082, -0.187709855166, -0.118176844099, -0.0873795307326, 0.1310720782];
    expectVector(alongBlocks(settingsOf(HORIZON), alone('absolute')), expected);
  });

  it('the non-inferiority bound has the values of our vectors, poll by poll', () => {
    const expected = [-0.183920551471, 0.938132894832, -0.792008004278, -1.19488914625, -2.84902344042];
    expectVector(
      alongBlocks(settingsOf(HORIZON, { dispersion: 1 }), (evidence) => streamLogC(stream(evidence))),
      expected,
    );
  });
});

describe('polls shorter than a block', () => {
  const third = (counts: Counts) => counts.map((count) => count / 3) as unknown as Counts;

  it('polls shorter than a block feed the share process with blocks of 15 s, and the absolute one at once', () => {
    const [block] = [[3, 150, 12, 14_850]] as const;
    const inOne = fed(settingsOf(), [whole(block)]);
    const inThree = fed(settingsOf(), [whole(third(block)), whole(third(block)), whole(third(block))], 0.01, 5000);
    const [one, three] = [streamsOf(inOne, ERRORS)[0], streamsOf(inThree, ERRORS)[0]];
    expect(three?.share).toEqual(one?.share);
    expect(inThree.waiting.block).toBe(0.5);
    expect(inThree.waiting.poll).toBeLessThan(0.5);
    const young = fed(settingsOf(), [whole(third(block)), whole(third(block))], 0.01, 5000);
    expect(streamsOf(young, ERRORS)[0]?.share.every((log) => log === LOG_NOTHING)).toBe(true);
    expect(streamsOf(young, ERRORS)[0]?.open).toEqual([100, 2, 9900, 8]);
  });

  it('polls compare nothing that was seen of the candidate alone, unless it serves alone', () => {
    const alone = { ...whole([40, 50, 0, 0]), stable: { state: 'missing', why: 'down' } } as const;
    const beginningWith = (first: GatePoll) =>
      streamsOf(fed(settingsOf(), [first, whole([0, 50, 0, 950]), whole([0, 50, 0, 950])], 0.05, 5000), ERRORS)[0];
    const [seen, unseen] = [beginningWith(alone), beginningWith(unusable('missing', 'down'))];
    expect(seen?.share).toEqual(unseen?.share);
    expect(seen?.last).toEqual([100, 0]);
    expect(seen?.all).toEqual([150, 40, 1900, 0]);
    expect(streamsOf(fed(settingsOf(), [alone], 1, 5000), ERRORS)[0]?.open).toEqual([50, 40, 0, 0]);
  });

  it('a block that is still open when the next step begins is closed, since what was seen must count', () => {
    const young = fed(settingsOf(), [whole([50, 50, 4, 4950])], 0.01, 5000);
    const next = beginStep(settingsOf(), young, { atMs: 5000, share: 0.05 });
    const [stream] = streamsOf(next, ERRORS);
    expect(stream?.open).toEqual([0, 0, 0, 0]);
    expect(stream?.step).toEqual([0, 0, 0, 0]);
    expect(stream?.all).toEqual([50, 50, 4950, 4]);
    expect(stream === undefined ? 0 : streamLogC(stream)).toBeCloseTo(0, 12);
  });
});

describe('the state', () => {
  const slices = Array.from({ length: 20 }, (_, index) => ({ name: `s${index}`, part: 1 }));
  const many = settingsOf({
    metrics: weighted([{ ...METRIC_DEFAULTS, gate: 'errors', metric: 'errors', family: 'errors', slices }]),
  });
  const poll = (random: () => number) => {
    const blocks = slices.map(({ name }) => [name, blockOf([random() < 0.1 ? 1 : 0, 10, random() < 0.1 ? 1 : 0, 90])] as const);
    const sum = (of: (block: ReturnType<typeof blockOf>) => number) => blocks.reduce((total, [, block]) => total + of(block), 0);
    const all = blockOf([
      sum(({ candidate }) => candidate.failures),
      sum(({ candidate }) => candidate.requests),
      sum(({ stable }) => stable.failures),
      sum(({ stable }) => stable.requests),
    ]);
    return counted({ [WHOLE]: all, ...Object.fromEntries(blocks) });
  };

  it('the evidence is plain JSON from the first moment: it survives the ledger to the last bit', () => {
    const random = seeded(7);
    const states = [
      fed(many, []),
      fed(
        many,
        Array.from({ length: 50 }, () => poll(random)),
        0.1,
      ),
    ];
    for (const evidence of states) expect(evidenceSchema.parse(JSON.parse(JSON.stringify(evidence)))).toEqual(evidence);
  });

  it('the evidence does not grow with polls', () => {
    const random = seeded(8);
    const size = (evidence: Evidence) => JSON.stringify(compactEvidence(evidence)).length;
    let evidence = fed(
      many,
      Array.from({ length: 100 }, () => poll(random)),
      0.1,
    );
    const early = size(evidence);
    for (let index = 0; index < 3000; index += 1)
      evidence = feed(many, evidence, { atMs: evidence.atMs + 15_000, gates: { errors: poll(random) } });
    // Counts and logs have a few more digits, and that is all.
    expect(size(evidence)).toBeLessThan(early * 1.2);
  });

  it('the evidence made compact errs towards no evidence, by next to nothing', () => {
    const random = seeded(9);
    const evidence = fed(
      many,
      Array.from({ length: 30 }, () => poll(random)),
      0.1,
    );
    const compact = compactEvidence(evidence);
    const lost = evidenceLogE(many, evidence) - evidenceLogE(many, compact);
    expect(lost).toBeGreaterThanOrEqual(0);
    expect(lost).toBeLessThan(1e-5);
    expect(JSON.stringify(compact).length).toBeLessThan(JSON.stringify(evidence).length);
  });

  it('the evidence says when it does not belong to these settings', () => {
    expect(misfit(many, fed(many, []))).toBeUndefined();
    expect(misfit(settingsOf(), fed(many, []))).toMatch(/errors\/errors has 21 streams, but the settings need 1/);
    expect(misfit(settingsOf(), { ...fed(settingsOf(), []), wholes: {} })).toMatch(/other processes/);
    expect(misfit(settingsOf({}, { metric: 'other' }), fed(settingsOf(), []))).toMatch(/errors\/other/);
  });

  it('the evidence goes on after a resume, and spends alpha / 2^k where it was lost k times', () => {
    const split = Math.floor(BLOCKS.length / 2);
    const before = fed(settingsOf(), BLOCKS.slice(0, split).map(whole));
    let resumed = evidenceSchema.parse(JSON.parse(JSON.stringify(before)));
    for (const counts of BLOCKS.slice(split))
      resumed = feed(settingsOf(), resumed, { atMs: resumed.atMs + 15_000, gates: { errors: whole(counts) } });
    expect(resumed).toEqual(fed(settingsOf(), BLOCKS.map(whole)));
    expect([0, 1, 2].map((lost) => Math.exp(-rollbackLogE(settingsOf(), lost)))).toEqual([
      expect.closeTo(0.01, 12),
      expect.closeTo(0.005, 12),
      expect.closeTo(0.0025, 12),
    ]);
    expect(openEvidence(settingsOf(), { atMs: 0, share: 0.01, lost: 2 }).lost).toBe(2);
  });

  describe('of silence', () => {
    const HOURS_MS = 5 * 3_600_000;
    const down = unusable('missing', 'down');
    const since = (evidence: Evidence) => evidence.gates['errors']?.candidate;
    const then = (evidence: Evidence, afterMs: number, poll = down) =>
      feed(settingsOf(), evidence, { atMs: evidence.atMs + afterMs, gates: { errors: poll } });
    const [first = expect.fail('no block')] = BLOCKS;
    const good = fed(settingsOf(), [whole(first)]);

    it('a silence begins with the last good poll where that was recent, otherwise with the first that saw it', () => {
      expect(since(then(good, 30_000))).toMatchObject({ sinceMs: 15_000, polls: 1 });
      expect(since(then(good, 30_001))).toMatchObject({ sinceMs: 45_001, polls: 1 });
      expect(since(then(then(good, HOURS_MS), 1000))).toMatchObject({ sinceMs: 15_000 + HOURS_MS, polls: 2 });
    });

    it('a silence is not the time in which a machine slept', () => {
      const slept = then(then(then(good, 1000), HOURS_MS), 1000);
      expect(slept.atMs - (since(slept)?.sinceMs ?? 0)).toBeLessThanOrEqual(settingsOf().missingMs + 2000);
      // Polls that come seldom are no sleep.
      const seldom = then(then(then(good, 60_000), 60_000), 60_000);
      expect(since(seldom)).toMatchObject({ sinceMs: 75_000, polls: 3 });
    });

    it('a silence begins anew with a new process, which knows what was, and not since when', () => {
      const silent = then(then(good, 15_000), 15_000);
      const resumed = continued(silent, silent.atMs + HOURS_MS);
      expect(since(resumed)).toEqual({ state: 'missing', why: 'down', sinceMs: silent.atMs + HOURS_MS, polls: 0 });
      expect(resumed.streams).toBe(silent.streams);
      expect(evidenceSchema.parse(JSON.parse(JSON.stringify(resumed)))).toEqual(resumed);
      const after = then(resumed, HOURS_MS + 1000);
      expect(since(after)).toMatchObject({ sinceMs: silent.atMs + HOURS_MS, polls: 1 });
    });
  });

  it('the evidence remembers that it crossed, whatever comes after', () => {
    const bad = fed(
      settingsOf(),
      Array.from({ length: 8 }, () => whole([150, 150, 15, 14_850])),
    );
    expect(bad.crossed?.atMs).toBe(30_000);
    const later = Array.from({ length: 400 }, () => whole([0, 150, 15, 14_850]));
    const healed = fed(settingsOf(), [...Array.from({ length: 8 }, () => whole([150, 150, 15, 14_850])), ...later]);
    expect(healed.crossed).toEqual(bad.crossed);
  });
});

describe('weights', () => {
  const metric = (
    gate: string,
    family: 'errors' | 'latency' | 'status',
    slices: readonly { name: string; part: number }[] = [],
  ) => ({
    ...METRIC_DEFAULTS,
    gate,
    metric: gate,
    family,
    slices,
  });

  it('the weights sum to 1, half for the whole and half for slices; what is not judged leaves its part to the rest', () => {
    const all = weighted([
      metric('errors', 'errors', [
        { name: 'a', part: 1 },
        { name: 'b', part: 3 },
      ]),
      metric('unauthorised', 'status'),
      metric('missing', 'status'),
    ]);
    const total = all.reduce((sum, one) => sum + one.weight + one.slices.reduce((part, { weight }) => part + weight, 0), 0);
    expect(total).toBeCloseTo(1, 12);
    expect(all[0]?.weight).toBeCloseTo(0.5 / 0.65 / 2, 12);
    expect(all[0]?.slices.map(({ weight }) => weight)).toEqual([
      expect.closeTo(0.5 / 0.65 / 8, 12),
      expect.closeTo((3 * 0.5) / 0.65 / 8, 12),
    ]);
    expect(all[1]?.weight).toBeCloseTo(all[2]?.weight ?? 0, 12);
  });

  it('the weights of the harm by step: 1 point at 1 %, 0.1 points from half on, a line of logs between', () => {
    const plus = (share: number) => harmAt({ times: 2, plus: null }, share).plus;
    expect([0.001, 0.01, 0.05, 0.25, 0.5, 1].map(plus)).toEqual([0.01, 0.01, 0.005, 0.002, 0.001, 0.001]);
    expect(plus(0.1)).toBeGreaterThan(0.002);
    expect(plus(0.1)).toBeLessThan(0.005);
    expect(harmAt({ times: 3, plus: 0.02 }, 0.5)).toEqual({ times: 3, plus: 0.02 });
  });

  it('a calibrated threshold is never below ln 1/alpha, and unknown from fewer replays than can show it', () => {
    const replays = Array.from({ length: 99 }, (_, index) => index / 10);
    expect(calibratedLogE(replays, 0.01)).toBeCloseTo(9.8, 12);
    expect(calibratedLogE(replays.slice(1), 0.01)).toBeUndefined();
    expect(
      calibratedLogE(
        replays.map(() => 0),
        0.01,
      ),
    ).toBeCloseTo(Math.log(100), 12);
  });
});

describe('one bad slice of many', () => {
  const slices = Array.from({ length: 100 }, (_, index) => ({ name: `tenant-${index}`, part: 1 }));
  const [errors] = weighted([{ ...METRIC_DEFAULTS, gate: 'errors', metric: 'errors', family: 'errors', slices }]);
  const settings = settingsOf({ metrics: errors === undefined ? [] : [errors] });
  const poll = (failures: number) => {
    const blocks = slices.map(({ name }, index) => [name, blockOf([index === 42 ? failures : 0, 2, 0, 148])] as const);
    return counted({ [WHOLE]: blockOf([failures, 200, 0, 14_800]), ...Object.fromEntries(blocks) });
  };

  it('one bad slice of many is found after a few failures, and named', () => {
    let evidence = fed(settings, []);
    let bad = 0;
    for (let index = 0; evidence.crossed === null && index < 100; index += 1) {
      const failures = index % 4 === 0 ? 1 : 0;
      bad += failures;
      evidence = feed(settings, evidence, { atMs: evidence.atMs + 15_000, gates: { errors: poll(failures) } });
    }
    expect(bad).toBeLessThan(10);
    const blame = blameOf(settings, evidence);
    expect(blame.heaviest.slice).toBe('tenant-42');
    expect([...blame.confirmed, ...blame.suspects].filter(({ slice }) => slice !== null).map(({ slice }) => slice)).toEqual([
      'tenant-42',
    ]);
  });

  it('the evidence has as many standings as streams, in the order of the settings', () => {
    const all = standings(settings, fed(settings, [poll(1)]));
    expect(all).toHaveLength(101);
    expect(all[0]?.slice).toBeNull();
    expect(all[43]).toMatchObject({ slice: 'tenant-42', all: blockOf([1, 2, 0, 148]) });
  });

  it('a bad slice is said with its counts next to those of the stable build; traffic with what was planned', () => {
    const traffic = { ...ERRORS, metric: 'traffic', kind: 'traffic' as const, certified: false, weight: 0.5 };
    const two = settingsOf({ metrics: [{ ...ERRORS, weight: 0.5 }, traffic] });
    const both = (counts: Counts) => ({
      ...whole(counts),
      blocks: { errors: { [WHOLE]: blockOf(counts) }, traffic: { [WHOLE]: blockOf([0, counts[1], 0, counts[3]]) } },
    });
    const before = beginStep(two, fed(two, [both([0, 5000, 0, 5000])], 0.5), { atMs: 15_000, share: 0.25 });
    const after = feed(two, before, { atMs: 30_000, gates: { errors: both([1, 8075, 3, 149_425]) } });
    expect(standings(two, after).map(standingText)).toEqual([
      'errors: 1 of 13075 (0.0076 %) vs 3 of 154425 (0.0019 %)',
      'traffic: the candidate had 8075 of 157500 requests (5.13 %); the plan was 25 %',
    ]);
    expect(standings(two, before).map(standingText)[1]).toBe(
      'traffic: the candidate had none of 0 requests at this step; the plan was 25 %',
    );
  });

  it('a slice that no one named before counts as other where there is such a slice', () => {
    const late = settingsOf(
      {},
      {
        weight: 0.5,
        slices: [
          { name: 'a', weight: 0.25 },
          { name: OTHER, weight: 0.25 },
        ],
      },
    );
    const block = blockOf([1, 10, 0, 90]);
    const evidence = fed(late, [counted({ [WHOLE]: blockOf([3, 30, 0, 270]), a: block, b: block, c: block })]);
    expect(standings(late, evidence).map(({ all }) => all)).toEqual([blockOf([3, 30, 0, 270]), block, blockOf([2, 20, 0, 180])]);
  });
});
