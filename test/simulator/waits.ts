/** Some schedules watch the stable build first, or warm up. From the seed alone: what luck draws for everything else stays as it was. */
import { comparisonOf } from '../../src/core/gates/comparison.ts';
import type { Plan } from '../../src/core/rollout/plan.ts';
import { seeded } from '../stores/entries.ts';
import type { Fault, Schedule } from './schedule.ts';

/** Another stream of luck than the one that the schedule is drawn from. */
const OTHER_LUCK = 0x2545f491;
const WATCHES = 0.035;
const WARMS_UP = 0.03;
/** Most watches are short, since each second of them costs a poll. */
const WATCH_MS = [2000, 2000, 3000, 3000, 3000, 5000, 5000, 5000, 5000, 90_000];
const NAME = 'compared';

/** The schedule, with a watch or a warm-up where its seed says so. */
export function withWaits(drawn: Schedule): Schedule {
  if (drawn.plan.kind !== 'promote') return drawn;
  const random = seeded(Math.imul(drawn.seed ^ OTHER_LUCK, OTHER_LUCK));
  const one = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;
  const way = random();
  if (way >= WATCHES + WARMS_UP) return drawn;
  const warmUpMs = one([1000, 4000, 12_000]);
  if (way >= WATCHES) return { ...drawn, plan: withWarmUp(drawn.plan, warmUpMs) };
  const watchMs = one(WATCH_MS);
  const plan = withWatch(drawn.plan, watchMs, random() < 0.25 ? warmUpMs : 0, random() < 0.5);
  const slow: Fault = {
    atMs: Math.floor(random() * watchMs),
    lastsMs: one([3000, 15_000]),
    what: { kind: 'metrics are slow', byMs: one([700, 1500]) },
  };
  const faults = random() < 0.35 ? [...drawn.faults, slow] : drawn.faults;
  // What was to happen at any time happens somewhere in the watch, or soon after it.
  const inWatch = (ms: number) => (watchMs > 10_000 ? ms : 0) + Math.floor(random() * watchMs);
  const moved = (ms: number) => (watchMs > 10_000 || random() < 0.5 ? inWatch(ms) : ms);
  const [first, ...more] = drawn.actors;
  const calm = { dieAt: null, leaveAfterMs: null, holdAfterMs: null, freeze: null };
  // Never where the state is lost: there the first leader is the only one.
  const [other] = random() < 0.3 ? more : [];
  if (other !== undefined) more.push({ ...other, ...calm, command: 'rescue', startMs: Math.floor(random() * watchMs) });
  return {
    ...drawn,
    plan,
    faults: faults.map((fault) => ({ ...fault, atMs: moved(fault.atMs) })),
    actors: [...(first === undefined ? [] : [first]), ...more.map((actor) => ({ ...actor, startMs: moved(actor.startMs) }))],
  };
}

function withWarmUp(plan: Plan, warmUpMs: number): Plan {
  return { ...plan, gates: plan.gates.map((gate) => ({ ...gate, warmUpMs })) };
}

/** A second gate, or the only one, that compares both builds. */
export function withWatch(plan: Plan, watchMs: number, warmUpMs: number, isOnly: boolean): Plan {
  const [gate] = plan.gates;
  if (gate === undefined) return plan;
  // Margins as wide as they can be next to a build that fails a fifth: each second of gathering evidence costs a poll.
  const compare = { limit: 0.1, tolerate: { plus: 0.05 }, ruleOut: { plus: 0.1 } };
  const compared = { name: NAME, source: gate.source, settings: { ...gate.settings, interval: '1s' }, warmUpMs, compare };
  const countable = { metrics: ['errors'], slices: {}, countsTraffic: true, lagMs: 1000 };
  const limits = { dwellMs: 2000, blockMs: 1000, watchMs };
  const comparison = comparisonOf([compared], limits, new Map([[NAME, countable]]));
  return { ...plan, gates: isOnly ? [] : plan.gates.map((one) => (warmUpMs > 0 ? { ...one, warmUpMs } : one)), comparison };
}
