/** The ledger: its entries, and how one is written as a line. Must not write a line that it could not read again. No I/O. */
import { hash } from 'node:crypto';
import * as z from 'zod';
import { KvdeployError } from '../errors.ts';
import { eventSchema, planDigest, storedEvent } from './events.ts';

/**
 * The version of what this program writes, said by each claim for the segment that it opens; a claim that says none is of version 1.
 * Reading is strict, so whoever adds a field or an event adds it here as optional and raises this number: a program that does not
 * know it then says so, and not that the ledger is damaged. `formatVersion` keeps its place and meaning forever.
 */
export const FORMAT_VERSION = 4;

/** From this version on every line ends with a digest of itself, so that also a change of the last line is seen. */
export const DIGEST_SINCE = 4;

/** Where a chain ends: the next entry has `seq + 1` and `prev` = `hash`. */
export interface Head {
  readonly seq: number;
  readonly hash: string;
}

export const EMPTY_HEAD: Head = { seq: 0, hash: '0'.repeat(64) };

/** How much of the segment before counts; whatever its owner wrote beyond that is void. */
const acceptedSchema = z.strictObject({
  segment: z.int().min(1),
  bytes: z.int().min(1),
  /** Of the last accepted line without its newline. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Bytes of a torn tail that were found there and put aside; 0 when none. */
  torn: z.int().min(0),
});

export type Accepted = Readonly<z.infer<typeof acceptedSchema>>;

const entrySchema = z.strictObject({
  /** From 1, without gaps. */
  seq: z.int().min(1),
  /** SHA-256, hex, of the previous line's bytes without its newline; 64 zeros for the first. */
  // No pattern: it must equal the hash of the line before, and matching it took a fortieth of a long ledger's time.
  prev: z.string().length(64),
  /** RFC 3339, UTC. */
  at: z.string(),
  actor: z.string(),
  host: z.string(),
  boot: z.string(),
  event: eventSchema,
  /** Only on a `claimed` entry, which opens a segment; null in the very first. */
  after: acceptedSchema.nullable().optional(),
  /** Only on a `claimed` entry: of every line of its segment. */
  formatVersion: z.int().min(1).max(FORMAT_VERSION).optional(),
  /** Last on the line: SHA-256, hex, of its bytes before this key. */
  digest: z.string().length(64).optional(),
});

export type Entry = Readonly<z.infer<typeof entrySchema>>;

/** What a writer hands in; the store adds the sequence and the previous hash. */
export type NewEntry = Pick<Entry, 'at' | 'actor' | 'host' | 'boot' | 'event'>;

/** What a claim of every later version will say. */
const newerSchema = z.looseObject({ formatVersion: z.int().min(FORMAT_VERSION + 1) });

/**
 * One entry as its line, with the newline and with its keys in a fixed order. Throws on an entry that could not be read
 * again, so that a bug never becomes a damaged ledger.
 */
export function encodeLine(entry: Entry): Buffer {
  const { seq, prev, at, actor, host, boot, event, after, formatVersion } = entry;
  const body = JSON.stringify({ seq, prev, at, actor, host, boot, event: storedEvent(event), after, formatVersion }).slice(0, -1);
  const text = `${body}${DIGEST_KEY}${hash('sha256', body)}"}`;
  const readBack = entrySchema.safeParse(JSON.parse(text));
  if (!readBack.success) {
    const message = `an entry of the type ${event.type} could not be read again: ${z.prettifyError(readBack.error)}`;
    throw new KvdeployError('BUG', {
      message,
      hint: 'Nothing was written. Please report this bug with the command that you ran.',
    });
  }
  return Buffer.from(`${text}\n`);
}

const DIGEST_KEY = ',"digest":"';

const DIGEST_END = /^,"digest":"([0-9a-f]{64})"\}$/;

const DIGEST_BYTES = DIGEST_KEY.length + 64 + 2;

/** Whether the digest at the end of a line is that of what stands before it; undefined where the line has none. */
export function digestHolds(raw: Uint8Array): boolean | undefined {
  const at = raw.length - DIGEST_BYTES;
  const said = at < 0 ? undefined : DIGEST_END.exec(Buffer.from(raw.subarray(at)).toString('latin1'))?.[1];
  return said === undefined ? undefined : said === hash('sha256', raw.subarray(0, at));
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The entry on a line without its newline; undefined when it is none. One spelling only: a repeated key, which JSON.parse takes
 * the last of and others the first, is none. A digest that does not fit makes it none, also that of a plan.
 */
export function parseEntry(raw: Uint8Array): Entry | undefined {
  try {
    const text = utf8.decode(raw);
    const value: unknown = JSON.parse(text);
    const parsed = entrySchema.safeParse(value);
    return parsed.success && digestsHold(raw, parsed.data, value) && JSON.stringify(value) === text ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** The digest of the line, and of a plan on it, where it has one. */
function digestsHold(raw: Uint8Array, { event, digest }: Entry, value: unknown): boolean {
  if (digestHolds(raw) !== (digest === undefined ? undefined : true)) return false;
  if (event.type !== 'planned' || event.digest === undefined) return true;
  return event.digest === planDigest((value as { readonly event: { readonly plan: unknown } }).event.plan);
}

/** The version of a claim that a newer kvdeploy wrote; undefined when it is none. */
export function newerVersion(raw: Uint8Array): number | undefined {
  try {
    if (digestHolds(raw) === false) return undefined;
    return newerSchema.safeParse(JSON.parse(utf8.decode(raw))).data?.formatVersion;
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
