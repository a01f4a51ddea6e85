/** What must hold in every world, whatever happens in it. Looks at the world itself, never at what a runner believes. */
import { readPointers } from '../../src/break-glass/pointer.ts';
import { fold } from '../../src/core/history.ts';
import type { Plan } from '../../src/core/plan.ts';
import { isOver, next, type State } from '../../src/core/rollout.ts';
import { type Split, splitsAgree, splitText } from '../../src/core/split.ts';
import type { Store } from '../../src/stores/store.ts';
import { CANDIDATE, STABLE, watcherOf } from './rollouts.ts';
import { POINTER_DIR, SCOPE, type World } from './world.ts';

export interface AtEnd {
  /** The candidate of the first plan failed from its first request on. */
  readonly sick: boolean;
  readonly plan: Plan;
  readonly phase: string;
}

export class Invariants {
  readonly problems: string[] = [];
  /** Processes that break glass: nothing of the ledger binds them. */
  readonly rescuers = new Set<number>();
  rescuedMs: number | undefined;
  readonly #world: World;
  readonly #watcher: Store;
  readonly #checks: Promise<void>[] = [];

  constructor(world: World) {
    this.#world = world;
    this.#watcher = watcherOf(world);
    world.onShift = (by, split) => {
      if (!this.rescuers.has(by)) this.#checks.push(this.#mayShift(by, split));
    };
  }

  /** Reading is synchronous underneath, so this looks at the ledger as it is when the change is sent. */
  async #mayShift(by: number, asked: Readonly<Record<string, number>>): Promise<void> {
    const at = `process ${by} at ${this.#world.monotonicMs} ms`;
    const held = this.#world.disk.existsSync(`${POINTER_DIR}/hold`);
    const { entries } = await this.#watcher.read(SCOPE);
    const { rollout, leader } = fold(entries);
    const effect = rollout === null ? undefined : next(rollout);
    const split = shares(asked);
    const stray = split.find(({ place, percent }) => percent > 0 && place !== 'blue' && place !== 'green');
    if (held) this.problems.push(`${at} changed traffic under a hold`);
    if (leader?.claim.by.pid !== by) this.problems.push(`${at} changed traffic while ${leader?.claim.by.pid ?? 'nobody'} led`);
    if (stray !== undefined) this.problems.push(`${at} gave traffic to ${stray.place}`);
    if (effect?.do !== 'shift')
      this.problems.push(`${at} set ${splitText(split)} while the ledger says ${rollout?.phase ?? 'nothing'}`);
    else if (!splitsAgree(effect.split, split))
      this.problems.push(`${at} set ${splitText(split)}, the ledger wants ${splitText(effect.split)}`);
  }

  async atEnd({ sick, plan, phase }: AtEnd): Promise<void> {
    await Promise.all(this.#checks);
    const { entries } = await this.#watcher.read(SCOPE);
    const history = fold(entries);
    const state = history.rollout;
    if (state !== null && !isOver(state)) this.problems.push(`it ended while still ${state.phase}`);
    if (sick)
      this.#neverFar(
        plan,
        history.knownGood.map(({ build }) => build.guid),
      );
    this.#passedBeforeRising(entries.map(({ event }) => event));
    this.#generations(entries.map(({ event }) => event));
    if (state !== null) this.#traffic(state, phase);
  }

  /** A build that fails from the start never gets beyond the first step, and is never known-good. */
  #neverFar(plan: Plan, knownGood: readonly string[]): void {
    const most = plan.steps[0]?.percent ?? 0;
    const ours = this.#world.moved.filter(({ by }) => by > 0);
    const far = ours.find(({ split }) => (split.green ?? 0) > most);
    if (far !== undefined) this.problems.push(`a sick build got ${far.split.green} % at ${far.atMs} ms`);
    if (most < 100 && knownGood.includes(CANDIDATE)) this.problems.push('a sick build became known-good');
  }

  /** Each shift forward but the first is preceded by a poll that passed with enough requests. */
  #passedBeforeRising(events: readonly { readonly type: string }[]): void {
    const polls = events.flatMap((event) =>
      'gates' in event ? [event as { verdict?: string; gates: { verdict: string; requests: number }[] }] : [],
    );
    for (const { verdict, gates } of polls) {
      if (verdict !== 'pass') continue;
      if (gates.length === 0 || gates.some((gate) => gate.verdict !== 'pass' || gate.requests < 10))
        this.problems.push('a poll passed without enough requests');
    }
  }

  #generations(events: readonly { readonly type: string }[]): void {
    const told = events.flatMap((event) =>
      'generation' in event && typeof event.generation === 'number' ? [event.generation] : [],
    );
    const { all, damaged, newest } = readPointers(POINTER_DIR, this.#world.disk, SCOPE);
    if (damaged.length > 0) this.problems.push(`damaged generations: ${JSON.stringify(damaged)}`);
    const lost = told.slice(-10).filter((generation) => !all.some((pointer) => pointer.generation === generation));
    if (lost.length > 0) this.problems.push(`acknowledged generations are gone: ${lost.join(', ')}`);
    if ((newest?.generation ?? 0) < Math.max(0, ...told)) this.problems.push('the newest generation is not the newest');
  }

  /** Where traffic is, by the router's word, is where the ledger says; stuck states say that it is not. */
  #traffic(state: State, phase: string): void {
    const { moved, says, split } = this.#world;
    // Somebody else, or a rescue, had the last word: nobody watches after the end.
    const last = moved.at(-1)?.by ?? -1;
    if (last === 0 || this.rescuers.has(last)) return;
    const there = shares(says ?? split);
    const only = (place: string) => splitsAgree(there, [{ place, percent: 100 }]);
    const { candidate, stable } = state.plan;
    if (phase === 'done' && !only(candidate.ref)) this.problems.push(`done, but traffic is ${splitText(there)}`);
    if (phase === 'reverted' && !only(stable?.ref ?? '')) this.problems.push(`reverted, but traffic is ${splitText(there)}`);
    if (phase === 'rescued' && this.rescuers.size === 0) this.problems.push('rescued by nobody');
    const pointed = readPointers(POINTER_DIR, this.#world.disk, SCOPE).newest?.knownGood.build.guid;
    if (phase === 'done' && pointed !== candidate.guid) this.problems.push(`done, but the pointer names ${pointed}`);
    if (phase === 'reverted' && pointed !== STABLE) this.problems.push(`reverted, but the pointer names ${pointed}`);
  }
}

function shares(split: Readonly<Record<string, number>>): Split {
  return Object.entries(split).map(([place, percent]) => ({ place, build: null, percent }));
}
