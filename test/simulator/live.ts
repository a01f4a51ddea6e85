/** Lives through one schedule: everybody at once in one simulation, then faults stop, and what was promised is looked at. */
import { pointerDir } from '../../src/base/pointer/pointer.ts';
import { Refused } from '../../src/break-glass/refusal.ts';
import { KvdeployError } from '../../src/core/errors.ts';
import { openRollout } from '../../src/core/ledger/history.ts';
import { isOver, type Phase } from '../../src/core/rollout/rollout.ts';
import type { Trouble } from './coverage.ts';
import { putFile } from './disk.ts';
import { beginFault, FIRST_PID, putStateBack, seeAgain } from './faults.ts';
import { Invariants } from './invariants.ts';
import { beOdd, FOREIGN, OLD_PROGRAM } from './members.ts';
import { Process } from './process.ts';
import { Killed } from './process-disk.ts';
import { reconcile, rescue } from './rescues.ts';
import { abort, CANDIDATE, type Ended, furnish, historyIn, promote, resume, rollbackOf, storeOf } from './rollouts.ts';
import type { Actor, Schedule } from './schedule.ts';
import { COPY_DIR, POINTER_DIR, SCOPE, Simulation } from './simulation.ts';

/** What a whole schedule came to. */
export interface Lived {
  readonly phase: string;
  readonly problems: readonly string[];
  readonly troubles: ReadonlySet<Trouble>;
}

const BACK = rollbackOf();

/** Longer than any lease and anything in flight. */
const CALM_MS = 60_000;

/** Times, actors and deeds, for people. */
export type Tell = (atMs: number, who: string, what: string) => void;

export async function live(schedule: Schedule, tell?: Tell): Promise<Lived> {
  const sim = furnish(
    new Simulation(schedule.plan.kind === 'rollback' ? { blue: 0, green: 100, grey: 0 } : { blue: 100, green: 0, grey: 0 }),
  );
  const beganMs = sim.monotonicMs;
  if (tell !== undefined) sim.tell = (who, what) => tell(sim.monotonicMs - beganMs, who, what);
  const invariants = new Invariants(sim, schedule);
  try {
    await Promise.race([wholeLife(sim, schedule, invariants), sim.runaway]);
    return { phase: await invariants.atEnd(), problems: invariants.problems, troubles: sim.troubles };
  } catch (error) {
    const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const code = error instanceof KvdeployError && error.code === 'LEDGER_DAMAGED' ? 'I6' : 'I8';
    invariants.fail(code, what);
    return { phase: 'thrown', problems: invariants.problems, troubles: sim.troubles };
  }
}

async function wholeLife(sim: Simulation, schedule: Schedule, invariants: Invariants): Promise<void> {
  putAtGreen(sim, schedule.green);
  const { shapes = [], minUp = {}, odd = {} } = schedule.replicas ?? {};
  sim.shape = shapes;
  for (const [place, least] of Object.entries(minUp)) sim.minUp.set(place, least);
  for (const [name, how] of Object.entries(odd)) beOdd(sim, name, how);
  if (schedule.isOld)
    for (const dir of [POINTER_DIR, ...copyDirsOf(schedule)]) putFile(sim.disk, `${dir}/break-glass.mjs`, OLD_PROGRAM);
  for (const fault of schedule.faults) sim.after(fault.atMs, () => beginFault(sim, fault, invariants));
  const fates = new Map(schedule.mishaps.map(({ nth, fate }) => [nth, fate]));
  let requests = 0;
  sim.fate = () => fates.get(requests++) ?? 'done';
  await Promise.all(schedule.actors.map((actor, index) => act(sim, actor, FIRST_PID + index, schedule, invariants)));
  await settle(sim, schedule, invariants);
}

const copyDirsOf = ({ plan: { copies } }: Schedule) => copies.map((copy) => pointerDir(copy, SCOPE));

function putAtGreen(sim: Simulation, green: Schedule['green']): void {
  if (green === 'sick') sim.place('green', CANDIDATE, { failing: 0.2 });
  if (green === 'broken') sim.place('green', CANDIDATE, { failing: 1 });
  if (green === 'foreign') sim.place('green', FOREIGN);
  if (green === 'staging') sim.place('green', CANDIDATE, { environment: 'staging' });
}

/** One actor's process, from its start to its end. */
async function act(sim: Simulation, actor: Actor, pid: number, schedule: Schedule, invariants: Invariants): Promise<void> {
  await sim.pass(actor.startMs);
  if ([...sim.running].some((other) => other >= FIRST_PID)) sim.met('two operators at once');
  const process = new Process(sim, pid, { host: actor.host, sees: actor.sees });
  const who = `process ${pid}`;
  sim.tell?.(who, `${actor.command} begins on ${actor.host}`);
  if (actor.host !== 'deploy-1') sim.met('another host name');
  if (actor.sees === 'container') sim.met('another pid namespace');
  if (actor.sees === 'hidepid') sim.met('hidepid');
  beset(sim, process, actor);
  const ended = await Promise.race([command(sim, process, actor, schedule, invariants).catch(plainly), process.death]);
  sim.tell?.(who, `${actor.command} ${process.alive ? 'ends' : 'was killed'}: ${ended}`);
  process.kill();
}

