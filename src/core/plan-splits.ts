/** The splits that a plan asks for: at each of its steps, and on the way back. No I/O. */
import type { Plan } from './plan.ts';
import type { Guid } from './scope.ts';
import { type Split, splitBetween } from './split.ts';

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

function membersOf(plan: Plan): Map<string, Guid | null> {
  return new Map(plan.members.map((member) => [member.place, member.build]));
}

function placeOf(build: { ref: string; guid: Guid }): { place: string; guid: Guid } {
  return { place: build.ref, guid: build.guid };
}
