/** Measures how much longer kvdeploy takes to start than bare Node, interleaved so that a busy machine harms both alike. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const bin = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'bin', 'kvdeploy.js');
const home = mkdtempSync(join(tmpdir(), 'kvdeploy-bench-'));
const rounds = Number(process.argv[2] ?? 11);

/** Name, arguments, and the most milliseconds over bare Node that are wanted. */
const RUNS = [
  ['bare node', ['-e', '0'], 0],
  ['--version', [bin, '--version'], 40],
  ['--help', [bin, '--help'], 80],
  ['validate', [bin, 'validate', '-'], 200],
];

function once(args) {
  const began = performance.now();
  // A clean environment: NODE_EXTRA_CA_CERTS alone costs every start of Node 20 some 70 ms (nodejs/node#40524).
  spawnSync(process.execPath, args, { cwd: home, env: { PATH: process.env.PATH, HOME: home }, input: 'a: 1\n' });
  return performance.now() - began;
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

const times = RUNS.map(() => []);
for (let round = 0; round < rounds; round += 1) {
  for (const [index, [, args]] of RUNS.entries()) times[index].push(once(args));
}
rmSync(home, { recursive: true });

const bare = median(times[0]);
console.log(`Node ${process.version}, median of ${rounds} interleaved runs (fastest run)`);
RUNS.forEach(([name, , most], index) => {
  const middle = median(times[index]);
  const over = index === 0 ? '' : `  x${(middle / bare).toFixed(2)}  +${(middle - bare).toFixed(0)} ms of +${most} ms wanted`;
  console.log(`${name.padEnd(10)}  ${middle.toFixed(0).padStart(4)} ms (${Math.min(...times[index]).toFixed(0)})${over}`);
});
