/** Real processes, claimed by files as a ledger has them: what is seen of them, and which are ended. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Claimed, end, lookFor, sameProcess, thisProcess } from '../../../src/base/changes/process-identity.ts';
import { isRoot } from '../../as-root.ts';
import { freshFolder } from '../../fresh-folder.ts';
import { until } from '../../servers/program.ts';

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

const me = process.geteuid?.() ?? -1;
const pause = () => new Promise((resolve) => setTimeout(resolve, 5));

function statusOf(pid: number): readonly [state: string, started: string] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return [fields[0] ?? '', fields[19] ?? ''];
}

async function started(argv: readonly string[], says?: string) {
  const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  await new Promise((resolve) => (says === undefined ? child.once('spawn', resolve) : child.stdout.once('data', resolve)));
  const pid = Number(child.pid);
  const by = { ...thisProcess(), pid, started: statusOf(pid)[1] };
  const claimed: Claimed = { by, owner: me, shared: false };
  const gone = new Promise<string | null>((resolve) => child.once('exit', (_, signal) => resolve(signal)));
  return { child, pid, by, claimed, gone, isThere: () => child.exitCode === null && child.signalCode === null };
}

/** As the installed program is called, and nothing else. */
function script(name = 'kvdeploy.js'): string {
  const file = join(freshFolder(), name);
  writeFileSync(file, "process.stdout.write('up\\n'); setInterval(() => {}, 1000);\n");
  // Other users run it too.
  for (const path of [dirname(file), file]) chmodSync(path, 0o755);
  return file;
}

const kvdeploy = () => started([process.execPath, script(), 'promote'], 'up');

