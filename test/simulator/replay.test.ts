/** One command shows a failure again: the same story every time, and the shortest one that still fails. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { bundleSimulator } from './bundle.mjs';
import { askProgram } from './sweep.ts';

const PROGRAM = join(import.meta.dirname, '../../.cache/simulator/replay.mjs');

/** A fault that is seen soon: an entry is acknowledged before it is flushed, and the power goes. */
const EARLY = { file: 'src/stores/own-segment.ts', from: '      flush(this.#fd, path, fs);\n', to: '' };

function replay(seed: number) {
  const { status, stdout } = spawnSync(process.execPath, [PROGRAM, '--seed', `${seed}`], { encoding: 'utf8', timeout: 60_000 });
  return { status, stdout };
}

/** How many people, faults and mishaps a story has. */
function cast(story: string): number {
  return story.split('\n').filter((line) => /^ {2}(?:process|at \d|request)/.test(line)).length;
}

it('a simulation that fails is told line by line, shrunk, and the same every time', { timeout: 120_000 }, async () => {
  await bundleSimulator(PROGRAM, [EARLY]);
  const { failures } = await askProgram(PROGRAM, ['--seed', '1', '--count', '5000', '--until-failure']);
  const seed = failures[0]?.seed ?? Number.NaN;
  const { status, stdout } = replay(seed);
  expect(status).toBe(1);
  expect(replay(seed)).toEqual({ status, stdout });
  const [long = '', short = ''] = stdout.split('The shortest schedule that still fails');
  expect(long).toMatch(/^ {3}1 +\d+ ms {2}\S/m);
  expect(short).toContain('BROKEN');
  expect(short).toContain('power cut');
  expect(cast(short)).toBeLessThan(cast(long));
  expect(cast(short)).toBeLessThanOrEqual(4);
  expect(stdout.trimEnd().split('\n').at(-1)).toBe(`npm run simulate -- --seed ${seed}`);
});

it('a simulation that keeps every promise ends well', { timeout: 60_000 }, async () => {
  await bundleSimulator(PROGRAM.replace('replay', 'good'));
  const { status, stdout } = spawnSync(process.execPath, [PROGRAM.replace('replay', 'good'), '--seed', '1'], {
    encoding: 'utf8',
  });
  expect({ status, shrunk: stdout.includes('The shortest') }).toEqual({ status: 0, shrunk: false });
});
