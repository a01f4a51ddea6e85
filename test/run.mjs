/** Runs the tests: builds first, sees to the servers that they need, and says at the end how many passed and failed. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const report = join(root, '.cache', 'vitest.json');
const project = process.argv.includes('--deep') ? 'deep' : 'quick';
const filters = process.argv.slice(2).filter((word) => word !== `--${project}`);

/** Program, and the Debian package that brings it. */
const NEEDED = [
  ['haproxy', 'haproxy'],
  ['prometheus', 'prometheus'],
  ['pre-commit', 'pre-commit'],
  ['strace', 'strace'],
  ['tmux', 'tmux'],
  ['git', 'git'],
  ['curl', 'curl'],
  ['sshd', 'openssh-server'],
  ['ssh', 'openssh-client'],
  ['script', 'bsdutils'],
  ['python3', 'python3'],
  ['spin', 'spin'],
  ['gcc', 'gcc libc6-dev'],
  ['openssl', 'openssl'],
];

/** It would cost every start of Node 20 some 70 ms (nodejs/node#40524), and nothing here needs it. */
const { NODE_EXTRA_CA_CERTS: _unwanted, ...env } = process.env;

/** The state of the tests must not lie on tmpfs, which kvdeploy refuses; on many machines /tmp is one. */
const TMPFS = 0x01021994;
if (statfsSync(tmpdir()).type === TMPFS) env.TMPDIR = '/var/tmp';

function run(command, args, options = {}) {
  return spawnSync(command, args, { cwd: root, stdio: 'inherit', env, ...options }).status ?? 1;
}

function isThere(program) {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];
  return folders.some((folder) => folder !== '' && existsSync(join(folder, program)));
}

function missing() {
  return NEEDED.filter(([program]) => !isThere(program));
}

/** Debian starts a service as soon as its package is there; exit code 101 of this file is its way of being told not to. */
function withoutStartingServices(action) {
  const policy = '/usr/sbin/policy-rc.d';
  if (existsSync(policy)) return action();
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    return action();
  } finally {
    rmSync(policy);
  }
}

function installCommand(packages) {
  return `apt-get update && apt-get install --yes --no-install-recommends ${packages.join(' ')}`;
}

function install(packages) {
  console.log(`Installing for the tests: ${packages.join(' ')}`);
  const options = { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  withoutStartingServices(() => run('sh', ['-c', installCommand(packages)], options));
}

/** True when every server is there. A missing one is never passed over in silence. */
function seeToServers() {
  const isRootOnDebian = process.getuid?.() === 0 && existsSync('/etc/debian_version');
  const packages = () => [...new Set(missing().map(([, name]) => name))];
  if (packages().length > 0 && isRootOnDebian) install(packages());
  const still = missing();
  if (still.length === 0) return true;
  console.error(
    `The tests need ${still.map(([program]) => program).join(', ')}. On Debian or Ubuntu: sudo sh -c '${installCommand(packages())}'`,
  );
  return false;
}

/** Passed and failed tests; a file that could not even be loaded, a skipped test and a crash each count as one failure. */
function count(exitCode) {
  if (!existsSync(report)) return { passed: 0, failed: 1 };
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(readFileSync(report, 'utf8'));
  const unloaded = testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length;
  const failed = numFailedTests + numPendingTests + numTodoTests + unloaded;
  return { passed: numPassedTests, failed: failed === 0 && exitCode !== 0 ? 1 : failed };
}

function runTests() {
  rmSync(report, { force: true });
  const args = ['run', '--config', '.config/vitest.config.ts', '--project', project, '--passWithNoTests'];
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  return count(run(process.execPath, ['node_modules/vitest/vitest.mjs', ...args, ...reporters, ...filters]));
}

function main() {
  if (run(process.execPath, ['.config/build.mjs']) !== 0) return { passed: 0, failed: 1 };
  const isReady = seeToServers();
  const { passed, failed } = isReady ? runTests() : { passed: 0, failed: 1 };
  return { passed, failed };
}

const { passed, failed } = main();
process.exitCode = failed === 0 ? 0 : 1;
console.log(`${passed} passed, ${failed} failed`);
