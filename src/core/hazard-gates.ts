/** Whether the gates of a release can judge in time: the one hazard that needs arithmetic. No I/O. */
import { durationText } from './gate.ts';
import { absent, engineering, type Looked, lookedAt, seen, unsure } from './hazard-sight.ts';
import type { Control } from './hazards.ts';
import type { Plan, PlannedGate } from './plan.ts';

/** True where anything judges the candidate's health. */
export function hasGate({ gates, comparison }: Pick<Plan, 'gates' | 'comparison'>): boolean {
  return gates.length > 0 || comparison !== undefined;
}

/** What each gate's source said of the build that serves now. */
export function measuredText({ measured, plan }: Looked): string {
  const texts = measured.map(({ gate, measurement }) =>
    'missing' in measurement ? `${gate}: no data` : `${gate}: ${measurement.requests} requests`,
  );
  const compared = (plan?.comparison?.gates ?? []).map(({ name }) => `${name}: counted`);
  return [...texts, ...compared].join(', ');
}

/**
 * Whether each gate can reach its least number of requests before patience runs out. A source that sends its own requests says
 * so by what it sends now. How much traffic a counting source will see cannot be known from one look; there too few revert.
 */
export function lateGates(looked: Looked): readonly Control[] {
  const control = 'every gate can see its least number of requests in time';
  const { plan } = looked;
  if (plan === null)
    return [
      engineering(
        control,
        lookedAt(plan, () => seen('')),
      ),
    ];
  if (!hasGate(plan)) return [engineering(control, absent('there is no gate'))];
  if (plan.gates.length === 0)
    return [engineering('evidence decides as soon as it is enough, and holds until then', seen('by comparison'))];
  const within = durationText(plan.patienceMs);
  const reaches = plan.gates.map((gate) => ({ gate, most: mostRequests(gate, plan, looked) }));
  const never = reaches.find(({ gate, most }) => most !== null && most < gate.minRequests);
  if (never !== undefined) {
    const why = `gate ${never.gate.name} sees at most ${never.most} of ${never.gate.minRequests} requests in ${within}`;
    return [engineering(control, absent(why))];
  }
  const unknown = reaches.filter(({ most }) => most === null).map(({ gate }) => gate.name);
  if (unknown.length === 0) {
    const known = reaches.map(({ gate, most }) => `${gate.name}: ${gate.minRequests} of up to ${most}`);
    return [engineering(control, seen(known.join(', ')))];
  }
  return [
    engineering(control, unsure(`the traffic of ${unknown.join(', ')} cannot be known from one look`)),
    engineering('too few requests hold, then revert', seen(`after ${within}`)),
  ];
}

/** The most that a gate can see before patience runs out, or null where that cannot be known. */
function mostRequests(gate: PlannedGate, plan: Plan, { measured }: Looked): number | null {
  const measurement = measured.find((each) => each.gate === gate.name)?.measurement;
  if (measurement === undefined || 'missing' in measurement || measurement.counting === 'total') return null;
  // The first poll comes at once, the last may begin just before the end.
  return measurement.requests * (2 + Math.floor(plan.patienceMs / plan.pollMs));
}
