/** Random schedules in the simulated world: one seed is one world with its luck, and this is how it is lived through. */
import { openRollout } from '../../src/core/history.ts';
import type { Plan } from '../../src/core/plan.ts';
import { seeded } from '../stores/entries.ts';
import { Invariants } from './invariants.ts';
import { Process } from './process.ts';
import { reconcile, rescue } from './rescues.ts';
import { abort, CANDIDATE, furnish, historyIn, planOf, promote, resume, rollbackOf, STABLE, storeOf } from './rollouts.ts';
import { type Fate, LATE_MS, POINTER_DIR, SCOPE, type Sight, World } from './world.ts';

const FOREIGN = 'dead0000-0000-4000-8000-000000000009';
const BAD_FATES: readonly Fate[] = ['refused', 'down', 'lost', 'late', 'overdue', 'lie'];
const SIGHTS: readonly Sight[] = ['nothing', 'stands still', 'is down'];

class Luck {
  readonly chance: (share: number) => boolean;
  readonly below: (limit: number) => number;
  constructor(seed: number) {
    const random = seeded(seed);
    this.chance = (share) => random() < share;
    this.below = (limit) => Math.floor(random() * limit);
  }

  one<T>(of: readonly T[]): T {
    return of[this.below(of.length)] as T;
  }
}

/** What a whole schedule came to, for telling and for checking that schedules are not all alike. */
export interface Lived {
  readonly phase: string;
  readonly problems: readonly string[];
}

/** Lives through the schedule of this seed. */
export async function live(seed: number): Promise<Lived> {
  const luck = new Luck(seed);
  const world = furnish(new World({ blue: 100, green: 0, grey: 0 }));
  const invariants = new Invariants(world);
  const sick = luck.chance(0.25);
  world.place('green', CANDIDATE, { failing: sick ? luck.one([0.2, 1]) : 0, ...(luck.chance(0.05) ? { guid: FOREIGN } : {}) });
  const plan = planFor(luck);
  if (plan.kind === 'rollback') world.split = { blue: 0, green: 100, grey: 0 };
  if (plan.kind === 'adopt') world.split = { blue: 100, green: 0, grey: 0 };
  mischief(world, luck, invariants);
  const processes = new Crowd(world, luck, invariants);
  await processes.live((process) => promote(world, process, plan));
  for (let more = luck.below(4); more > 0; more -= 1)
    await processes.live((process) => something(world, process, luck, invariants));
  const phase = await settle(world, luck, invariants, processes);
  await invariants.atEnd({ sick: sick && plan.kind === 'promote', plan, phase });
  return { phase, problems: invariants.problems };
}

function planFor(luck: Luck): Plan {
  const kind = luck.one(['promote', 'promote', 'promote', 'promote', 'promote', 'rollback', 'adopt'] as const);
  const bakeMs = luck.one([1000, 2000, 4000]);
  const percents = [...[1, 5, 25, 50].filter(() => luck.chance(0.4)), 100];
  const pace = {
    patienceMs: luck.one([3000, 8000]),
    pollMs: luck.one([1000, 1000, 3000]),
    copies: luck.chance(0.5) ? planOf().copies : [],
  };
  if (kind === 'rollback') return rollbackOf(pace);
  if (kind === 'adopt')
    return planOf({ ...pace, kind, candidate: rollbackOf().candidate, stable: null, steps: [{ percent: 100, bakeMs }] });
  return planOf({ ...pace, steps: percents.map((percent) => ({ percent, bakeMs })) });
}

/** What happens by itself, at any time. */
function mischief(world: World, luck: Luck, invariants: Invariants): void {
  const mishaps = luck.one([0, 0, 0.15, 0.4]);
  world.fate = () => (luck.chance(mishaps) ? luck.one(BAD_FATES) : 'done');
  for (let more = luck.below(5); more > 0; more -= 1) {
    const lastsMs = luck.one([500, 3000, 15_000]);
    world.after(luck.one([luck.below(3000), luck.below(12_000)]), luck.one(EVENTS)(world, luck, lastsMs, invariants));
  }
}

type Event = (world: World, luck: Luck, lastsMs: number, invariants: Invariants) => () => void | Promise<void>;

