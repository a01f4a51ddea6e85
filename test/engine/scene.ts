/** A rollout in a fresh simulation, and what is worth knowing afterwards. */
import { readPointers } from '../../src/base/pointer/pointer.ts';
import type { Event } from '../../src/core/ledger/events.ts';
import type { OutputLine } from '../../src/core/output.ts';
import type { Plan } from '../../src/core/rollout/plan.ts';
import type { Control } from '../../src/engine/runner.ts';
import { Process } from '../simulator/process.ts';
import { type Ended, furnish, historyIn, planOf, promote, storeOf } from '../simulator/rollouts.ts';
import { POINTER_DIR, SCOPE, type Sees, Simulation } from '../simulator/simulation.ts';

export const ALL_BLUE = { blue: 100, green: 0, grey: 0 };
export const ALL_GREEN = { blue: 0, green: 100, grey: 0 };

export interface Scene {
  readonly sim: Simulation;
  readonly runner: Process;
  readonly lines: OutputLine[];
  /** Runs the plan as a new rollout. */
  readonly go: (plan?: Plan) => Promise<Ended>;
  /** Another process of the same simulation. */
  readonly process: (pid: number, options?: { host?: string; sees?: Sees; control?: Partial<Control> }) => Process;
  /** Everything that was written down, without the claims. */
  readonly events: () => Promise<Event[]>;
}

export function scene(control: Partial<Control> = {}): Scene {
  const sim = furnish(new Simulation(ALL_BLUE));
  const runner = new Process(sim, 11, { control });
  const lines: OutputLine[] = [];
  return {
    sim,
    runner,
    lines,
    go: (plan = planOf()) => promote(sim, runner, plan, (line) => lines.push(line)),
    process: (pid, options) => new Process(sim, pid, options),
    events: async () => {
      const { entries } = await storeOf(new Process(sim, 99).io).read(SCOPE);
      return entries.map(({ event }) => event).filter(({ type }) => type !== 'claimed' && type !== 'released');
    },
  };
}

/** The types of all events, in order. */
export async function typesIn({ events }: Scene): Promise<string[]> {
  return (await events()).map(({ type }) => type);
}

/** Where the ledger says that the last rollout stands. */
export async function phaseIn({ sim }: Scene): Promise<string | undefined> {
  return (await historyIn(sim)).rollout?.phase;
}

/** The percent that green really had, one after the other. */
export function greenIn({ sim }: Scene): number[] {
  return sim.moved.map(({ split }) => split.green ?? 0);
}

export function pointersIn({ sim }: Scene, dir = POINTER_DIR) {
  return readPointers(dir, sim.disk, SCOPE);
}

/** Has something happen at the first event line that fits. */
export function when(scene: Scene, fits: (line: OutputLine) => boolean, act: () => void): void {
  const { push } = scene.lines;
  let done = false;
  scene.lines.push = (...lines) => {
    const count = push.apply(scene.lines, lines);
    if (!done && lines.some(fits)) {
      done = true;
      act();
    }
    return count;
  };
}

/** True for the line that says that this phase begins, at this step (from 1). */
export function begins(phase: string, step = 1): (line: OutputLine) => boolean {
  return (line) => line.type === 'phase' && line.phase === phase && line.step === step;
}
