/** What happens by itself in a simulation: it begins, and most of it ends again. */
import { seeded } from '../stores/entries.ts';
import type { Invariants } from './invariants.ts';
import { FOREIGN, ownOf, turnMembers } from './members.ts';
import { CANDIDATE, STABLE } from './rollouts.ts';
import type { Fault } from './schedule.ts';
import { type Simulation, STATE_DIR } from './simulation.ts';

/** Lower numbers only look. */
export const FIRST_PID = 10;

export function beginFault(sim: Simulation, { what, lastsMs }: Fault, invariants: Invariants): void {
  sim.tell?.('simulation', wording(what));
  const forAWhile = (change: Partial<Simulation>, back: Partial<Simulation>) => {
    Object.assign(sim, change);
    sim.after(lastsMs, () => void Object.assign(sim, back));
  };
  switch (what.kind) {
    case 'somebody moves traffic':
      sim.met('somebody else moves traffic');
      sim.move(what.split, 0);
      return;
    case 'metrics': {
      const counters = sim.metrics.get(what.build === 'green' ? CANDIDATE : STABLE);
      if (counters === undefined) return;
      counters.sight = what.sight;
      sim.after(lastsMs, () => {
        counters.sight = 'counts';
      });
      return;
    }
    case 'metrics are slow': {
      const counters = sim.metrics.get(STABLE);
      Object.assign(counters ?? {}, { slowMs: what.byMs });
      sim.after(lastsMs, () => void Object.assign(counters ?? {}, { slowMs: 0 }));
      return;
    }
    case 'clock jumps':
      sim.met(what.byMs > 0 ? 'clock jumps ahead' : 'clock jumps back');
      sim.nowMs += what.byMs;
      return;
    case 'power cut':
      sim.met('power cut');
      cutPower(sim, what.seed);
      return;
    case 'members go down':
    case 'a member turns':
    case 'a member arrives':
    case 'a member leaves':
      turnMembers(sim, what, lastsMs);
      return;
    case 'counters restart':
      sim.met('counters restart');
      Object.assign(sim.metrics.get(CANDIDATE) ?? {}, { requests: 0, errors: 0, frozen: undefined });
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
      sim.met('candidate begins to fail');
      Object.assign(sim.builds.get('green') ?? {}, { failing: 0.5 });
      return;
    case 'foreign binary at green':
      sim.met('foreign binary at the candidate');
      invariants.foreignSinceMs ??= sim.monotonicMs;
      for (const [name] of [...ownOf(sim, 'green')]) sim.builds.delete(name);
      sim.place('green', FOREIGN);
      return;
    case 'foreign binary at the second location':
      sim.met('foreign binary at the second location');
      invariants.foreignSinceMs ??= sim.monotonicMs;
      sim.elsewhere.set('green.elsewhere', { ...runningBuild });
      return;
    case 'its row turns foreign':
      sim.met('row turns foreign');
      invariants.foreignSinceMs ??= sim.monotonicMs;
      sim.files = { is: 'wrong', code: 'FOREIGN_BUILD', why: 'the build belongs to staging' };
      return;
    case 'another state drives the target':
      sim.met('second state directory');
      forAWhile({ others: 'the state /home/bob drives this target now' }, { others: undefined });
      return;
    case 'claims name other programs':
      for (const pid of sim.kill.keys()) if (pid >= FIRST_PID && !sim.running.has(pid)) beStranger(sim, pid);
      return;
    case 'the state is removed':
      removeState(sim, lastsMs);
      return;
    case 'its manifest cannot be read':
    case 'green is silent':
      goUnseen(sim, what.kind, lastsMs, invariants);
  }
}

const runningBuild = { guid: FOREIGN, environment: 'production', failing: 0, slow: 0, up: true, downs: 0 };

/** For a while no one can say whether the candidate may still be there. */
function goUnseen(sim: Simulation, kind: Fault['what']['kind'], lastsMs: number, invariants: Invariants): void {
  const isSilent = kind === 'green is silent';
  sim.met(isSilent ? 'candidate falls silent' : 'manifest cannot be read');
  if (isSilent) for (const [, running] of ownOf(sim, 'green')) running.up = false;
  else if (sim.files.is === 'right') sim.files = { is: 'silent', what: 'manifests', why: 'releases/a.yaml cannot be read' };
  invariants.unseenSinceMs = sim.monotonicMs;
  sim.after(lastsMs, () => seeAgain(sim, invariants));
}

/** What was silent can be seen again; what was wrong stays so. */
export function seeAgain(sim: Simulation, invariants: Invariants): void {
  for (const build of sim.builds.values()) build.up = true;
  if (sim.files.is === 'silent') sim.files = { is: 'right' };
  invariants.unseenSinceMs = undefined;
}

/** A claim of this pid names a program that has nothing to do with kvdeploy: it was forged, and nobody may end what it names. */
function beStranger(sim: Simulation, pid: number): void {
  sim.kill.delete(pid);
  sim.running.add(pid);
  sim.strangers.add(pid);
}

const REMOVED = '/srv/removed';

/** Whoever leads then writes nothing down any more, and may only go back. */
function removeState(sim: Simulation, lastsMs: number): void {
  if (!sim.disk.existsSync(STATE_DIR)) return;
  if ([...sim.running].some((pid) => pid >= FIRST_PID)) sim.met('state removed');
  for (const pid of sim.running) sim.unwritten.add(pid);
  sim.disk.renameSync(STATE_DIR, REMOVED);
  sim.after(lastsMs, () => putStateBack(sim));
}

/** In the place of whatever was made there meanwhile. */
export function putStateBack(sim: Simulation): void {
  if (!sim.disk.existsSync(REMOVED)) return;
  if (sim.disk.existsSync(STATE_DIR)) sim.disk.renameSync(STATE_DIR, '/srv/made-meanwhile');
  sim.disk.renameSync(REMOVED, STATE_DIR);
}

/** Every process dies at once, and of what was not flushed nobody knows what was written. */
function cutPower(sim: Simulation, seed: number): void {
  const random = seeded(seed);
  for (const [pid, kill] of [...sim.kill]) if (pid >= FIRST_PID) kill();
  sim.disk.cutPower(() => random() < 0.5);
  sim.onDeath();
}

function wording(what: Fault['what']): string {
  if (what.kind === 'metrics') return `the metric source of ${what.build} ${what.sight}`;
  if (what.kind === 'metrics are slow') return `the metric source takes ${what.byMs} ms to answer`;
  if (what.kind === 'members go down') return `${what.keys.join(' and ')} go down`;
  if ('name' in what) return `${what.kind}: ${JSON.stringify(what)}`;
  if (what.kind === 'clock jumps') return `the clock jumps by ${what.byMs / 3_600_000} h`;
  return what.kind;
}
