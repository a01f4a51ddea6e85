/** The rollout, sentence by sentence of the design; the exhaustive walk is in rollout-model.test.ts. */
import { describe, expect, it } from 'vitest';
import type { Verdict } from '../../../src/core/gates/verdict/verdict.ts';
import type { Event } from '../../../src/core/ledger/events.ts';
import { type Plan, planSchema, stepSplit } from '../../../src/core/rollout/plan.ts';
import {
  ATTEMPTS_MAX,
  apply,
  CONVERGE_MS_MAX,
  next,
  REVERT_ATTEMPTS_MAX,
  type State,
  start,
} from '../../../src/core/rollout/rollout.ts';
import { adoption, buildOf, CANDIDATE, promotion, rollbackTo, STABLE } from '../manifest/builds.ts';

const atMs = 1;
const PREPARED: Event = { type: 'prepared', atMs, generation: 1 };
const CONVERGED: Event = { type: 'converged', atMs, baseline: {}, certainty: 'configured' };
const POINTED: Event = { type: 'pointed', atMs, generation: 2, warnings: [] };
const ABORT: Event = { type: 'abort-requested', atMs, actor: 'bob', reason: 'looks wrong' };
const DRIFTED: Event = { type: 'drifted', atMs, why: 'someone else moved the traffic', split: [] };

function polled(verdict: Verdict, more: Partial<Extract<Event, { type: 'polled' }>> = {}): Event {
  const gates = [{ gate: 'errors', verdict, why: `${verdict}, it says`, requests: 200, errors: 3 }];
  return { type: 'polled', atMs, verdict, watchedMs: 60_000, missingMs: 0, advance: true, gates, ...more };
}

/** The answer that the shift of this step gives when it worked. */
function shiftedTo(plan: Plan, step: number): Event {
  const split = stepSplit(plan, step).filter((share) => share.percent > 0);
  return { type: 'shifted', atMs, split: [...split], certainty: 'configured' };
}

const BACK: Event = { type: 'shifted', atMs, split: [{ place: 'blue', build: null, percent: 100 }], certainty: 'configured' };

function stateAfter(plan: Plan, ...events: readonly Event[]): State {
  return events.reduce(apply, start(plan));
}

const TWO = promotion([10, 100]);
const AT_TEN = [PREPARED, shiftedTo(TWO, 0), CONVERGED];
const AT_HUNDRED = [...AT_TEN, polled('pass'), shiftedTo(TWO, 1), CONVERGED];

function failedTimes(type: 'shift-failed' | 'point-failed', times: number): Event[] {
  return Array.from({ length: times }, (_, index) => {
    const failed = { atMs, why: 'no answer', attempt: index + 1 };
    return type === 'shift-failed' ? { type, ...failed, final: false } : { type, ...failed };
  });
}

