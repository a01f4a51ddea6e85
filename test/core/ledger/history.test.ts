/** What a ledger means: known-good builds, bad ones, the last rollout. */
import { describe, expect, it } from 'vitest';
import { admittedBefore } from '../../../src/core/admission/admitted.ts';
import type { Event } from '../../../src/core/ledger/events.ts';
import {
  currentKnownGood,
  fold,
  type History,
  openRollout,
  rollbackTargets,
  servedBefore,
} from '../../../src/core/ledger/history.ts';
import type { Build } from '../../../src/core/manifest/manifest.ts';
import { adoptionPlan, promotionPlan } from '../../../src/core/rollout/make-plan.ts';
import { type Plan, stableSplit, stepSplit } from '../../../src/core/rollout/plan.ts';
import { buildOf, entriesOf, guidOf, minute, PLANNING, rollbackTo, SETTINGS } from '../manifest/builds.ts';

const atMs = 1;
const A = buildOf(1, 'blue');
const B = buildOf(2, 'green');
const C = buildOf(3, 'red');

const pass: Event = { type: 'polled', atMs, verdict: 'pass', watchedMs: 60_000, missingMs: 0, advance: true, gates: [] };
const fail: Event = { ...pass, verdict: 'fail' };
const missing: Event = { ...pass, verdict: 'hold', missingMs: 1_000_000 };
const converged: Event = { type: 'converged', atMs, baseline: {}, certainty: 'configured' };
const pointed: Event = { type: 'pointed', atMs, generation: 1, warnings: [] };
const prepared: Event = { type: 'prepared', atMs, generation: 1 };
const abort: Event = { type: 'abort-requested', atMs, actor: 'bob', reason: 'looks wrong' };
const refused: Event = { type: 'refused', atMs, code: 'UNREACHABLE', message: 'no answer', hint: '' };

const planned = (plan: Plan): Event => ({ type: 'planned', atMs, plan });
const shifted = (plan: Plan, step = 0): Event => ({
  type: 'shifted',
  atMs,
  split: [...stepSplit(plan, step)],
  certainty: 'configured',
});
const back = (plan: Plan): Event => ({ type: 'shifted', atMs, split: [...stableSplit(plan)], certainty: 'configured' });

function promotionTo(candidate: Build, stable: Build, id = 'r-1'): Plan {
  const steps = [{ percent: 100, bakeMs: 60_000 }];
  return promotionPlan({ ...SETTINGS, steps }, { ...PLANNING, id }, admittedBefore(candidate), stable);
}

const begun = (plan: Plan) => [planned(plan), prepared, shifted(plan), converged];

/** A promotion that went well: six entries, done with the last. */
const promoted = (candidate: Build, stable: Build) => {
  const plan = promotionTo(candidate, stable);
  return [...begun(plan), pass, pointed];
};
const reverted = (candidate: Build, stable: Build, why: Event) => {
  const plan = promotionTo(candidate, stable);
  return [...begun(plan), why, back(plan)];
};
const rolledBack = (to: Build, left: Build | null, word?: 'bad' | 'not bad') => {
  const plan = rollbackTo(to, left);
  const marked: Event[] =
    word === undefined || left === null ? [] : [{ type: 'marked', atMs, guid: left.guid, bad: word === 'bad', why: 'said' }];
  return [planned(plan), ...marked, ...begun(plan).slice(1), pointed];
};
/** As ledgers before format 4 have it: the rollback itself marks what it leaves. */
const rolledBackBefore = (to: Build, left: Build | null, reason: string | null = null) => {
  const { marksNothing: _, ...plan } = rollbackTo(to, left, { reason });
  return [...begun(plan), pointed];
};
const pardoned = (build: Build): Event => ({ type: 'pardoned', atMs, guid: build.guid, reason: 'the disk was full' });
const adopted = (serving: Build) => [
  planned(adoptionPlan(SETTINGS, PLANNING, admittedBefore(serving))),
  prepared,
  converged,
  pass,
  pointed,
];
const reconciled = (serving: Build | null, bad: readonly Build[]): Event => ({
  type: 'reconciled',
  atMs,
  reason: 'gateway was down',
  serving: serving?.guid ?? null,
  bad: bad.map((build) => build.guid),
  records: [{ id: 'x1', text: 'rescued' }],
});
const imported = (build: Build, bad: readonly Build[] = []): Event => ({
  type: 'imported',
  atMs,
  build,
  since: '2025-12-01T00:00:00Z',
  bad: bad.map((one) => one.guid),
  file: 'pointer.json',
});

