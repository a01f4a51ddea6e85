/** The chain: how a ledger's raw segments become entries, every line verified. Must never half-read a damaged one. No I/O. */
import {
  DIGEST_SINCE,
  digestHolds,
  EMPTY_HEAD,
  type Entry,
  FORMAT_VERSION,
  type Head,
  lineHash,
  newerVersion,
  parseEntry,
} from './ledger.ts';

/** One segment as it was found. Segments are numbered from 1. */
export interface Segment {
  readonly number: number;
  /** For messages. */
  readonly file: string;
  readonly bytes: Buffer;
}

export interface Chain {
  readonly entries: readonly Entry[];
  readonly head: Head;
  /** Of the newest segment: how many bytes count, and how many of a torn tail were left out. */
  readonly acceptedBytes: number;
  readonly tornBytes: number;
  /** Reading can go on from here: all segments but the newest, which may still grow. */
  readonly settled: Settled;
}

/** Segments that have a successor, and so can never change again: what they hold, and where their chain ends. */
export interface Settled {
  readonly segments: number;
  readonly entries: readonly Entry[];
  readonly head: Head;
  /** Accepted bytes of the last of them. */
  readonly bytes: number;
  /** What was verified of the segment after them, which may have grown since; never the whole truth about it. */
  readonly growing: Growing | undefined;
}

interface Growing extends Pick<Settled, 'entries' | 'head'> {
  readonly bytes: Buffer;
  readonly lines: number;
  readonly digested: boolean;
}

export const NOTHING_SETTLED: Settled = { segments: 0, entries: [], head: EMPTY_HEAD, bytes: 0, growing: undefined };

/** Of a scope without a ledger. */
export const NO_CHAIN: Chain = { entries: [], head: EMPTY_HEAD, acceptedBytes: 0, tornBytes: 0, settled: NOTHING_SETTLED };

/** Something that no crash leaves behind. */
export interface Damage {
  readonly file: string;
  readonly line: number;
  readonly why: string;
  /** No damage at all: a newer kvdeploy wrote from there on, in this version. */
  readonly newer?: number;
}

const NEWLINE = 0x0a;

/**
 * Reads whole segments, oldest first, and verifies every line: JSON, schema, sequence, previous hash, and that each claim
 * accepts what really stands in the segment before. Only the newest segment may end in a torn line, since a crash cuts an
 * append: a beginning of it, or with zeros where a disk kept a file's length but not its content. A cut at the end of
 * the newest segment that leaves whole lines cannot be seen from the chain alone. With `settled`, from an earlier
 * reading, `segments` are only those after it, and what it verified costs a comparison of bytes. Where nothing is new, `entries`
 * are the very same.
 */
export function readSegments(segments: readonly Segment[], settled: Settled = NOTHING_SETTLED): Chain | Damage {
  const growing = grown(settled, segments[0], segments[1]);
  const known = (growing ?? settled).entries;
  const added: Entry[] = [];
  let before = settled;
  let end: End = { head: settled.head, bytes: settled.bytes, torn: 0, lines: 0, digested: false };
  let opening: Entry | undefined;
  for (const [index, segment] of segments.entries()) {
    const number = settled.segments + index + 1;
    if (segment.number !== number) return { file: segment.file, line: 1, why: `the previous segment ${number} is missing` };
    const next = segments[index + 1];
    if (next === undefined && index > 0)
      before = { segments: number - 1, entries: known.concat(added), head: end.head, bytes: end.bytes, growing: undefined };
    const accepted = next === undefined ? undefined : acceptedOf(segment, next);
    if (accepted !== undefined && 'why' in accepted) return accepted;
    const previous = { head: end.head, number: number - 1, bytes: end.bytes };
    const read = readSegment(segment, accepted?.bytes, previous, opening, index === 0 ? growing : undefined, added);
    if ('why' in read) return read;
    end = read;
    opening = accepted?.opening;
  }
  const newest = segments.at(-1);
  const entries = added.length === 0 ? known : known.concat(added);
  const { lines, digested } = end;
  const open = newest && { bytes: newest.bytes.subarray(0, end.bytes), lines, digested, entries, head: end.head };
  return { entries, head: end.head, acceptedBytes: end.bytes, tornBytes: end.torn, settled: { ...before, growing: open } };
}

/** What was verified of this segment before, where its bytes still begin with that very text and all of it was accepted. */
function grown({ growing }: Settled, segment: Segment | undefined, next: Segment | undefined): Growing | undefined {
  if (growing === undefined || segment === undefined) return undefined;
  const accepted = next === undefined ? { bytes: segment.bytes.length } : acceptedOf(segment, next);
  if ('why' in accepted || accepted.bytes < growing.bytes.length) return undefined;
  return segment.bytes.subarray(0, growing.bytes.length).equals(growing.bytes) ? growing : undefined;
}

interface End extends Pick<Settled, 'head' | 'bytes'> {
  readonly torn: number;
  readonly lines: number;
  /** Its claim is of a version of which every line has a digest. */
  readonly digested: boolean;
}

/** The segment before: where its chain ended, how many of its bytes were accepted, and its number (0 for none). */
type Before = Pick<End, 'head' | 'bytes'> & { readonly number: number };