describe('a promotion', () => {
  it('a promotion goes from checking over every step to pointing and done', () => {
    const phases = [...AT_HUNDRED, polled('pass'), POINTED].map(
      (_, index, events) => stateAfter(TWO, ...events.slice(0, index + 1)).phase,
    );
    expect(phases).toEqual(['shifting', 'converging', 'baking', 'shifting', 'converging', 'baking', 'pointing', 'done']);
  });

  it('a promotion asks for the percent of its step, the rest on stable, and nothing for any other member', () => {
    const split = [
      { place: 'blue', build: STABLE.guid, percent: 90 },
      { place: 'green', build: CANDIDATE.guid, percent: 10 },
      { place: 'old', build: null, percent: 0 },
    ];
    expect(next(stateAfter(TWO, PREPARED))).toEqual({ do: 'shift', split, leaving: 'at-once' });
    expect(next(stateAfter(TWO, ...AT_TEN))).toEqual({ do: 'poll', split });
  });

  it('a promotion lets the old build drain only in its last step', () => {
    expect(next(stateAfter(TWO, ...AT_TEN, polled('pass')))).toMatchObject({ do: 'shift', leaving: 'drain' });
  });

  it.each([
    ['before the bake is over', polled('pass', { watchedMs: 59_999 })],
    ['while a person holds it', polled('pass', { advance: false })],
    ['without a verdict', polled('hold')],
    ['when the watched time is no number', polled('pass', { watchedMs: Number.NaN })],
  ])('a promotion begins no further step %s', (_when, event) => {
    expect(stateAfter(TWO, ...AT_TEN, event)).toMatchObject({ phase: 'baking', step: 0 });
  });

  it.each([0, 1])('a promotion reverts at once when a gate fails at step index %i, and says which', (step) => {
    const state = stateAfter(TWO, ...(step === 0 ? AT_TEN : AT_HUNDRED), polled('fail', { watchedMs: 0 }));
    expect(state).toMatchObject({
      phase: 'reverting',
      gateFailed: true,
      why: expect.stringMatching(/^gate errors failed: fail, it says;/),
    });
    expect(next(state)).toMatchObject({
      do: 'shift',
      leaving: 'at-once',
      split: [{ place: 'blue', percent: 100 }, { percent: 0 }, { percent: 0 }],
    });
    expect(apply(state, BACK)).toMatchObject({ phase: 'reverted', code: 'REVERTED', gateFailed: true });
  });

  it('a promotion holds while health is missing, and reverts once patience ends, without blaming the candidate', () => {
    const { patienceMs } = TWO;
    const waiting = stateAfter(TWO, ...AT_TEN, polled('hold', { missingMs: patienceMs }));
    expect(waiting).toMatchObject({ phase: 'baking', step: 0 });
    const gone = apply(waiting, polled('hold', { missingMs: patienceMs + 1 }));
    expect(gone).toMatchObject({ phase: 'reverting', gateFailed: false, why: expect.stringContaining('gate errors') });
  });

  it('a promotion reverts on give-up, as on the time beyond patience that ledgers before format 3 have in its place', () => {
    const { patienceMs } = TWO;
    const gates = [{ gate: 'errors', verdict: 'hold' as const, why: 'no data', requests: 0, errors: 0 }];
    const old = stateAfter(TWO, ...AT_TEN, polled('hold', { missingMs: patienceMs + 1, gates }));
    expect(stateAfter(TWO, ...AT_TEN, polled('give-up', { gates }))).toEqual(old);
    expect(old).toMatchObject({ phase: 'reverting', code: 'GATE_NOT_READY', gateFailed: false });
  });

  it('a promotion that gives up names the failed requests that another gate had counted until then, and no empty count', () => {
    const hold = { verdict: 'hold' as const, requests: 0, errors: 0 };
    const gates = [
      { ...hold, gate: 'identity', why: 'the router reports every member at green as down' },
      { ...hold, gate: 'latency', why: '0 of 0 failed' },
      { ...hold, gate: 'errors', why: '2 of 9 (22.22 %) failed (2 x none)', requests: 9, errors: 2 },
    ];
    expect(stateAfter(TWO, ...AT_TEN, polled('give-up', { gates }))).toMatchObject({
      code: 'GATE_NOT_READY',
      why: 'health was unknown for too long: gate identity: the router reports every member at green as down; gate errors counted until then: 2 of 9 (22.22 %) failed (2 x none)',
    });
  });

  it('a promotion whose members came or left sets the same step again, and bakes it again', () => {
    const regrouped: Event = { type: 'regrouped', atMs, why: 'green-4 came to green' };
    const state = stateAfter(TWO, ...AT_TEN, regrouped);
    expect(state).toMatchObject({ phase: 'shifting', step: 0, again: true, why: regrouped.why });
    expect(stateAfter(TWO, PREPARED, regrouped)).toEqual(stateAfter(TWO, PREPARED));
  });

  it('a promotion reverts when the missing time is no number: unknown is not patience', () => {
    expect(stateAfter(TWO, ...AT_TEN, polled('hold', { missingMs: Number.NaN })).phase).toBe('reverting');
  });

  it('a promotion tries a shift three times, then reverts', () => {
    const tries = failedTimes('shift-failed', ATTEMPTS_MAX);
    expect(stateAfter(TWO, PREPARED, ...tries.slice(0, -1))).toMatchObject({ phase: 'shifting', attempts: ATTEMPTS_MAX - 1 });
    expect(stateAfter(TWO, PREPARED, ...tries)).toMatchObject({ phase: 'reverting', attempts: 0, gateFailed: false });
  });

  it('a promotion tries a revert ten times, then is stuck and says so', () => {
    const tries = failedTimes('shift-failed', REVERT_ATTEMPTS_MAX);
    const failed = [...AT_TEN, polled('fail')];
    expect(stateAfter(TWO, ...failed, ...tries.slice(0, -1)).phase).toBe('reverting');
    expect(stateAfter(TWO, ...failed, ...tries)).toMatchObject({ phase: 'stuck', code: 'STUCK' });
  });

  it('a revert that does not reach every location ends with NEEDS_ATTENTION, and names what it did not reach', () => {
    const back = stateAfter(TWO, ...AT_TEN, polled('fail'), { ...BACK, unreached: 'n3: no route to host' });
    expect(back).toMatchObject({ phase: 'reverted', code: 'NEEDS_ATTENTION', gateFailed: true });
    expect(back.why).toContain('n3: no route to host');
    const aborted = stateAfter(TWO, ...AT_TEN, ABORT, { ...BACK, unreached: 'n3: no route to host' });
    expect(aborted).toMatchObject({ phase: 'reverted', code: 'NEEDS_ATTENTION' });
  });

  it('a promotion goes on reverting where trying again is said not to help: there is nothing better to do', () => {
    const final: Event = { type: 'shift-failed', atMs, why: 'refused', attempt: 1, final: true };
    expect(stateAfter(TWO, PREPARED, final).phase).toBe('reverting');
    expect(stateAfter(TWO, ...AT_TEN, polled('fail'), final).phase).toBe('reverting');
  });

  it.each([
    ['waits', { waitedMs: CONVERGE_MS_MAX - 1, final: false }, 'converging'],
    ['reverts after its time', { waitedMs: CONVERGE_MS_MAX, final: false }, 'reverting'],
    ['reverts at once where waiting cannot help', { waitedMs: 0, final: true }, 'reverting'],
    ['reverts when the time is no number', { waitedMs: Number.NaN, final: false }, 'reverting'],
  ] as const)('a promotion %s when the router does not converge', (_what, more, phase) => {
    const event: Event = { type: 'not-converged', atMs, why: 'green is down', ...more };
    expect(stateAfter(TWO, PREPARED, shiftedTo(TWO, 0), event).phase).toBe(phase);
  });

  it.each([
    ['converging', [PREPARED, shiftedTo(TWO, 0)]],
    ['baking', AT_TEN],
  ])('a promotion stops with DRIFT when someone else moves the traffic while %s', (_phase, events) => {
    expect(stateAfter(TWO, ...events, DRIFTED)).toMatchObject({ phase: 'stuck', code: 'DRIFT', gateFailed: false });
  });

  it('a promotion keeps the counts from when the bake began until the next one begins', () => {
    const baseline = { errors: { requests: 40, errors: 1, counting: 'total' as const } };
    const baking = stateAfter(TWO, PREPARED, shiftedTo(TWO, 0), { ...CONVERGED, baseline });
    expect(baking.baseline).toEqual(baseline);
    const shifting = apply(baking, polled('pass'));
    expect(shifting).toMatchObject({ phase: 'shifting', step: 1, baseline });
    expect(stateAfter(TWO, ...AT_HUNDRED).baseline).toEqual(CONVERGED.baseline);
  });

  it('a promotion left between two steps bakes the serving step again, from the counts of its first bake', () => {
    const baseline = { errors: { requests: 40, errors: 1, counting: 'total' as const } };
    const events = [PREPARED, shiftedTo(TWO, 0), { ...CONVERGED, baseline }, polled('pass')];
    const left = stateAfter(TWO, ...events, { type: 'left', atMs, why: 'until' });
    expect(left).toMatchObject({ phase: 'baking', step: 0, baseline, watchedMs: 0 });
    expect(next(left)).toMatchObject({ do: 'poll' });
    expect(apply(left, polled('fail'))).toMatchObject({ phase: 'reverting', gateFailed: true });
  });

  it('a promotion is stuck when the pointer cannot be written, with traffic on a build that passed every gate', () => {
    const state = stateAfter(TWO, ...AT_HUNDRED, polled('pass'), ...failedTimes('point-failed', ATTEMPTS_MAX));
    expect(state).toMatchObject({ phase: 'stuck', code: 'STUCK', why: 'no answer' });
  });

  it('a promotion is over when it is refused while checking, and only then', () => {
    const refused: Event = { type: 'refused', atMs, code: 'UNREACHABLE', message: 'no answer', hint: '' };
    expect(stateAfter(TWO, refused)).toMatchObject({ phase: 'refused', code: 'UNREACHABLE', why: 'no answer' });
    expect(stateAfter(TWO, PREPARED, refused).phase).toBe('shifting');
  });

  it('a promotion ends as rescued when break-glass was reconciled in the middle of it', () => {
    const reconciled: Event = { type: 'reconciled', atMs, reason: 'rescued', serving: STABLE.guid, bad: [], records: [] };
    expect(stateAfter(TWO, ...AT_TEN, reconciled)).toMatchObject({ phase: 'rescued', code: 'ABORTED' });
    expect(stateAfter(TWO, ...AT_HUNDRED, polled('pass'), POINTED, reconciled).phase).toBe('done');
  });
});

