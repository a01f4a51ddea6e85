/** What a process leads a rollout with. Nothing here changes while it leads: what does change is private to its one owner. */
import { join } from 'node:path';
import { readHold } from '../base/pointer/hold.ts';
import type { OutputLine } from '../core/output.ts';
import { scopeText } from '../core/scope.ts';
import type { Io } from '../io.ts';
import type { AbortRequest, Store } from '../stores/store.ts';
import type { Led } from './claim.ts';
import { Condition, type FilesAgain } from './condition.ts';
import { type PointerPlaces, pointerDirsOf } from './pointer-writer.ts';
import { ReadBack } from './read-back.ts';
import type { Target } from './target.ts';

/** What people and flags ask of a running rollout, as of the moment that it is read. */
export interface Control {
  /** Begin no further step; gates are still watched. */
  readonly paused: boolean;
  /** Write down and leave now. */
  readonly leave: boolean;
  /** Leave once the step of this percent has baked. */
  readonly untilPercent: number | null;
  /** Monotonic milliseconds at which to leave. */
  readonly leaveAtMs: number | null;
}

/** Why the loop must stop before doing the next thing. */
export type Interruption =
  | { readonly kind: 'held'; readonly why: string }
  | { readonly kind: 'other-state'; readonly why: string }
  | { readonly kind: 'superseded' }
  | { readonly kind: 'lost'; readonly why: string }
  | { readonly kind: 'abort'; readonly by: { readonly actor: string; readonly reason: string } }
  | { readonly kind: 'leave'; readonly why: 'interrupted' | 'max-wait' };

/** The doors to the outside, and to the person who runs the command. */
export interface Ports {
  readonly io: Io;
  readonly store: Store;
  readonly target: Target;
  readonly control: Control;
  readonly report: (line: OutputLine) => void;
  /** Judges the files again while the rollout walks. */
  readonly files: FilesAgain;
  /** Where the pointer is kept: its own directory and the copies. A hold can be in each. */
  readonly places: PointerPlaces;
  /** Further folders in which a hold counts. */
  readonly holdDirs?: readonly string[];
  /** Why the target is another state's to drive by now, or undefined. Synchronous. */
  readonly othersTarget?: () => string | undefined;
}

export interface Runner extends Ports, Pick<Led, 'ledger' | 'unended'> {
  readonly watch: Watch;
  readonly condition: Condition;
  readonly readBack: ReadBack;
}

/** The runner of a lead that this process has taken. */
export function runnerOf(ports: Ports, led: Led): Runner {
  const { ledger, unended } = led;
  const condition = new Condition(ports);
  return { ...ports, ledger, watch: new Watch(ports, led), condition, readBack: new ReadBack(ports.target), unended };
}

const LOOK_MS = 1000;

/** What can stop a runner: the hold, a lost claim, an abort, people and flags. Must be asked right before every change. */
export class Watch {
  readonly #ports: Ports;
  readonly #led: Led;
  readonly #pointerDirs: readonly string[];
  #revertTried = false;
  #stateLost = false;

  constructor(ports: Ports, led: Led) {
    this.#ports = ports;
    this.#led = led;
    this.#pointerDirs = [...pointerDirsOf(ports.places), ...(ports.holdDirs ?? [])];
  }

  /** Why nothing may be changed now, or undefined. Synchronous, for `make` to ask right before the first byte leaves. */
  readonly forbidden = (): string | undefined => {
    const came = this.#obstacle();
    switch (came?.kind) {
      case undefined:
        return undefined;
      case 'held':
        return `a hold is set: ${came.why}`;
      case 'other-state':
        return came.why;
      case 'superseded':
        return `another process leads ${scopeText(this.#ports.places.scope)} now`;
      case 'lost':
        return `the state is lost: ${came.why}`;
    }
  };

  /** From now on a lost state stands in the way of nothing: a hold or a new leader that can be seen still does. */
  goOnWithoutState(): void {
    this.#stateLost = true;
  }

  /** What the state directory, wherever it is by now, and the marker at the target have against any change. */
  #obstacle(): Extract<Interruption, { kind: 'held' | 'other-state' | 'superseded' | 'lost' }> | undefined {
    const { io, store, places } = this.#ports;
    const standing = store.standing(places.scope);
    const moved = typeof standing === 'object' && standing.movedTo !== undefined ? [join(standing.movedTo, '../pointer')] : [];
    const holds = [...this.#pointerDirs, ...moved].flatMap((dir) => readHold([dir], io.fs) ?? []);
    const held = holds.find(({ seen }) => seen);
    if (held !== undefined) return { kind: 'held', why: held.text };
    const others = this.#ports.othersTarget?.();
    if (others !== undefined) return { kind: 'other-state', why: others };
    if (standing === 'taken') return { kind: 'superseded' };
    const lost = typeof standing === 'object' ? standing.lost : holds[0]?.text;
    return lost === undefined || this.#stateLost ? undefined : { kind: 'lost', why: lost };
  }

  /** From now on it may leave although traffic is not back on the stable build: it has tried that once. */
  revertIsTried(): void {
    this.#revertTried = true;
  }

  /** What stands in the way of going on, looked at before every effect and every second while waiting. */
  async look(): Promise<Interruption | undefined> {
    const { io, store, control, places } = this.#ports;
    const { ledger, inherited } = this.#led;
    const came = this.#obstacle();
    if (came !== undefined) return came;
    let request: AbortRequest | undefined;
    try {
      if (!ledger.hasAbort && !this.#stateLost) request = (await store.requestedAbort(places.scope)) ?? inherited;
    } catch (error) {
      // Where the ledger was lost a rescue may have come first, and its hold says more than a failed look.
      return this.#obstacle() ?? { kind: 'lost', why: error instanceof Error ? error.message : String(error) };
    }
    if (request !== undefined) return { kind: 'abort', by: { actor: request.actor, reason: request.reason } };
    // A runner that is reverting tries that once before it leaves, and never leaves for want of time.
    const reverting = this.#stateLost || ledger.history.rollout?.phase === 'reverting';
    if (control.leave && !(reverting && !this.#revertTried)) return { kind: 'leave', why: 'interrupted' };
    if (!reverting && control.leaveAtMs !== null && io.monotonic() >= control.leaveAtMs)
      return { kind: 'leave', why: 'max-wait' };
    return undefined;
  }

  /** Waits, looking up every second. False when something came up before the time was over. */
  async wait(ms: number): Promise<boolean> {
    const { io, control } = this.#ports;
    const endMs = io.monotonic() + ms;
    for (;;) {
      const leftMs = endMs - io.monotonic();
      if (leftMs <= 0) return true;
      const untilLeaveMs = (control.leaveAtMs ?? 0) - io.monotonic();
      await io.sleep(Math.min(leftMs, LOOK_MS, untilLeaveMs > 0 ? untilLeaveMs : LOOK_MS));
      if ((await this.look()) !== undefined) return false;
    }
  }
}
