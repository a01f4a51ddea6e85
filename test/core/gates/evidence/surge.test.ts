/** The tests that bursts made necessary: means of at most 1 at the margin, and choices that no poll's own counts move. */
import { describe, expect, it } from 'vitest';
import { type Block, fairChance, logSumExp } from '../../../../src/core/gates/evidence/e-process.ts';
import { beginStep, feed, openEvidence } from '../../../../src/core/gates/evidence/evidence.ts';
import { feedSurge, openSurge, type Surge, surgeLogs } from '../../../../src/core/gates/evidence/surge.ts';
import { countCap, limitTemper, openUsual, shareBlockMs, usualAfterSurge } from '../../../../src/core/gates/evidence/usual.ts';
import { choices } from '../../../../src/core/gates/evidence/whole.ts';
import { blockOf, type Counts, settingsOf, whole } from '../verdict/judged.ts';

const TOLERATED = { times: 1.2, plus: 0 };
const USUAL = openUsual(0.001);
const calm = blockOf([0, 100, 1, 900]);
const onCandidate = blockOf([40, 100, 1, 900]);
const onStable = blockOf([0, 100, 45, 900]);

const polled = (surge: Surge, block: Block, second: number) =>
  feedSurge(surge, block, { atMs: second * 1000, elapsedMs: 1000, bets: true, tolerated: TOLERATED, usual: USUAL }).surge;
const value = (surge: Surge) => Math.exp(logSumExp(surgeLogs(surge)));

describe('a surge', () => {
  const before = polled(openSurge(), calm, 1);

  it('a surge leaves the evidence at 1 on average where it lands on the candidate with its fair chance', () => {
    expect(value(before)).toBeCloseTo(1, 12);
    const fair = fairChance(0.1, TOLERATED.times);
    const mean = fair * value(polled(before, onCandidate, 2)) + (1 - fair) * value(polled(before, onStable, 2));
    expect(mean).toBeCloseTo(1, 9);
  });

  it('a surge leaves the evidence where it is, on average, as long as it lasts no longer than is assumed', () => {
    const landed = polled(before, onCandidate, 2);
    // Its second second comes with a chance of e^(-1/3); otherwise calm polls follow until it is over.
    const goesOn = polled(landed, onCandidate, 3);
    const over = [3, 4, 5, 6].reduce((surge, second) => polled(surge, calm, second), landed);
    const chance = Math.exp(-1 / 3);
    expect(chance * value(goesOn) + (1 - chance) * value(over)).toBeLessThanOrEqual(value(landed) + 1e-9);
    expect(value(goesOn)).toBeGreaterThan(value(landed));
  });

  it('a surge is one event: the same one is bet on once, and one that both builds share wins nothing', () => {
    const long = [2, 3, 4].reduce((surge, second) => polled(surge, onCandidate, second), before);
    expect(long.landedMs).toBe(2000);
    const shared = polled(before, blockOf([40, 100, 360, 900]), 2);
    expect(value(shared)).toBeLessThan(1);
    expect(value(polled(shared, onCandidate, 3))).toBeLessThan(1);
  });

  it('a surge needs to be told from what is usual, and calm costs nothing', () => {
    const unknown = feedSurge(openSurge(), onCandidate, {
      atMs: 1000,
      elapsedMs: 1000,
      bets: true,
      tolerated: TOLERATED,
      usual: openUsual(null),
    });
    expect(value(unknown.surge)).toBeCloseTo(1, 12);
    const hour = Array.from({ length: 3600 }, (_, second) => second + 1).reduce(
      (s, second) => polled(s, calm, second),
      openSurge(),
    );
    expect(value(hour)).toBeCloseTo(1, 12);
    expect(hour.polls.length).toBeLessThanOrEqual(17);
  });
});

describe('what the stable build has shown', () => {
  const surged = usualAfterSurge(USUAL, 20_000);

  it('what the stable build has shown makes the others slower: cap, limit and block follow its longest surge, up to 30 s', () => {
    expect([countCap(USUAL, 0.012, 1000), countCap(surged, 0.012, 1000)].map((cap) => cap.toFixed(2))).toEqual(['1.21', '0.09']);
    expect([limitTemper(USUAL, 1000), limitTemper(surged, 1000), limitTemper(USUAL, 15_000)]).toEqual([0.2, 0.05, 1]);
    expect([shareBlockMs(USUAL, 15_000), shareBlockMs(surged, 15_000)]).toEqual([15_000, 40_000]);
    expect(usualAfterSurge(USUAL, 180_000).longestMs).toBe(30_000);
  });

  it('what the stable build shows in a poll moves no bet of that poll, only later ones', () => {
    const settings = settingsOf({}, { usual: 0.001 });
    const watched = Array.from({ length: 90 }, (_, index) => index + 1).reduce(
      (evidence, second) => feed(settings, evidence, { atMs: second * 1000, gates: { errors: whole([0, 0, second % 2, 990]) } }),
      openEvidence(settings, { atMs: 0, share: 0 }),
    );
    const begun = beginStep(settings, watched, { atMs: 90_000, share: 0.01 });
    const fedWith = (counts: Counts) => feed(settings, begun, { atMs: 91_000, gates: { errors: whole(counts) } });
    const [calmly, burst] = [fedWith([1, 10, 1, 990]), fedWith([1, 10, 4, 990])];
    const streamOf = (evidence: typeof begun) => evidence.streams['errors/errors']?.[0];
    // The limit looks at the candidate alone, tempered by what was known before.
    expect(streamOf(burst)?.absolute).toEqual(streamOf(calmly)?.absolute);
    const choice = choices(begun.wholes['errors/errors'] ?? expect.fail('no whole'), 91_000);
    expect(choice.temper).toBe(0.2);
    expect(choice.counting?.dispersion).toBeGreaterThan(1);
  });
});