describe('an abort', () => {
  it.each([
    ['shifting', [PREPARED]],
    ['converging', [PREPARED, shiftedTo(TWO, 0)]],
    ['baking', AT_TEN],
  ])('an abort reverts to stable while %s, and the end says that it was one', (_phase, events) => {
    const state = stateAfter(TWO, ...events, ABORT);
    expect(state).toMatchObject({ phase: 'reverting', abort: { actor: 'bob', reason: 'looks wrong' }, gateFailed: false });
    expect(apply(state, BACK)).toMatchObject({ phase: 'reverted', code: 'ABORTED', why: 'aborted by bob: looks wrong' });
  });

  it('an abort while checking changes nothing but the plan', () => {
    expect(stateAfter(TWO, ABORT)).toMatchObject({ phase: 'refused', code: 'ABORTED' });
  });

  it('an abort while pointing is too late: rollback is for that', () => {
    expect(stateAfter(TWO, ...AT_HUNDRED, polled('pass'), ABORT)).toMatchObject({ phase: 'pointing', abort: null });
  });

  it('an abort does not take the late answer to the shift before for that of its revert', () => {
    // Were it taken, traffic would stand at 10 % on the candidate while the ledger says that it is back on stable.
    const state = stateAfter(TWO, PREPARED, ABORT, shiftedTo(TWO, 0));
    expect(state.phase).toBe('reverting');
    expect(apply(state, BACK).phase).toBe('reverted');
  });
});

