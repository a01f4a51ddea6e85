/** The records of break-glass: its intent and its outcome, in hash-chained lines. Must not stop a rescue. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { appendLine, makeFolders } from '../durable/durable-file.ts';
import type { Fs } from '../durable/fs.ts';
import { look } from '../durable/open-file.ts';
import type { Roots } from '../durable/places.ts';
import { readRegular, whyOf } from '../durable/state-dir.ts';
import type { Scope } from '../scope.ts';
import { byKind, canonical, list, mapOf, oneOf, type Shaped, shape, text, whole } from '../shape.ts';
import { guidReader, scopeReader, sha256, timeReader } from './pointer-format.ts';

export const deedFields = {
  scope: scopeReader,
  at: timeReader,
  actor: text(256),
  host: text(256),
  pid: whole(0, Number.MAX_SAFE_INTEGER),
  reason: text(1000),
  toGuid: guidReader,
};

/**
 * Whose record it is, in a folder that several states share: the id of the state, else its folder. Records of earlier versions do not
 * say it, and count for every state of their scope.
 */
const ofState = { state: text(4096) };

/** Who ran break-glass in which scope, when, why, and for which build. */
export type Deed = Shaped<typeof deedFields>;

const id = text(64, /^[A-Za-z0-9-]+$/);

const note = text(4096);

const intentFields = {
  type: oneOf('intent'),
  id,
  ...deedFields,
  toVersion: text(128),
  /** The pointer generation with the changes. */
  generation: whole(1, 999_999_999_999),
  /** The known-good build of that generation; if it is not `toGuid`, break-glass rolled back from it. */
  knownGood: guidReader,
  changes: list(note, 128),
};

const intentExtras = {
  /** What the person said of the build that is left; without it, nothing was said. */
  mark: oneOf('bad', 'not-bad'),
  /** What the environment claimed of who the actor is. */
  claims: mapOf(text(256), 16),
  ...ofState,
};

/** Written before anything else happens. */
export type Intent = Shaped<typeof intentFields> & Partial<Shaped<typeof intentExtras>>;

const outcomeFields = {
  type: oneOf('outcome'),
  id,
  scope: scopeReader,
  at: timeReader,
  result: oneOf('verified', 'not-verified', 'failed'),
  /** What was changed, what failed, what was read back. */
  notes: list(note, 512),
};

export type Outcome = Shaped<typeof outcomeFields> & Partial<Shaped<typeof ofState>>;

export type BreakGlassRecord = Intent | Outcome;

/** One run of break-glass. Without an outcome, its result is in doubt. */
export interface Rescue {
  readonly intent: Intent | null;
  readonly outcome: Outcome | null;
}

export interface RecordsRead {
  readonly rescues: readonly Rescue[];
  readonly damaged: readonly { readonly file: string; readonly line: number; readonly why: string }[];
}

export const RECORDS_FILE = 'break-glass.jsonl';

const MAX_RECORDS_BYTES = 4 * 1024 * 1024;

const FIRST = '0'.repeat(64);

const prev = text(64, /^[0-9a-f]{64}$/);

const recordReader = byKind<BreakGlassRecord & { readonly prev: string }>('type', {
  intent: shape({ prev, ...intentFields }, intentExtras),
  outcome: shape({ prev, ...outcomeFields }, ofState),
});

/** Where a record goes if no pointer folder accepts it: the home state, then a private folder below the temporary one. */
export function fallbackDirs(roots: Roots, fs: Fs): string[] {
  const uid = process.geteuid?.() ?? 0;
  const own = join(tmpdir(), `kvdeploy-${uid}`);
  const home = roots.homePlaces === undefined ? [] : [roots.homePlaces];
  return isOwnOrFree(own, uid, fs) ? [...home, own] : home;
}

function isOwnOrFree(dir: string, uid: number, fs: Fs): boolean {
  try {
    const stat = look(dir, fs);
    return stat === undefined || (stat.isDirectory() && stat.uid === uid && (stat.mode & 0o022) === 0);
  } catch {
    return false;
  }
}

