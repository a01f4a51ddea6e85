/** The program as it is shipped: bundled, run as a process, before real files, builds and sockets. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ProcessIdentity, thisProcess } from '../../src/base/changes/process-identity.ts';
import { OWNER_ONLY } from '../../src/base/durable/durable-file.ts';
import { readHold } from '../../src/base/pointer/hold.ts';
import { copyPointer, placeRescue, readPointers } from '../../src/base/pointer/pointer.ts';
import type { Pointer } from '../../src/base/pointer/pointer-format.ts';
import { readRecords } from '../../src/base/pointer/records.ts';
import { outputLineSchema } from '../../src/core/output.ts';
import { etcWith, onMachine } from '../crash/machine.ts';
import { mayMount } from '../crash/mounts.ts';
import {
  BLUE,
  bundle,
  freshFolder,
  GREEN,
  httpServer,
  lineServer,
  pointerOf,
  type Ran,
  REASON,
  type RunOptions,
  restoreOf,
  routesTo,
  runToEnd,
  SCOPE,
  stateWith,
  until,
} from './scene.ts';

const PROGRAM = join(import.meta.dirname, '../../src/break-glass/main.ts');
let shipped: string;
let program: string;
let folder: string;
let state: string;
let dir: string;
let routes: string;

beforeAll(async () => {
  shipped = freshFolder();
  program = await bundle(PROGRAM, shipped);
});
afterAll(() => fs.rmSync(shipped, { recursive: true, force: true }));
beforeEach(() => {
  folder = freshFolder();
  state = join(folder, 'state');
  routes = join(folder, 'routes.json');
  fs.writeFileSync(routes, '{"serve":"bad"}\n');
  const blue = restoreOf(BLUE, { ref: 'blue', knownGoodSince: '2026-11-18T00:00:00Z', ...routesTo(routes, 'blue') });
  dir = stateWith(state, [pointerOf({ knownGood: restoreOf(GREEN, routesTo(routes, 'green')), earlier: [blue] })]);
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const ASKED = ['--env', 'production', '--reason', REASON];
const SURE = [...ASKED, '--confirm', 'production'];
const glass = (args: readonly string[], options: RunOptions = {}): Promise<Ran> =>
  runToEnd([process.execPath, program, '--state-dir', state, ...args], options);
const serving = () => fs.readFileSync(routes, 'utf8');
const records = () => readRecords([dir], SCOPE, fs).rescues;

function untouched(): void {
  expect(serving()).toBe('{"serve":"bad"}\n');
  expect(readHold([dir], fs)).toBeUndefined();
  expect(records()).toEqual([]);
}

describe('break-glass', () => {
  it('break-glass names a failed call of the operating system, and does not call it a bug', async () => {
    const failing = 'Date.now = () => { throw Object.assign(new Error("EIO: i/o error, read"), { syscall: "read" }); }';
    const argv = [process.execPath, '--import', `data:text/javascript,${failing}`, program, '--state-dir', state, ...SURE];
    const ran = await runToEnd(argv, {});
    expect([ran.code, ran.stderr]).toEqual([7, expect.stringMatching(/SYSTEM_ERROR {2}EIO: i\/o error, read[\s\S]*by hand/)]);
    expect(serving()).toBe('{"serve":"bad"}\n');
  });

  it('break-glass restores the known-good build, reads it back, sets the hold, keeps a record, and says what is next', async () => {
    const { code, stdout, stderr } = await glass(SURE);
    expect([code, serving()]).toEqual([0, '{"serve":"green"}\n']);
    expect(stdout).toContain(`rolled back to build ${GREEN}`);
    for (const said of [
      `write ${routes}`,
      'printf',
      `hold     will be set in ${dir}`,
      `kvdeploy reconcile --env production`,
      `--to ${BLUE}`,
    ])
      expect(stderr).toContain(said);
    expect(readHold([dir], fs)?.note).toMatchObject({ reason: REASON, toGuid: GREEN, host: thisProcess().host });
    expect(records()).toMatchObject([{ intent: { toGuid: GREEN, generation: 1 }, outcome: { result: 'verified' } }]);
    expect(stdout + stderr).not.toContain('\u001b');
  });

  it('break-glass is small enough to be carried next to every pointer', () => {
    expect(fs.statSync(program).size).toBeLessThan(114_000);
    expect(fs.readFileSync(program, 'utf8')).not.toMatch(/import\((?!"node:)/);
  });

  it('break-glass may be used again under its own hold, to an earlier build, and adds to the record', async () => {
    await glass(SURE);
    const again = await glass([...SURE, '--to', BLUE.slice(0, 8)]);
    expect([again.code, serving()]).toEqual([0, '{"serve":"blue"}\n']);
    expect(again.stderr).toContain('A hold is already set');
    expect(records().map(({ intent }) => intent?.toGuid)).toEqual([GREEN, BLUE]);
  });

  it('break-glass works from a folder that is gone, as a user who may only read, with the state on a read-only disk', async () => {
    const gone = join(folder, 'gone');
    fs.mkdirSync(gone);
    const script = `cd ${gone} && rmdir ${gone} && exec ${process.execPath} ${program} --state-dir ${state} ${SURE.map((word) => `'${word}'`).join(' ')}`;
    expect((await runToEnd(['sh', '-c', script])).code).toBe(0);
    expect(serving()).toBe('{"serve":"green"}\n');

    const readable = join(folder, 'readable');
    for (const place of [
      folder,
      state,
      join(state, 'acme'),
      join(state, 'acme/production'),
      join(state, 'acme/production/kv-gateway'),
      dir,
      shipped,
    ])
      fs.chmodSync(place, 0o755);
    for (const name of fs.readdirSync(dir)) fs.chmodSync(join(dir, name), 0o644);
    fs.mkdirSync(readable);
    fs.chownSync(readable, 65534, 65534);
    const theirs = {
      ...pointerOf({ knownGood: restoreOf(GREEN, routesTo(join(readable, 'routes.json'), 'green')) }),
      generation: 2,
    };
    copyPointer(dir, theirs, fs, { ...OWNER_ONLY, file: 0o644 });
    const other = await glass(SURE, { uid: 65534, env: { TMPDIR: readable } });
    expect([other.code, other.stderr]).toEqual([0, expect.stringContaining('A hold is already set')]);
    expect(fs.existsSync(join(readable, 'kvdeploy-65534/break-glass.jsonl'))).toBe(true);
  });

  it('break-glass goes on without hold and record when no disk takes them, and says so loudly', async () => {
    await runToEnd(['mount', '--bind', state, state]);
    await runToEnd(['mount', '-o', 'remount,bind,ro', state]);
    try {
      const { code, stderr } = await glass(SURE, { env: { HOME: '/proc/1', TMPDIR: '/proc/1' } });
      expect([code, serving()]).toEqual([0, '{"serve":"green"}\n']);
      for (const said of ['NOT RECORDED anywhere', 'HOLD NOT WRITTEN', thisProcess().host, 'EROFS'])
        expect(stderr).toContain(said);
    } finally {
      await runToEnd(['umount', state]);
    }
    expect(readHold([dir], fs)).toBeUndefined();
  });

  it('break-glass runs from a copy with the state gone, without being told where anything is', async () => {
    const copy = stateWith(join(folder, 'copy'), []);
    copyPointer(copy, readPointers(dir, fs, SCOPE).newest as Pointer, fs, OWNER_ONLY);
    const beside = placeRescue(copy, program, fs, OWNER_ONLY);
    fs.rmSync(state, { recursive: true });
    const { code, stderr } = await runToEnd([process.execPath, beside, ...SURE]);
    expect([code, serving()]).toEqual([0, '{"serve":"green"}\n']);
    expect(stderr).toContain(`pointer  ${copy}`);
    expect(readHold([copy], fs)?.note?.toGuid).toBe(GREEN);
  });

  it('break-glass finds a state by the list in the home folder, and sets the hold in its copies too', async () => {
    const copy = stateWith(join(folder, 'copy'), []);
    copyPointer(copy, readPointers(dir, fs, SCOPE).newest as Pointer, fs, OWNER_ONLY);
    const places = join(folder, 'home/.local/state/kvdeploy');
    fs.mkdirSync(places, { recursive: true });
    fs.writeFileSync(join(places, 'places'), `${state}\n${join(folder, 'copy')}\n`);
    expect((await runToEnd([process.execPath, program, ...SURE], { env: { HOME: join(folder, 'home') } })).code).toBe(0);
    expect([dir, copy].map((place) => readHold([place], fs)?.note?.toGuid)).toEqual([GREEN, GREEN]);
  });

  it('break-glass reports damaged generations and uses the one below', async () => {
    fs.writeFileSync(join(dir, 'ptr.000000000002'), 'torn');
    const { code, stderr } = await glass(SURE);
    expect([code, serving()]).toEqual([0, '{"serve":"green"}\n']);
    expect(stderr).toContain(`Damaged, not used: ${join(dir, 'ptr.000000000002')}`);
  });
});

describe('the network', () => {
  it('a rescue does not touch the network before it is confirmed', async () => {
    const trace = join(folder, 'trace');
    const { code } = await runToEnd(
      ['strace', '-f', '-e', 'trace=%network', '-o', trace, process.execPath, program, '--state-dir', state, ...ASKED],
      { stdin: 'closed' },
    );
    expect(code).toBe(2);
    expect(fs.readFileSync(trace, 'utf8')).not.toMatch(/AF_INET/);
    untouched();
  });

  it('a rescue needs no network at all where the router is a file', async () => {
    const { code } = await runToEnd(['unshare', '-n', process.execPath, program, '--state-dir', state, ...SURE]);
    expect([code, serving()]).toEqual([0, '{"serve":"green"}\n']);
  });
});

describe('the confirmation', () => {
  it.each([
    ['nothing', { stdin: 'closed' }, []],
    ['a yes in a pipe', { stdin: 'production\nyes\n' }, []],
    ['--yes', { stdin: 'closed' }, ['--yes']],
    ['CI=1', { env: { CI: '1' } }, []],
    ['--json', {}, ['--json']],
  ] as const)('the confirmation of a rescue is not taken from %s', async (_, options, args) => {
    const { code, stderr } = await glass([...ASKED, ...args], options);
    expect(code).toBe(2);
    expect(stderr).toContain('NO_TERMINAL');
    expect(stderr).toContain('--confirm production');
    expect(stderr.trimEnd().split('\n').at(-1)).toBe('  traffic  unchanged');
    untouched();
  });

  it('the name of another environment is no confirmation', async () => {
    const { code, stderr } = await glass([...ASKED, '--confirm', 'staging']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('NOT_CONFIRMED')]);
    untouched();
  });

  const atTerminal = (typed: string, extra = '', env: Record<string, string> = {}) => {
    const words = [process.execPath, program, '--state-dir', state, '--env', 'production', '--reason', `'${REASON}'`].join(' ');
    // Before the question Ctrl-C ends the program as it ends any.
    const after = typed === '\u0003' ? "Type the environment's name to continue" : '';
    return runToEnd(['script', '-qefc', `exec ${words} ${extra}`, '/dev/null'], { stdin: typed, after, env });
  };

  it('the confirmation of a rescue is typed at a terminal', async () => {
    const { code, stdout } = await atTerminal('production\n');
    expect([code, serving()]).toEqual([0, '{"serve":"green"}\n']);
    expect(stdout).toContain("Type the environment's name to continue (production)");
    expect(stdout).not.toContain('\u001b');
  });

  it.each([
    ['a y', 'y\n', '', {}, 'NOT_CONFIRMED'],
    ['an empty line', '\n', '', {}, 'NOT_CONFIRMED'],
    ['the end of input', '\u0004', '', {}, 'NOT_CONFIRMED'],
    ['Ctrl-C', '\u0003', '', {}, 'NOT_CONFIRMED'],
    ['--no-input', 'production\n', '--no-input', {}, 'NO_TERMINAL'],
    ['CI=1', 'production\n', '', { CI: '1' }, 'NO_TERMINAL'],
  ] as const)('the confirmation of a rescue is not %s at a terminal', async (_, typed, extra, env, said) => {
    const { code, stdout } = await atTerminal(typed, extra, env);
    expect([code, stdout]).toEqual([2, expect.stringContaining(said)]);
    expect(stdout).toContain('Review the build and the changes above, then add: --confirm production');
    untouched();
  });
});

describe('what it refuses', () => {
  it.each([
    ['no reason', ['--env', 'production', '--confirm', 'production'], 2, 'needs a reason'],
    ['no environment', ['--reason', REASON, '--confirm', 'production'], 2, '--env production --tenant acme --service kv-gateway'],
    ['another environment', ['--env', 'staging', '--reason', REASON, '--confirm', 'staging'], 2, 'UNKNOWN_NAME'],
    ['an unknown build', [...SURE, '--to', 'deadbeef'], 3, 'NOT_KNOWN_GOOD'],
    ['an unknown option', [...SURE, '--force'], 2, 'USAGE'],
  ] as const)('break-glass refuses a rescue with %s', async (_, args, exit, said) => {
    const { code, stderr } = await glass(args);
    expect([code, stderr]).toEqual([exit, expect.stringContaining(said)]);
    untouched();
  });

  it('break-glass refuses a build of another environment, and names the scope that it belongs to', async () => {
    const staging = { ...SCOPE, environment: 'staging' };
    const build = '0000aaaa-2222-4222-8222-000000000022';
    stateWith(state, [pointerOf({ scope: staging, knownGood: restoreOf(build) })], staging);
    const { code, stderr } = await glass([...SURE, '--to', build]);
    expect([code, stderr]).toEqual([3, expect.stringContaining(`Build ${build} belongs to acme/staging/kv-gateway`)]);
    untouched();
  });

  it('break-glass refuses a build whose place answers with another GUID, before anything is written', async () => {
    const builds = await httpServer(() => ({ headers: { 'x-build-guid': BLUE } }));
    const identity = [{ kind: 'http', url: builds.url, header: 'x-build-guid', equals: GREEN, timeoutMs: 1000 }] as const;
    stateWith(state, [pointerOf({ knownGood: restoreOf(GREEN, { ...routesTo(routes, 'green'), identity }), bad: [BLUE] })]);
    const { code, stderr } = await glass(SURE);
    expect([code, stderr]).toEqual([3, expect.stringContaining('BUILD_GONE')]);
    expect(stderr).toContain('  try      There is no other known-good build to roll back to. Change the router by hand.\n');
    untouched();
    await builds.close();
  });
});

describe('made, but not verified', () => {
  const exitOf = async (over: Parameters<typeof restoreOf>[1]) => {
    stateWith(state, [pointerOf({ knownGood: restoreOf(GREEN, { ...routesTo(routes, 'green'), ...over }) })]);
    return glass(SURE);
  };

  it('break-glass ends with 5 when nothing can be read back', async () => {
    const { code, stderr } = await exitOf({ checks: [] });
    expect([code, serving()]).toEqual([5, '{"serve":"green"}\n']);
    expect(stderr).toContain('NOT_VERIFIED  Changes made but not verified');
    expect(records()).toMatchObject([{ outcome: { result: 'not-verified' } }]);
  });

  it('break-glass ends with 5 when the build does not report its GUID, though traffic moves', async () => {
    const { code, stderr } = await exitOf({
      identity: [{ kind: 'http', url: 'http://127.0.0.1:1/', header: 'x', equals: GREEN, timeoutMs: 500 }],
    });
    expect([code, serving()]).toEqual([5, '{"serve":"green"}\n']);
    expect(stderr).toContain('does not report its GUID');
  });

  it('break-glass ends with 5 when an unknown member of the target still serves', async () => {
    const table = '# name weight\ngreen 256\npurple 100\n';
    const router = await lineServer(join(folder, 'admin.sock'), (line) => (line.startsWith('show') ? table : '\n'));
    const { code, stderr } = await exitOf({
      changes: [{ kind: 'socket', address: router.address, commands: ['set weight gw/green 256'], timeoutMs: 1000 }],
      checks: [
        {
          kind: 'table',
          address: router.address,
          command: 'show table',
          separator: ' ',
          where: {},
          key: 'name',
          rows: { green: { weight: ['256'] } },
          others: [{ weight: ['0'] }],
          timeoutMs: 1000,
        },
      ],
    });
    expect([code, stderr]).toEqual([5, expect.stringContaining('unknown member purple')]);
    expect(router.lines[0]).toBe('set weight gw/green 256');
    await router.close();
  });

  it('break-glass ends with 5 when one change fails; the others are made, and all are printed to be pasted', async () => {
    const good = routesTo(routes, 'green');
    const { code, stderr } = await exitOf({
      ...good,
      changes: [{ kind: 'write-file', path: '/nonexistent/file', content: '' }, ...good.changes],
    });
    expect([code, serving()]).toEqual([5, '{"serve":"green"}\n']);
    expect(stderr).toContain('STUCK  1 changes failed: change 1 of 2 failed: ');
    expect(records()).toMatchObject([{ outcome: { result: 'failed' } }]);
  });
});

describe('the leader of a rollout', () => {
  const { host, boot, pidNamespace = '' } = thisProcess();
  const startOf = (pid: number) => {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  };
  const leads = (by: Partial<ProcessIdentity> & { pid: number }, last: object = { type: 'shifted' }) => {
    const ledger = join(dir, '../ledger');
    fs.mkdirSync(ledger, { recursive: true });
    const lines = [
      { seq: 1, event: { type: 'claimed', claim: { by: { host, boot, pidNamespace, ...by } } } },
      { seq: 2, event: last },
    ].map((line) => JSON.stringify(line));
    fs.writeFileSync(join(ledger, '0001.jsonl'), '{"seq":0,"event":{"type":"claimed"}}\n');
    fs.writeFileSync(join(ledger, '0002.jsonl'), `${lines.join('\n')}\n{"torn`);
  };
  const sleeper = async (argv = ['sleep', '60']) => {
    const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: 'ignore' });
    const ended = new Promise<string | null>((resolve) => child.on('exit', (_, signal) => resolve(signal)));
    await until(() => child.pid !== undefined && fs.existsSync(`/proc/${child.pid}/stat`));
    return { pid: child.pid ?? 0, ended, child };
  };

  const kvdeploy = () => {
    const file = join(state, 'kvdeploy.js');
    fs.writeFileSync(file, 'setInterval(() => {}, 1000);\n');
    return sleeper([process.execPath, file, 'promote']);
  };

  it('break-glass ends the leader of a rollout on this host before the first change, even one that is stopped', async () => {
    const { pid, ended } = await kvdeploy();
    // Until node has started, the process is still called as the one that started it.
    await until(() => fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('kvdeploy.js'));
    process.kill(pid, 'SIGSTOP');
    leads({ host: 'renamed-since', pid, started: startOf(pid) });
    const { code, stderr } = await glass(SURE);
    expect([code, await ended]).toEqual([0, 'SIGKILL']);
    expect(stderr.indexOf('was ended')).toBeLessThan(stderr.indexOf('made 1 of 1'));
    expect(stderr).toContain(`pid ${pid} on renamed-since, was ended`);
  });

  it('break-glass leaves the leader alone when its pid is another process, or the claim was released', async () => {
    const { pid, child } = await sleeper();
    leads({ pid, started: '1' });
    expect((await glass(SURE)).stderr).toContain('has already exited');
    leads({ boot: 'before the restart', pid, started: startOf(pid) });
    expect((await glass(SURE)).stderr).toContain('has already exited');
    leads({ pid, started: startOf(pid) }, { type: 'released' });
    expect((await glass(SURE)).code).toBe(0);
    expect(fs.existsSync(`/proc/${pid}/stat`)).toBe(true);
    child.kill('SIGKILL');
  });

  it('break-glass ends with 5 and makes every change once more after the idle timeout while a leader is unsure', async () => {
    leads({ pidNamespace: 'pid:[4026500000]', pid: 4242, started: '1' });
    const { code, stderr } = await glass(SURE);
    expect([code, serving()]).toEqual([5, '{"serve":"green"}\n']);
    expect(stderr).toContain(`pid 4242 on ${host}, may still be running: it runs in another pid namespace`);
    expect(stderr).toContain('NOT_VERIFIED');
    expect(stderr.match(/made 1 of 1/g)).toHaveLength(2);
    expect(records()).toMatchObject([{ outcome: { result: 'not-verified' } }]);
  });

  it('break-glass never ends what a forged claim names: init, or a process of this user that is not kvdeploy', async () => {
    const { pid, child } = await sleeper();
    for (const named of [pid, 1]) {
      leads({ pid: named, started: startOf(named) });
      const { code, stderr } = await glass(SURE);
      expect([code, serving()], stderr).toEqual([5, '{"serve":"green"}\n']);
      expect(stderr).not.toContain('was ended');
    }
    expect([child.exitCode, child.signalCode]).toEqual([null, null]);
    child.kill('SIGKILL');
  });

  it('break-glass watches while a leader is unsure, and corrects a late change as soon as it sees it', async () => {
    const slow = { ...routesTo(routes, 'green') };
    stateWith(state, [pointerOf({ knownGood: restoreOf(GREEN, slow), idleTimeoutMs: 3000 })]);
    leads({ pidNamespace: 'pid:[4026500000]', pid: 4242, started: '1' });
    const going = glass(SURE);
    await until(() => serving() === '{"serve":"green"}\n');
    fs.writeFileSync(routes, '{"serve":"blue"}\n');
    const { code, stderr } = await going;
    expect([code, serving()]).toEqual([5, '{"serve":"green"}\n']);
    expect(stderr).toContain('Something was changed since: making every change again.');
  });

  it('break-glass makes the changes again when a program of a runner that was killed sets the split late', async () => {
    if (!mayMount('the machine file')) return;
    const set = join(state, 'set');
    fs.writeFileSync(set, `#!/bin/sh\nprintf '{"serve":"green"}\\n' >"${routes}"\n`, { mode: 0o755 });
    const { checks } = routesTo(routes, 'green');
    const changes = [{ kind: 'run', argv: [set], timeoutMs: 2000 }] as const;
    stateWith(state, [pointerOf({ knownGood: restoreOf(GREEN, { changes: [...changes], checks }), idleTimeoutMs: 3000 })]);
    leads({ pid: 2 ** 22 + 1, started: '1' });
    const machine = onMachine(etcWith({ programs: [[set]] }));
    const going = runToEnd([...machine, process.execPath, program, '--state-dir', state, ...SURE]);
    await until(() => serving() === '{"serve":"green"}\n');
    fs.writeFileSync(routes, '{"serve":"blue"}\n');
    const { code, stderr } = await going;
    expect([code, serving()], stderr).toEqual([0, '{"serve":"green"}\n']);
    expect(stderr).toContain('A program that the runner started may still act. Watching for 3000 ms');
    expect(stderr).toContain('Something was changed since: making every change again.');
  });

  it('break-glass fears a leader whose ledger cannot be understood', async () => {
    fs.mkdirSync(join(dir, '../ledger'));
    fs.writeFileSync(join(dir, '../ledger/0001.jsonl'), 'nonsense\n');
    const { code, stderr } = await glass(SURE);
    expect([code, stderr]).toEqual([5, expect.stringContaining('the ledger cannot be read')]);
    expect(stderr.match(/made 1 of 1/g)).toHaveLength(2);
  });
});

describe('--json', () => {
  const linesOf = ({ stdout }: Ran) =>
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => outputLineSchema.parse(JSON.parse(line)));

  it('break-glass --json gives one schema-valid object a line, the version first and the result last', async () => {
    const lines = linesOf(await glass([...SURE, '--json']));
    expect(lines[0]?.type).toBe('version');
    expect(lines.find((line) => line.type === 'document')).toMatchObject({
      name: 'break-glass',
      data: { scope: SCOPE, build: { guid: GREEN }, generation: 1 },
    });
    expect(lines.at(-1)).toMatchObject({
      type: 'result',
      command: 'rollback',
      ok: true,
      code: null,
      exitCode: 0,
      scope: SCOPE,
      traffic: { split: [{ build: GREEN, place: 'green', percent: 100 }], certainty: 'configured' },
    });
  });

  it('break-glass --json says a refusal in the same form', async () => {
    const lines = linesOf(await glass([...ASKED, '--json']));
    expect(lines.at(-1)).toMatchObject({
      ok: false,
      code: 'NO_TERMINAL',
      exitCode: 2,
      scope: SCOPE,
      hint: expect.stringContaining('--confirm production'),
    });
    const usage = linesOf(await glass(['--json', '--what']));
    expect(usage.at(-1)).toMatchObject({ code: 'USAGE', scope: null });
  });
});

it('break-glass finishes what it began when its reader goes away and the terminal hangs up', async () => {
  const server = createServer((_request, response) => void setTimeout(() => response.end(), 400));
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  const slow = { kind: 'request', method: 'PUT', url: `http://127.0.0.1:${port}/`, expect: [200], timeoutMs: 5000 } as const;
  const good = routesTo(routes, 'green');
  stateWith(state, [pointerOf({ knownGood: restoreOf(GREEN, { ...good, changes: [slow, ...good.changes] }) })]);
  // Not the home of whoever runs the tests: states that are noted there would be found too.
  const env = { HOME: '/nonexistent' };
  const child = spawn(process.execPath, [program, '--state-dir', state, ...SURE], { stdio: ['ignore', 'pipe', 'pipe'], env });
  child.stdout.destroy();
  const exit = new Promise((resolve) => child.on('exit', (code) => resolve(code)));
  await until(() => readHold([dir], fs) !== undefined);
  child.stderr.destroy();
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) child.kill(signal);
  expect(await exit).toBe(0);
  server.close();
  expect(serving()).toBe('{"serve":"green"}\n');
});

it('break-glass helps without a state', async () => {
  const { code, stdout } = await runToEnd([process.execPath, program, '--help']);
  expect([code, stdout]).toEqual([0, expect.stringContaining('kvdeploy rollback --break-glass --env production')]);
});