const EVENTS: readonly Event[] = [
  (world, luck) => () =>
    world.move(
      luck.one([
        { blue: 50, green: 0, grey: 50 },
        { blue: 100, green: 0, grey: 0 },
      ]),
      0,
    ),
  (world, luck, lastsMs) => () => {
    const counters = world.metrics.get(luck.one([CANDIDATE, CANDIDATE, STABLE]));
    if (counters === undefined) return;
    counters.sight = luck.one(SIGHTS);
    world.after(lastsMs, () => {
      counters.sight = 'counts';
    });
  },
  (world) => () => void Object.assign(world.metrics.get(CANDIDATE) ?? {}, { requests: 0, errors: 0, frozen: undefined }),
  (world, _luck, lastsMs) => () => {
    world.routerDown = true;
    world.after(lastsMs, () => {
      world.routerDown = false;
    });
  },
  (world, _luck, lastsMs) => () => {
    world.trouble = ['green is DOWN'];
    world.after(lastsMs, () => {
      world.trouble = [];
    });
  },
  (world, _luck, lastsMs) => () => {
    world.full = true;
    world.after(lastsMs, () => {
      world.full = false;
    });
  },
  (world) => () => void Object.assign(world.builds.get('green') ?? {}, { failing: 0.5 }),
  (world, luck) => () => {
    world.nowMs += luck.one([-3_600_000, 3_600_000]);
  },
  (world) => () =>
    storeOf(new Process(world, 400).io)
      .requestAbort(SCOPE, { actor: 'bob', reason: 'no', atMs: 1 })
      .catch(() => undefined),
  (world, _luck, _lastsMs, invariants) => () => rescued(world, new Process(world, 500), invariants),
];

async function rescued(world: World, process: Process, invariants: Invariants): Promise<void> {
  invariants.rescuers.add(process.pid);
  if (await rescue(process).catch(() => false)) invariants.rescuedMs = world.monotonicMs;
}

/** One more command of somebody, whatever fits. */
async function something(world: World, process: Process, luck: Luck, invariants: Invariants): Promise<unknown> {
  const open = openRollout(await historyIn(world));
  if (luck.chance(0.1)) return rescued(world, process, invariants);
  if (open !== null) return luck.chance(0.7) ? resume(world, process) : abort(world, process);
  if (luck.chance(0.3)) return promote(world, process, rollbackOf({ id: `r-${process.pid}` }));
  return undefined;
}

/** Processes one after the other; any of them may die, leave, or be frozen while another one does something. */
class Crowd {
  readonly #world: World;
  readonly #luck: Luck;
  readonly #invariants: Invariants;
  #pid = 10;

  constructor(world: World, luck: Luck, invariants: Invariants) {
    this.#world = world;
    this.#luck = luck;
    this.#invariants = invariants;
  }

  next(): Process {
    this.#pid += 1;
    return new Process(this.#world, this.#pid, { host: this.#luck.chance(0.1) ? 'deploy-2' : 'deploy-1' });
  }

  async live(act: (process: Process) => Promise<unknown>): Promise<void> {
    const luck = this.#luck;
    const process = this.next();
    if (luck.chance(0.4)) process.dieAt = luck.one([luck.below(60), luck.below(250)]);
    if (luck.chance(0.2))
      this.#world.after(luck.below(12_000), () => {
        process.control.leave = true;
      });
    if (luck.chance(0.1)) this.#holdForAWhile(process);
    if (luck.chance(0.35)) this.#freezeOnce(process, luck.one([luck.below(20), luck.below(80)]));
    await Promise.race([act(process), process.death]);
    await process.frozen;
    process.kill();
    // What a dead process has sent is with the router: it arrives, or the router gives it up.
    await this.#world.pass(luck.chance(0.5) ? LATE_MS + 1 : luck.below(60_000) + LATE_MS + 1);
  }

  /** A person holds it at its step, and leaves a minute later. */
  #holdForAWhile(process: Process): void {
    process.control.hold = true;
    this.#world.after(60_000, () => {
      process.control.leave = true;
    });
  }

  /** At its n-th call the process is frozen, long enough to be taken for dead, and somebody else does something. */
  #freezeOnce(process: Process, nth: number): void {
    let left = nth;
    process.freeze = () => {
      left -= 1;
      if (left !== 0) return undefined;
      const world = this.#world;
      // Sometimes it cannot be ended by whoever takes over, and wakes up.
      if (this.#luck.chance(0.5)) world.kill.delete(process.pid);
      return world.pass(this.#luck.one([2000, 12_000, 90_000])).then(async () => {
        const other = this.next();
        await Promise.race([something(world, other, this.#luck, this.#invariants), other.death]);
        other.kill();
      });
    };
  }
}

/** All faults stop; what is held is reconciled; what is open is resumed once more. Says where it ended. */
async function settle(world: World, luck: Luck, invariants: Invariants, processes: Crowd): Promise<string> {
  await world.pass(60_000);
  world.calm();
  world.fate = () => 'done';
  Object.assign(world, { full: false, routerDown: false, trouble: [] });
  for (const counters of world.metrics.values()) counters.sight = 'counts';
  if (world.disk.existsSync(`${POINTER_DIR}/hold`)) await reconcile(processes.next());
  const last = processes.next();
  const open = openRollout(await historyIn(world));
  if (open !== null) {
    const ended = luck.chance(0.8) ? await resume(world, last) : await abort(world, last);
    if (ended.how !== 'over')
      invariants.problems.push(`with nothing in its way the last process ended ${JSON.stringify(ended).slice(0, 200)}`);
  }
  return (await historyIn(world)).rollout?.phase ?? 'none';
}
