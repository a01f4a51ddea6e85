/** What stands in the way of hazards that gates are there for: what they can see, and whether in time. No I/O. */
import type { Plan, PlannedGate } from '../rollout/plan.ts';
import { msText } from '../text.ts';
import { absent, type Control, engineering, type Looked, lookedAt, type Sight, seen, unsure } from './hazard.ts';

/** True where anything judges the candidate's health. */
export const hasGate = ({ gates, comparison }: Plan) => gates.length > 0 || comparison !== undefined;

/** What each gate's source said of the build currently serving. */
export function measuredText({ measured, plan }: Looked): string {
  const texts = measured.map(({ gate, measurement }) =>
    'missing' in measurement ? `${gate}: no data` : `${gate}: ${measurement.requests} requests`,
  );
  return [...texts, ...(plan?.comparison?.gates ?? []).map(({ name }) => `${name}: counted`)].join(', ');
}

/** What no gate sees can fail for every client, and the rollout goes on. Of gates together, each sees what the others do not. */
export function seesAll(counting: readonly string[] = [], [first, ...others]: Looked['unseen']): readonly Control[] {
  if (counting.length === 0 || first === undefined) return [];
  const kindOf = (item: string) => item.split(':')[0] ?? item;
  const unseen = first.unseen.map(kindOf).filter((kind) => others.every((one) => one.unseen.map(kindOf).includes(kind)));
  const sight = unseen.length === 0 ? seen('everything that a gate can count') : unsure(`no gate judges ${unseen.join(', ')}`);
  return [engineering('the gates judge every way in which requests end', sight)];
}

/** Where `plan` asked a gate nothing, promote does, and begins nothing without its data. */
export function askedByPromote({ unasked }: Looked): readonly Control[] {
  return unasked === undefined ? [] : [engineering('promote asks the gates itself, before anything moves', seen('always'))];
}

/**
 * Whether each gate can reach its least number of requests before patience runs out. A source that sends its own requests says
 * so by what it sends now. How much traffic a counting source will see cannot be known from one look; there too few revert.
 */
export function lateGates(looked: Looked): readonly Control[] {
  const { plan } = looked;
  const inTime = (sight: Sight) => engineering('every gate can reach its least number of requests in time', sight);
  if (plan === null) return [inTime(lookedAt(plan, seen))];
  if (looked.unasked !== undefined) return [inTime(unsure(looked.unasked)), ...askedByPromote(looked)];
  if (!hasGate(plan)) return [inTime(absent('there is no gate'))];
  if (plan.gates.length === 0)
    return [engineering('the gate decides as soon as there is enough evidence, and waits until then', seen('by comparison'))];
  const within = msText(plan.patienceMs);
  const reaches = plan.gates.map((gate) => ({ ...gate, most: mostRequests(gate, plan, looked) }));
  const never = reaches.find(({ minRequests, most }) => most !== null && most < minRequests);
  if (never !== undefined)
    return [inTime(absent(`gate ${never.name} sees at most ${never.most} of ${never.minRequests} requests in ${within}`))];
  const unknown = reaches.filter(({ most }) => most === null).map(({ name }) => name);
  if (unknown.length === 0)
    return [inTime(seen(reaches.map(({ name, minRequests, most }) => `${name}: ${minRequests} of up to ${most}`).join(', ')))];
  return [
    inTime(unsure(`the traffic of ${unknown.join(', ')} cannot be estimated from a single reading`)),
    engineering('with too few requests, the rollout waits, then reverts', seen(`after ${within}`)),
  ];
}

/** The most that a gate can see before patience runs out, or null where that cannot be known. */
function mostRequests({ name }: PlannedGate, plan: Plan, { measured }: Looked): number | null {
  const measurement = measured.find(({ gate }) => gate === name)?.measurement;
  if (measurement === undefined || 'missing' in measurement || measurement.counting === 'total') return null;
  // The first poll comes at once, the last may begin just before the end.
  return measurement.requests * (2 + Math.floor(plan.patienceMs / plan.pollMs));
}
