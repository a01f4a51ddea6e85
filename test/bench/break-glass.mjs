/** Measures `rollback --break-glass` from the start of the process to the change made on disk, alone and beside a long ledger. */
import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BIN, inFolder, interleaved, loadTypeScript, report, rounded, runNode, spread } from './measure.mjs';

const ENTRIES = 100_000;
const AIM_MS = 60;
const AIM_LARGE_MS = 500;
const rounds = Number(process.argv[2] ?? 25);

const { writeLargePointer, writeLedger, writePointer } = await loadTypeScript('test/bench/long-ledger.ts');

/** Milliseconds from the start of the program to the last change of `file`: its ctime, which a rename sets too. */
function untilChanged(args, folder, file) {
  const beganMs = performance.timeOrigin + performance.now();
  const { status, stdout, stderr } = runNode(args, folder);
  if (status !== 0) throw new Error(`${args.join(' ')}: exit ${status}\n${stdout}${stderr}`);
  return Number(statSync(file, { bigint: true }).ctimeNs) / 1e6 - beganMs;
}

function rescueOf(stateDir) {
  const said = ['--reason', 'measuring how long it takes', '--env', 'production', '--confirm', 'production'];
  return [BIN, 'rollback', '--break-glass', ...said, '--state-dir', stateDir];
}

/** One rescue from a fresh start: the hold and the record of the last one are taken away, and the routes are another build's. */
function rescued(folder, name, write = writePointer) {
  const [stateDir, routes] = [join(folder, name), join(folder, `routes-${name}.json`)];
  write(stateDir, routes);
  return () => {
    rmSync(join(stateDir, 'acme', 'production', 'kv-gateway', 'pointer', 'hold'), { force: true });
    writeFileSync(routes, '{"serve":"blue"}\n');
    return untilChanged(rescueOf(stateDir), folder, routes);
  };
}

await inFolder(async (folder) => {
  const plain = join(folder, 'plain');
  const script = `require('node:fs').writeFileSync(${JSON.stringify(plain)}, 'x')`;
  const { entries } = await writeLedger(join(folder, 'long'), ENTRIES);
  const large = rescued(folder, 'large', writeLargePointer);
  const acts = [() => untilChanged(['-e', script], folder, plain), rescued(folder, 'short'), rescued(folder, 'long'), large];
  const names = [
    'bare Node that writes a file',
    'break-glass',
    `break-glass, ${rounded(entries)} ledger entries`,
    'break-glass, ten generations with 4,000 servers',
  ];
  const aims = [0, AIM_MS, AIM_MS, AIM_LARGE_MS];
  const spreads = interleaved(acts, rounds).map(spread);
  const bare = spreads[0];
  const over = ({ least }) => least - bare.least;
  report({
    name: 'break-glass',
    title: `Break-glass, from process start to the change made: ${rounds} interleaved runs of each`,
    columns: ['what', 'to bare Node', 'over it, medians', 'over it, fastest', 'aim', 'median', 'fastest'],
    rows: names.map((name, index) => {
      const { median, least } = spreads[index];
      const more =
        index === 0
          ? ['', '', '']
          : [`+${rounded(median - bare.median)} ms`, `+${rounded(least - bare.least)} ms`, `+${aims[index]} ms`];
      return [name, `×${rounded(least / bare.least, 2)}`, ...more, `${rounded(median)} ms`, `${rounded(least)} ms`];
    }),
    notes: [
      'The change is a write of the routes file. Before it, break-glass writes the record (who and why) and the hold, both durably (fsync).',
    ],
    missed: spreads.flatMap((each, index) =>
      index > 0 && over(each) > aims[index] ? [`${names[index]}: at most bare Node +${aims[index]} ms`] : [],
    ),
  });
});
