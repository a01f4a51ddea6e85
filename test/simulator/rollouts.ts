/** Rollouts in the simulation: plans, a router to drive, and the commands as processes would run them. */
import { OWNER_ONLY } from '../../src/base/durable/durable-file.ts';
import { readHold } from '../../src/base/pointer/hold.ts';
import { pointerDir } from '../../src/base/pointer/pointer.ts';
import { fold, type History, openRollout } from '../../src/core/ledger/history.ts';
import type { Entry } from '../../src/core/ledger/ledger.ts';
import type { Build } from '../../src/core/manifest/manifest.ts';
import type { OutputLine } from '../../src/core/output.ts';
import { type Plan, planSchema } from '../../src/core/rollout/plan.ts';
import { takeLead } from '../../src/engine/claim.ts';
import type { FilesAgain } from '../../src/engine/condition.ts';
import { type End, run } from '../../src/engine/run.ts';
import { runnerOf } from '../../src/engine/runner.ts';
import type { Io } from '../../src/io.ts';
import { beginNew, type Lead } from '../../src/lead/lead.ts';
import { askAbort, carryOn } from '../../src/lead/open-rollout.ts';
import { localStore } from '../../src/stores/local.ts';
import { Process } from './process.ts';
import { COPY_DIR, POINTER_DIR, SCOPE, type Simulation, STATE_DIR } from './simulation.ts';
import { targetIn } from './target.ts';

export const STABLE = 'b0b00000-0000-4000-8000-000000000001';
export const CANDIDATE = 'cafe0000-0000-4000-8000-000000000002';

export const stable = buildAt(STABLE, 'blue', 1);
export const candidate = buildAt(CANDIDATE, 'green', 2);

export function buildAt(guid: string, ref: string, sequence: number): Build {
  return {
    guid: guid as Build['guid'],
    version: `2026.11.${sequence}`,
    digest: `sha256:${String(sequence).repeat(64).slice(0, 64)}`,
    sequence,
    createdAt: '2026-11-21T09:00:00Z',
    ref,
  };
}

/** A promotion of green over blue in two steps, unless said otherwise. */
export function planOf(said: Partial<Plan> = {}): Plan {
  return planSchema.parse({
    id: 'r-1',
    kind: 'promote',
    scope: SCOPE,
    candidate,
    stable,
    router: { kind: 'scripted' },
    identity: { path: '/healthz', header: 'x-build-guid', environmentHeader: 'x-environment' },
    members: ['blue', 'green', 'grey'].map((place) => ({
      place,
      build: place === 'blue' ? STABLE : place === 'green' ? CANDIDATE : null,
    })),
    steps: [
      { percent: 10, bakeMs: 5000 },
      { percent: 100, bakeMs: 5000 },
    ],
    gates: [
      {
        name: 'errors',
        source: 'prometheus',
        max: 0.01,
        minRequests: 10,
        settings: { url: 'http://prometheus', requests: 'requests{build="${build}"}', errors: 'errors{build="${build}"}' },
      },
    ],
    patienceMs: 20_000,
    pollMs: 1000,
    copies: [COPY_DIR],
    actor: 'alice',
    reason: null,
    sources: [],
    ...said,
  });
}

/** Everything to the known-good build, with no gate to wait for. */
export function rollbackOf(said: Partial<Plan> = {}): Plan {
  return planOf({
    kind: 'rollback',
    candidate: stable,
    stable: candidate,
    steps: [{ percent: 100, bakeMs: 0 }],
    gates: [],
    ...said,
  });
}

/** The files that the candidate was admitted on, as they are now. */
function filesIn(sim: Simulation): FilesAgain {
  return { judge: async ({ kind }) => (kind === 'rollback' ? { is: 'right' } : sim.files) };
}

export function storeOf(io: Io) {
  return localStore(STATE_DIR, io);
}

/** The store of a process, which tells the simulation what it was promised. */
export function tellingStore(sim: Simulation, process: Process): ReturnType<typeof localStore> {
  const store = storeOf(process.io);
  const append = store.append.bind(store);
  store.append = async (scope, seq, entry) => {
    const { event } = entry;
    // The engine says so right after it has written this generation.
    if ((event.type === 'prepared' || event.type === 'pointed') && event.generation !== null) {
      sim.onPointed(event.generation);
      sim.tell?.(`process ${process.pid}`, `pointer generation ${event.generation}: ${event.type}`);
    }
    const answer = await append(scope, seq, entry).catch((error: unknown) => {
      sim.unwritten.add(process.pid);
      throw error;
    });
    if (answer === 'ok') sim.onAppended(process.pid, seq, entry);
    sim.tell?.(`process ${process.pid}`, `entry ${seq}: ${event.type}${answer === 'ok' ? '' : `, ${answer}`}`);
    return answer;
  };
  return store;
}

