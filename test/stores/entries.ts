/** Entries and scopes for tests of ledgers. */
import { join } from 'node:path';
import type { Scope } from '../../src/base/scope.ts';
import type { Event } from '../../src/core/ledger/events.ts';
import type { NewEntry } from '../../src/core/ledger/ledger.ts';
import type { Io } from '../../src/io.ts';

export const SCOPE: Scope = { tenant: 'acme', environment: 'production', service: 'kv-gateway' };

export function ledgerDir(stateDir: string, scope: Scope = SCOPE): string {
  return join(stateDir, scope.tenant, scope.environment, scope.service, 'ledger');
}

export function claimedBy(by: ReturnType<Io['self']>, atMs = 1): NewEntry {
  return entry({ type: 'claimed', atMs, claim: { by, actor: 'alice', command: 'promote', from: null } });
}

/** Any event that is no claim; `text` tells it from others. */
export function note(text: string): NewEntry {
  return entry({ type: 'abort-requested', atMs: 1, actor: 'alice', reason: text });
}

export const RELEASED: NewEntry = entry({ type: 'released', atMs: 1 });

function entry(event: Event): NewEntry {
  return { at: '2026-01-02T03:04:05.000Z', actor: 'alice', host: 'deploy-1', boot: 'boot', event };
}

/** The texts of all notes. */
export function notes(entries: readonly NewEntry[]): string[] {
  return entries.flatMap(({ event }) => (event.type === 'abort-requested' ? [event.reason] : []));
}

/** Small, seeded, good enough to choose places: mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
