/** Measures the engine in a simulation: its own time for each step, and its memory over a long bake and over many rollouts. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { loadTypeScript, report, rounded, spread, usageOf } from './measure.mjs';

const HOURS = 12;
const ROLLOUTS = 1000;
const rounds = Number(process.argv[2] ?? 7);

// Memory means what is left after a collection, and only this flag lets one be asked for.
if (globalThis.gc === undefined) {
  const args = ['--expose-gc', fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  process.exit(spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1);
}

const { bake, rollouts, walk } = await loadTypeScript('test/bench/simulated.ts');

function heapMb() {
  globalThis.gc();
  return process.memoryUsage().heapUsed / 1024 / 1024;
}

/** CPU milliseconds that 50 steps take more than 10, for one step. */
async function stepCosts() {
  const [short, long] = [10, 50];
  await walk(long);
  const costs = [];
  for (let round = 0; round < rounds; round += 1) {
    const [a, b] = [await usageOf(() => walk(short)), await usageOf(() => walk(long))];
    costs.push((b.cpuMs - a.cpuMs) / (long - short));
  }
  const [a, b] = [await walk(short), await walk(long)];
  const each = (of) => (of(b) - of(a)) / (long - short);
  return { cpuMs: spread(costs), entries: each(({ entries }) => entries), flushes: each(({ flushes }) => flushes) };
}

async function longBake() {
  const heap = [];
  const { entries, polls } = await bake(HOURS, () => heap.push(heapMb()));
  return { entries, polls, first: heap[0], last: heap.at(-1) };
}

/** Of each hundred: CPU time of a rollout, and of that what is not reading the ledger at its start, measured when half of them are over. */
async function manyRollouts() {
  const seen = [];
  let before = process.cpuUsage();
  let verifying = 0;
  const { entries } = await rollouts(ROLLOUTS, async (nth, verify) => {
    if (nth % 100 === 50) {
      const tries = [await usageOf(verify), await usageOf(verify), await usageOf(verify)].map(({ cpuMs }) => cpuMs);
      const spent = tries.reduce((sum, each) => sum + each, 0) * 1000;
      verifying = spread(tries).least;
      before = { user: before.user + spent, system: before.system };
    }
    if (nth % 100 !== 0) return;
    const { user, system } = process.cpuUsage();
    const each = (user + system - before.user - before.system) / 1000 / 100;
    seen.push({ each, rest: each - verifying, heap: heapMb() });
    before = process.cpuUsage();
  });
  return { entries, first: seen[0], last: seen.at(-1) };
}

const step = await stepCosts();
const long = await longBake();
const many = await manyRollouts();
const mb = (value) => `${rounded(value, 1)} MB`;
report({
  name: 'engine',
  title: 'The engine in a simulation without waiting',
  columns: ['what', 'figure', 'details'],
  rows: [
    [
      'one step: shift, converge, five polls',
      `${rounded(step.cpuMs.median, 1)} ms CPU`,
      `fastest ${rounded(step.cpuMs.least, 1)} ms`,
    ],
    ['entries and disk flushes of one step', `${rounded(step.entries, 1)} entries`, `${rounded(step.flushes, 1)} flushes`],
    [
      `memory after ${HOURS} hours of one bake, vs the first hour`,
      `×${rounded(long.last / long.first, 2)}`,
      `${mb(long.first)} to ${mb(long.last)}; ${rounded(long.polls)} polls, ${rounded(long.entries)} ledger entries`,
    ],
    [
      `memory after ${rounded(ROLLOUTS)} rollouts in one process, vs the first 100`,
      `×${rounded(many.last.heap / many.first.heap, 2)}`,
      `${mb(many.first.heap)} to ${mb(many.last.heap)}; ${rounded(many.entries)} ledger entries on the simulated disk, which is in memory too`,
    ],
    [
      'CPU time per rollout, last 100 vs first 100',
      `×${rounded(many.last.each / many.first.each, 1)}`,
      `${rounded(many.first.each, 1)} ms to ${rounded(many.last.each, 1)} ms: each rollout is a process that first verifies the whole ledger`,
    ],
    [
      'the same without verifying the ledger',
      many.last.rest > 0 ? `×${rounded(many.last.rest / many.first.rest, 1)}` : 'not measurable',
      many.last.rest > 0
        ? `${rounded(many.first.rest, 1)} ms to ${rounded(many.last.rest, 1)} ms`
        : `${rounded(many.first.rest, 1)} ms; later values are smaller than the variation of the verification`,
    ],
  ],
  missed: long.last / long.first > 1.2 ? ['flat: a long bake needs no more memory than a short one'] : [],
});
