/** Where one scope's segments lie, and reading them whole. Must not write. */
import type { Modes } from '../base/durable/durable-file.ts';
import type { Fs } from '../base/durable/fs.ts';
import { look } from '../base/durable/open-file.ts';
import { readOurs, stateDirExists, strangerProblem } from '../base/durable/state-dir.ts';
import type { Scope } from '../base/scope.ts';
import { KvdeployError } from '../core/errors.ts';
import { type Chain, type Damage, NO_CHAIN, NOTHING_SETTLED, readSegments, type Segment } from '../core/ledger/chain.ts';
import { nameProblem, scopeText } from '../core/scope.ts';
import type { Io } from '../io.ts';

/** More than this is never read of one ledger: about half a million entries. */
const MAX_LEDGER_BYTES = 256 * 1024 * 1024;

const SEGMENT = /^([0-9]{4,})\.jsonl$/;

export interface StateRoot {
  readonly dir: string;
  readonly modes: Modes;
}

/** What a segment's files are: the ledger itself, the fence, a wish to abort, or bytes that were put aside. */
export type Kind = 'jsonl' | 'fenced' | 'abort' | 'torn';

/** The ledger's directory as names below the state directory. Throws on a name that could lead elsewhere. */
export function ledgerNames(scope: Scope): string[] {
  const names = [scope.tenant, scope.environment, scope.service];
  for (const name of names) {
    const problem = nameProblem(name);
    if (problem === undefined) continue;
    const hint = 'Give the tenant, environment and service as the release manifests do.';
    throw new KvdeployError('SCOPE_UNCLEAR', { message: `${JSON.stringify(name)} is not a usable name: ${problem}`, hint });
  }
  return [...names, 'ledger'];
}

export function ledgerDir(root: StateRoot, scope: Scope): string {
  return [root.dir, ...ledgerNames(scope)].join('/');
}

/** A file of the state that no one else can have written. */
export function readState(fs: Fs, root: StateRoot, path: string, maxBytes: number): Buffer {
  return readOurs(path, maxBytes, fs, (stat) => {
    const why = strangerProblem(stat, fs.statSync(root.dir), root.modes.gid, fs);
    return why === undefined ? undefined : { at: path, why, uid: stat.uid };
  });
}

/** `0007.jsonl`; grows beyond four digits by itself. */
export function fileName(segment: number, kind: Kind): string {
  return `${String(segment).padStart(4, '0')}.${kind}`;
}

export function pathOf(dir: string, segment: number, kind: Kind): string {
  return `${dir}/${fileName(segment, kind)}`;
}

/** The numbers of all segments, ascending. Anything else in the directory is not the ledger's. */
export function listSegments(fs: Fs, dir: string): number[] {
  const numbers = fs.readdirSync(dir).flatMap((name) => {
    const number = Number(SEGMENT.exec(name)?.[1] ?? 0);
    return number > 0 && fileName(number, 'jsonl') === name ? [number] : [];
  });
  return numbers.sort((a, b) => a - b);
}

/**
 * The number of the newest segment, 0 for none. From one that is `known` to have been there only those after it are looked for:
 * a rollout asks every second, and ledgers are long.
 */
export function newestSegment(fs: Fs, dir: string, known: number): number {
  const isThere = (segment: number) => look(pathOf(dir, segment, 'jsonl'), fs) !== undefined;
  if (known === 0 || !isThere(known)) return listSegments(fs, dir).at(-1) ?? 0;
  let newest = known;
  while (isThere(newest + 1)) newest += 1;
  return newest;
}

/** A scope's ledger as it was read: the newest segment's raw bytes, for what was torn off, and the folder as it was listed. */
export interface Loaded extends Chain {
  readonly newest: Segment | undefined;
  readonly listed: Listed | undefined;
}

/** A folder whose names were listed. While it is as it was then, no segment was taken away. */
interface Listed {
  readonly inode: number;
  readonly changedAtMs: number;
  readonly atMs: number;
}

/** Times of files go in steps of some milliseconds, so a folder that was listed right after a change may have changed again. */
const SETTLES_MS = 2_000;

const NOTHING: Loaded = { ...NO_CHAIN, newest: undefined, listed: undefined };

/**
 * Reads and verifies all segments. After an `earlier` reading only what can have changed since: the newest segment, whose bytes are
 * compared with those that were verified, and the ones after it; where segments are gone, again all. An edit of an older
 * segment is found by the next process. Nothing at all is read from a damaged ledger: LEDGER_DAMAGED, or LEDGER_NEWER.
 */
export function loadLedger(io: Io, root: StateRoot, scope: Scope, earlier: Loaded = NOTHING): Loaded {
  const { fs } = io;
  if (!stateDirExists(root.dir, ledgerNames(scope), fs, root.modes)) return NOTHING;
  const dir = ledgerDir(root, scope);
  const { from, numbers, listed } = toRead(io, dir, earlier);
  let left = MAX_LEDGER_BYTES;
  const segments = numbers.map((number): Segment => {
    const file = pathOf(dir, number, 'jsonl');
    const bytes = readState(fs, root, file, left);
    left -= bytes.length;
    return { number, file, bytes };
  });
  const read = readSegments(segments, from);
  if ('why' in read) throw unreadable(scope, read);
  return { ...read, newest: segments.at(-1), listed };
}

/** The segments to read now, and after which of the settled ones. */
function toRead(io: Io, dir: string, { settled, listed }: Loaded) {
  const { ino, mtimeMs } = io.fs.lstatSync(dir);
  const first = settled.segments + 1;
  const settles = listed !== undefined && listed.atMs - listed.changedAtMs > SETTLES_MS;
  if (settles && listed.inode === ino && listed.changedAtMs === mtimeMs) {
    const length = newestSegment(io.fs, dir, first) - settled.segments;
    if (length > 0) return { from: settled, numbers: Array.from({ length }, (_, index) => first + index), listed };
  }
  const atMs = io.now();
  const numbers = listSegments(io.fs, dir);
  // Fewer segments than before: someone took some away, so nothing that was settled counts any more.
  const from = numbers.length > settled.segments ? settled : NOTHING_SETTLED;
  return { from, numbers: numbers.slice(from.segments), listed: { inode: ino, changedAtMs: mtimeMs, atMs } };
}

function unreadable(scope: Scope, { file, line, why, newer }: Damage): KvdeployError {
  const rescue = 'kvdeploy rollback --break-glass needs no ledger.';
  const places = [{ file, line, note: why }];
  if (newer !== undefined) {
    const message = `the ledger of ${scopeText(scope)} cannot be used: ${file}:${line}: ${why}`;
    const hint = `Update kvdeploy here, then run the same command again; ${rescue}`;
    return new KvdeployError('LEDGER_NEWER', { message, hint, places });
  }
  const message = `the ledger of ${scopeText(scope)} is damaged and cannot be used: ${file}:${line}: ${why}`;
  const hint = `No crash does this. Keep the files as they are, compare them with a backup; ${rescue}`;
  return new KvdeployError('LEDGER_DAMAGED', { message, hint, places });
}