const historyOf = (...events: readonly (Event | readonly Event[])[]) => fold(entriesOf(events.flat()));
const refs = (history: History) => history.knownGood.map((known) => known.build.ref);
const badRefs = (history: History) => [A, B, C].filter((build) => history.bad.has(build.guid)).map((build) => build.ref);

describe('known-good', () => {
  it('nothing is known-good at first', () => {
    expect(historyOf()).toMatchObject({ nextSeq: 1, knownGood: [], highestSequence: null, rollout: null, leader: null });
    expect(currentKnownGood(historyOf())).toBeNull();
  });

  it('a build becomes known-good with the last entry of its rollout, and not one entry before', () => {
    const events = [...adopted(A), ...promoted(B, A)];
    const before = events.map((_, index) => currentKnownGood(historyOf(events.slice(0, index)))?.build.ref ?? 'none');
    expect(before).toEqual([...Array(5).fill('none'), ...Array(6).fill('blue')]);
    expect(currentKnownGood(historyOf(events))).toEqual({ build: B, since: minute(10), rollout: 'r-1' });
  });

  it('the known-good builds are listed newest first, each once, with the time in which each was it', () => {
    const history = historyOf(adopted(A), promoted(B, A), promoted(C, B));
    expect(refs(history)).toEqual(['red', 'green', 'blue']);
    expect(history.knownGood.map((known) => [known.since, known.until])).toEqual([
      [minute(16), undefined],
      [minute(10), minute(16)],
      [minute(4), minute(10)],
    ]);
    expect(history.highestSequence).toBe(3);
  });

  it.each([
    ['a failed gate', fail, ['green']],
    ['missing health', missing, []],
    ['an abort', abort, []],
    ['a router that does not take it', { type: 'not-converged', atMs, why: 'down', waitedMs: 0, final: true } as Event, []],
  ])('the stable build stays known-good after %s; only a failed gate marks the candidate bad', (_what, why, bad) => {
    const plan = promotionTo(B, A);
    const middle = why.type === 'not-converged' ? [planned(plan), prepared, shifted(plan), why, back(plan)] : reverted(B, A, why);
    const history = historyOf(adopted(A), middle);
    expect(refs(history)).toEqual(['blue']);
    expect(history.rollout?.phase).toBe('reverted');
    expect(badRefs(history)).toEqual(bad);
    expect(history.highestSequence).toBe(1);
  });

  it('a candidate is marked bad with the very entry of the failed gate, before traffic is back', () => {
    const history = historyOf(adopted(A), begun(promotionTo(B, A)), fail);
    expect(history.rollout?.phase).toBe('reverting');
    expect(history.bad.get(B.guid)).toMatch(/^a gate failed; 0s after the step began/);
  });

  it('a build whose pointer could not be written is not known-good: no pointer names it', () => {
    const stuck = [1, 2, 3].map((attempt): Event => ({ type: 'point-failed', atMs, why: 'disk full', attempt }));
    const history = historyOf(adopted(A), begun(promotionTo(B, A)), pass, stuck);
    expect(history.rollout?.phase).toBe('stuck');
    expect(refs(history)).toEqual(['blue']);
    expect(badRefs(history)).toEqual([]);
  });

  it('a build that failed once and was then promoted by another rollout stays marked: bad is for ever', () => {
    expect(badRefs(historyOf(adopted(A), reverted(B, A, fail), promoted(B, A)))).toEqual(['green']);
  });
});

