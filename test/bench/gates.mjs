/**
 * Compares gates in simulation, in two processes: `--quick` for a first look, `--scale 4` for four times the runs, `--seed N` for other chance,
 * `--only hours` for one experiment, `--record FILE` for what a later version shows as the version before.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadTypeScript, ROOT } from './measure.mjs';

const PROCESSES = 2;
const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    seed: { type: 'string', default: '20261121' },
    scale: { type: 'string', default: '1' },
    part: { type: 'string' },
    only: { type: 'string' },
    record: { type: 'string' },
  },
});
const seed = Number(values.seed);
const scale = values.quick ? 0.01 : Number(values.scale);
const { BEFORE_COMMIT, comparisonOf, keptRows, runPart } = await loadTypeScript('test/bench/gates/comparison.ts');

/** The rows of one part, from a process of its own; a part that fails fails the whole. */
function partElsewhere(part) {
  const only = values.only === undefined ? [] : ['--only', values.only];
  const args = [
    fileURLToPath(import.meta.url),
    '--part',
    String(part),
    '--seed',
    values.seed,
    '--scale',
    values.scale,
    ...only,
    ...(values.quick ? ['--quick'] : []),
  ];
  const { NODE_EXTRA_CA_CERTS: _unwanted, ...env } = process.env;
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], env });
  const texts = [];
  child.stdout.on('data', (text) => texts.push(text));
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('close', (code) => {
      if (code !== 0) failed(new Error(`part ${part} ended with exit code ${code}`));
      else
        done(
          Buffer.concat(texts)
            .toString()
            .trim()
            .split('\n')
            .filter(Boolean)
            .map((line) => JSON.parse(line)),
        );
    });
  });
}

function print({ title, columns, rows }) {
  console.log(`\n${title}\n`);
  for (const row of [columns, ...rows]) console.log(row.map((cell) => cell.replaceAll('**', '')).join(' | '));
}

/** One row a line. The commit is that of the product's code that was measured. */
function record(path, rows) {
  const { stdout } = spawnSync('git', ['log', '-1', '--format=%h %s'], { cwd: ROOT, encoding: 'utf8' });
  const kept = keptRows(rows).map((row) => `    ${JSON.stringify(row)}`);
  const head = { commit: stdout.trim(), seed, scale };
  writeFileSync(path, `${JSON.stringify(head, null, 2).replace(/\n}$/, ',')}\n  "rows": [\n${kept.join(',\n')}\n  ]\n}\n`);
}

async function compare() {
  const began = performance.now();
  console.log(`seed ${seed}`);
  const parts = await Promise.all(Array.from({ length: PROCESSES }, (_, part) => partElsewhere(part)));
  const rows = parts
    .flat()
    .sort((a, b) => a.index - b.index)
    .flatMap(({ rows: found }) => found);
  if (values.record !== undefined) record(values.record, rows);
  const { tables, missed } = comparisonOf(rows, seed);
  for (const table of tables) print(table);
  for (const aim of missed) console.log(`\nAIM MISSED: ${aim}`);
  const machine = {
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: cpus().length,
    node: process.versions.node,
    kernel: release(),
    load: loadavg()[0],
  };
  const seconds = (performance.now() - began) / 1000;
  // A quick look, or one at a part, must not become the page.
  const isQuick = values.quick || values.only !== undefined;
  const name = isQuick ? 'gates-quick' : 'gates';
  const figures = {
    name,
    date: new Date().toISOString(),
    seed,
    scale,
    before: BEFORE_COMMIT,
    seconds,
    machine,
    tables,
    missed,
    rows,
  };
  mkdirSync(join(ROOT, '.cache', 'bench'), { recursive: true });
  writeFileSync(join(ROOT, '.cache', 'bench', `${name}.json`), `${JSON.stringify(figures, null, 1)}\n`);
}

if (values.part === undefined) await compare();
else {
  const part = { part: Number(values.part), parts: PROCESSES, scale, seed, only: values.only };
  runPart(part, (index, rows) => process.stdout.write(`${JSON.stringify({ index, rows })}\n`));
}
