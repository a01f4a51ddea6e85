/** What one process knows and holds while it leads a rollout. Must be the only way that the engine reaches ledger and hold. */
import { readHold } from '../base/pointer/hold.ts';
import type { Scope } from '../base/scope.ts';
import { KvdeployError } from '../core/errors.ts';
import type { GateMemory } from '../core/gates/verdict/gate.ts';
import type { Event } from '../core/ledger/events.ts';
import { foldEntry, type History } from '../core/ledger/history.ts';
import type { OutputLine } from '../core/output.ts';
import type { State } from '../core/rollout/rollout.ts';
import { scopeFlags, scopeText } from '../core/scope.ts';
import type { Io } from '../io.ts';
import type { Reading } from '../routers/router.ts';
import type { AbortRequest, Store } from '../stores/store.ts';
import type { ComparisonMemory } from './gate-memory.ts';
import type { Target } from './target.ts';

/** What people and flags ask of a running rollout. Signals write it, the loop reads it. */
export interface Control {
  /** Begin no further step; gates are still watched. */
  hold: boolean;
  /** Write down and leave now. */
  leave: boolean;
  /** Leave once the step of this percent has baked. */
  readonly untilPercent: number | null;
  /** Monotonic milliseconds at which to leave. */
  readonly leaveAtMs: number | null;
}

/** Why the loop must stop before doing the next thing. */
export type Interruption =
  | { readonly kind: 'held'; readonly why: string }
  | { readonly kind: 'superseded' }
  | { readonly kind: 'abort'; readonly request: AbortRequest }
  | { readonly kind: 'leave'; readonly why: 'interrupted' | 'max-wait' };

export interface RunnerParts {
  readonly io: Io;
  readonly store: Store;
  readonly scope: Scope;
  readonly target: Target;
  readonly actor: string;
  readonly control: Control;
  readonly report: (line: OutputLine) => void;
  /** Where the pointer is kept: its own directory first, then each copy. The hold lies in each. */
  readonly pointerDirs: readonly string[];
  readonly writePointer: WritePointer;
  /** True when a claim was taken from a process that could not be ended: what it has in flight may still arrive. */
  readonly unended: boolean;
  /** An abort that was asked of the leader before, which had not written it down. */
  readonly inherited: AbortRequest | undefined;
}

/** Makes a generation durable in the state directory and then in each copy; copies that fail are warnings. */
export type WritePointer = (
  why: 'before-rollout' | 'adopted' | 'promoted' | 'rolled-back',
  state: State,
  history: History,
  reading: Reading,
  /** Hash of the ledger's last line: the pointer's anchor in the ledger. */
  ledgerHead: string,
) => { readonly generation: number; readonly warnings: readonly string[] };

const LOOK_MS = 1000;

export class Runner {
  readonly parts: RunnerParts;
  history: History;
  /** The reading right after the last shift: counters since then show what was really served. */
  shiftedReading: Reading | undefined;
  /** The reading of the last poll that had one: what went down since then, and is up again, would not be seen otherwise. */
  polledReading: Reading | undefined;
  /** Monotonic time of the last poll of this bake; undefined before the first. */
  lastPollMs: number | undefined;
  /** What is remembered between the polls of one bake. Volatile by design: a resumed bake has the baseline alone. */
  bakeMemory:
    | {
        readonly step: number;
        readonly baseline: State['baseline'];
        readonly gates: Map<string, GateMemory>;
        /** How often each location of the router saw the candidate go down. */
        readonly crashes: Map<string, number>;
      }
    | undefined;
  /** What the comparing gates remember between two polls; undefined before the first. */
  comparison: ComparisonMemory | undefined;
  /** The abort request that was already written down. */
  abortSeen = false;
  /** Monotonic time until which the router can still act on an attempt of this process that failed. */
  inFlightUntilMs = 0;
  /** This process has tried to bring the traffic back. */
  revertTried = false;

  constructor(parts: RunnerParts, history: History) {
    this.parts = parts;
    this.history = history;
  }

  /** Appends one event to the ledger. False when somebody else leads now. */
  async append(event: Event): Promise<boolean> {
    const { io, store, scope, actor } = this.parts;
    const self = io.self();
    const entry = { at: new Date(event.atMs).toISOString(), actor, host: self.host, boot: self.boot, event };
    const seq = this.history.nextSeq;
    if ((await store.append(scope, seq, entry)) === 'conflict') return false;
    this.history = foldEntry(this.history, { ...entry, seq, prev: '' });
    return true;
  }

  /** Hash of the ledger's last line. */
  async ledgerHead(): Promise<string> {
    return (await this.parts.store.read(this.parts.scope)).head;
  }

  /** Why nothing may be changed now, or undefined. Synchronous, for `make` to ask right before the first byte leaves. */
  forbidden = (): string | undefined => {
    const { io, store, scope, pointerDirs } = this.parts;
    const hold = readHold(pointerDirs, io.fs);
    if (hold !== undefined) return `a hold is in force: ${hold.text}`;
    return store.owns(scope) ? undefined : `another process leads ${scopeText(scope)} now`;
  };

  /** What stands in the way of going on, looked at before every effect and every second while waiting. */
  async look(): Promise<Interruption | undefined> {
    const { io, store, scope, control } = this.parts;
    const held = this.held();
    if (held !== undefined) return held;
    if (!store.owns(scope)) return { kind: 'superseded' };
    let request: Awaited<ReturnType<typeof store.requestedAbort>>;
    try {
      if (!this.abortSeen) request = (await store.requestedAbort(scope)) ?? this.parts.inherited;
    } catch (error) {
      // Where the ledger was lost a rescue may have come first, and its hold says more than a failed look.
      const since = this.held();
      if (since === undefined) throw error;
      return since;
    }
    if (request !== undefined) return { kind: 'abort', request };
    // Whoever is on the way back to the stable build tries that once before it leaves, and never leaves for want of time.
    const { rollout } = this.history;
    const goingBack = rollout?.phase === 'reverting';
    if (control.leave && !(goingBack && !this.revertTried)) return { kind: 'leave', why: 'interrupted' };
    if (!goingBack && control.leaveAtMs !== null && io.monotonic() >= control.leaveAtMs)
      return { kind: 'leave', why: 'max-wait' };
    return undefined;
  }

  private held(): Interruption | undefined {
    const hold = readHold(this.parts.pointerDirs, this.parts.io.fs);
    return hold === undefined ? undefined : { kind: 'held', why: hold.text };
  }

  /** Waits, looking up every second. False when something came up before the time was over. */
  async wait(ms: number): Promise<boolean> {
    const { io, control } = this.parts;
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

/** The error of a rollout that was stopped by a hold. */
export function heldError(scope: Scope, why: string): KvdeployError {
  return new KvdeployError('HELD', {
    message: `Nothing moves traffic in ${scopeText(scope)}: ${why}.`,
    hint: `After the review, write it down and lift the hold: kvdeploy reconcile ${scopeFlags(scope)}`,
  });
}