describe('a process that leads', () => {
  it('a process that leads is running, is ended exactly, and is gone then', async () => {
    const { claimed, gone } = await kvdeploy();
    expect(lookFor(claimed)).toEqual({ is: 'running' });
    expect(await end(claimed)).toEqual({ is: 'gone' });
    expect(lookFor(claimed)).toEqual({ is: 'gone' });
    expect(await gone).toBe('SIGKILL');
  });

  it('a process that leads is ended although it is stopped, and whatever options node has', async () => {
    const { child, claimed } = await started(
      [process.execPath, '--no-warnings', '-r', 'node:fs', script('kvdeploy'), 'promote'],
      'up',
    );
    child.kill('SIGSTOP');
    expect(await end(claimed)).toEqual({ is: 'gone' });
  });

  it('a process that leads is found under whatever name its host has by now', async () => {
    const { claimed } = await kvdeploy();
    const renamed = { ...claimed, by: { ...claimed.by, host: 'another-name' } };
    expect(lookFor(renamed)).toEqual({ is: 'running' });
    expect(sameProcess(renamed.by, claimed.by)).toBe(true);
    expect(await end(renamed)).toEqual({ is: 'gone' });
  });

  it('a claim of the version before, whose namespace stands behind the host name or is the first one, is understood', async () => {
    const { claimed } = await kvdeploy();
    const { pidNamespace = '', uid: _, ...old } = claimed.by;
    const before = { ...claimed, by: { ...old, host: `deploy-1/${pidNamespace}` } };
    expect(lookFor(before)).toEqual({ is: 'running' });
    expect(lookFor({ ...claimed, by: { ...old, host: 'deploy-1/pid:[4026500000]' } })).toMatchObject({ is: 'unsure' });
    const first = pidNamespace === 'pid:[4026531836]' ? 'running' : 'unsure';
    expect(lookFor({ ...claimed, by: { ...old, host: 'deploy-1' } }).is).toBe(first);
    expect(lookFor({ ...claimed, by: { ...old, host: 'laptop', boot: '', started: '' } }).is).toBe('unsure');
  });

  it('a process whose pid another process has, or that ran before a restart, is gone, and the other one is left alone', async () => {
    const { claimed, isThere } = await kvdeploy();
    for (const former of [
      { ...claimed, by: { ...claimed.by, started: `${Number(claimed.by.started) - 100}` } },
      { ...claimed, by: { ...claimed.by, boot: 'before the restart' } },
    ]) {
      expect(lookFor(former)).toEqual({ is: 'gone' });
      expect(await end(former)).toEqual({ is: 'gone' });
    }
    expect(isThere()).toBe(true);
  });

  it('another boot on a file system that machines share may be another machine: unsure', async () => {
    const { claimed } = await kvdeploy();
    expect(lookFor({ ...claimed, shared: true, by: { ...claimed.by, boot: 'of another machine' } })).toMatchObject({
      is: 'unsure',
    });
  });

  it('a process that ended and was not reaped yet counts as gone', async () => {
    const parent = spawn('sh', ['-c', 'sleep 0.01 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
    children.push(parent);
    const pid = Number(await new Promise((resolve) => parent.stdout.once('data', resolve)));
    const by = { ...thisProcess(), pid, started: statusOf(pid)[1] };
    await until('the zombie', () => (statusOf(pid)[0] === 'Z' ? true : undefined), 20_000);
    expect(lookFor({ by, owner: me, shared: false })).toEqual({ is: 'gone' });
  });
});

describe('a process that is not certainly ours', () => {
  it('a process to end is never this one, init, or a whole group', async () => {
    const by = thisProcess();
    expect(await end({ by, owner: me, shared: false })).toMatchObject({ is: 'unsure' });
    for (const pid of [1, 0, -1, -by.pid, 1.5]) {
      const one = { ...by, pid, started: pid === 1 ? statusOf(1)[1] : by.started };
      expect((await end({ by: one, owner: pid === 1 ? 0 : me, shared: false })).is, String(pid)).toBe('unsure');
    }
  });

  it('a process of this user that is not kvdeploy is never ended, whatever a claim says', async () => {
    const argvs = [
      ['sleep', '60'],
      [process.execPath, script('server.js')],
      [process.execPath, script('server.js'), 'kvdeploy.js'],
      ['sh', '-c', 'sleep 60; true', 'kvdeploy.js'],
    ];
    for (const argv of argvs) {
      const { claimed, isThere } = await started(argv, argv[0] === process.execPath ? 'up' : undefined);
      expect(await end(claimed), argv.join(' ')).toMatchObject({
        is: 'unsure',
        why: expect.stringContaining('it is not kvdeploy'),
      });
      await pause();
      expect(isThere()).toBe(true);
    }
  });

  it('a process whose user does not own the file of the claim is never ended', async () => {
    const { claimed, isThere } = await kvdeploy();
    for (const owner of [me + 1, null]) {
      expect(await end({ ...claimed, owner })).toMatchObject({
        is: 'unsure',
        why: expect.stringContaining('claim was written by'),
      });
    }
    expect(isThere()).toBe(true);
  });

  it('a process of another user is ended by root only where that user owns the claim', async () => {
    if (!isRoot('a process of another user')) return;
    const { claimed, gone, isThere } = await started(
      ['setpriv', '--reuid=1234', '--regid=1234', '--clear-groups', process.execPath, script()],
      'up',
    );
    expect((await end({ ...claimed, owner: 0 })).is).toBe('unsure');
    expect(isThere()).toBe(true);
    expect(await end({ ...claimed, owner: 1234 })).toEqual({ is: 'gone' });
    expect(await gone).toBe('SIGKILL');
  });

  it('a process in another pid namespace is neither gone nor ended', async () => {
    const { claimed, isThere } = await kvdeploy();
    const elsewhere = { ...claimed, by: { ...claimed.by, pidNamespace: 'pid:[4026500000]' } };
    expect(await end(elsewhere)).toMatchObject({ is: 'unsure', why: expect.stringContaining('another pid namespace') });
    // Nor where its pid is free here.
    expect(lookFor({ ...elsewhere, by: { ...elsewhere.by, pid: 4_194_303 } })).toMatchObject({ is: 'unsure' });
    expect(lookFor({ ...claimed, by: { ...claimed.by, pid: 4_194_303 } })).toEqual({ is: 'gone' });
    expect(isThere()).toBe(true);
  });
});

/** What a process sees that was started by `argv` with a view of its own. */
describe('what hides processes', () => {
  const program = join(freshFolder(), 'identity.mjs');
  beforeAll(async () => {
    const entry = join(import.meta.dirname, '../../../src/base/changes/process-identity.ts');
    await build({ entryPoints: [entry], bundle: true, platform: 'node', format: 'esm', outfile: program });
    // Other users read it too.
    chmodSync(dirname(program), 0o755);
  });
  const seenBy = (claimed: Claimed, view: readonly string[]) => {
    const code = `const { lookFor, end } = await import(${JSON.stringify(program)});
      const claimed = ${JSON.stringify(claimed)};
      console.log(JSON.stringify([lookFor(claimed), await end(claimed)]));`;
    const argv = [...view, process.execPath, '--input-type=module', '-e', code];
    return JSON.parse(execFileSync(argv[0] ?? '', argv.slice(1), { encoding: 'utf8' })) as { is: string; why?: string }[];
  };
  const inMounts = (mount: string, ...then: readonly string[]) => [
    'unshare',
    '-m',
    'sh',
    '-c',
    `${mount} && exec "$@"`,
    'sh',
    ...then,
  ];
  const as1234 = ['setpriv', '--reuid=1234', '--regid=1234', '--clear-groups'];

  it.each([
    ['hidepid', inMounts('mount -t proc -o hidepid=2 proc /proc', ...as1234), /hidden/],
    ['a /proc that is not there', inMounts('umount -l /proc'), /no \/proc/],
    ['a folder called /proc', inMounts('mount -t tmpfs none /proc'), /no \/proc/],
    ['another pid namespace', ['unshare', '--pid', '--fork', '--mount-proc'], /another pid namespace/],
    ['another pid namespace that sees the /proc of the machine', ['unshare', '--pid', '--fork'], /another pid namespace/],
  ])('a living process is unsure through %s, not gone, and is not ended', async (what, view, why) => {
    if (!isRoot(what)) return;
    const { claimed, isThere } = await kvdeploy();
    for (const seen of seenBy(claimed, view)) expect(seen).toMatchObject({ is: 'unsure', why: expect.stringMatching(why) });
    expect(isThere()).toBe(true);
  });

  it('a process that is gone is gone under hidepid too', async () => {
    if (!isRoot('hidepid')) return;
    const { claimed, child, gone } = await kvdeploy();
    child.kill('SIGKILL');
    await gone;
    const [seen] = seenBy(claimed, inMounts('mount -t proc -o hidepid=2 proc /proc', ...as1234));
    expect(seen).toEqual({ is: 'gone' });
  });
});
