/** Every answer that a rollout can get in a state, and what must hold from one state to the next. */
import type { Event } from '../../../src/core/ledger/events.ts';
import { watchMsOf } from '../../../src/core/rollout/plan.ts';
import { apply, isDurable, isOver, next, type Phase, type State } from '../../../src/core/rollout/rollout.ts';
import { guidOf } from '../manifest/builds.ts';

const atMs = 1;

/** Shares of a split as an event has them. */
function shares(state: State, percent: number): { place: string; build: null; percent: number }[] {
  const { candidate, stable } = state.plan;
  const all = [
    { place: candidate.ref, build: null, percent },
    { place: stable?.ref ?? 'old', build: null, percent: 100 - percent },
  ];
  return all.filter((share) => share.percent > 0);
}

/** Events that can come in any state: late answers to earlier shifts, people, and entries that say who leads. */
function anytime(state: State): Event[] {
  const percents = [0, ...state.plan.steps.map((step) => step.percent)];
  const by = { host: 'deploy-1', boot: 'boot', pid: 7, started: '1' };
  return [
    ...percents.map((percent): Event => ({ type: 'shifted', atMs, split: shares(state, percent), certainty: 'configured' })),
    { type: 'prepared', atMs, generation: 1 },
    { type: 'refused', atMs, code: 'UNREACHABLE', message: 'no answer', hint: 'try again' },
    { type: 'converged', atMs, baseline: {}, certainty: 'served' },
    { type: 'converged', atMs, baseline: { errors: { requests: 5, errors: 0, counting: 'total' } }, certainty: 'served' },
    { type: 'unfit', atMs, code: 'BUILD_GONE', why: 'another build answers' },
    ...unseen(state),
    { type: 'drifted', atMs, why: 'someone else moved the traffic', split: [] },
    { type: 'regrouped', atMs, why: 'green-4 came to green' },
    { type: 'pointed', atMs, generation: 2, warnings: [] },
    { type: 'abort-requested', atMs, actor: 'bob', reason: 'looks wrong' },
    { type: 'claimed', atMs, claim: { by, actor: 'alice', command: 'resume', from: null } },
    { type: 'released', atMs },
    { type: 'left', atMs, why: 'interrupted' },
    { type: 'left', atMs, why: 'until' },
    { type: 'reconciled', atMs, reason: 'rescued', serving: state.plan.stable?.guid ?? null, bad: [], records: [] },
    { type: 'imported', atMs, build: state.plan.candidate, since: '2026-01-01T00:00:00Z', bad: [guidOf(9)], file: 'x.json' },
  ];
}

/** What was admitted cannot be seen, for a moment or for too long, before a shift was tried and after. */
function unseen({ missingMs, plan }: State): Event[] {
  return [missingMs, missingMs + 0.6 * plan.patienceMs].flatMap((ms) =>
    [true, false].map((tried): Event => ({ type: 'unseen', atMs, why: 'no answer', missingMs: ms, tried })),
  );
}

/** Failures, which count on from the state. The steps of the clocks are coarse, so that there are few states. */
function failures(state: State): Event[] {
  const attempt = state.attempts + 1;
  const waitedMs = state.waitedMs + 12_000;
  return [true, false].flatMap((final): Event[] => [
    { type: 'shift-failed', atMs, why: 'no answer', attempt, final },
    { type: 'not-converged', atMs, why: 'green is down', waitedMs, final },
    { type: 'point-failed', atMs, why: 'disk full', attempt },
  ]);
}

/** How long it is to be watched where it is: the stable build before the first step, or a bake. */
function toWatchMs({ plan, step, phase }: State): number {
  return phase === 'watching' ? watchMsOf(plan) : (plan.steps[step]?.bakeMs ?? 0);
}

/** Polls: every verdict, held or not, before and after the bake, after a gap, and with health missing for long. */
function polls(state: State): Event[] {
  const bakeMs = toWatchMs(state);
  const watched = [0, Math.min(state.watchedMs + bakeMs / 2, bakeMs)];
  const missing = { pass: [0], fail: [0], hold: [0, state.missingMs + 0.6 * state.plan.patienceMs], 'give-up': [0] };
  return (['pass', 'fail', 'hold', 'give-up'] as const).flatMap((verdict) =>
    watched.flatMap((watchedMs) =>
      missing[verdict].flatMap((missingMs) =>
        [true, false].map((advance): Event => {
          const gates = [{ gate: 'errors', verdict, why: `said ${verdict}`, requests: 200, errors: 0 }];
          return { type: 'polled', atMs, verdict, watchedMs, missingMs, advance, gates };
        }),
      ),
    ),
  );
}

