import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NotAllowed } from '../src/base/changes/change.ts';
import { nodeIo, type ProcessIdentity } from '../src/io.ts';
import { freshFolder } from './fresh-folder.ts';

const yes = () => undefined;

function startOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

/** A process that sleeps, and who it is. */
async function sleeper() {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  await new Promise((resolve) => child.once('spawn', resolve));
  const one: ProcessIdentity = { ...nodeIo.self(), pid: Number(child.pid), started: startOf(Number(child.pid)) };
  return { child, one };
}

describe('a process', () => {
  it('a process is running, is ended exactly, and is gone then', async () => {
    const { child, one } = await sleeper();
    expect(nodeIo.isRunning(one)).toBe(true);
    expect(await nodeIo.end(one)).toBe(true);
    expect(nodeIo.isRunning(one)).toBe(false);
    await new Promise((resolve) => (child.signalCode === null ? child.once('exit', resolve) : resolve(undefined)));
    expect(child.signalCode).toBe('SIGKILL');
  });

  it('a process is ended although it is stopped', async () => {
    const { child, one } = await sleeper();
    child.kill('SIGSTOP');
    expect(await nodeIo.end(one)).toBe(true);
  });

  it('a process is not taken for another one that got its number, and that one is left alone', async () => {
    const { child, one } = await sleeper();
    for (const former of [
      { ...one, started: `${Number(one.started) - 100}` },
      { ...one, boot: 'before the restart' },
    ]) {
      expect(nodeIo.isRunning(former)).toBe(false);
      expect(await nodeIo.end(former)).toBe(true);
    }
    expect(nodeIo.isRunning(one)).toBe(true);
    child.kill('SIGKILL');
  });

  it('a process on another host is neither running here nor ended from here', async () => {
    const { child, one } = await sleeper();
    expect(nodeIo.isRunning({ ...one, host: 'elsewhere' })).toBe(false);
    expect(await nodeIo.end({ ...one, host: 'elsewhere' })).toBe(false);
    expect(nodeIo.isRunning(one)).toBe(true);
    child.kill('SIGKILL');
  });

  it('a process that ended and was not reaped yet counts as gone', async () => {
    const parent = spawn('sh', ['-c', 'sleep 0.01 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
    const pid = Number(await new Promise((resolve) => parent.stdout.once('data', resolve)));
    const one = { ...nodeIo.self(), pid, started: startOf(pid) };
    const deadline = performance.now() + 5_000;
    while (!readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ') && performance.now() < deadline) await nodeIo.sleep(5);
    expect(nodeIo.isRunning(one)).toBe(false);
    parent.kill('SIGKILL');
  });

  it('a process to end is never this one, init, or a whole group', async () => {
    const me = nodeIo.self();
    expect(nodeIo.isRunning(me)).toBe(true);
    expect(await nodeIo.end(me)).toBe(false);
    for (const pid of [1, 0, -1, -me.pid, 1.5]) {
      const one = { ...me, pid };
      expect(nodeIo.isRunning(one) && (await nodeIo.end(one))).toBe(false);
    }
  });
});

describe('a program', () => {
  it('a program gets its arguments as they are, says what it said, and how it ended', async () => {
    const answer = await nodeIo.run(['sh', '-c', 'printf "%s\n" "$1"; echo oops >&2; exit 3', 'sh', '$HOME `x`'], 2_000, yes);
    expect(answer).toEqual({ exitCode: 3, stdout: '$HOME `x`\n', stderr: 'oops\n' });
  });

  it('a program is not started where that is not allowed', async () => {
    const mark = join(freshFolder(), 'mark');
    await expect(nodeIo.run(['touch', mark], 2_000, () => 'held')).rejects.toThrow(NotAllowed);
    expect(existsSync(mark)).toBe(false);
  });

  it('a program gets no secrets of this process', async () => {
    process.env.KVDEPLOY_TEST_SECRET = 'hush';
    const { stdout } = await nodeIo.run(['env'], 2_000, yes);
    delete process.env.KVDEPLOY_TEST_SECRET;
    expect(stdout).toMatch(/^PATH=/m);
    expect(stdout).not.toContain('hush');
  });

  it('a program that is late is killed with all that it started', async () => {
    const mark = join(freshFolder(), 'mark');
    const start = performance.now();
    await expect(nodeIo.run(['sh', '-c', `(trap "" TERM; sleep 2; touch ${mark}) & wait`], 100, yes)).rejects.toThrow(
      /within 100 ms/,
    );
    expect(performance.now() - start).toBeLessThan(1_900);
    await nodeIo.sleep(2_100 - (performance.now() - start));
    expect(existsSync(mark)).toBe(false);
  });

  it('a program that cannot be started, or says too much, is an error', async () => {
    await expect(nodeIo.run(['/no/such/program'], 2_000, yes)).rejects.toThrow(/no\/such\/program/);
    await expect(nodeIo.run(['./here'], 2_000, yes)).rejects.toThrow(/absolute/);
    await expect(nodeIo.run([], 2_000, yes)).rejects.toThrow(/name/);
    await expect(nodeIo.run(['sh', '-c', 'head -c 3000000 /dev/zero'], 2_000, yes)).rejects.toThrow(/more than/);
  });
});

describe('sleeping', () => {
  it('a sleep ends at once when it is called off, and never rejects', async () => {
    const start = performance.now();
    await nodeIo.sleep(10_000, AbortSignal.timeout(20));
    await nodeIo.sleep(10_000, AbortSignal.abort());
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});

it('a random id has twelve hex digits and is another one every time', () => {
  const ids = new Set(Array.from({ length: 1_000 }, nodeIo.randomId));
  expect(ids.size).toBe(1_000);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{12}$/);
});
