/** Whether enough members are up while a rollout walks. Must not take a member that is down for one that serves. */
import type { GateResult } from '../../core/gates/verdict/verdict.ts';
import { type Needed, notUp, tooFewUp } from '../../core/rollout/capacity.ts';
import type { Plan } from '../../core/rollout/plan.ts';
import type { State } from '../../core/rollout/rollout.ts';
import type { Member, Reading } from '../../routers/router.ts';
import type { Control, Ports } from '../runner.ts';
import type { Target } from '../target.ts';

/** What a plan needs before its candidate is raised to this percentage. */
export function neededFor({ candidate, stable, layout }: Plan, percent: number, target: Pick<Target, 'minUp'>): Needed {
  const hadAt = (name: string) => layout?.find(({ location }) => location === name)?.members ?? [];
  return {
    candidate: candidate.ref,
    stable: stable?.ref ?? null,
    percent,
    keeps: 100 - percent,
    minUp: (place) => target.minUp(place),
    had: (location) => hadAt(location).filter(({ place, out }) => place === stable?.ref && out !== true).length,
  };
}

/** Why a promotion may not be raised to its step now, or undefined. */
export function tooFewToRaise(
  { plan, step }: Pick<State, 'plan' | 'step'>,
  reading: Reading,
  target: Target,
): string | undefined {
  // Before the first step the place gets nothing yet: what a killed try of it left in maintenance is made ready with the others.
  const idle = (one: Member) => (one.place === plan.candidate.ref ? { ...one, weight: 0 } : one);
  const locations =
    step > 0 ? reading.locations : reading.locations.map(({ name, members }) => ({ name, members: members.map(idle) }));
  return tooFewUp(locations, neededFor(plan, plan.steps[step]?.percent ?? 100, target));
}

/** What one bake remembers of it. */
export interface CapacityMemory {
  /** It has baked, so that the next thing to come is a raise. */
  baked: boolean;
  /** Which members were not up at the last poll. */
  told: string | undefined;
}

/**
 * A hold while too few are up for the share that they have; and once the step has baked, for the share of the next. Members that are down
 * where enough others are up are told once.
 */
export function capacityResults(
  { plan, step }: State,
  reading: Reading | null,
  memory: CapacityMemory,
  { target, control, report }: Pick<Ports, 'target' | 'report'> & { readonly control: Control },
): readonly GateResult[] {
  if (reading === null || plan.kind === 'rollback') return [];
  const { stable, candidate } = plan;
  const percent = plan.steps[step]?.percent ?? 100;
  // A raise takes load off the stable place, so what it loses at a step holds nothing as long as something is left to roll back to. With all
  // traffic at the candidate there is no further raise.
  const now = tooFewUp(reading.locations, { ...neededFor(plan, percent, target), keeps: percent < 100 ? 0 : null });
  const next = plan.steps[step + 1]?.percent;
  const isRaised = next !== undefined && memory.baked && !control.paused && !(next > (control.untilPercent ?? 100));
  const why = now ?? (isRaised ? tooFewUp(reading.locations, neededFor(plan, next, target)) : undefined);
  const serving = stable === null || percent >= 100 ? [candidate.ref] : [candidate.ref, stable.ref];
  const down = notUp(reading.locations, serving).join('; ');
  if (down !== memory.told && down !== '') report({ type: 'note', level: 'warning', message: `not up: ${down}` });
  memory.told = down;
  return why === undefined ? [] : [{ gate: 'capacity', verdict: 'hold', why, requests: 0, errors: 0 }];
}