const watchers = new WeakMap<Simulation, ReturnType<typeof localStore>>();
const folded = new WeakMap<Simulation, { readonly head: string; readonly history: History }>();

/** What the ledger says now, to somebody who only looks; never fails, whatever happens to processes. */
export async function historyIn(sim: Simulation): Promise<History> {
  return (await ledgerIn(sim)).history;
}

/** The same with the entries. What has the same head is not folded again. */
export async function ledgerIn(sim: Simulation): Promise<{ readonly entries: readonly Entry[]; readonly history: History }> {
  const { entries, head } = await watcherOf(sim).read(SCOPE);
  const known = folded.get(sim);
  const history = known?.head === head ? known.history : fold(entries);
  folded.set(sim, { head, history });
  return { entries, history };
}

/** The simulation's own store, which reads what is settled only once. */
export function watcherOf(sim: Simulation): ReturnType<typeof localStore> {
  const watcher = watchers.get(sim) ?? storeOf(new Process(sim, 1).io);
  watchers.set(sim, watcher);
  return watcher;
}

/** How a process ended: as the engine says, dead, or with an error. */
export type Ended = End | { readonly how: 'died' } | { readonly how: 'failed'; readonly code: string; readonly message: string };

export interface Wants {
  readonly command: string;
  readonly plan: Plan;
  readonly takeOver?: boolean;
  readonly begin: Lead['begin'];
  readonly report?: (line: OutputLine) => void;
}

/** What `lead` does, without the terminal. */
export function lead(sim: Simulation, process: Process, wants: Wants): Promise<Ended> {
  const ended = walk(sim, process, wants).catch((error: unknown) => {
    if (!process.alive) return { how: 'died' } as const;
    if (error instanceof Error && 'code' in error)
      return { how: 'failed', code: String(error.code), message: error.message } as const;
    throw error;
  });
  return Promise.race([ended, process.death.then((how) => ({ how }))]).finally(() => sim.running.delete(process.pid));
}

async function walk(
  sim: Simulation,
  process: Process,
  wants: Wants,
): Promise<End | { how: 'failed'; code: string; message: string }> {
  const { io, control } = process;
  const { plan } = wants;
  const pointerDirs = [POINTER_DIR, ...plan.copies.map((copy) => pointerDir(copy, SCOPE))];
  const hold = readHold(pointerDirs, io.fs);
  if (hold !== undefined) return { how: 'failed', code: 'HELD', message: hold.text };
  if (sim.others !== undefined) return { how: 'failed', code: 'OTHER_STATE', message: sim.others };
  const store = tellingStore(sim, process);
  const target = targetIn(sim, io, plan);
  const report = wants.report ?? (() => undefined);
  const places = {
    scope: SCOPE,
    stateDir: STATE_DIR,
    copies: plan.copies,
    modes: OWNER_ONLY,
    environments: [SCOPE.environment, 'staging'],
  };
  const led = await takeLead({ io, store, scope: SCOPE, actor: 'alice' }, wants.command, { takeOver: wants.takeOver ?? false });
  const runner = runnerOf(
    { io, store, target, control, report, places, files: filesIn(sim), othersTarget: () => sim.others },
    led,
  );
  try {
    return await run(runner, await wants.begin(runner));
  } finally {
    await led.end();
  }
}

/** Begins the plan as a new rollout. */
export async function promote(sim: Simulation, process: Process, plan = planOf(), report?: Wants['report']): Promise<Ended> {
  const begin = beginNew(plan, await historyIn(sim));
  return lead(sim, process, { command: plan.kind, plan, begin, ...(report === undefined ? {} : { report }) });
}

/** `resume`: the plan is the ledger's. */
export async function resume(sim: Simulation, process: Process): Promise<Ended> {
  const open = openRollout(await historyIn(sim));
  if (open === null) return { how: 'failed', code: 'NOTHING_TO_DO', message: 'nothing is open' };
  return lead(sim, process, { command: 'resume', plan: open.plan, begin: carryOn(undefined) });
}

/** `abort`, once the leader is given up: takes the claim, however lively its owner. */
export async function abort(sim: Simulation, process: Process): Promise<Ended> {
  const open = openRollout(await historyIn(sim));
  if (open === null) return { how: 'failed', code: 'NOTHING_TO_DO', message: 'nothing is open' };
  const begin: Lead['begin'] = async (runner) => {
    const { history } = runner.ledger;
    const now = openRollout(history);
    return now === null ? (history.rollout ?? open) : askAbort(runner, now, 'bob', 'abort');
  };
  return lead(sim, process, { command: 'abort', plan: open.plan, takeOver: true, begin });
}

/** Blue serves; green and grey are there. */
export function furnish(sim: Simulation): Simulation {
  sim.place('blue', STABLE);
  sim.place('green', CANDIDATE);
  sim.place('grey', 'f00d0000-0000-4000-8000-000000000003');
  return sim;
}