describe('a rollback', () => {
  it('a rollback in a ledger before format 4 keeps the mark that it made by itself', () => {
    const history = historyOf(adopted(A), promoted(B, A), rolledBackBefore(A, B, 'errors in Paris'));
    expect(history.bad.get(B.guid)).toBe('rolled back from: errors in Paris');
    const half = historyOf(adopted(A), promoted(B, A), rolledBackBefore(A, B).slice(0, 4));
    expect(badRefs(half)).toEqual([]);
    expect(badRefs(historyOf(adopted(A), promoted(B, A), rolledBackBefore(A, null)))).toEqual([]);
  });

  it('a rollback makes its goal known-good again and marks what it left bad only where a person says so', () => {
    const history = historyOf(adopted(A), promoted(B, A), rolledBack(A, B, 'bad'));
    expect(badRefs(historyOf(adopted(A), promoted(B, A), rolledBack(A, B)))).toEqual([]);
    expect(badRefs(historyOf(adopted(A), promoted(B, A), rolledBack(A, B, 'not bad')))).toEqual([]);
    expect(refs(history)).toEqual(['blue', 'green']);
    expect(history.bad.get(B.guid)).toBe('said');
    expect(rollbackTargets(history).map((known) => known.build.ref)).toEqual(['blue']);
    expect(history.knownGood.map((known) => [known.since, known.until])).toEqual([
      [minute(16), undefined],
      [minute(10), minute(16)],
    ]);
  });

  it('a rollback can go to an earlier build; the sequence never sinks', () => {
    const history = historyOf(adopted(A), promoted(B, A), promoted(C, B), rolledBack(A, C, 'bad'));
    expect(refs(history)).toEqual(['blue', 'red', 'green']);
    expect(rollbackTargets(history).map((known) => known.build.ref)).toEqual(['blue', 'green']);
    expect(history.highestSequence).toBe(3);
  });

  it('a rollback leaves the known-good build, or the candidate of a promotion that did not end well, and never drift', () => {
    const leaves = (to: Build, ...events: readonly (Event | readonly Event[])[]) => servedBefore(historyOf(...events), to.guid);
    expect(leaves(A, adopted(A), promoted(B, A))).toEqual([B]);
    expect(leaves(B, adopted(A), promoted(B, A))).toEqual([]);
    expect(leaves(A, adopted(A), begun(promotionTo(B, A)))).toEqual([B]);
    expect(leaves(A, adopted(A), planned(promotionTo(B, A)))).toEqual([]);
    expect(leaves(A, adopted(A), reverted(B, A, fail))).toEqual([]);
    expect(leaves(A, adopted(A), promoted(B, A), begun(promotionTo(C, B)))).toEqual([C, B]);
  });

  it('a rollback is followed by a promotion that has the goal as its stable build', () => {
    const history = historyOf(adopted(A), promoted(B, A), rolledBack(A, B, 'bad'), promoted(C, A));
    expect(refs(history)).toEqual(['red', 'blue', 'green']);
    expect(rollbackTargets(history).map((known) => known.build.ref)).toEqual(['red', 'blue']);
  });
});

describe('an adoption', () => {
  const plan = adoptionPlan(SETTINGS, PLANNING, admittedBefore(A));
  it.each([
    ['its gate fails', [planned(plan), prepared, converged, fail]],
    ['health is missing', [planned(plan), prepared, converged, missing]],
    ['it is aborted', [planned(plan), prepared, abort]],
    ['it is refused', [planned(plan), refused]],
  ])('an adoption leaves nothing known-good and nothing bad when %s: it can be tried again', (_what, events) => {
    const history = historyOf(events);
    expect(history.rollout?.phase).toBe('refused');
    expect([refs(history), badRefs(history), history.highestSequence]).toEqual([[], [], null]);
    expect(refs(historyOf(events, adopted(A)))).toEqual(['blue']);
  });
});

describe('a pardon', () => {
  it('a pardon takes the mark away, keeps why it was there, and lets the build come back', () => {
    const history = historyOf(adopted(A), promoted(B, A), rolledBack(A, B, 'bad'), pardoned(B));
    expect([badRefs(history), [...history.cleared]]).toEqual([[], [B.guid]]);
    expect(history.pardons.get(B.guid)).toMatchObject({ reason: 'the disk was full', was: 'said' });
  });

  it('a pardon does not outlive the next mark, nor the next time that the build is known-good', () => {
    const bad = historyOf(adopted(A), promoted(B, A), rolledBack(A, B, 'bad'), pardoned(B), reverted(B, A, fail));
    expect([badRefs(bad), bad.cleared.size, bad.pardons.size]).toEqual([['green'], 0, 1]);
    const good = historyOf(adopted(A), promoted(B, A), rolledBack(A, B, 'bad'), pardoned(B), promoted(B, A));
    expect([badRefs(good), good.cleared.size]).toEqual([[], 0]);
  });

  it('a build that a rollback left without a word stays unmarked, and a word clears it', () => {
    expect(historyOf(adopted(A), promoted(B, A), rolledBack(A, B)).cleared.size).toBe(0);
    expect([...historyOf(adopted(A), promoted(B, A), rolledBack(A, B, 'not bad')).cleared]).toEqual([B.guid]);
    expect(historyOf(adopted(A), promoted(B, A), rolledBack(A, B, 'bad'), rolledBack(A, B, 'not bad')).cleared.size).toBe(0);
  });
});

