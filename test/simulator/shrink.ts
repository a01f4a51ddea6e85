/** Makes a schedule that fails as short as it gets: whatever can be left out and still the same promise is broken, is. Deterministic. */
import { type Lived, live } from './live.ts';
import { planOf } from './rollouts.ts';
import type { Actor, Schedule } from './schedule.ts';

/** The numbers of the promises that were broken: shrinking must not wander off to another fault. */
function broken({ problems }: Lived): ReadonlySet<string> {
  return new Set(problems.map((problem) => problem.slice(0, 2)));
}

/** The shortest schedule that was found, with how often it was lived. */
export async function shrink(schedule: Schedule): Promise<{ readonly schedule: Schedule; readonly tries: number }> {
  const wanted = broken(await live(schedule));
  let shortest = schedule;
  let tries = 1;
  for (;;) {
    let found: Schedule | undefined;
    for (const simpler of simplerThan(shortest)) {
      tries += 1;
      if ([...broken(await live(simpler))].some((invariant) => wanted.has(invariant))) {
        found = simpler;
        break;
      }
    }
    if (found === undefined) return { schedule: shortest, tries };
    shortest = found;
  }
}

/** Every schedule that has one thing less, the biggest things first. */
function* simplerThan(schedule: Schedule): Generator<Schedule> {
  for (const key of ['actors', 'faults', 'mishaps'] as const) {
    for (const index of schedule[key].keys()) yield { ...schedule, [key]: schedule[key].toSpliced(index, 1) };
  }
  for (const [index, actor] of schedule.actors.entries()) {
    for (const calmer of calmerThan(actor)) yield { ...schedule, actors: schedule.actors.with(index, calmer) };
  }
  if (schedule.green !== 'good') yield { ...schedule, green: 'good' };
  if (schedule.end !== 'resume') yield { ...schedule, end: 'resume' };
  for (const [index, fault] of schedule.faults.entries()) {
    const sooner = { ...fault, atMs: Math.floor(fault.atMs / 2) };
    if (sooner.atMs < fault.atMs) yield { ...schedule, faults: schedule.faults.with(index, sooner) };
  }
  const { plan } = schedule;
  for (const index of plan.steps.keys()) {
    if (index + 1 < plan.steps.length) yield { ...schedule, plan: planOf({ ...plan, steps: plan.steps.toSpliced(index, 1) }) };
  }
  if (plan.copies.length > 0) yield { ...schedule, plan: planOf({ ...plan, copies: [] }) };
}

function* calmerThan(actor: Actor): Generator<Actor> {
  if (actor.freeze !== null) yield { ...actor, freeze: null };
  if (actor.dieAt !== null) yield { ...actor, dieAt: null };
  if (actor.leaveAfterMs !== null) yield { ...actor, leaveAfterMs: null };
  if (actor.holdAfterMs !== null) yield { ...actor, holdAfterMs: null };
  if (actor.host !== 'deploy-1') yield { ...actor, host: 'deploy-1' };
  if (actor.sees !== 'all') yield { ...actor, sees: 'all' };
  if (actor.startMs > 0) yield { ...actor, startMs: 0 };
}