describe('a rollback', () => {
  const plan = rollbackTo(STABLE, CANDIDATE);
  const whole = shiftedTo(plan, 0);

  it('a rollback is one step with read-back and no gate', () => {
    expect(next(stateAfter(plan, PREPARED))).toMatchObject({ do: 'shift', leaving: 'at-once' });
    expect(stateAfter(plan, PREPARED, whole, CONVERGED).phase).toBe('pointing');
    expect(stateAfter(plan, PREPARED, whole, CONVERGED, POINTED)).toMatchObject({ phase: 'done', code: null });
  });

  it('a rollback goes on without a location that it does not reach, and ends with NEEDS_ATTENTION', () => {
    const unreached = 'n3: no route to host';
    const without = [PREPARED, { ...whole, unreached }, { ...CONVERGED, unreached }] as const;
    expect(stateAfter(plan, ...without, POINTED)).toMatchObject({ phase: 'done', code: 'NEEDS_ATTENTION', unreached });
    expect(stateAfter(plan, ...without.slice(0, 2), CONVERGED, POINTED)).toMatchObject({ phase: 'done', code: null });
  });

  it('a rollback shifts again where the location that it did not reach comes back with the split of before', () => {
    const without = { ...whole, unreached: 'n3: no route to host' };
    expect(stateAfter(plan, PREPARED, without, DRIFTED)).toMatchObject({ phase: 'shifting', unreached: null });
    expect(stateAfter(plan, PREPARED, without, DRIFTED, whole, DRIFTED)).toMatchObject({ phase: 'stuck', code: 'DRIFT' });
  });

  it('a rollback that fails stays where it is, and never returns to the build that it left', () => {
    const final: Event = { type: 'not-converged', atMs, why: 'another build answers', waitedMs: 0, final: true };
    for (const event of [final, ABORT, DRIFTED]) {
      expect(stateAfter(plan, PREPARED, whole, event)).toMatchObject({ phase: 'stuck' });
    }
  });

  it('a rollback is tried as often as a revert', () => {
    const tries = failedTimes('shift-failed', REVERT_ATTEMPTS_MAX);
    expect(stateAfter(plan, PREPARED, ...tries.slice(0, -1)).phase).toBe('shifting');
    expect(stateAfter(plan, PREPARED, ...tries)).toMatchObject({ phase: 'stuck', code: 'STUCK' });
    expect(stateAfter(plan, PREPARED, whole, CONVERGED, ...failedTimes('point-failed', REVERT_ATTEMPTS_MAX - 1)).phase).toBe(
      'pointing',
    );
  });
});