describe('break-glass, reconciled', () => {
  it('a reconciled rescue makes the serving build known-good again, marks what was left, and ends the rollout', () => {
    const history = historyOf(adopted(A), promoted(B, A), begun(promotionTo(C, B)), reconciled(A, [C, B]));
    expect(refs(history)).toEqual(['blue', 'green']);
    expect(badRefs(history)).toEqual(['green', 'red']);
    expect(history.bad.get(C.guid)).toBe('rolled back by break-glass: gateway was down');
    expect(history.rollout?.phase).toBe('rescued');
    expect(openRollout(history)).toBeNull();
    expect([...history.reviewed]).toEqual(['x1']);
  });

  it('a reconciled rescue changes no time of a build that was the known-good one all along', () => {
    const history = historyOf(adopted(A), begun(promotionTo(B, A)), reconciled(A, [B]));
    expect(history.knownGood).toEqual([{ build: A, since: minute(4), rollout: 'r-1' }]);
    expect(badRefs(history)).toEqual(['green']);
  });

  it.each([
    ['nothing that is known', null],
    ['a build that was never known-good', C],
  ])('a reconciled rescue makes nothing known-good that was not: %s serves', (_what, serving) => {
    expect(refs(historyOf(adopted(A), promoted(B, A), reconciled(serving, [])))).toEqual(['green', 'blue']);
  });

  it('a reconciled rescue needs no rollout', () => {
    expect(historyOf(reconciled(null, [C]))).toMatchObject({ rollout: null, knownGood: [] });
  });
});

describe('an import', () => {
  it('an import brings a known-good build, its time and what was bad there', () => {
    const history = historyOf(imported(B, [C]));
    expect(currentKnownGood(history)).toMatchObject({ build: B, since: '2025-12-01T00:00:00Z', rollout: 'imported' });
    expect(badRefs(history)).toEqual(['red']);
    expect(history.highestSequence).toBe(2);
    expect([...history.guids]).toEqual([B.guid]);
  });

  it('an import lists each build once, however often it is imported', () => {
    const history = historyOf(adopted(A), imported(B), imported(A), imported(B));
    expect(refs(history)).toEqual(['green', 'blue']);
    expect(history.knownGood[1]?.until).toBe(minute(7));
  });
});

describe('the last rollout', () => {
  it('the last rollout is open until nothing is left to do', () => {
    const plan = promotionTo(B, A);
    const events = [...adopted(A), ...promoted(B, A)];
    const open = events.map((_, index) => openRollout(historyOf(events.slice(0, index + 1))) !== null);
    expect(open).toEqual([true, true, true, true, false, true, true, true, true, true, false]);
    expect(openRollout(historyOf(adopted(A), planned(plan), prepared))?.plan).toEqual(plan);
  });

  it('the last rollout knows when it was planned, and when it last changed', () => {
    expect(historyOf(adopted(A), promoted(B, A))).toMatchObject({ plannedAt: minute(5), changedAt: minute(10), nextSeq: 12 });
  });

  it('the last rollout is not changed by an event that no plan began, nor by one that comes after its end', () => {
    expect(historyOf(prepared, pass, pointed)).toMatchObject({ rollout: null, knownGood: [], nextSeq: 4 });
    const later = historyOf(adopted(A), pointed, fail, abort);
    expect(later.rollout?.phase).toBe('done');
    expect([later.knownGood, badRefs(later)]).toEqual([historyOf(adopted(A)).knownGood, []]);
  });
});

describe('a fold', () => {
  it('a history is the same folded in one go and entry by entry', () => {
    const entries = entriesOf([...adopted(A), ...promoted(B, A), ...rolledBack(A, B), imported(C), reconciled(C, [A])]);
    const stepwise = entries.reduce((sum, entry) => fold([entry], sum), fold([]));
    expect(stepwise).toEqual(fold(entries));
  });

  it('a history that one entry is added to stays as it was', () => {
    const entries = entriesOf([...adopted(A), ...promoted(B, A), ...rolledBack(A, B), imported(C), reconciled(C, [A])]);
    entries.reduce((sum, entry) => {
      const before = structuredClone(sum);
      const after = fold([entry], sum);
      expect(sum).toEqual(before);
      return after;
    }, fold([]));
  });

  it('a history knows who leads, and every GUID that a plan ever named', () => {
    const by = { host: 'deploy-1', boot: 'boot', pid: 7, started: '1' };
    const claimed: Event = { type: 'claimed', atMs, claim: { by, actor: 'alice', command: 'promote', from: null } };
    expect(historyOf(claimed).leader).toMatchObject({ since: minute(0), claim: { actor: 'alice' } });
    expect(historyOf(claimed, { type: 'released', atMs }).leader).toBeNull();
    expect([...historyOf(adopted(A), planned(promotionTo(B, A)), refused).guids]).toEqual([guidOf(1), guidOf(2)]);
  });
});
