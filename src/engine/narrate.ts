/** Tells the report what just happened. Must not decide anything. */
import type { Event } from '../core/ledger/events.ts';
import type { OutputLine } from '../core/output.ts';
import { watchMsOf } from '../core/rollout/plan.ts';
import type { State } from '../core/rollout/rollout.ts';
import { msText } from '../core/text.ts';

/** The lines for one event and the state it led to. */
export function linesOf(before: State, event: Event, after: State): readonly OutputLine[] {
  const at = new Date(event.atMs).toISOString();
  const lines: OutputLine[] = [];
  if (event.type === 'polled') lines.push(pollLine(at, before, event, after));
  if (event.type === 'shifted') {
    const split = event.split.map((share) => ({ build: share.build, place: share.place, percent: share.percent }));
    lines.push({ type: 'traffic', at, traffic: { split, certainty: event.certainty } });
  }
  const moved = before.phase !== after.phase || before.step !== after.step;
  if (
    !moved &&
    (event.type === 'shift-failed' || event.type === 'not-converged' || event.type === 'point-failed' || event.type === 'unseen')
  ) {
    const level = event.type === 'not-converged' ? 'info' : 'warning';
    lines.push({ type: 'note', level, message: `${event.why}; trying again` });
  }
  if (event.type === 'pointed') for (const message of event.warnings) lines.push({ type: 'note', level: 'warning', message });
  if (moved) lines.push(phaseLine(at, after));
  return lines;
}

/** The line that says in which phase a rollout is. */
export function phaseLine(at: string, state: State): OutputLine {
  return { type: 'phase', at, phase: state.phase, ...placeOf(state), why: state.why };
}

function placeOf({ plan, step, phase }: State) {
  // Before the first step it belongs to none.
  if (phase === 'watching') return { step: 0, steps: plan.steps.length, percent: 0 };
  return { step: step + 1, steps: plan.steps.length, percent: plan.steps[step]?.percent ?? 0 };
}

function pollLine(at: string, before: State, event: Extract<Event, { type: 'polled' }>, after: State): OutputLine {
  const isWatch = before.phase === 'watching';
  const bakeMs = isWatch ? watchMsOf(before.plan) : (before.plan.steps[before.step]?.bakeMs ?? 0);
  const { watchedMs, verdict, gates } = event;
  const patienceLeftMs = before.plan.patienceMs - (isWatch ? event.missingMs : after.missingMs);
  const waits = waitingFor(event, bakeMs - watchedMs, patienceLeftMs, isWatch ? 'ends' : 'reverts');
  return { type: 'poll', at, ...placeOf(before), bakeMs, watchedMs, verdict, gates, waitingFor: waits };
}

function waitingFor(
  event: Extract<Event, { type: 'polled' }>,
  bakeLeftMs: number,
  patienceLeftMs: number,
  does: 'reverts' | 'ends',
): string {
  if (event.verdict === 'fail') return 'nothing: a gate failed';
  if (event.verdict === 'give-up') {
    const gate = event.gates.find(({ verdict }) => verdict === 'give-up');
    return `nothing: ${gate === undefined ? 'health was unknown for too long' : `gate ${gate.gate} gave up`}`;
  }
  if (event.verdict === 'hold') {
    const gate = event.gates.find((one) => one.verdict === 'hold');
    const reverts = `${does} in ${msText(Math.max(0, patienceLeftMs))} without it`;
    if (gate === undefined) return reverts;
    // Missing health has an end; evidence that is gathered has as long as the traffic needs.
    const gathering = event.missingMs === 0 && gate.evidence !== undefined;
    return `${gate.gate}: ${gate.why}${gathering ? '' : `; ${reverts}`}`;
  }
  if (!event.advance) return 'a person: the rollout is paused at this step';
  return bakeLeftMs > 0 ? msText(bakeLeftMs) : 'nothing';
}
