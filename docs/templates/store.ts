/** The toy store: ledgers in this process's memory. Copy it to src/stores/<kind>.ts. Must accept no entry from anyone but the owner of the claim. */
import type { Scope } from '../base/scope.ts';
import { KvdeployError } from '../core/errors.ts';
import { type Entry, encodeLine, lineHash, type NewEntry } from '../core/ledger/ledger.ts';
import { nameProblem, scopeText } from '../core/scope.ts';
import type { AbortRequest, Store } from './store.ts';

interface Kept {
  readonly scope: Scope;
  entries: Entry[];
  head: string;
  /** Sequence of the claim in force, and which store made it; null after a release or a fence. */
  owner: { readonly seq: number; readonly store: symbol } | null;
  beatAtMs: number | null;
  abort: AbortRequest | undefined;
}

/** The memory that several stores share, as processes share a database. */
export type Memory = Map<string, Kept>;

const EMPTY = '0'.repeat(64);

/** `now`: wall-clock milliseconds, for signs of life. */
export function toyStore(memory: Memory, now: () => number): Store {
  const self = Symbol('store');
  return {
    read: async (scope) => {
      const { entries, head, beatAtMs, owner } = keptOf(memory, scope);
      // A memory proves nothing of the process, so no one here is ever ended.
      const claimFile = owner === null ? null : { owner: null, shared: true };
      return { entries, head, tornBytes: 0, beatAtMs: owner === null ? null : beatAtMs, claimFile };
    },
    append: async (scope, seq, entry) => append(keptOf(memory, scope), self, seq, entry, now()),
    fence: async (scope, claimSeq) => {
      const kept = keptOf(memory, scope);
      if (kept.owner?.seq === claimSeq) kept.owner = null;
    },
    owns: (scope) => keptOf(memory, scope).owner?.store === self,
    standing: (scope) => (keptOf(memory, scope).owner?.store === self ? 'ours' : 'taken'),
    beat: async (scope) => {
      const kept = keptOf(memory, scope);
      if (kept.owner?.store === self) kept.beatAtMs = now();
    },
    requestAbort: async (scope, request) => {
      const kept = keptOf(memory, scope);
      if (kept.owner === null)
        throw new KvdeployError('BUSY', { message: 'No one leads here.', hint: 'Look who leads: kvdeploy status' });
      kept.abort ??= request;
    },
    requestedAbort: async (scope) => keptOf(memory, scope).abort,
    unlisted: async () => [],
    scopes: async () => [...memory.values()].filter(({ entries }) => entries.length > 0).map(({ scope }) => scope),
  };
}

/** A name that could lead elsewhere, in a table or a folder, is refused before it is used. */
function keptOf(memory: Memory, scope: Scope): Kept {
  const odd = Object.values(scope).find((name) => nameProblem(name) !== undefined);
  if (odd !== undefined)
    throw new KvdeployError('SCOPE_UNCLEAR', { message: `${JSON.stringify(odd)} names no scope.`, hint: 'Use a-z, 0-9 and -.' });
  const key = scopeText(scope);
  const kept: Kept = memory.get(key) ?? { scope, entries: [], head: EMPTY, owner: null, beatAtMs: null, abort: undefined };
  memory.set(key, kept);
  return kept;
}

/** Compare-and-swap on `seq`: a claim needs a free ledger, anything else needs the claim. */
function append(kept: Kept, self: symbol, seq: number, entry: NewEntry, atMs: number): 'ok' | 'conflict' {
  const isClaim = entry.event.type === 'claimed';
  const mayAppend = isClaim ? kept.owner === null : kept.owner?.store === self;
  if (seq !== kept.entries.length + 1 || !mayAppend) return 'conflict';
  const whole: Entry = { ...entry, seq, prev: kept.head };
  kept.entries = [...kept.entries, whole];
  kept.head = lineHash(encodeLine(whole).subarray(0, -1));
  if (isClaim) [kept.owner, kept.beatAtMs, kept.abort] = [{ seq, store: self }, atMs, undefined];
  if (entry.event.type === 'released') kept.owner = null;
  return 'ok';
}