export interface Recorded {
  /** The file with the line, or undefined if none accepted it. */
  readonly file: string | undefined;
  readonly failed: readonly string[];
}

/** Appends the record durably in the first of `dirs` that accepts it. Never throws: a missing record must not stop a rescue. */
export function writeRecord(dirs: readonly string[], entry: BreakGlassRecord, fs: Fs): Recorded {
  const failed: string[] = [];
  for (const dir of dirs) {
    try {
      return { file: append(dir, entry, fs), failed };
    } catch (error) {
      failed.push((error as Error).message);
    }
  }
  return { file: undefined, failed };
}

function append(dir: string, entry: BreakGlassRecord, fs: Fs): string {
  const file = join(dir, RECORDS_FILE);
  makeFolders(dir, fs);
  const lineAfter = (before: string) => canonical({ ...entry, prev: lastHash(before) });
  appendLine(file, lineAfter, fs, { maxBytes: MAX_RECORDS_BYTES, readers: 'owners' });
  return file;
}

function lastHash(content: string): string {
  const last = content.trimEnd().split('\n').at(-1) ?? '';
  return last === '' ? FIRST : sha256(last);
}

/** Folders that several states write their records to, and the names of the one that asks: its id, and its folders. */
export interface SharedRecords {
  readonly dirs: readonly string[];
  readonly states: readonly string[];
}

/**
 * Every run of break-glass recorded in these folders for `scope`, oldest first; its two lines may be in different folders. Of the
 * folders that are shared only the records of this state count. Lines that are unreadable, or do not follow the one before, are
 * reported; readable content is kept.
 */
export function readRecords(
  dirs: readonly string[],
  scope: Scope,
  fs: Fs,
  shared: SharedRecords = { dirs: [], states: [] },
): RecordsRead {
  const rescues = new Map<string, Rescue>();
  const damaged: { file: string; line: number; why: string }[] = [];
  for (const dir of [...dirs, ...shared.dirs].filter((dir) => fs.existsSync(join(dir, RECORDS_FILE)))) {
    const file = join(dir, RECORDS_FILE);
    for (const [entry, line, why] of recordsIn(dir, fs)) {
      if (why !== undefined) damaged.push({ file, line, why });
      if (entry === undefined || canonical(entry.scope) !== canonical(scope)) continue;
      if (!dirs.includes(dir) && entry.state !== undefined && !shared.states.includes(entry.state)) continue;
      const before = rescues.get(entry.id) ?? { intent: null, outcome: null };
      rescues.set(entry.id, entry.type === 'intent' ? { ...before, intent: entry } : { ...before, outcome: entry });
    }
  }
  const started = (rescue: Rescue) => rescue.intent?.at ?? rescue.outcome?.at ?? '';
  return { rescues: [...rescues.values()].sort((a, b) => (started(a) < started(b) ? -1 : 1)), damaged };
}

function* recordsIn(dir: string, fs: Fs): Generator<[BreakGlassRecord | undefined, number, string | undefined]> {
  let content: string;
  try {
    content = readRegular(dir, RECORDS_FILE, MAX_RECORDS_BYTES, fs);
  } catch (error) {
    yield [undefined, 1, whyOf(error)];
    return;
  }
  let expected = FIRST;
  for (const [index, line] of content.split('\n').entries()) {
    if (line === '') continue;
    try {
      const record = recordReader(JSON.parse(line), 'record');
      // This finds a repeated key, of which JSON.parse takes the last.
      if (canonical(record) !== line) throw new Error('its JSON is not in canonical form');
      const { prev: follows, ...entry } = record;
      yield [entry, index + 1, follows === expected ? undefined : 'it does not follow the line before it'];
    } catch (error) {
      yield [undefined, index + 1, (error as Error).message];
    }
    expected = sha256(line);
  }
}
