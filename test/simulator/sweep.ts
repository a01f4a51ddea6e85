/** Lives through random simulations in two processes, and says which of them broke a promise, with the command that shows one again. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'vitest';
import { recordReliability } from '../reliability.ts';
import { bundleSimulator } from './bundle.mjs';
import { never, table, together } from './coverage.ts';
import type { Found } from './program.ts';

const ROOT = join(import.meta.dirname, '../..');
const WORKERS = 2;

interface Sweep {
  /** Of the line in the reliability table. */
  readonly name: string;
  readonly seed: number;
  /** So many simulations, or as many as fit into these seconds. */
  readonly schedules: number;
  readonly seconds: number;
}

/** Prints how many simulations had each trouble and each end. Every one must have been met, or the simulations are too much alike to prove anything. */
export async function sweepSimulations({ name, seed, schedules: wanted, seconds }: Sweep): Promise<void> {
  const program = join(ROOT, '.cache/simulator', `${name}.mjs`);
  await bundleSimulator(program);
  const began = performance.now();
  const limits = ['--stride', `${WORKERS}`, '--count', `${Math.ceil(wanted / WORKERS)}`, '--seconds', `${seconds}`];
  const found = await Promise.all(
    Array.from({ length: WORKERS }, (_, worker) => askProgram(program, ['--seed', `${seed + worker}`, ...limits])),
  );
  const schedules = sum(found.map((one) => one.schedules));
  const rate = Math.round(schedules / sum(found.map((one) => one.cpuSeconds)));
  const failures = found.flatMap((one) => one.failures);
  const figures = {
    what: `random simulations (${rate} per second on one core)`,
    points: schedules,
    failures: failures.length,
  };
  recordReliability({ name, ...figures, seconds: (performance.now() - began) / 1000, seed: String(seed) });
  const troubles = together(found.map((one) => one.troubles));
  const ends = together(found.map((one) => one.ends));
  process.stdout.write(`${schedules} schedules from seed ${seed} on, ${rate} a second of one core\n${table(troubles, ends)}\n`);
  const shown = failures.slice(0, 10).map((one) => `npm run simulate -- --seed ${one.seed}   # ${one.problems.join('; ')}`);
  // At once, in case that nobody lets the run end.
  if (shown.length > 0) process.stdout.write(`${shown.join('\n')}\n`);
  expect(shown, `${failures.length} of ${schedules} simulations`).toEqual([]);
  expect(never(troubles, ends), `never met in ${schedules} simulations`).toEqual([]);
}

/** Runs a simulator; what it prints is one line of JSON. */
export function askProgram(program: string, args: readonly string[]): Promise<Found> {
  // Most of what a simulation makes lives only as long as that simulation does; and the other core has a simulator of its own.
  const child = spawn(process.execPath, ['--max-semi-space-size=16', '--single-threaded-gc', program, '--json', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (text === '') reject(new Error(`the simulator ended with ${code} and said nothing`));
      else resolve(JSON.parse(text) as Found);
    });
  });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}
