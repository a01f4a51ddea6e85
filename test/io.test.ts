import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NotAllowed } from '../src/base/changes/change.ts';
import { nodeIo } from '../src/io.ts';
import { freshFolder } from './fresh-folder.ts';

const yes = () => undefined;

describe('a program', () => {
  it('a program gets its arguments as they are, says what it said, and how it ended', async () => {
    const answer = await nodeIo.run(['sh', '-c', 'printf "%s\n" "$1"; echo oops >&2; exit 3', 'sh', '$HOME `x`'], 2_000, yes);
    expect(answer).toEqual({ exitCode: 3, stdout: '$HOME `x`\n', stderr: 'oops\n' });
  });

  it('a program gets its whole input, and one that reads none is judged by its exit code', async () => {
    const input = 'x'.repeat(300_000);
    expect(await nodeIo.run(['wc', '-c'], 10_000, yes, input)).toMatchObject({ exitCode: 0, stdout: '300000\n' });
    expect(await nodeIo.run(['true'], 10_000, yes, input)).toMatchObject({ exitCode: 0 });
    expect(await nodeIo.run(['cat'], 10_000, yes)).toMatchObject({ exitCode: 0, stdout: '' });
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
