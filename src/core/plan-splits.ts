/** The splits that a plan asks for: at each of its steps, and on the way back. No I/O. */
import type { Plan } from './plan.ts';
import type { Guid } from './scope.ts';
import { SPLIT_TOLERANCE_PERCENT, type Split, splitBetween } from './split.ts';

/** The split of a step: the candidate's percent, the rest on stable, nothing anywhere else. */
export function stepSplit(plan: Plan, step: number): Split {
  const percent = plan.steps[step]?.percent;
  if (percent === undefined) throw new Error(`plan ${plan.id} has no step ${step}`);
  return splitBetween(membersOf(plan), placeOf(plan.candidate), plan.stable === null ? null : placeOf(plan.stable), percent);
}

/** Everything on stable: where a revert goes. */
export function stableSplit(plan: Plan): Split {
  if (plan.stable === null) throw new Error(`plan ${plan.id} has no stable build to go back to`);
  return splitBetween(membersOf(plan), placeOf(plan.stable), null, 100);
}

/** How the step's shift leaves places at 0 %: a good rollout lets the old build finish its clients, a rollback takes them away from the bad one. */
export function leavingAt(plan: Plan, step: number): 'drain' | 'at-once' {
  return plan.kind === 'promote' && step + 1 === plan.steps.length ? 'drain' : 'at-once';
}

/** True for every split that a shift from this step to the next one can have left, made in part or whole or not at all. */
export function isOnTheWayOn(plan: Plan, step: number, split: readonly { place: string; percent: number }[]): boolean {
  const { candidate, stable, steps } = plan;
  const own = [candidate.ref, stable?.ref];
  const percent = split.find((share) => share.place === candidate.ref)?.percent ?? 0;
  const least = steps[step]?.percent ?? 100;
  const most = steps[step + 1]?.percent ?? least;
  const between = percent >= least - SPLIT_TOLERANCE_PERCENT && percent <= most + SPLIT_TOLERANCE_PERCENT;
  return percent > 0 && between && split.every((share) => share.percent === 0 || own.includes(share.place));
}

function membersOf(plan: Plan): Map<string, Guid | null> {
  return new Map(plan.members.map((member) => [member.place, member.build]));
}

function placeOf(build: { ref: string; guid: Guid }): { place: string; guid: Guid } {
  return { place: build.ref, guid: build.guid };
}