describe('an adoption', () => {
  const plan = adoption(STABLE);

  it('an adoption shifts nothing, bakes once and points', () => {
    expect(stateAfter(plan, PREPARED).phase).toBe('converging');
    expect(stateAfter(plan, PREPARED, CONVERGED, polled('pass'), POINTED).phase).toBe('done');
  });

  it.each([
    ['a failing gate', polled('fail'), 'GATE_FAILED'],
    ['missing health', polled('hold', { missingMs: 1_000_000 }), 'GATE_NOT_READY'],
    ['an abort', ABORT, 'ABORTED'],
  ])('an adoption ends as refused by %s, with traffic as it was', (_what, event, code) => {
    expect(stateAfter(plan, PREPARED, CONVERGED, event)).toMatchObject({ phase: 'refused', code });
  });
});

describe('a plan that could not be walked to a right end', () => {
  const sameRef = { ...TWO, candidate: buildOf(2, 'blue') };
  it.each([
    ['no step', { ...TWO, steps: [] }],
    ['a last step below 100 %', promotion([10, 50])],
    ['percentages that fall', promotion([50, 10, 100])],
    ['a step of 0 %', promotion([0, 100])],
    ['a step above 100 %', promotion([10, 200, 100])],
    ['a promotion without a stable build', { ...TWO, stable: null }],
    ['a promotion to itself', { ...TWO, candidate: STABLE }],
    ['two builds at one place', sameRef],
    ['a rollback of two steps', { ...rollbackTo(STABLE, CANDIDATE), steps: TWO.steps }],
    ['an adoption with another stable build', { ...adoption(STABLE), stable: CANDIDATE }],
  ])('a plan that could not be walked to a right end gets into no ledger: %s', (_what, plan) => {
    expect(planSchema.safeParse(plan).success).toBe(false);
  });
});
