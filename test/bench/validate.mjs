/** Measures `validate` of 100, 1,000 and 10,000 manifests: time for each manifest, and memory at the most. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BIN, inFolder, report, rounded, spread, usageOfNode } from './measure.mjs';

const COUNTS = [1, 100, 1000, 10_000];
/** The list of builds that all files are held against must be kept; nothing else may grow with them. */
const FLAT_MB = 100;
const rounds = Number(process.argv[2] ?? 3);

function guidOf(number) {
  return `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`;
}

function manifest(number) {
  const builds = [1, 2, 3].map((sequence) => {
    const guid = guidOf(number * 10 + sequence);
    return `  - guid: ${guid}
    version: 2026.11.${sequence}
    digest: sha256:${guid.replaceAll('-', '').repeat(2)}
    sequence: ${sequence}
    createdAt: 2026-11-21T09:1${sequence}:00Z
    ref: ${sequence === 2 ? 'green' : 'blue'}
`;
  });
  return `apiVersion: kvdeploy.dev/v1
kind: ReleaseManifest
tenant: acme
environment: production
service: service-${number}
builds:
${builds.join('')}`;
}

/** A fresh folder with `count` manifests, a service for each. */
function checkout(folder, count) {
  rmSync(join(folder, 'releases'), { recursive: true, force: true });
  mkdirSync(join(folder, 'releases', 'production'), { recursive: true });
  for (let number = 1; number <= count; number += 1)
    writeFileSync(join(folder, 'releases', 'production', `service-${number}.yaml`), manifest(number));
}

await inFolder((folder) => {
  const measured = COUNTS.map((count) => {
    checkout(folder, count);
    const usages = Array.from({ length: rounds }, () => usageOfNode([BIN, 'validate'], folder));
    const middle = (of) => spread(usages.map(of)).median;
    return { count, cpuMs: middle(({ cpuMs }) => cpuMs), ms: middle(({ ms }) => ms), mostMb: middle(({ mostMb }) => mostMb) };
  });
  const [one, hundred, thousand, all] = measured;
  /** What one more manifest costs, the start of the process left out. */
  const each = ({ cpuMs, count }) => (cpuMs - one.cpuMs) / (count - 1);
  const rows = measured.map((at) => [
    rounded(at.count),
    at === one || at === hundred ? '' : `×${rounded(each(at) / each(thousand), 2)}`,
    `×${rounded(at.mostMb / hundred.mostMb, 2)}`,
    at === one ? '' : `${rounded(each(at), 2)} ms`,
    `${rounded(at.ms)} ms`,
    `${rounded(at.mostMb)} MB`,
  ]);
  const missed = [
    ...(each(all) / each(thousand) > 1.5
      ? ['linear: with 10,000 manifests, each costs at most 1.5 times as much as with 1,000']
      : []),
    ...(all.mostMb - hundred.mostMb > FLAT_MB ? [`flat: 10,000 take at most ${FLAT_MB} MB more than 100`] : []),
  ];
  report({
    name: 'validate',
    title: `validate, many manifests with three builds each: median of ${rounds} runs`,
    columns: ['manifests', 'CPU each, vs 1,000', 'memory, vs 100', 'CPU time each', 'whole process', 'peak memory'],
    rows,
    notes: [
      `Linear: with 10,000 manifests, each costs ×${rounded(each(all) / each(thousand), 2)} as much as with 1,000. Memory: ${rounded(((all.mostMb - thousand.mostMb) * 1024) / (all.count - thousand.count), 1)} kB per additional manifest with three builds; all builds are checked against each other.`,
    ],
    missed,
  });
});
