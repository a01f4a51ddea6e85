/** A rollout in a fresh world, and what is worth knowing afterwards. */
import { readPointers } from '../../src/base/pointer/pointer.ts';
import type { Event } from '../../src/core/ledger/events.ts';
import type { OutputLine } from '../../src/core/output.ts';
import type { Plan } from '../../src/core/rollout/plan.ts';
import type { Control } from '../../src/engine/runner.ts';
import { Process } from '../world/process.ts';
import { type Ended, furnish, historyIn, planOf, promote, storeOf } from '../world/rollouts.ts';
import { POINTER_DIR, SCOPE, World } from '../world/world.ts';

export const ALL_BLUE = { blue: 100, green: 0, grey: 0 };
export const ALL_GREEN = { blue: 0, green: 100, grey: 0 };

export interface Scene {
  readonly world: World;
  readonly runner: Process;
  readonly lines: OutputLine[];
  /** Runs the plan as a new rollout. */
  readonly go: (plan?: Plan) => Promise<Ended>;
  /** Another process of the same world. */
  readonly process: (pid: number, options?: { host?: string; control?: Partial<Control> }) => Process;
  /** Everything that was written down, without the claims. */
  readonly events: () => Promise<Event[]>;
}

export function scene(control: Partial<Control> = {}): Scene {
  const world = furnish(new World(ALL_BLUE));
  const runner = new Process(world, 11, { control });
  const lines: OutputLine[] = [];
  return {
    world,
    runner,
    lines,
    go: (plan = planOf()) => promote(world, runner, plan, (line) => lines.push(line)),
    process: (pid, options) => new Process(world, pid, options),
    events: async () => {
      const { entries } = await storeOf(new Process(world, 99).io).read(SCOPE);
      return entries.map(({ event }) => event).filter(({ type }) => type !== 'claimed' && type !== 'released');
    },
  };
}

/** The types of all events, in order. */
export async function typesIn({ events }: Scene): Promise<string[]> {
  return (await events()).map(({ type }) => type);
}

/** Where the ledger says that the last rollout stands. */
export async function phaseIn({ world }: Scene): Promise<string | undefined> {
  return (await historyIn(world)).rollout?.phase;
}

/** The percent that green really had, one after the other. */
export function greenIn({ world }: Scene): number[] {
  return world.moved.map(({ split }) => split.green ?? 0);
}

export function pointersIn({ world }: Scene, dir = POINTER_DIR) {
  return readPointers(dir, world.disk, SCOPE);
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
