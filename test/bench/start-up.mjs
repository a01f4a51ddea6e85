/** Measures how much longer kvdeploy takes to start than bare Node, interleaved so that a busy machine harms both alike. */
import { BIN, inFolder, interleaved, report, rounded, spread, timeNode } from './measure.mjs';

const rounds = Number(process.argv[2] ?? 25);

const MANIFEST = `apiVersion: kvdeploy.dev/v1
kind: ReleaseManifest
tenant: acme
environment: production
service: kv-gateway
builds:
  - guid: 7c9e6679-7425-40de-944b-e07fc1f90ae7
    version: 2026.11.21-3
    digest: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    sequence: 41
    createdAt: 2026-11-21T09:12:00Z
    ref: green
`;

/** Name, arguments, and the most milliseconds over bare Node that are wanted. */
const RUNS = [
  ['bare Node', ['-e', '0'], 0],
  ['kvdeploy --version', [BIN, '--version'], 40],
  ['kvdeploy --help', [BIN, '--help'], 80],
  ['kvdeploy validate', [BIN, 'validate', '-'], 200],
];

await inFolder((folder) => {
  const acts = RUNS.map(
    ([, args]) =>
      () =>
        timeNode(args, folder, { input: MANIFEST }),
  );
  const spreads = interleaved(acts, rounds).map(spread);
  const bare = spreads[0];
  const rows = RUNS.map(([name, , most], index) => {
    const { median, least } = spreads[index];
    const over =
      index === 0 ? ['', '', ''] : [`+${rounded(median - bare.median)} ms`, `+${rounded(least - bare.least)} ms`, `+${most} ms`];
    return [name, `×${rounded(least / bare.least, 2)}`, ...over, `${rounded(median)} ms`, `${rounded(least)} ms`];
  });
  const missed = RUNS.flatMap(([name, , most], index) =>
    index > 0 && spreads[index].least - bare.least > most ? [`${name}: at most bare Node +${most} ms`] : [],
  );
  report({
    name: 'start-up',
    title: `Start-up: ${rounds} interleaved runs of each`,
    columns: ['command', 'vs bare Node', 'added, median', 'added, fastest', 'target', 'median', 'fastest'],
    rows,
    missed,
  });
});
