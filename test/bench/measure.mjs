/** What every benchmark shares: clean runs, medians, a table, and the file that the figures page is made from. Must not judge. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

export const ROOT = join(import.meta.dirname, '..', '..');
export const BIN = join(ROOT, 'bin', 'kvdeploy.js');

/** The middle value, and the least: on a busy machine the least says what the program costs. */
export function spread(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: sorted[Math.floor(sorted.length / 2)], least: sorted[0] };
}

/** Calls each of `acts` once a round, so that a busy machine harms all of them alike; returns the values of each. */
export function interleaved(acts, rounds) {
  const values = acts.map(() => []);
  for (let round = 0; round < rounds; round += 1) for (const [index, act] of acts.entries()) values[index].push(act());
  return values;
}

/** A folder that is gone after `act`. */
export async function inFolder(act) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'kvdeploy-bench-')));
  try {
    return await act(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs Node to its end in a clean environment: NODE_EXTRA_CA_CERTS alone costs every start of Node 20 some 70 ms (nodejs/node#40524). */
export function runNode(args, folder, options = {}) {
  const env = { PATH: process.env.PATH, HOME: folder, LANG: 'C.UTF-8' };
  return spawnSync(process.execPath, args, { cwd: folder, env, encoding: 'utf8', ...options });
}

/** The same, and how long it took. An exit code that is not expected is an error: a refusal would be quick, and prove nothing. */
export function timeNode(args, folder, { exitCode = 0, ...options } = {}) {
  const began = performance.now();
  const { status, stdout, stderr } = runNode(args, folder, options);
  const ms = performance.now() - began;
  if (status !== exitCode) throw new Error(`${args.join(' ')}: exit ${status}\n${stdout}${stderr}`);
  return ms;
}

/** Runs Node as timeNode does, and says what the process used: milliseconds of CPU, megabytes of memory at the most, how long it took. */
export function usageOfNode(args, folder, options = {}) {
  const file = join(folder, 'usage.json');
  const hook = join(folder, 'usage.cjs');
  const written = `require('node:fs').writeFileSync(${JSON.stringify(file)}, JSON.stringify(process.resourceUsage()))`;
  writeFileSync(hook, `process.on('exit', () => ${written});\n`);
  const ms = timeNode(['--require', hook, ...args], folder, options);
  const { maxRSS, userCPUTime, systemCPUTime } = JSON.parse(readFileSync(file, 'utf8'));
  return { ms, cpuMs: (userCPUTime + systemCPUTime) / 1000, mostMb: maxRSS / 1024 };
}

/** The same of something done in this process. */
export async function usageOf(act) {
  const [began, before] = [performance.now(), process.cpuUsage()];
  await act();
  const { user, system } = process.cpuUsage(before);
  return { ms: performance.now() - began, cpuMs: (user + system) / 1000 };
}

/** The exports of a TypeScript file of this repository. */
export async function loadTypeScript(path) {
  return inFolder(async (folder) => {
    const outfile = join(folder, 'bundle.mjs');
    await build({
      absWorkingDir: ROOT,
      entryPoints: [path],
      bundle: true,
      format: 'esm',
      platform: 'node',
      outfile,
      logLevel: 'error',
      define: { KVDEPLOY_VERSION: JSON.stringify('bench') },
      banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
    });
    return import(pathToFileURL(outfile).href);
  });
}

export function rounded(value, digits = 0) {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/**
 * Prints the table and keeps it in .cache/bench/. `rows` are texts, the figure that does not depend on the machine first;
 * `missed` are the aims that were not reached.
 */
export function report({ name, title, columns, rows, notes = [], missed = [] }) {
  const all = [columns, ...rows];
  const widths = columns.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  console.log(`${title}\n`);
  for (const row of all)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    );
  for (const note of [...notes, ...missed.map((aim) => `AIM MISSED: ${aim}`)]) console.log(`\n${note}`);
  const machine = {
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: cpus().length,
    node: process.versions.node,
    kernel: release(),
    load: loadavg()[0],
  };
  const folder = join(ROOT, '.cache', 'bench');
  mkdirSync(folder, { recursive: true });
  const figures = { name, title, date: new Date().toISOString(), machine, columns, rows, notes, missed };
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(figures, null, 1)}\n`);
}
