import fs from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MACHINE_FILE, ownMachineFile, readMachine } from '../../../src/base/owners/machine-file.ts';
import { parseMachine } from '../../../src/base/owners/machine-format.ts';
import { freshFolder } from '../../fresh-folder.ts';
import { type Lie, lyingFs } from './lying-fs.ts';

const WHOLE = {
  stateOwners: ['kvdeploy', 1002],
  configOwners: [1001],
  programs: [['/usr/bin/sudo', '-n', '/usr/sbin/nginx', '-s', 'reload']],
  targets: {
    'acme/production/web': {
      files: ['/etc/nginx/kvdeploy/web.conf'],
      sockets: ['/run/haproxy/admin.sock', 'edge-1:9999'],
      programs: [['/usr/sbin/nginx', '-s', 'reload']],
      checks: ['https://api.example.com/deployments'],
      requests: [{ method: 'POST', url: 'https://api.example.com/deployments', secret: 'CF_TOKEN' }],
    },
  },
  allowedSigners: '/etc/kvdeploy/allowed_signers',
  unsigned: ['acme/staging/*'],
  drill: { warnDays: 30, refuseDays: 90 },
};

const read = (lie: Lie, more: Readonly<Record<string, Lie>> = {}) =>
  readMachine(
    { HOME: '/nonexistent' },
    lyingFs(freshFolder(), {
      '/etc/kvdeploy': { uid: 0, gid: 0, mode: 0o755 },
      [MACHINE_FILE]: { uid: 0, gid: 0, mode: 0o644, ...lie },
      ...more,
    }),
    0,
  );

describe('the machine file', () => {
  test('the machine file may be absent, and then nothing is allowed beyond what needs none', () => {
    const empty = lyingFs(freshFolder(), {});
    expect(readMachine({}, { ...empty, realpathSync: fs.realpathSync }, 0)).toMatchObject({ files: [], broken: [] });
  });

  test('the machine file is read with every key that it may have', () => {
    expect(read({ content: JSON.stringify(WHOLE) })).toMatchObject({ machine: WHOLE, files: [MACHINE_FILE], broken: [] });
    expect(parseMachine('{}')).toEqual({});
  });

  test.each([
    ['{"stateOwner": ["kvdeploy"]}', 'unknown field stateOwner'],
    ['{"targets": {"acme/production/web": {"paths": []}}}', 'targets.acme/production/web has an unknown field paths'],
    ['{"targets": {"production": {}}}', 'is not tenant/environment/service'],
    ['{"stateOwners": [-1]}', 'stateOwners[0] must be a whole number'],
    ['{"stateOwners": [""]}', 'stateOwners[0] must be a string matching'],
    ['{"targets": {"acme/production/web": {"files": ["relative"]}}}', 'files[0] must be a string matching'],
    ['{"targets": {"acme/production/web": {"requests": [{"url": "https://a"}]}}}', 'requests[0] has no method'],
    ['{"unsigned": [],\n"unsigned": []}', 'line 2: the key "unsigned" stands there twice'],
    ['{"drill": {"__proto__": {}}}', '__proto__'],
    ['{"programs": [["/bin/true"],]}', 'it is not JSON'],
    ['# comment\n{}', 'it is not JSON'],
    ['[]', 'machine must be an object'],
    ['', 'it is not JSON'],
  ])('the machine file %j is refused, saying why', (content, why) => {
    expect(read({ content })).toMatchObject({
      machine: {},
      broken: [{ file: MACHINE_FILE, why: expect.stringContaining(why), fix: expect.stringContaining('strict JSON') }],
    });
  });

  test.each<[string, Lie, Readonly<Record<string, Lie>>]>([
    ['that belongs to another user', { uid: 1234 }, {}],
    ['that any user can write', { mode: 0o666 }, {}],
    ['that a group can write', { mode: 0o664, gid: 1234 }, {}],
    ['in a folder of another user', {}, { '/etc/kvdeploy': { uid: 1234, mode: 0o755 } }],
    ['in a folder that any user can write', {}, { '/etc/kvdeploy': { uid: 0, mode: 0o777 } }],
  ])('a machine file %s does not count', (_how, lie, more) => {
    const content = '{"stateOwners": [1234]}';
    expect(read({ content, ...lie }, more)).toMatchObject({
      machine: {},
      files: [],
      broken: [{ file: MACHINE_FILE, fix: expect.stringContaining('chown root:') }],
    });
  });

  test("a user's own machine file counts for this user and never for root", () => {
    const home = freshFolder();
    const own = ownMachineFile({ HOME: home }, fs, 1234) ?? '';
    expect(own).toBe(join(home, '.config/kvdeploy/machine.json'));
    expect(ownMachineFile({ HOME: home }, fs, 0)).toBeUndefined();
    fs.mkdirSync(join(own, '..'), { recursive: true });
    for (const dir of [home, join(home, '.config'), join(home, '.config/kvdeploy')]) fs.chownSync(dir, 1234, 1234);
    fs.writeFileSync(own, '{"stateOwners": ["ada"]}', { mode: 0o600 });
    fs.chownSync(own, 1234, 1234);
    expect(readMachine({ HOME: home }, fs, 1234)).toMatchObject({ machine: { stateOwners: ['ada'] }, files: [own] });
    expect(readMachine({ HOME: home }, fs, 0).machine).toEqual({});
    expect(readMachine({ HOME: home }, fs, 4321).broken).toMatchObject([{ file: own }]);
    fs.chmodSync(own, 0o640);
    expect(readMachine({ HOME: home }, fs, 1234).broken).toMatchObject([
      { why: 'others can read or write it', fix: `chmod 0600 ${own}` },
    ]);
  });

  test("the machine's file and the user's own are believed together", () => {
    const home = '/home/ada';
    const lies = {
      [MACHINE_FILE]: { content: '{"stateOwners": ["deploy"], "targets": {"a/b/c": {"files": ["/one"]}}}', uid: 0, mode: 0o644 },
      [`${home}/.config/kvdeploy/machine.json`]: {
        content: '{"targets": {"a/b/c": {"files": ["/two"]}}}',
        uid: 1234,
        mode: 0o600,
      },
    };
    const { machine } = readMachine({ HOME: home }, lyingFs(freshFolder(), lies), 1234);
    expect(machine).toMatchObject({ stateOwners: ['deploy'], targets: { 'a/b/c': { files: ['/one', '/two'] } } });
  });
});
