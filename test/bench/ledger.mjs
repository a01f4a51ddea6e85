/** Measures how long a ledger of 100,000 entries takes to verify, held against SHA-256 over the same bytes in the same process. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BIN, inFolder, loadTypeScript, report, rounded, spread, usageOf, usageOfNode } from './measure.mjs';

const ENTRIES = 100_000;
const AIM_MS = 1000;
const AIM_INCREMENT_MS = 20;
const INCREMENTS = 200;
const rounds = Number(process.argv[2] ?? 7);

const { readIncrements, readLedger, writeLedger } = await loadTypeScript('test/bench/long-ledger.ts');

function hashAll(dir) {
  const hash = createHash('sha256');
  for (const name of readdirSync(dir).sort()) hash.update(readFileSync(join(dir, name)));
  hash.digest();
}

await inFolder(async (folder) => {
  const stateDir = join(folder, 'state');
  const written = await writeLedger(stateDir, ENTRIES);
  const dir = join(stateDir, 'acme', 'production', 'kv-gateway', 'ledger');
  const used = { hashed: [], verified: [], commands: [], increments: [] };
  const history = [BIN, 'history', '--env', 'production', '--state-dir', stateDir, '--limit', '1', '--json'];
  for (let round = 0; round < rounds; round += 1) {
    used.hashed.push(await usageOf(() => hashAll(dir)));
    used.verified.push(await usageOf(() => readLedger(stateDir)));
    used.commands.push(usageOfNode(history, folder));
  }
  await readIncrements(stateDir, INCREMENTS, async (read) => {
    used.increments.push(await usageOf(read));
  });
  const cpuOf = (usages) => spread(usages.map(({ cpuMs }) => cpuMs)).least;
  const row = (name, usages, aim, digits = 0) => [
    name,
    `×${rounded(cpuOf(usages) / cpuOf(used.hashed), digits + 1)}`,
    `${rounded(cpuOf(usages), digits)} ms`,
    aim,
    `${rounded(spread(usages.map(({ ms }) => ms)).least, digits)} ms`,
  ];
  const moreMs = spread(used.increments.map(({ ms }) => ms)).median;
  report({
    name: 'ledger',
    title: `Ledger of ${rounded(written.entries)} entries: ${rounds} interleaved runs`,
    columns: ['operation', 'vs SHA-256', 'minimum CPU time', 'target', 'fastest run'],
    rows: [
      row('read the files and compute their SHA-256', used.hashed, ''),
      row('verify every entry: chain, schema, claims', used.verified, `${rounded(AIM_MS)} ms`),
      row('verify one new entry, in a process that has verified the rest', used.increments, `${AIM_INCREMENT_MS} ms`, 2),
      row('kvdeploy history --limit 1, the whole process', used.commands, ''),
    ],
    notes: [
      `${rounded(written.bytes / 1e6, 1)} MB in ${rounded(written.segments)} segments; each is a rollout of five steps as the engine writes it. One new entry: median ${rounded(moreMs, 2)} ms of ${INCREMENTS}.`,
    ],
    missed: [
      ...(cpuOf(used.verified) > AIM_MS ? [`verify every entry within ${rounded(AIM_MS)} ms`] : []),
      ...(moreMs > AIM_INCREMENT_MS ? [`verify one new entry within ${AIM_INCREMENT_MS} ms`] : []),
    ],
  });
});
