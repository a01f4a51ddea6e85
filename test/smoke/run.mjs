/** Runs the built kvdeploy on the given Nodes (default: this one): every bundle must load there. Ends with `N passed, N failed`. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const bin = join(root, 'bin', 'kvdeploy.js');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const nodes = process.argv.length > 2 ? process.argv.slice(2) : [process.execPath];

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

/** Arguments, standard input, exit code, and what must be said. */
const RUNS = [
  [['--version'], '', 0, new RegExp(`^${version}\\n$`)],
  [['--help'], '', 0, /rollback/],
  [['validate', '-'], MANIFEST, 0, /./],
  [['validate', '-'], MANIFEST.replace('sequence: 41', 'sequence: x'), 2, /sequence/],
  [['validate', '-', '--format', 'json'], MANIFEST, 0, /^\s*[{[]/],
  [['no-such-command'], '', 2, /no-such-command/],
  [['schema', 'command-read'], '', 0, /smallestPercent/],
  [['conformance', '--', '/bin/false'], '', 2, /NO_TERMINAL/],
  [['rollback', '--break-glass', '--env', 'production', '--reason', 'smoke', '--confirm', 'production'], '', undefined, /./],
];

function smoke(node) {
  const home = mkdtempSync(join(tmpdir(), 'kvdeploy-smoke-'));
  writeFileSync(join(home, 'package.json'), '{}');
  const env = { PATH: process.env.PATH, HOME: home, LANG: 'C.UTF-8', KVDEPLOY_STATE_DIR: join(home, 'state') };
  const faults = RUNS.flatMap(([args, input, exitCode, pattern]) => {
    const { status, stdout, stderr } = spawnSync(node, [bin, ...args], {
      cwd: home,
      env,
      input,
      encoding: 'utf8',
      timeout: 20_000,
    });
    const asExpected = exitCode === undefined ? status !== null && status > 1 : status === exitCode;
    // A stack trace means that a bundle did not load, or a bug.
    const isFine = asExpected && pattern.test(stdout + stderr) && !/^\s+at .*\(?(?:file|node):/m.test(stderr);
    return isFine ? [] : [`kvdeploy ${args.join(' ')}: exit ${status}\n${stdout}${stderr}`];
  });
  rmSync(home, { recursive: true });
  return faults;
}

let failed = 0;
for (const node of nodes) {
  const faults = smoke(node);
  failed += faults.length;
  const name = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
  console.log(`Node ${name}: ${RUNS.length - faults.length} of ${RUNS.length} as expected`);
  for (const fault of faults) console.error(`FAILED on ${name}: ${fault}`);
}
process.exitCode = failed === 0 ? 0 : 1;
console.log(`${nodes.length * RUNS.length - failed} passed, ${failed} failed`);
