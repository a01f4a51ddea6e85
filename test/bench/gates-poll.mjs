/** Measures polls of the gates with 1,000 slices: time for each, and the size of the state. A million with `--full`. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { inFolder, ROOT } from './measure.mjs';

const SLICES = 1000;
const MOST_MS = 5;
/** Counts and logarithms get more digits, nothing else. */
const MOST_GROWTH = 1.4;
const asked = process.argv.slice(2).find((word) => /^\d+$/.test(word));
const polls = process.argv.includes('--full') ? 1_000_000 : Number(asked ?? 2000);
const calibrated = process.argv.includes('--calibrated');

/** A healthy poll: some slices had a failure somewhere, so that no stream is spared its work. */
function gatePoll(number) {
  const blocks = {};
  const whole = { candidate: { requests: 0, failures: 0 }, stable: { requests: 0, failures: 0 } };
  for (let slice = 0; slice < SLICES; slice += 1) {
    const mixed = (slice * 7919 + number * 104_729) % 1000;
    const block = {
      candidate: { requests: 15, failures: mixed < 15 ? 1 : 0 },
      stable: { requests: 285, failures: mixed < 285 ? 1 : 0 },
    };
    blocks[`slice-${slice}`] = block;
    for (const arm of ['candidate', 'stable']) {
      whole[arm].requests += block[arm].requests;
      whole[arm].failures += block[arm].failures;
    }
  }
  blocks[''] = whole;
  return { candidate: { state: 'counted' }, stable: { state: 'counted' }, blocks: { errors: blocks } };
}

await inFolder(async (folder) => {
  const core = (name) => `export * from ${JSON.stringify(join(ROOT, 'src', 'core', name))};`;
  const contents = ['evidence.ts', 'evidence-store.ts', 'gate-settings.ts', 'verdict.ts'].map(core).join('\n');
  const outfile = join(folder, 'core.mjs');
  await build({
    stdin: { contents, resolveDir: ROOT, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
    logLevel: 'error',
    nodePaths: [join(ROOT, 'node_modules')],
  });
  const { compactEvidence, feed, judge, METRIC_DEFAULTS, openEvidence, SETTINGS_DEFAULTS, weighted } = await import(
    pathToFileURL(outfile).href
  );
  const slices = Array.from({ length: SLICES }, (_, slice) => ({ name: `slice-${slice}`, part: 1 }));
  const metrics = weighted([{ ...METRIC_DEFAULTS, gate: 'errors', metric: 'errors', family: 'errors', slices }]);
  const settings = { ...SETTINGS_DEFAULTS, calibrated, metrics };
  const made = Array.from({ length: 10 }, (_, number) => gatePoll(number));
  const size = (evidence) => JSON.stringify(compactEvidence(evidence)).length;

  let evidence = openEvidence(settings, { atMs: 0, share: 0.05 });
  let early = 0;
  let slowest = 0;
  const began = performance.now();
  const cpuBegan = process.cpuUsage();
  for (let poll = 1; poll <= polls; poll += 1) {
    const from = performance.now();
    evidence = feed(settings, evidence, { atMs: poll * 15_000, gates: { errors: made[poll % made.length] } });
    judge(settings, evidence, { nowMs: poll * 15_000, nextShare: 0.25 });
    // The first polls are compiled while they run.
    if (poll > 20) slowest = Math.max(slowest, performance.now() - from);
    if (poll === Math.min(100, polls)) early = size(evidence);
  }
  const { user, system } = process.cpuUsage(cpuBegan);
  const eachMs = (performance.now() - began) / polls;
  // What the program costs; on a busy machine the clock says what its neighbours cost.
  const cpuMs = (user + system) / 1000 / polls;
  const late = size(evidence);
  console.log(
    `${polls} polls of ${SLICES} slices${calibrated ? ', calibrated' : ''}: ${cpuMs.toFixed(3)} ms of CPU each, ${eachMs.toFixed(3)} ms by the clock, the slowest ${slowest.toFixed(1)} ms`,
  );
  console.log(`state: ${early} bytes after 100 polls, ${late} after ${polls}`);
  if (cpuMs > MOST_MS || late > early * MOST_GROWTH) throw new Error('a poll takes too long, or the state grows');
});