/** Every possible answer to any effect, fitting or late, and everything that people can do. */
export function everyEvent(state: State): Event[] {
  return [...anytime(state), ...failures(state), ...polls(state)];
}

/** The answers that the state's own effect can get. */
export function ownAnswers(state: State): Event[] {
  const types: Record<ReturnType<typeof next>['do'], readonly Event['type'][]> = {
    prepare: ['prepared', 'refused'],
    watch: ['polled', 'drifted', 'unfit'],
    shift: ['shifted', 'shift-failed', 'unfit', 'unseen'],
    converge: ['converged', 'not-converged', 'drifted', 'unfit'],
    poll: ['polled', 'drifted', 'unfit', 'regrouped'],
    point: ['pointed', 'point-failed', 'unfit', 'unseen'],
    stop: [],
  };
  return everyEvent(state).filter((event) => types[next(state).do].includes(event.type));
}

/** The answers of a healthy target. */
export function goodAnswers(state: State): Event[] {
  const bakeMs = toWatchMs(state);
  return ownAnswers(state).filter((event) => {
    if (event.type !== 'polled') return ['prepared', 'shifted', 'converged', 'pointed'].includes(event.type);
    return event.verdict === 'pass' && event.advance && event.watchedMs >= Math.min(state.watchedMs + 1, bakeMs);
  });
}

/** What outlives the process: a fold of the durable events alone must give the same. */
export function standing(state: State) {
  const { plan: _plan, attempts: _a, waitedMs: _w, watchedMs: _b, missingMs: _m, ...rest } = state;
  return rest;
}

/** Where the candidate's percent may stand after the effect of this state. */
export function candidatePercent(state: State): number | null {
  const effect = next(state);
  if (effect.do !== 'shift' && effect.do !== 'converge' && effect.do !== 'poll') return null;
  return effect.split.find((share) => share.place === state.plan.candidate.ref)?.percent ?? 0;
}

const BACKWARD: readonly Phase[] = ['reverting', 'reverted', 'stuck', 'rescued'];
const ENDS: readonly Phase[] = ['done', 'refused', 'reverted', 'stuck', 'rescued'];

/** What is wrong with this transition, in words; empty when nothing is. */
export function faults(before: State, event: Event, after: State): string[] {
  return [
    ...forward(before, event, after),
    ...backward(before, event, after),
    ...condition(before, event, after),
    ...aborts(before, event, after),
    ...marks(before, event, after),
    ...writing(before, event, after),
  ];
}

function passed(before: State, event: Event): boolean {
  const bakeMs = before.plan.steps[before.step]?.bakeMs ?? Number.NaN;
  return (
    before.phase === 'baking' && event.type === 'polled' && event.verdict === 'pass' && event.advance && event.watchedMs >= bakeMs
  );
}

function forward(before: State, event: Event, after: State): string[] {
  const found: string[] = [];
  const grew = (candidatePercent(after) ?? 0) > (candidatePercent(before) ?? 100);
  if (grew && !passed(before, event)) found.push('the percent grew without a judged pass and a watched bake');
  const goesBack = event.type === 'unseen';
  const bakesNow = after.phase === 'baking' && (event.type === 'left' || goesBack);
  const bakesSoon = after.phase === 'shifting' && after.again && (event.type === 'claimed' || goesBack);
  const bakesAgain = after.step === before.step - 1 && (bakesNow || bakesSoon);
  if (after.step !== before.step && !bakesAgain && (after.step !== before.step + 1 || !passed(before, event)))
    found.push('a step was skipped');
  const between = before.phase === 'shifting' && before.step > 0 && !before.again;
  if (between && event.type === 'claimed' && !bakesAgain) found.push('it goes on from where nobody watched');
  if (before.again && !['shifting', 'baking', ...BACKWARD].includes(after.phase)) found.push('it goes on without baking again');
  if (before.phase === 'checking' && after.phase !== 'checking') {
    const first = watchMsOf(before.plan) > 0 ? 'watching' : 'shifting';
    const allowed = before.plan.kind === 'adopt' ? 'converging' : first;
    if (!ENDS.includes(after.phase) && !(event.type === 'prepared' && after.phase === allowed)) found.push('it began unprepared');
  }
  if (before.phase === 'watching' && after.phase === 'shifting') {
    const counted = event.type === 'polled' && event.verdict === 'pass' && event.advance;
    if (!counted || event.watchedMs < watchMsOf(before.plan))
      found.push('the first step begins next to a build that was not watched');
  }
  if (after.phase === 'pointing' && before.phase !== 'pointing') {
    const whole = before.plan.steps[before.step]?.percent === 100;
    const readBack = before.plan.kind === 'rollback' && before.phase === 'converging' && event.type === 'converged';
    if (!whole || !(readBack || passed(before, event))) found.push('it points without 100 %, its bake and its gates');
  }
  if (after.phase === 'done' && before.phase !== 'done' && !(before.phase === 'pointing' && event.type === 'pointed')) {
    found.push('it is done without a pointer');
  }
  return found;
}

