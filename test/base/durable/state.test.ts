/** Folders, places, holds and records: what lies around the pointer, and what may go wrong with each. */
import fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { groupModes, OWNER_ONLY } from '../../../src/base/durable/durable-file.ts';
import type { Fs } from '../../../src/base/durable/fs.ts';
import { defaultStateDir, knownPlaces, type Roots, recordPlace, rootsOf } from '../../../src/base/durable/places.ts';
import { diskProblem, filesystemOf, openStateDir, stateDirExists } from '../../../src/base/durable/state-dir.ts';
import { type HoldNote, liftHold, readHold, writeHold } from '../../../src/base/pointer/hold.ts';
import { pointerDir, writePointer } from '../../../src/base/pointer/pointer.ts';
import {
  type Deed,
  fallbackDirs,
  type Intent,
  type Outcome,
  readRecords,
  writeRecord,
} from '../../../src/base/pointer/records.ts';
import { freshFolder, GREEN, pointerOf, REASON, runToEnd, SCOPE } from '../../break-glass/scene.ts';
import { machineFs } from '../owners/lying-fs.ts';

let folder: string;
beforeEach(() => {
  folder = freshFolder();
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const DEED: Deed = {
  scope: SCOPE,
  at: '2026-11-21T10:00:00Z',
  actor: 'ada',
  host: 'edge-1',
  pid: 7,
  reason: REASON,
  toGuid: GREEN,
};

function denied(path: string): Fs {
  const lstatSync = (asked: fs.PathLike, ...rest: []) => {
    if (String(asked).startsWith(path)) throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
    return fs.lstatSync(asked, ...rest);
  };
  return { ...fs, lstatSync } as unknown as Fs;
}

describe('the state directory', () => {
  const modeOf = (path: string) => (fs.statSync(path).mode & 0o777).toString(8);

  it('the state directory is made for its owner alone, or for a group, whatever the umask', () => {
    const before = process.umask(0o077);
    const alone = openStateDir(join(folder, 'a/b'), ['acme', 'production'], fs, OWNER_ONLY);
    const shared = openStateDir(join(folder, 'shared'), ['acme'], fs, groupModes(1235));
    process.umask(before);
    expect([modeOf(join(folder, 'a/b')), modeOf(alone), modeOf(shared), fs.statSync(shared).gid]).toEqual([
      '700',
      '700',
      '770',
      1235,
    ]);
    expect(openStateDir(join(folder, 'shared'), ['acme'], fs, groupModes(1235))).toBe(shared);
  });

  it('the state directory refuses a symlink below it, strangers, and folders that anyone can write', () => {
    fs.mkdirSync(join(folder, 'elsewhere'));
    fs.symlinkSync(join(folder, 'elsewhere'), join(folder, 'acme'));
    expect(() => openStateDir(folder, ['acme'], fs, OWNER_ONLY)).toThrow('is a symlink');
    fs.mkdirSync(join(folder, 'beta'));
    fs.chownSync(join(folder, 'beta'), 4321, 4321);
    expect(() => openStateDir(folder, ['beta'], fs, OWNER_ONLY)).toThrow('belongs to user 4321');
    expect(openStateDir(folder, ['beta'], fs, groupModes(4321))).toBe(join(folder, 'beta'));
    fs.mkdirSync(join(folder, 'open'));
    fs.chmodSync(join(folder, 'open'), 0o777);
    expect(() => openStateDir(folder, ['open'], fs, OWNER_ONLY)).toThrow('any user can write to it');
    expect(() => openStateDir(folder, ['..'], fs, OWNER_ONLY)).toThrow('not a folder name');
    expect(() => pointerDir(folder, { ...SCOPE, service: '../x' })).toThrow('scope.service');
  });

  it('the state directory has the owner of the folder above, even when root makes it, and its sharing group', () => {
    fs.chownSync(folder, 1234, 1235);
    const believing = machineFs(freshFolder(), { stateOwners: [1234] });
    const alone = openStateDir(folder, ['acme'], believing, OWNER_ONLY);
    expect(fs.statSync(alone)).toMatchObject({ uid: 1234, gid: 1235 });
    fs.chmodSync(folder, 0o770);
    const shared = openStateDir(folder, ['beta'], believing, OWNER_ONLY);
    expect([modeOf(shared), fs.statSync(shared).gid]).toEqual(['770', 1235]);
    const pointer = writePointer(shared, pointerOf(), believing, OWNER_ONLY);
    expect([pointer, modeOf(join(shared, 'ptr.000000000001'))]).toEqual([1, '660']);
    expect(fs.statSync(join(shared, 'ptr.000000000001'))).toMatchObject({ uid: 1234, gid: 1235 });
  });

  it('the state directory of another user is only for those whom it is shared with, and not even for root', () => {
    fs.chownSync(folder, 4321, 4321);
    expect(() => openStateDir(folder, [], fs, OWNER_ONLY)).toThrow('it belongs to user 4321');
    const user = (geteuid: number, groups: number[]) => {
      vi.spyOn(process as Required<NodeJS.Process>, 'geteuid').mockReturnValue(geteuid);
      vi.spyOn(process as Required<NodeJS.Process>, 'getegid').mockReturnValue(geteuid);
      vi.spyOn(process as Required<NodeJS.Process>, 'getgroups').mockReturnValue(groups);
    };
    try {
      user(1000, [1000]);
      expect(() => stateDirExists(folder, ['acme'], fs, OWNER_ONLY)).toThrow('it belongs to user 4321');
      fs.chmodSync(folder, 0o770);
      expect(() => openStateDir(folder, [], fs, OWNER_ONLY)).toThrow('it belongs to user 4321');
      user(1000, [1000, 4321]);
      expect(openStateDir(folder, [], fs, OWNER_ONLY)).toBe(folder);
    } finally {
      vi.restoreAllMocks();
    }
  });

  it('a folder that its group can write is refused where the state is not shared', () => {
    fs.mkdirSync(join(folder, 'beta'));
    fs.chmodSync(join(folder, 'beta'), 0o770);
    expect(() => openStateDir(folder, ['beta'], fs, OWNER_ONLY)).toThrow('its group can write to it');
    expect(() => stateDirExists(folder, ['beta'], fs, OWNER_ONLY)).toThrow('its group can write to it');
  });

  it('the state directory is given up at once where no folder can be made', () => {
    for (const dir of ['/proc/self/state/acme', '/dev/null/state'])
      expect(() => openStateDir(dir, [], fs, OWNER_ONLY)).toThrow(/ENOENT|ENOTDIR/);
  });

  it('the state directory knows a disk that forgets from one that keeps, and tries it out', async () => {
    expect(diskProblem(folder, fs)).toBeUndefined();
    expect(fs.readdirSync(folder)).toEqual([]);
    await runToEnd(['mount', '-t', 'tmpfs', '-o', 'size=8k,nr_inodes=1', 'tmpfs', folder]);
    try {
      expect(filesystemOf(folder, fs)).toEqual({ kind: 'volatile', name: 'tmpfs' });
      expect(diskProblem(folder, fs)).toContain('ENOSPC');
    } finally {
      await runToEnd(['umount', folder]);
    }
    expect(filesystemOf('/proc', fs).kind).toBe('unsure');
  });
});

describe('the hold', () => {
  const note: HoldNote = { ...DEED, formatVersion: 1, recordId: 'abc' };
  let dirs: string[];
  beforeEach(() => {
    dirs = ['state', 'copy'].map((name) => join(folder, name));
    for (const dir of dirs) fs.mkdirSync(dir);
  });

  it('the hold lies in every folder, says who and why, and is lifted everywhere', () => {
    expect(readHold(dirs, fs)).toBeUndefined();
    expect(writeHold(dirs, note, fs)).toEqual({ written: dirs, failed: [] });
    fs.unlinkSync(join(dirs[0] ?? '', 'hold'));
    expect(readHold(dirs, fs)).toMatchObject({
      file: join(dirs[1] ?? '', 'hold'),
      note,
      text: expect.stringContaining('ada on edge-1'),
    });
    liftHold([...dirs, join(folder, 'not-there')], fs);
    expect(readHold(dirs, fs)).toBeUndefined();
  });

  it('the hold stays as the first one wrote it', () => {
    writeHold(dirs, note, fs);
    expect(writeHold(dirs, { ...note, actor: 'bob' }, fs).written).toEqual(dirs);
    expect(readHold(dirs, fs)?.note?.actor).toBe('ada');
  });

  it('the hold counts whatever is there: empty, malformed, a link to nowhere, a FIFO, a folder', async () => {
    const file = join(dirs[0] ?? '', 'hold');
    const plants = [
      () => fs.writeFileSync(file, ''),
      () => fs.writeFileSync(file, '{"formatVersion":2}'),
      () => fs.symlinkSync('/nowhere/at/all', file),
      () => fs.mkdirSync(file),
    ];
    for (const plant of plants) {
      plant();
      expect(readHold(dirs, fs)).toMatchObject({ file, note: null, text: expect.stringContaining('cannot be read') });
      fs.rmSync(file, { recursive: true });
    }
    await runToEnd(['mkfifo', file]);
    expect(readHold(dirs, fs)).toMatchObject({ note: null });
  });

  it('the hold counts a folder that cannot be looked into, and not one that is not there', () => {
    expect(readHold(dirs, denied(dirs[1] ?? ''))?.text).toContain('cannot check for a hold');
    expect(readHold([join(folder, 'unmounted')], fs)).toBeUndefined();
  });

  it('the hold counts by its name alone on a full disk, and says where it could not be set', async () => {
    const [dir = ''] = dirs;
    await runToEnd(['mount', '-t', 'tmpfs', '-o', 'size=4k,mode=700', 'tmpfs', dir]);
    try {
      fs.writeFileSync(join(dir, 'filler'), 'x'.repeat(4096));
      expect(writeHold([dir, join(folder, 'not-there')], note, fs)).toMatchObject({
        written: [dir],
        failed: [{ why: expect.stringContaining('ENOENT') }],
      });
      expect(readHold([dir], fs)).toMatchObject({ note: null });
    } finally {
      await runToEnd(['umount', dir]);
    }
  });

  it('the hold belongs to whoever owns the folder, so that a rescue by root can be reviewed', () => {
    const [dir = ''] = dirs;
    fs.chownSync(dir, 1234, 1235);
    writeHold([dir], note, fs);
    expect(fs.statSync(join(dir, 'hold'))).toMatchObject({ uid: 1234, gid: 1235 });
  });
});

describe('places', () => {
  let roots: Roots;
  beforeEach(() => {
    roots = { system: join(folder, 'var'), home: join(folder, 'xdg'), homePlaces: join(folder, 'home/.local/state/kvdeploy') };
  });

  it('the places of state are noted in the home folder, once, and in the system folder where it exists', () => {
    expect(defaultStateDir(fs, roots)).toBe(roots.home);
    expect(recordPlace('/srv/state', fs, roots)).toBe(join(folder, 'home/.local/state/kvdeploy/places'));
    expect(fs.existsSync(roots.system)).toBe(false);
    recordPlace('/srv/state', fs, roots);
    fs.mkdirSync(roots.system);
    expect(defaultStateDir(fs, roots)).toBe(roots.system);
    expect(recordPlace('/mnt/other', fs, roots)).toBe(join(roots.system, 'places'));
    expect(recordPlace(roots.system, fs, roots)).toBeUndefined();
    expect(knownPlaces(fs, roots)).toEqual([roots.system, roots.home, roots.homePlaces, '/mnt/other', '/srv/state']);
  });

  it('the places of state survive a torn line, and are not read from a file that anyone could write', () => {
    fs.mkdirSync(roots.system);
    fs.writeFileSync(join(roots.system, 'places'), '/srv/one\n/srv/to');
    recordPlace('/srv/three', fs, roots);
    expect(knownPlaces(fs, roots)).toContain('/srv/three');
    fs.chmodSync(join(roots.system, 'places'), 0o666);
    expect(knownPlaces(fs, roots)).toEqual([roots.system, roots.home, roots.homePlaces]);
    expect(() => recordPlace('relative', fs, roots)).toThrow('absolute');
  });

  it('the places of state follow XDG_STATE_HOME, and the list of them the home folder', () => {
    expect(rootsOf({ HOME: '/home/ada', XDG_STATE_HOME: '/data' }, fs)).toEqual({
      system: '/var/lib/kvdeploy',
      home: '/data/kvdeploy',
      homePlaces: '/home/ada/.local/state/kvdeploy',
    });
    expect(rootsOf({ HOME: '/home/ada', XDG_STATE_HOME: 'relative' }, fs).home).toBe('/home/ada/.local/state/kvdeploy');
  });
});

describe('the home folder', () => {
  it('a relative or empty HOME counts as none, and is never a folder below the current one', () => {
    for (const HOME of ['', 'relative', '.'])
      for (const dir of [rootsOf({ HOME }, fs).home, rootsOf({ HOME }, fs).homePlaces]) expect(dir ?? '/nowhere').toMatch(/^\//);
  });

  it('root uses HOME only where root owns it and no one else can write it', () => {
    expect(rootsOf({ HOME: folder }, fs).homePlaces).toBe(join(folder, '.local/state/kvdeploy'));
    fs.chownSync(folder, 1234, 1234);
    expect(rootsOf({ HOME: folder }, fs)).toMatchObject({ elsewhere: join(folder, '.local/state/kvdeploy') });
    expect(rootsOf({ HOME: folder }, fs).homePlaces ?? '').not.toContain(folder);
    fs.chownSync(folder, 0, 0);
    fs.chmodSync(folder, 0o777);
    expect(rootsOf({ HOME: folder, XDG_STATE_HOME: folder }, fs).home ?? '').not.toContain(folder);
  });
});

describe('records', () => {
  const intent: Intent = {
    type: 'intent',
    id: 'one',
    ...DEED,
    toVersion: '1',
    generation: 3,
    knownGood: GREEN,
    changes: ['write /r'],
  };
  const outcome: Outcome = {
    type: 'outcome',
    id: 'one',
    scope: SCOPE,
    at: '2026-11-21T10:00:01Z',
    result: 'verified',
    notes: [],
  };

  it('the records of rescues are chained, belong to their scope, and show a rescue without an outcome', () => {
    writeRecord([folder], intent, fs);
    writeRecord([folder], outcome, fs);
    writeRecord([folder], { ...intent, id: 'two', at: '2026-11-21T11:00:00Z' }, fs);
    writeRecord([folder], { ...intent, id: 'foreign', scope: { ...SCOPE, environment: 'staging' } }, fs);
    const { rescues, damaged } = readRecords([folder], SCOPE, fs);
    expect(damaged).toEqual([]);
    expect(rescues).toEqual([
      { intent, outcome },
      { intent: { ...intent, id: 'two', at: '2026-11-21T11:00:00Z' }, outcome: null },
    ]);
  });

  it('the records of rescues go to the next place when one takes nothing, and their halves find each other', () => {
    const places = [join(folder, 'a'), join(folder, 'b')];
    for (const place of places) fs.mkdirSync(place);
    fs.mkdirSync(join(folder, 'a/break-glass.jsonl'));
    expect(writeRecord(places, intent, fs).file).toBe(join(folder, 'b/break-glass.jsonl'));
    fs.rmdirSync(join(folder, 'a/break-glass.jsonl'));
    expect(writeRecord(places, outcome, fs).file).toBe(join(folder, 'a/break-glass.jsonl'));
    expect(readRecords(places, SCOPE, fs).rescues).toEqual([{ intent, outcome }]);
    fs.writeFileSync(join(folder, 'file'), '');
    expect(writeRecord([join(folder, 'file')], intent, fs)).toMatchObject({
      file: undefined,
      failed: [expect.stringContaining('ENOTDIR')],
    });
  });

  it('the records of rescues go to the next place when the first is as long as a reader takes', () => {
    const places = ['a', 'b'].map((name) => join(folder, name));
    for (const place of places) fs.mkdirSync(place);
    fs.writeFileSync(join(folder, 'a/break-glass.jsonl'), 'x'.repeat(4 * 1024 * 1024));
    expect(writeRecord(places, intent, fs)).toMatchObject({
      file: join(folder, 'b/break-glass.jsonl'),
      failed: [expect.stringContaining('is full')],
    });
  });

  it('the records of rescues report what was edited, cut out or torn, and keep what can be read', () => {
    for (const id of ['one', 'two', 'three']) writeRecord([folder], { ...intent, id }, fs);
    const file = join(folder, 'break-glass.jsonl');
    const lines = fs.readFileSync(file, 'utf8').split('\n');
    fs.writeFileSync(file, [lines[0], lines[2], '{"torn'].join('\n'));
    writeRecord([folder], { ...intent, id: 'four' }, fs);
    const { rescues, damaged } = readRecords([folder], SCOPE, fs);
    expect(rescues.map(({ intent }) => intent?.id).sort()).toEqual(['four', 'one', 'three']);
    expect(damaged.map(({ line }) => line)).toEqual([2, 3]);
  });

  it('the records of rescues fall back to the home state and to a private temporary folder only', () => {
    const roots = { system: '/s', home: '/h', homePlaces: '/p' };
    const own = `/kvdeploy-${process.geteuid?.()}`;
    expect(fallbackDirs(roots, fs)).toEqual(['/p', expect.stringContaining(own)]);
    const planted = { ...fs, lstatSync: () => ({ isDirectory: () => true, uid: 4321, mode: 0o40700 }) } as unknown as Fs;
    expect(fallbackDirs(roots, planted)).toEqual(['/p']);
  });
});
