/** Two states that come to one target at the same moment, at every place where they can cross; and what must not be believed at a target. */
import type { Stats } from 'node:fs';
import { readMark } from '../../src/base/durable/marker.ts';
import { readRecords, writeRecord } from '../../src/base/pointer/records.ts';
import { fold } from '../../src/core/ledger/history.ts';
import type { Io } from '../../src/io.ts';
import type { Deps } from '../../src/release/deps.ts';
import { markTarget, type OwnMark, othersMark } from '../../src/release/mark-target.ts';
import type { Opened } from '../../src/release/open.ts';
import { watched } from '../simulator/disk.ts';
import { Process } from '../simulator/process.ts';
import { SCOPE, Simulation } from '../simulator/simulation.ts';

/** More calls than marking two files makes. */
const CROSSINGS = 80;

const FILES = ['/srv/a.kvdeploy-state', '/srv/b.kvdeploy-state'];

/** Marks the target for this state; null where another state drives it. */
function mark(stateDir: string, io: Io, replace = false): OwnMark | null {
  const opened = { scope: SCOPE, config: null, settings: null, history: fold([]), stateDir, flags: '' } as unknown as Opened;
  const deps = { io, line: () => undefined } as unknown as Deps;
  try {
    return markTarget(opened, FILES, deps, replace);
  } catch {
    return null;
  }
}

function twoProcesses() {
  const sim = new Simulation({});
  return [new Process(sim, 11).io, new Process(sim, 12).io] as const;
}

export function secondState(): readonly string[] {
  return [...races(), ...succession(), ...strangers(), ...records()];
}

/** The second one marks the whole target between two calls of the first one. */
function races(): string[] {
  const found = new Set<string>();
  for (let place = 1; place <= CROSSINGS; place += 1) {
    const [one, two] = twoProcesses();
    let calls = 0;
    let second: OwnMark | null | undefined;
    const cross = () => {
      calls += 1;
      if (calls === place) second = mark('/var/lib/two', two);
    };
    const first = mark('/var/lib/one', { ...one, fs: watched(one.fs, cross, () => undefined) });
    if (second === undefined) break;
    if ((first === null) === (second === null))
      found.add(first === null ? 'neither state may drive' : 'two states drive one target');
    const winner = first ?? second;
    if (winner !== null && othersMark(winner, one) !== undefined) found.add('the winner is told that another state drives');
  }
  return [...found];
}

/** A state that is there is never replaced; one that is gone is, and its runner must see that. */
function succession(): string[] {
  const [one, two] = twoProcesses();
  const first = mark('/var/lib/one', one);
  if (first === null) return ['nobody may drive'];
  const problems = mark('/var/lib/two', two, true) === null ? [] : ['a state that is there was replaced'];
  const [lost = ''] = FILES;
  one.fs.unlinkSync(lost);
  if (mark('/var/lib/two', two) !== null || two.fs.existsSync(lost)) problems.push('a state that was refused left a marker');
  one.fs.unlinkSync(`/var/lib/one/${SCOPE.tenant}/${SCOPE.environment}/${SCOPE.service}/state-id`);
  if (mark('/var/lib/two', two) !== null) problems.push('a state that is gone was replaced without a word');
  if (mark('/var/lib/two', two, true) === null) problems.push('a state that is gone cannot be replaced');
  return othersMark(first, one) === undefined ? [...problems, 'the runner of a replaced state goes on'] : problems;
}

const STRANGER = 4_000_001;

/** In a sticky folder anyone can put a file first. */
function strangers(): string[] {
  const [one, two] = twoProcesses();
  if (mark('/var/lib/two', two) === null) return ['nobody may drive'];
  one.fs.chmodSync('/srv', 0o1777);
  const lstatSync = (path: string, options: object) => {
    const stat = one.fs.lstatSync(path, options) as Stats | undefined;
    return stat !== undefined && FILES.includes(path) ? Object.assign(stat, { uid: STRANGER }) : stat;
  };
  const get = (disk: Io['fs'], name: string | symbol) => {
    if (name === 'lstatSync') return lstatSync;
    const value: unknown = Reflect.get(disk, name);
    return typeof value === 'function' ? value.bind(disk) : value;
  };
  const fs = new Proxy(one.fs, { get });
  const kinds = FILES.map((file) => readMark(file, [], fs).kind);
  if (kinds.some((kind) => kind !== 'stranger')) return [`a stranger's marker is taken for: ${kinds.join()}`];
  return mark('/var/lib/one', { ...one, fs }) === null ? ["a stranger's marker keeps a state from its target"] : [];
}

/** What another state had to write into a shared folder. */
function records(): string[] {
  const [{ fs }] = twoProcesses();
  const entry = { type: 'outcome', scope: SCOPE, at: '2026-11-21T10:00:00Z', result: 'failed', notes: [] } as const;
  for (const state of ['mine', 'theirs']) writeRecord(['/var/lib/home'], { ...entry, id: `of-${state}`, state }, fs);
  const { rescues } = readRecords([], SCOPE, fs, { dirs: ['/var/lib/home'], states: ['mine'] });
  const ids = rescues.map(({ outcome }) => outcome?.id).join();
  return ids === 'of-mine' ? [] : [`of the records of two states these count: ${ids}`];
}
