/** What the durable protocols write in crash tests, and whether what was acknowledged can be read again. */
import { join } from 'node:path';
import type { Fs } from '../../src/base/durable/fs.ts';
import { knownPlaces, type Roots } from '../../src/base/durable/places.ts';
import { type HoldNote, readHold } from '../../src/base/pointer/hold.ts';
import { type PointersRead, pointerDir, readPointers } from '../../src/base/pointer/pointer.ts';
import type { Pointer } from '../../src/base/pointer/pointer-format.ts';
import { type Intent, readRecords } from '../../src/base/pointer/records.ts';
import type { Entry } from '../../src/core/ledger/ledger.ts';
import type { Split } from '../../src/core/rollout/split.ts';
import { nodeIo } from '../../src/io.ts';
import { localStore } from '../../src/stores/local.ts';
import { notes, SCOPE } from '../stores/entries.ts';

const GUID = '7c9e6679-7425-40de-944b-e07fc1f90ae7';
const AT = '2026-11-21T10:00:00Z';

/** A pointer that a version tells from others. */
export function pointerOf(version: string): Omit<Pointer, 'generation'> {
  const build = { guid: GUID, digest: `sha256:${'a'.repeat(64)}`, version, sequence: 40, ref: 'green' };
  const changes = [{ kind: 'run', argv: ['true'], timeoutMs: 2000 }] as const;
  return {
    formatVersion: 2,
    scope: SCOPE,
    writtenAt: AT,
    why: 'promoted',
    rollout: 'r-1',
    ledgerHead: null,
    knownGood: { build, knownGoodSince: AT, changes, checks: [], identity: [] },
    earlier: [],
    bad: [],
    idleTimeoutMs: 100,
    target: { questions: [], others: [] },
    addresses: {},
  };
}

const DEED = { scope: SCOPE, at: AT, actor: 'alice', host: 'deploy-1', pid: 7, reason: 'a test of crashes', toGuid: GUID };

export function holdNote(): HoldNote {
  return { ...DEED, formatVersion: 1, recordId: 'rescue-1' };
}

export function intentOf(id: string): Intent {
  return { ...DEED, type: 'intent', id, toVersion: '1.0.0', generation: 1, knownGood: GUID, changes: ['nothing'] };
}

/** The text of a routes file, as long as a real one. */
export function routesOf(text: string): string {
  return `{"formatVersion":1,"text":${JSON.stringify(text)},"more":"${'x'.repeat(300)}"}\n`;
}

/** `green` percent at green, the rest at blue. */
export function splitOf(green: number): Split {
  return [
    { place: 'blue', build: null, percent: 100 - green },
    { place: 'green', build: null, percent: green },
  ];
}

/** The words of each `acked` line. */
export function ackedIn(stdout: string): readonly (readonly string[])[] {
  return stdout.split('\n').flatMap((line) => (line.startsWith('acked ') ? [line.split(' ').slice(1)] : []));
}

/** A root below which a writer works, as a fresh reader finds it. */
interface Found {
  readonly pointers: PointersRead;
  readonly entries: readonly Entry[];
  readonly held: boolean;
  readonly routes: string;
  readonly places: readonly string[];
  readonly rescues: readonly string[];
}

/** Whether what was acknowledged with these words is there. Of pointers ten are kept; of routes the last one counts. */
const IS_THERE: Readonly<Record<string, (found: Found, first: string, second: string) => boolean>> = {
  pointer: ({ pointers: { all, newest } }, generation, version) =>
    all.some((one) => one.generation === Number(generation) && one.knownGood.build.version === version) ||
    (newest?.generation ?? 0) >= Number(generation) + 10,
  claim: ({ entries }, seq) => entries[Number(seq) - 1]?.event.type === 'claimed',
  entry: ({ entries }, seq, text) => notes(entries.slice(Number(seq) - 1, Number(seq)))[0] === text,
  hold: ({ held }) => held,
  // One that was not acknowledged yet may be there already.
  shift: ({ routes }, text) => {
    const [writer, time] = text.split('-');
    return [0, 1].some((later) => routes === routesOf(`${writer}-${Number(time) + later}`));
  },
  place: ({ places }, dir) => places.includes(dir),
  record: ({ rescues }, id) => rescues.includes(id),
};

/** What was acknowledged and cannot be read again below `root`, and whatever else no reader should meet there. */
export async function missing(acked: readonly (readonly string[])[], root: string, fs: Fs = nodeIo.fs): Promise<string[]> {
  const stateDir = join(root, 'state');
  const dir = pointerDir(stateDir, SCOPE);
  const faults: string[] = [];
  const entries = await localStore(stateDir, { ...nodeIo, fs })
    .read(SCOPE)
    .then((ledger) => ledger.entries)
    .catch((error: Error) => {
      faults.push(error.message);
      return [];
    });
  const found: Found = {
    pointers: readPointers(dir, fs, SCOPE),
    entries,
    held: readHold([dir], fs) !== undefined,
    routes: textAt(join(root, 'routes.json'), fs),
    places: knownPlaces(fs, rootsBelow(root)),
    rescues: readRecords([dir], SCOPE, fs).rescues.map(({ intent }) => intent?.id ?? ''),
  };
  const damaged = found.pointers.damaged.map(({ file, why }) => `${file}: ${why}`);
  const lastShift = acked.findLast(([kind]) => kind === 'shift');
  const due = acked.filter((words) => words[0] !== 'shift' || words === lastShift);
  const lost = due.filter(([kind = '', first = '', second = '']) => IS_THERE[kind]?.(found, first, second) !== true);
  return [...faults, ...damaged, ...lost.map((words) => `acknowledged and not there: ${words.join(' ')}`)];
}

export function rootsBelow(root: string): Roots {
  return { system: join(root, 'nowhere'), home: join(root, 'home'), homePlaces: join(root, 'home') };
}

function textAt(path: string, fs: Fs): string {
  return fs.existsSync(path) ? fs.readFileSync(path, 'utf8') : '';
}
