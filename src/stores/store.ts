/** The store port: keeps one ledger per scope. Must never accept an entry from anyone but the owner of the claim. */
import type { Claimed } from '../base/changes/process-identity.ts';
import type { Scope } from '../base/scope.ts';
import type { Entry, NewEntry } from '../core/ledger/ledger.ts';

export interface StoredLedger {
  readonly entries: readonly Entry[];
  /** SHA-256, hex, of the last accepted line without its newline; 64 zeros when there is none. */
  readonly head: string;
  /** Bytes of a torn tail that were left out (a crash in the middle of an append); 0 when none. */
  readonly tornBytes: number;
  /** Wall-clock milliseconds of the owner's last sign of life; null when no one holds the claim. */
  readonly beatAtMs: number | null;
  /** What the store proves of whoever wrote the last claim; null when there is none. */
  readonly claimFile: ClaimFile | null;
}

export type ClaimFile = Pick<Claimed, 'owner' | 'shared'>;

/** How a claim stands. `lost`: the store lost it (removed, moved, unreadable), and no one who took over can be seen either. */
export type Standing =
  | 'ours'
  | 'taken'
  | {
      readonly lost: string;
      /** Where the folder of the ledger is by now, if it was moved. */
      readonly movedTo?: string;
    };

/** A wish from another process than the owner: the owner writes it down, or a takeover does. */
export interface AbortRequest {
  readonly actor: string;
  readonly reason: string;
  readonly atMs: number;
}

/**
 * `append` is a compare-and-swap on `seq`, atomic across processes: two appends of one seq never both answer `ok`, and what
 * was answered `ok` is durable and is in every later `read`. A `claimed` entry starts a new ownership: from then on only the
 * process that appended it can append. A damaged middle rejects with LEDGER_DAMAGED.
 */
export interface Store {
  read(scope: Scope): Promise<StoredLedger>;
  append(scope: Scope, seq: number, entry: NewEntry): Promise<'ok' | 'conflict'>;
  /**
   * Ends the ownership that the `claimed` entry with this sequence began: from then on its owner's appends answer `conflict`,
   * and only a new claim can follow. Does nothing when another claim has succeeded it already. A claim over an owner that is
   * neither fenced nor has released is a `conflict`.
   */
  fence(scope: Scope, claimSeq: number): Promise<void>;
  /** True while this process's claim stands: neither fenced nor succeeded. */
  owns(scope: Scope): boolean;
  /** The same in detail. Synchronous: looked at before every change. */
  standing(scope: Scope): Standing;
  /** A sign of life of the owner. */
  beat(scope: Scope): Promise<void>;
  requestAbort(scope: Scope, request: AbortRequest): Promise<void>;
  /** The abort that someone asked of the current owner, if any. */
  requestedAbort(scope: Scope): Promise<AbortRequest | undefined>;
  /** Every scope of which it keeps a ledger, as far as that can be seen. */
  scopes(): Promise<readonly Scope[]>;
  /** Where there may be ledgers of further scopes that `scopes` could not see, and why: one sentence each, without its full stop. */
  unlisted(): Promise<readonly string[]>;
}
