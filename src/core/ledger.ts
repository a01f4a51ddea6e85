/** The ledger: its entries, and how one is written as a line. Must not write a line that it could not read again. No I/O. */
import { hash } from 'node:crypto';
import * as z from 'zod';
import { KvdeployError } from './errors.ts';
import { type Event, eventSchema } from './events.ts';

/** What a writer hands in; the store adds the sequence and the previous hash. */
export interface NewEntry {
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly actor: string;
  readonly host: string;
  readonly boot: string;
  readonly event: Event;
}

/** How much of the segment before counts; whatever its owner wrote beyond that is void. */
export interface Accepted {
  readonly segment: number;
  readonly bytes: number;
  /** SHA-256, hex, of the last accepted line without its newline. */
  readonly sha256: string;
  /** Bytes of a torn tail that were found there and put aside; 0 when none. */
  readonly torn: number;
}

export interface Entry extends NewEntry {
  /** From 1, without gaps. */
  readonly seq: number;
  /** SHA-256, hex, of the previous line's bytes without its newline; 64 zeros for the first. */
  readonly prev: string;
  /** Only on a `claimed` entry, which opens a segment; null in the very first. */
  readonly after?: Accepted | null | undefined;
}

/** Where a chain ends: the next entry has `seq + 1` and `prev` = `hash`. */
export interface Head {
  readonly seq: number;
  readonly hash: string;
}

export const EMPTY_HEAD: Head = { seq: 0, hash: '0'.repeat(64) };

const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/);

const entrySchema = z.strictObject({
  seq: z.int().min(1),
  prev: sha256Schema,
  at: z.string(),
  actor: z.string(),
  host: z.string(),
  boot: z.string(),
  event: eventSchema,
  after: z
    .strictObject({ segment: z.int().min(1), bytes: z.int().min(1), sha256: sha256Schema, torn: z.int().min(0) })
    .nullable()
    .optional(),
});

/**
 * One entry as its line, with the newline and with its keys in a fixed order. Throws on an entry that could not be read
 * again, so that a bug never becomes a damaged ledger.
 */
export function encodeLine(entry: Entry): Buffer {
  const { seq, prev, at, actor, host, boot, event, after } = entry;
  const text = JSON.stringify({ seq, prev, at, actor, host, boot, event, after });
  const readBack = entrySchema.safeParse(JSON.parse(text));
  if (!readBack.success) {
    const message = `an entry of the type ${event.type} could not be read again: ${z.prettifyError(readBack.error)}`;
    throw new KvdeployError('BUG', { message, hint: 'Nothing was written. Please report this with the command that you ran.' });
  }
  return Buffer.from(`${text}\n`);
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The entry on a line without its newline; undefined when it is none. One spelling only: a repeated key, which JSON.parse takes
 * the last of and others the first, is none.
 */
export function parseEntry(raw: Uint8Array): Entry | undefined {
  try {
    const text = utf8.decode(raw);
    const value: unknown = JSON.parse(text);
    const parsed = entrySchema.safeParse(value);
    return parsed.success && JSON.stringify(value) === text ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** SHA-256, hex, of a line's bytes without its newline. */
export function lineHash(line: Uint8Array): string {
  return hash('sha256', line);
}

/** Who leads after these entries: the last claim that was not given back, with the sequence of its entry. */
export function leaderOf(entries: readonly Entry[]) {
  const last = entries.findLast(({ event }) => event.type === 'claimed' || event.type === 'released');
  if (last?.event.type !== 'claimed') return undefined;
  return { seq: last.seq, atMs: last.event.atMs, claim: last.event.claim };
}
