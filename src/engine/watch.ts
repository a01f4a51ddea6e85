/** What can stop a runner: the hold, a lost claim, an abort, people and flags. Must be asked right before every change. */
import { readHold } from '../base/pointer/hold.ts';
import type { Scope } from '../base/scope.ts';
import { scopeText } from '../core/scope.ts';
import type { Io } from '../io.ts';
import type { AbortRequest, Store } from '../stores/store.ts';
import type { LedgerWriter } from './claim.ts';

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
  | { readonly kind: 'superseded' }
  | { readonly kind: 'abort'; readonly by: { readonly actor: string; readonly reason: string } }
  | { readonly kind: 'leave'; readonly why: 'interrupted' | 'max-wait' };

/** What a watch looks at. */
export interface Watched {
  readonly io: Io;
  readonly store: Store;
  readonly scope: Scope;
  readonly control: Control;
  /** Where a hold can be: next to the pointer, and next to each of its copies. */
  readonly pointerDirs: readonly string[];
  readonly ledger: LedgerWriter;
  readonly inherited: AbortRequest | undefined;
}

const LOOK_MS = 1000;

export class Watch {
  readonly #over: Watched;
  #revertTried = false;

  constructor(over: Watched) {
    this.#over = over;
  }

  /** Why nothing may be changed now, or undefined. Synchronous, for `make` to ask right before the first byte leaves. */
  forbidden = (): string | undefined => {
    const { io, store, scope, pointerDirs } = this.#over;
    const hold = readHold(pointerDirs, io.fs);
    if (hold !== undefined) return `a hold is in force: ${hold.text}`;
    return store.owns(scope) ? undefined : `another process leads ${scopeText(scope)} now`;
  };

  /** From now on it may leave although traffic is not back on the stable build: it has tried that once. */
  revertIsTried(): void {
    this.#revertTried = true;
  }

  /** What stands in the way of going on, looked at before every effect and every second while waiting. */
  async look(): Promise<Interruption | undefined> {
    const { io, store, scope, control, ledger, inherited } = this.#over;
    const held = this.#held();
    if (held !== undefined) return held;
    if (!store.owns(scope)) return { kind: 'superseded' };
    let request: AbortRequest | undefined;
    try {
      if (!ledger.hasAbort) request = (await store.requestedAbort(scope)) ?? inherited;
    } catch (error) {
      // Where the ledger was lost a rescue may have come first, and its hold says more than a failed look.
      const since = this.#held();
      if (since === undefined) throw error;
      return since;
    }
    if (request !== undefined) return { kind: 'abort', by: { actor: request.actor, reason: request.reason } };
    // A runner that is reverting tries that once before it leaves, and never leaves for want of time.
    const reverting = ledger.history.rollout?.phase === 'reverting';
    if (control.leave && !(reverting && !this.#revertTried)) return { kind: 'leave', why: 'interrupted' };
    if (!reverting && control.leaveAtMs !== null && io.monotonic() >= control.leaveAtMs)
      return { kind: 'leave', why: 'max-wait' };
    return undefined;
  }

  #held(): Interruption | undefined {
    const hold = readHold(this.#over.pointerDirs, this.#over.io.fs);
    return hold === undefined ? undefined : { kind: 'held', why: hold.text };
  }

  /** Waits, looking up every second. False when something came up before the time was over. */
  async wait(ms: number): Promise<boolean> {
    const { io, control } = this.#over;
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
