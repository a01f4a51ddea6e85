/** Where one scope's segments lie, and reading them whole. Must not write. */
import type { Fs } from '../break-glass/changes.ts';
import type { Modes } from '../break-glass/durable-file.ts';
import { readOurs, stateDirExists, strangerProblem } from '../break-glass/state-dir.ts';
import { type Chain, type Damage, NOTHING_SETTLED, readSegments, type Segment, type Settled } from '../core/chain.ts';
import { KvdeployError } from '../core/errors.ts';
import { EMPTY_HEAD } from '../core/ledger.ts';
import { nameProblem, type Scope, scopeText } from '../core/scope.ts';

/** More than this is never read of one ledger (R42): about half a million entries. */
const MAX_LEDGER_BYTES = 256 * 1024 * 1024;

const SEGMENT = /^([0-9]{4,})\.jsonl$/;

/** Where ledgers lie, and with which modes. */
export interface StateRoot {
  readonly dir: string;
  readonly modes: Modes;
}

/** What stands beside a segment: the ledger itself, the fence, a wish to abort, or bytes that were put aside. */
export type Kind = 'jsonl' | 'fenced' | 'abort' | 'torn';

/** The ledger's directory as names below the state directory. Throws on a name that could lead elsewhere (R70). */
export function ledgerNames(scope: Scope): string[] {
  const names = [scope.tenant, scope.environment, scope.service];
  for (const name of names) {
    const problem = nameProblem(name);
    if (problem === undefined) continue;
    const hint = 'Name the tenant, environment and service as the release manifests do.';
    throw new KvdeployError('SCOPE_UNCLEAR', { message: `${JSON.stringify(name)} is no usable name: ${problem}`, hint });
  }
  return [...names, 'ledger'];
}

export function ledgerDir(root: StateRoot, scope: Scope): string {
  return [root.dir, ...ledgerNames(scope)].join('/');
}

/** A file of the state that nobody else can have written. */
export function readState(fs: Fs, root: StateRoot, path: string, maxBytes: number): Buffer {
  return readOurs(path, maxBytes, fs, (stat) => strangerProblem(stat, fs.statSync(root.dir), root.modes.gid));
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

/** A scope's ledger as it was read: the newest segment's raw bytes, for what was torn off. */
export interface Loaded extends Chain {
  readonly newest: Segment | undefined;
}

const NOTHING: Loaded = {
  entries: [],
  head: EMPTY_HEAD,
  acceptedBytes: 0,
  tornBytes: 0,
  newest: undefined,
  settled: NOTHING_SETTLED,
};

/**
 * Reads and verifies all segments, or those after the `settled` ones of an earlier reading. Nothing at all is read from a
 * damaged ledger: LEDGER_DAMAGED.
 */
export function loadLedger(fs: Fs, root: StateRoot, scope: Scope, settled: Settled = NOTHING_SETTLED): Loaded {
  if (!stateDirExists(root.dir, ledgerNames(scope), fs, root.modes)) return NOTHING;
  const dir = ledgerDir(root, scope);
  let left = MAX_LEDGER_BYTES;
  const numbers = listSegments(fs, dir);
  // Fewer segments than before: somebody took some away, so nothing that was settled counts any more.
  const from = numbers.length > settled.segments ? settled : NOTHING_SETTLED;
  const segments = numbers.slice(from.segments).map((number): Segment => {
    const file = pathOf(dir, number, 'jsonl');
    const bytes = readState(fs, root, file, left);
    left -= bytes.length;
    return { number, file, bytes };
  });
  const read = readSegments(segments, from);
  if ('why' in read) throw damaged(scope, read);
  return { ...read, newest: segments.at(-1) };
}

function damaged(scope: Scope, { file, line, why }: Damage): KvdeployError {
  const message = `the ledger of ${scopeText(scope)} is damaged, and nothing is read from it: ${file}:${line}: ${why}`;
  const hint =
    'No crash does this. Keep the files as they are, compare them with a backup; kvdeploy rollback --break-glass needs no ledger.';
  return new KvdeployError('LEDGER_DAMAGED', { message, hint, places: [{ file, line, note: why }] });
}
