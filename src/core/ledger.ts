/** The ledger: entries, their hash chain, and how raw lines become entries. No I/O. */
import type { Event } from './events.ts';

/** What a writer hands in; the store adds the sequence and the previous hash. */
export interface NewEntry {
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly actor: string;
  readonly host: string;
  readonly boot: string;
  readonly event: Event;
}

export interface Entry extends NewEntry {
  /** From 1, without gaps. */
  readonly seq: number;
  /** SHA-256, hex, of the previous line's bytes without its newline; 64 zeros for the first. */
  readonly prev: string;
}