/** What goes wrong with a process itself. */
function beset(sim: Simulation, process: Process, actor: Actor): void {
  if (actor.dieAt !== null) process.dieAt = actor.dieAt;
  process.lastWord = actor.lastWord;
  const leave = () => {
    if (process.alive) sim.met('told to leave');
    process.control.leave = true;
  };
  if (actor.leaveAfterMs !== null) sim.after(actor.leaveAfterMs, leave);
  if (actor.holdAfterMs !== null) {
    sim.after(actor.holdAfterMs, () => {
      process.control.paused = true;
    });
    sim.after(actor.holdAfterMs + 60_000, leave);
  }
  const { freeze } = actor;
  if (freeze === null) return;
  let left = freeze.atCall;
  process.freeze = () => {
    left -= 1;
    if (left !== -1) return undefined;
    sim.tell?.(`process ${process.pid}`, `is frozen for ${freeze.forMs} ms${freeze.endable ? '' : ', and cannot be ended'}`);
    sim.met(freeze.endable ? 'pause' : 'pause, and cannot be ended');
    if (!freeze.endable) sim.unendable.add(process.pid);
    return sim.pass(freeze.forMs).then(() => {
      sim.tell?.(`process ${process.pid}`, 'wakes up');
      sim.unendable.delete(process.pid);
    });
  };
}

function plainly(error: unknown): string {
  if (error instanceof Killed) return 'killed';
  if (error instanceof KvdeployError || error instanceof Refused) return `${error.code}: ${error.message}`;
  throw error;
}

async function command(
  sim: Simulation,
  process: Process,
  actor: Actor,
  schedule: Schedule,
  invariants: Invariants,
): Promise<string> {
  const { pollMs, patienceMs, copies } = schedule.plan;
  switch (actor.command) {
    case 'promote': {
      const ended = await promote(sim, process, { ...schedule.plan, id: `r-${process.pid}` });
      if (ended.how === 'lost' && schedule.plan.kind === 'promote') invariants.lost(ended.state);
      return endText(ended);
    }
    case 'rollback': {
      const { candidate: stable, stable: candidate, identity } = schedule.plan;
      const same = schedule.plan.kind === 'promote' ? { candidate: candidate ?? BACK.candidate, stable, identity } : {};
      return endText(await promote(sim, process, { ...BACK, ...same, id: `r-${process.pid}`, pollMs, patienceMs, copies }));
    }
    case 'resume':
      return endText(await resume(sim, process));
    case 'abort':
      return endText(await abort(sim, process));
    case 'ask for an abort':
      await storeOf(process.io).requestAbort(SCOPE, { actor: 'bob', reason: 'no', atMs: 1 });
      return 'asked';
    case 'rescue': {
      invariants.breaksGlass(process.pid);
      await meetRescue(sim, process.pid, invariants);
      const { code, message } = await rescue(process, (line) => {
        invariants.said(line);
        sim.tell?.(`process ${process.pid}`, line);
      });
      invariants.rescued(process.pid, code, message);
      return `${code ?? 'ok'}: ${message}`;
    }
    case 'reconcile':
      return review(sim, process, invariants);
  }
}

async function meetRescue(sim: Simulation, pid: number, invariants: Invariants): Promise<void> {
  // A ledger that cannot be read, in the middle of a power cut, is the rescue's usual case, and nothing to count by.
  const rollout = (await historyIn(sim).catch(() => undefined))?.rollout;
  if (rollout === undefined) return;
  if (rollout?.phase === 'watching') invariants.meetsWatch(pid, rollout.plan.id);
  if (rollout === null) sim.met('rescue before any rollout');
  else if (isOver(rollout)) sim.met('rescue after the end');
  else if (RESCUED_WHILE[rollout.phase] !== undefined) sim.met(RESCUED_WHILE[rollout.phase] as Trouble);
}

const RESCUED_WHILE: Readonly<Partial<Record<Phase, Trouble>>> = {
  checking: 'rescue while checking',
  watching: 'rescue while watching',
  shifting: 'rescue while shifting',
  converging: 'rescue while converging',
  baking: 'rescue while baking',
  reverting: 'rescue while reverting',
};

async function review(sim: Simulation, process: Process, invariants: Invariants): Promise<string> {
  // A hold may stand in the copy alone: half written, where the rescue said that none could be.
  const dirs = [POINTER_DIR, pointerDir(COPY_DIR, SCOPE)];
  if (!dirs.some((dir) => sim.disk.existsSync(`${dir}/hold`))) return 'nothing to reconcile';
  await reconcile(sim, process, () => invariants.reviewed());
  return 'reconciled';
}

function endText(ended: Ended): string {
  if (ended.how === 'failed') return `${ended.code}: ${ended.message}`;
  return ended.how === 'died' ? 'died' : `${ended.how}, ${ended.state.phase}: ${ended.state.why}`;
}

/** All faults stop; what is held is reconciled; what is open is resumed, or aborted, once more. */
async function settle(sim: Simulation, schedule: Schedule, invariants: Invariants): Promise<void> {
  await sim.pass(CALM_MS);
  sim.tell?.('simulation', 'all faults stop');
  sim.calm();
  sim.fate = () => 'done';
  Object.assign(sim, {
    full: false,
    syncFails: false,
    shortWrites: false,
    lies: false,
    routerDown: false,
    trouble: [],
    others: undefined,
  });
  for (const counters of sim.metrics.values()) Object.assign(counters, { sight: 'counts', slowMs: 0 });
  putStateBack(sim);
  sim.down.clear();
  sim.silent.clear();
  seeAgain(sim, invariants);
  invariants.holdStands();
  await review(sim, new Process(sim, 100), invariants);
  const open = openRollout(await historyIn(sim));
  if (open === null) return;
  const last = new Process(sim, 101);
  sim.tell?.('process 101', `${schedule.end} of what is open`);
  const ended = schedule.end === 'resume' ? await resume(sim, last) : await abort(sim, last);
  sim.tell?.('process 101', endText(ended));
  if (ended.how !== 'over') invariants.fail('I8', `with nothing in its way the last process ended ${endText(ended)}`);
}
