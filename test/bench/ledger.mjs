/** Measures how long a ledger of 100,000 entries takes to verify, held against SHA-256 over the same bytes in the same process. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BIN, inFolder, loadTypeScript, report, rounded, spread, usageOf, usageOfNode } from './measure.mjs';

const ENTRIES = 100_000;
const AIM_MS = 1000;
const rounds = Number(process.argv[2] ?? 7);

const { readLedger, writeLedger } = await loadTypeScript('test/bench/long-ledger.ts');

function hashAll(dir) {
  const hash = createHash('sha256');
  for (const name of readdirSync(dir).sort()) hash.update(readFileSync(join(dir, name)));
  hash.digest();
}

await inFolder(async (folder) => {
  const stateDir = join(folder, 'state');
  const written = await writeLedger(stateDir, ENTRIES);
  const dir = join(stateDir, 'acme', 'production', 'kv-gateway', 'ledger');
  const used = { hashed: [], verified: [], commands: [] };
  const history = [BIN, 'history', '--env', 'production', '--state-dir', stateDir, '--limit', '1', '--json'];
  for (let round = 0; round < rounds; round += 1) {
    used.hashed.push(await usageOf(() => hashAll(dir)));
    used.verified.push(await usageOf(() => readLedger(stateDir)));
    used.commands.push(usageOfNode(history, folder));
  }
  const cpuOf = (usages) => spread(usages.map(({ cpuMs }) => cpuMs)).least;
  const row = (name, usages, aim) => [
    name,
    `×${rounded(cpuOf(usages) / cpuOf(used.hashed), 1)}`,
    `${rounded(cpuOf(usages))} ms`,
    aim,
    `${rounded(spread(usages.map(({ ms }) => ms)).least)} ms`,
  ];
  report({
    name: 'ledger',
    title: `Ledger of ${rounded(written.entries)} entries: ${rounds} interleaved runs`,
    columns: ['what', 'to SHA-256', 'CPU time, least', 'aim', 'fastest run'],
    rows: [
      row('the files read and SHA-256 over them', used.hashed, ''),
      row('every entry verified: chain, schema, claims', used.verified, `${rounded(AIM_MS)} ms`),
      row('kvdeploy history --limit 1, the whole process', used.commands, ''),
    ],
    notes: [
      `${rounded(written.bytes / 1e6, 1)} MB in ${rounded(written.segments)} segments, each one rollout of five steps as the engine writes it.`,
    ],
    missed: cpuOf(used.verified) > AIM_MS ? [`verified within ${rounded(AIM_MS)} ms`] : [],
  });
});
