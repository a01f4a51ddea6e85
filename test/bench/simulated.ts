/** Rollouts of the real engine in the simulation, for the benchmarks: nothing waits, so that all time is the engine's own. */
import { fold } from '../../src/core/ledger/history.ts';
import { watched } from '../simulator/disk.ts';
import { Process } from '../simulator/process.ts';
import { buildAt, CANDIDATE, furnish, planOf, promote, rollbackOf, STABLE, storeOf, watcherOf } from '../simulator/rollouts.ts';
import { SCOPE, Simulation } from '../simulator/simulation.ts';

type Plan = ReturnType<typeof planOf>;

function freshSimulation(): Simulation {
  return furnish(new Simulation({ blue: 100, green: 0, grey: 0 }));
}

async function toTheEnd(sim: Simulation, pid: number, plan: Plan): Promise<void> {
  const ended = await promote(sim, new Process(sim, pid), plan);
  if (ended.how !== 'over' || ended.state.phase !== 'done') throw new Error(`the rollout ended ${JSON.stringify(ended)}`);
}

export interface Walked {
  readonly entries: number;
  readonly flushes: number;
}

/** One promotion with so many steps, each baked for five polls. */
export async function walk(steps: number): Promise<Walked> {
  const sim = freshSimulation();
  let flushes = 0;
  const count = (call: string) => {
    if (call === 'fsyncSync') flushes += 1;
  };
  Object.assign(sim, { disk: watched(sim.disk, () => undefined, count) });
  const percents = Array.from({ length: steps }, (_, index) => ((index + 1) * 100) / steps);
  await toTheEnd(sim, 2, planOf({ steps: percents.map((percent) => ({ percent, bakeMs: 5000 })) }));
  return { entries: (await watcherOf(sim).read(SCOPE)).entries.length, flushes };
}

/** One promotion that bakes for so many hours at 50 %, polled every second; `everyHour` is called as simulated time goes by. */
export async function bake(
  hours: number,
  everyHour: (hour: number) => void,
): Promise<{ readonly entries: number; readonly polls: number }> {
  const sim = freshSimulation();
  sim.callsMax = Number.POSITIVE_INFINITY;
  const hourMs = 3_600_000;
  for (let hour = 1; hour <= hours; hour += 1) sim.after(hour * hourMs, () => everyHour(hour));
  const steps = [
    { percent: 50, bakeMs: hours * hourMs },
    { percent: 100, bakeMs: 5000 },
  ];
  let polls = 0;
  const plan = planOf({ steps });
  const ended = await promote(sim, new Process(sim, 2), plan, (line) => {
    if (line.type === 'poll') polls += 1;
  });
  if (ended.how !== 'over' || ended.state.phase !== 'done') throw new Error(`the bake ended ${JSON.stringify(ended)}`);
  return { entries: (await watcherOf(sim).read(SCOPE)).entries.length, polls };
}

/**
 * So many rollouts after each other in one simulation with one ledger, each by a process of its own: new builds turn by turn at green and
 * at blue. `after` may read the ledger as each process does at its start: verified once, folded before the claim and under it.
 */
export async function rollouts(
  count: number,
  after: (nth: number, verify: () => Promise<unknown>) => void | Promise<void>,
): Promise<{ readonly entries: number }> {
  const sim = freshSimulation();
  sim.callsMax = Number.POSITIVE_INFINITY;
  let stable = rollbackOf().candidate;
  for (let nth = 1; nth <= count; nth += 1) {
    const place = nth % 2 === 1 ? 'green' : 'blue';
    const candidate = buildAt(guidOf(nth), place, nth + 1);
    sim.place(place, candidate.guid);
    await toTheEnd(sim, nth + 10, planFor(nth, candidate, stable));
    stable = candidate;
    await after(nth, async () => {
      const { entries } = await storeOf(new Process(sim, 1).io).read(SCOPE);
      return [fold(entries), fold(entries)];
    });
  }
  return { entries: (await watcherOf(sim).read(SCOPE)).entries.length };
}

function planFor(nth: number, candidate: Plan['candidate'], stable: Plan['candidate']): Plan {
  const members = [candidate, stable].map(({ ref, guid }) => ({ place: ref, build: guid }));
  return planOf({ id: `r-${nth}`, candidate, stable, members: [...members, { place: 'grey', build: null }] });
}

/** The first two are those that the simulation is furnished with. */
function guidOf(nth: number): string {
  return nth === 1 ? CANDIDATE : `${STABLE.slice(0, -12)}${(nth + 1).toString(16).padStart(12, '0')}`;
}
