import type { Stats } from 'node:fs';
import * as nodeFs from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Fs } from '../../../src/base/durable/fs.ts';
import { type Mark, placeMarks, readMark } from '../../../src/base/durable/marker.ts';
import { tempFolder } from '../../servers/program.ts';

const STRANGER = 4_000_001;
const LISTED = 4_000_002;

const MARK: Mark = {
  formatVersion: 1,
  stateId: 'a'.repeat(24),
  stateDir: '/var/lib/kvdeploy',
  scope: { tenant: 'acme', environment: 'production', service: 'web' },
  account: 'deploy',
  uid: 1001,
};
const OTHER: Mark = { ...MARK, stateId: 'b'.repeat(24), stateDir: '/home/ann/state' };
const NO_ONE = { owners: [], gives: () => false };

const made: ReturnType<typeof tempFolder>[] = [];
afterEach(() => {
  for (const { remove } of made.splice(0)) remove();
});

function fresh(): string {
  const one = tempFolder();
  made.push(one);
  return one.folder;
}

/** A real folder whose mode and whose files' owner are said to be others. */
function folder({ mode = 0o755, owner = process.geteuid?.() ?? 0 }: { mode?: number; owner?: number } = {}) {
  const dir = fresh();
  const file = join(dir, 'routes.json.kvdeploy-state');
  const told = (stat: Stats, path: unknown) => {
    if (path === dir) return Object.assign(stat, { mode: (stat.mode & ~0o7777) | mode });
    return String(path).startsWith(dir) && !basename(String(path)).startsWith('.tmp')
      ? Object.assign(stat, { uid: owner })
      : stat;
  };
  const lie = (how: typeof nodeFs.lstatSync | typeof nodeFs.statSync) => (path: string, options: object) => {
    const stat = how(path, options) as Stats | undefined;
    return stat === undefined ? undefined : told(stat, path);
  };
  const fs = { ...nodeFs, lstatSync: lie(nodeFs.lstatSync), statSync: lie(nodeFs.statSync) } as unknown as Fs;
  return { file, fs };
}

describe('the marker of a target', () => {
  it('a marker is written once: the second state is told of the first', () => {
    const { file, fs } = folder();
    expect(placeMarks([file], MARK, NO_ONE, fs)).toEqual({ other: null, unmarked: [] });
    expect(placeMarks([file], OTHER, NO_ONE, fs).other).toMatchObject({ kind: 'mark', mark: MARK });
    expect(readMark(file, [], fs)).toEqual({ kind: 'mark', file, mark: MARK });
  });

  it('a state that lost one of several markers gives back those that it made', () => {
    const [{ file: a, fs }, { file: b }] = [folder(), folder()];
    const [first, last] = [a, b].sort() as [string, string];
    placeMarks([last], OTHER, NO_ONE, fs);
    expect(placeMarks([last, first], MARK, NO_ONE, fs).other).toMatchObject({ mark: OTHER });
    expect(readMark(first, [], fs)).toMatchObject({ kind: 'none' });
  });

  it('a marker of the same state follows the state to its new path', () => {
    const { file, fs } = folder();
    placeMarks([file], MARK, NO_ONE, fs);
    const moved = { ...MARK, stateDir: '/mnt/state' };
    expect(placeMarks([file], moved, NO_ONE, fs)).toEqual({ other: null, unmarked: [] });
    expect(readMark(file, [], fs)).toMatchObject({ mark: moved });
  });

  it.each([
    ['a stranger in a sticky folder is ignored', 0o1777, STRANGER, 'stranger'],
    ['a listed owner in a sticky folder counts', 0o1777, LISTED, 'mark'],
    ['root in a sticky folder counts', 0o1777, 0, 'mark'],
    ['anyone in a folder that only its owners write counts', 0o755, STRANGER, 'mark'],
  ])('the marker of %s', (_who, mode, owner, kind) => {
    const { file, fs } = folder({ mode, owner });
    nodeFs.writeFileSync(file, JSON.stringify(OTHER));
    expect(readMark(file, [LISTED], fs).kind).toBe(kind);
    const { other, unmarked } = placeMarks([file], MARK, { owners: [LISTED], gives: () => false }, fs);
    expect([other?.kind ?? 'ignored', unmarked.length]).toEqual(kind === 'mark' ? ['mark', 0] : ['ignored', 1]);
  });

  it.each([
    ['a link', (file: string) => nodeFs.symlinkSync('/etc/hostname', file)],
    ['half of one', (file: string) => nodeFs.writeFileSync(file, '{"formatVersion":1,')],
    ['one with a path that is none', (file: string) => nodeFs.writeFileSync(file, JSON.stringify({ ...MARK, stateDir: 'here' }))],
  ])('%s in a folder of ours is not taken for no marker', (_what, make) => {
    const { file, fs } = folder();
    make(file);
    expect(readMark(file, [], fs)).toMatchObject({ kind: 'damaged', file });
    expect(placeMarks([file], MARK, NO_ONE, fs).other).toMatchObject({ kind: 'damaged' });
  });

  it('a folder that is not there is not seen, and no marker is written', () => {
    const file = join(fresh(), 'gone', 'routes.json.kvdeploy-state');
    const { fs } = folder();
    expect(readMark(file, [], fs)).toMatchObject({ kind: 'unseen' });
    expect(placeMarks([file], MARK, NO_ONE, fs)).toMatchObject({ other: null, unmarked: [expect.stringContaining('ENOENT')] });
  });
});