/** How many bytes of `segment` the first line of `next` accepts, and that line. */
function acceptedOf(segment: Segment, next: Segment): { readonly bytes: number; readonly opening: Entry } | Damage {
  const first = next.bytes.indexOf(NEWLINE);
  const opening = first < 0 ? undefined : readLine(next, 1, next.bytes.subarray(0, first));
  if (opening !== undefined && 'why' in opening && opening.newer !== undefined) return opening;
  if (opening === undefined || 'why' in opening || opening.after === undefined)
    return { file: next.file, line: 1, why: 'it does not begin with a claim' };
  if (opening.after?.segment !== segment.number)
    return { file: next.file, line: 1, why: `its claim does not follow segment ${segment.number}` };
  const { bytes } = opening.after;
  if (segment.bytes[bytes - 1] === NEWLINE) return { bytes, opening };
  const { length } = segment.bytes;
  const short = bytes > length ? `it has ${length} bytes, but ${bytes} were accepted` : undefined;
  const line = countLines(segment.bytes.subarray(0, bytes)) + 1;
  return { file: segment.file, line, why: short ?? `no line ends at the accepted length of ${bytes} bytes` };
}

/** The entry on one line. Only the claim that opens a segment says which version all of its lines have. */
function readLine({ file }: Segment, line: number, raw: Buffer): Entry | Damage {
  const entry = parseEntry(raw);
  if (entry !== undefined) return entry;
  const newer = line === 1 ? newerVersion(raw) : undefined;
  const changed = digestHolds(raw) === false ? 'its digest does not match: this line was changed' : 'this is not an entry';
  if (newer === undefined) return { file, line, why: changed };
  const why = `it was written by a newer kvdeploy (ledger format ${newer}), but this version supports formats up to ${FORMAT_VERSION}`;
  return { file, line, why, newer };
}

/**
 * Reads the lines of one segment, from those on that are `known` already, to `added`. Without a `limit` it is the newest, and its
 * last line may be torn. `opening` is its first line where that was read already.
 */
function readSegment(
  segment: Segment,
  limit: number | undefined,
  before: Before,
  opening: Entry | undefined,
  known: Growing | undefined,
  added: Entry[],
): End | Damage {
  const bytes = segment.bytes.subarray(0, limit);
  let { head, start, lines, digested } = {
    ...{ head: before.head, start: 0, lines: 0, digested: false },
    ...(known && { ...known, start: known.bytes.length }),
  };
  let last = known?.entries.at(-1);
  while (start < bytes.length) {
    const line = lines + 1;
    const end = bytes.indexOf(NEWLINE, start);
    const raw = end < 0 ? undefined : bytes.subarray(start, end);
    if (limit === undefined && line > 1 && isTorn(bytes.subarray(start), raw)) break;
    if (raw === undefined) return { file: segment.file, line, why: 'this is not an entry' };
    const entry: Entry | Damage = line === 1 && opening !== undefined ? opening : readLine(segment, line, raw);
    if ('why' in entry) return entry;
    if (line === 1) digested = (entry.formatVersion ?? 1) >= DIGEST_SINCE;
    const undigested = digested && entry.digest === undefined ? 'it has no digest' : undefined;
    const why = linkProblem(entry, head) ?? openingProblem(entry, line, before) ?? closingProblem(last, line) ?? undigested;
    if (why !== undefined) return { file: segment.file, line, why };
    added.push(entry);
    last = entry;
    head = { seq: entry.seq, hash: lineHash(raw) };
    start = end + 1;
    lines = line;
  }
  if (start === 0) return { file: segment.file, line: 1, why: 'it is empty' };
  return { head, bytes: start, torn: bytes.length - start, lines, digested };
}

/** Zeros where a disk lost what was written come in numbers; a single one is a changed character. */
const LOST = Buffer.alloc(2);

/** True for a `tail` that a crash leaves of the last line. `line` is all of it but its newline; undefined where it has none. */
function isTorn(tail: Buffer, line: Buffer | undefined): boolean {
  if (line !== undefined) return line.length + 1 === tail.length && line.includes(LOST);
  // A whole line and one more character: what stands in the place of the newline is not what was appended.
  return digestHolds(tail.subarray(0, -1)) !== true;
}

function linkProblem(entry: Entry, head: Head): string | undefined {
  if (entry.seq !== head.seq + 1) return `its sequence is ${entry.seq}, but ${head.seq + 1} was expected`;
  if (entry.prev !== head.hash) return 'it does not contain the hash of the previous line: one of the two lines was changed';
  return undefined;
}

/** A claim opens a segment, and nothing else does. */
function openingProblem(entry: Entry, line: number, before: Before): string | undefined {
  const { after, formatVersion } = entry;
  const claims = entry.event.type === 'claimed';
  if (line > 1)
    return claims || after !== undefined || formatVersion !== undefined
      ? 'there is a claim in the middle of a segment'
      : undefined;
  if (!claims || after === undefined) return 'it does not begin with a claim';
  if (before.number === 0) return after === null ? undefined : 'the first claim names a segment before it';
  const same = after?.segment === before.number && after.bytes === before.bytes && after.sha256 === before.head.hash;
  return same ? undefined : 'its claim does not match the previous segment';
}

function closingProblem(last: Entry | undefined, line: number): string | undefined {
  return line > 1 && last?.event.type === 'released' ? 'it follows the release of the claim' : undefined;
}

function countLines(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines += 1;
  return lines;
}