function backward(before: State, event: Event, after: State): string[] {
  const found: string[] = [];
  const { plan, phase } = before;
  if (phase === 'reverting' && !BACKWARD.includes(after.phase)) found.push('a revert turned forward');
  if (after.phase === 'reverting' && plan.kind !== 'promote') found.push(`a ${plan.kind} reverts`);
  if (after.phase === 'reverted' && phase !== 'reverted') {
    const stableAlone = event.type === 'shifted' && event.split.every((share) => share.place === plan.stable?.ref);
    if (phase !== 'reverting' || !stableAlone) found.push('it calls itself reverted while traffic is not on stable');
  }
  if (ENDS.includes(phase) && after !== before) found.push('an end was left');
  const effect = next(after);
  if (plan.kind === 'rollback' && 'split' in effect) {
    const left = effect.split.filter((share) => share.place !== plan.candidate.ref && share.percent > 0);
    if (left.length > 0) found.push('a rollback gives traffic to what it left');
  }
  if (plan.kind === 'adopt' && effect.do === 'shift') found.push('an adoption shifts');
  if (phase === 'watching' && !['watching', 'shifting', 'refused', 'rescued'].includes(after.phase))
    found.push('what shifted nothing reverts, or goes on without a shift');
  if (event.type === 'drifted' && (phase === 'baking' || phase === 'converging' || before.again)) {
    if (after.phase !== 'stuck' || after.code !== 'DRIFT') found.push('drift goes unsaid');
  }
  return found;
}

/** What is not admitted any more, or cannot be seen, gets no more traffic and is never known-good. */
function condition(before: State, event: Event, after: State): string[] {
  if (event.type !== 'unfit' && event.type !== 'unseen') return [];
  const found: string[] = [];
  if ((candidatePercent(after) ?? 0) > (candidatePercent(before) ?? 100)) found.push(`an ${event.type} build gets more traffic`);
  if (['pointing', 'done'].includes(after.phase) && before.phase !== 'done' && before.plan.kind !== 'rollback')
    found.push(`an ${event.type} build goes on to be known-good`);
  const walks = ['checking', 'watching', 'shifting', 'converging', 'baking', 'pointing'].includes(before.phase);
  if (event.type === 'unfit' && walks && !['reverting', 'refused', 'stuck'].includes(after.phase))
    found.push('an unfit build stays');
  return found;
}

function aborts(before: State, event: Event, after: State): string[] {
  if (event.type !== 'abort-requested') return before.abort === after.abort ? [] : ['an abort that nobody asked for'];
  switch (before.phase) {
    case 'checking':
    case 'watching':
    case 'shifting':
    case 'converging':
    case 'baking': {
      const isUntouched = before.phase === 'checking' || before.phase === 'watching';
      const moved = before.plan.kind === 'promote' && !isUntouched;
      const stays = before.plan.kind === 'rollback' && !isUntouched;
      const wanted = moved ? 'reverting' : stays ? 'stuck' : 'refused';
      return after.phase === wanted && after.abort?.actor === 'bob' ? [] : [`an abort while ${before.phase} is not honoured`];
    }
    case 'pointing':
    case 'reverting':
    case 'done':
    case 'refused':
    case 'reverted':
    case 'stuck':
    case 'rescued':
      return after === before ? [] : [`an abort while ${before.phase} changes something`];
  }
}

function marks(before: State, event: Event, after: State): string[] {
  const failed = before.phase === 'baking' && event.type === 'polled' && event.verdict === 'fail';
  const found: string[] = [];
  if (after.gateFailed !== (before.gateFailed || failed)) found.push('the mark of a failed gate is wrong');
  if (failed && ['baking', 'pointing', 'shifting'].includes(after.phase)) found.push('a failed gate does not stop it');
  if (ENDS.includes(after.phase) && after.phase !== 'done' && after.code === null) found.push('it ended without a code');
  if (isOver(after) !== ENDS.includes(after.phase)) found.push('its end and its phase differ');
  return found;
}

function writing(before: State, event: Event, after: State): string[] {
  const found: string[] = [];
  const same = JSON.stringify(standing(before)) === JSON.stringify(standing(after));
  if (!isDurable(before, event, after) && !same) found.push('a change is not written down');
  const twice = apply(after, event);
  if (JSON.stringify(standing(twice)) !== JSON.stringify(standing(after))) found.push('the same event, twice, moves it twice');
  return found;
}
