/** What happens by itself in a simulated world: it begins, and most of it ends again. */
import { seeded } from '../stores/entries.ts';
import type { Invariants } from './invariants.ts';
import { CANDIDATE, STABLE } from './rollouts.ts';
import type { Fault } from './schedule.ts';
import type { World } from './world.ts';

/** Lower numbers only look. */
export const FIRST_PID = 10;
export const FOREIGN = 'dead0000-0000-4000-8000-000000000009';

export function beginFault(world: World, { what, lastsMs }: Fault, invariants: Invariants): void {
  world.tell?.('world', wording(what));
  const forAWhile = (change: Partial<World>, back: Partial<World>) => {
    Object.assign(world, change);
    world.after(lastsMs, () => void Object.assign(world, back));
  };
  switch (what.kind) {
    case 'somebody moves traffic':
      world.met('somebody else moves traffic');
      world.move(what.split, 0);
      return;
    case 'metrics': {
      const counters = world.metrics.get(what.build === 'green' ? CANDIDATE : STABLE);
      if (counters === undefined) return;
      counters.sight = what.sight;
      world.after(lastsMs, () => {
        counters.sight = 'counts';
      });
      return;
    }
    case 'clock jumps':
      world.met(what.byMs > 0 ? 'clock jumps ahead' : 'clock jumps back');
      world.nowMs += what.byMs;
      return;
    case 'power cut':
      world.met('power cut');
      cutPower(world, what.seed);
      return;
    case 'counters restart':
      world.met('counters restart');
      Object.assign(world.metrics.get(CANDIDATE) ?? {}, { requests: 0, errors: 0, frozen: undefined });
      return;
    case 'router down':
      forAWhile({ routerDown: true }, { routerDown: false });
      return;
    case 'router in trouble':
      forAWhile({ trouble: ['green is DOWN'] }, { trouble: [] });
      return;
    case 'disk full':
      forAWhile({ full: true }, { full: false });
      return;
    case 'fsync fails':
      forAWhile({ syncFails: true }, { syncFails: false });
      return;
    case 'short writes':
      forAWhile({ shortWrites: true }, { shortWrites: false });
      return;
    case 'disk lies':
      forAWhile({ lies: true }, { lies: false });
      return;
    case 'green fails':
      world.met('candidate begins to fail');
      Object.assign(world.builds.get('green') ?? {}, { failing: 0.5 });
      return;
    case 'foreign binary at green':
      world.met('foreign binary at the candidate');
      invariants.foreignSinceMs ??= world.monotonicMs;
      world.place('green', FOREIGN);
  }
}

/** Every process dies at once, and of what was not flushed nobody knows what was written. */
function cutPower(world: World, seed: number): void {
  const random = seeded(seed);
  for (const [pid, kill] of [...world.kill]) if (pid >= FIRST_PID) kill();
  world.disk.cutPower(() => random() < 0.5);
}

function wording(what: Fault['what']): string {
  if (what.kind === 'metrics') return `the metric source of ${what.build} ${what.sight}`;
  if (what.kind === 'clock jumps') return `the clock jumps by ${what.byMs / 3_600_000} h`;
  return what.kind;
}
