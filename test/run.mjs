/** Runs the tests: builds first, installs the programs that they need where it can, and ends with how many passed and failed. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { neededBy } from './needs.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const report = join(root, '.cache', 'vitest.json');
const project = process.argv.includes('--deep') ? 'deep' : 'quick';
const words = process.argv.slice(2).filter((word) => word !== `--${project}`);
/** Paths come first, then what is vitest's own. */
const firstOption = words.findIndex((word) => word.startsWith('-'));
const paths = firstOption === -1 ? words : words.slice(0, firstOption);
const options = words.slice(paths.length);
const SETUP = join(root, '.ci/setup');
/** There, what is missing is a failure; elsewhere it is skipped, and said. */
const isCi = process.env.CI === 'true';
const isRoot = process.getuid?.() === 0;
const isDebian = existsSync('/etc/debian_version');

/** It would cost every start of Node 20 some 70 ms (nodejs/node#40524), and nothing here needs it. */
const { NODE_EXTRA_CA_CERTS: _unwanted, ...env } = process.env;

/** The state of the tests must not lie on tmpfs, which kvdeploy refuses; on many machines /tmp is one. */
const TMPFS = 0x01021994;
if (statfsSync(tmpdir()).type === TMPFS) env.TMPDIR = '/var/tmp';

function run(command, args, options = {}) {
  return spawnSync(command, args, { cwd: root, stdio: 'inherit', env, ...options }).status ?? 1;
}

/** What tests may need and what is not here: programs, and the rights of root. */
function missing() {
  const { stdout, status } = spawnSync('bash', [SETUP, '--missing'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${SETUP} --missing failed`);
  const programs = stdout.split('\n').flatMap((line) => line.split(' ')[0] || []);
  return isRoot ? programs : [...programs, 'root'];
}

/** Every test file that this run is asked for, by the names of vitest.config.ts. */
function askedFor() {
  const files = readdirSync(join(root, 'test'), { recursive: true }).map((name) => `test/${name}`);
  const ofProject = files.filter((file) => file.endsWith('.test.ts') && file.endsWith('.deep.test.ts') === (project === 'deep'));
  return ofProject.filter((file) => paths.length === 0 || paths.some((path) => file.includes(normalize(path)))).sort();
}

/** Each file that cannot run here, with what it lacks. */
function lacking(files) {
  const absent = missing();
  if (absent.length === 0) return [];
  return files.map((file) => ({ file, lacks: neededBy(root, file, absent) })).filter(({ lacks }) => lacks.length > 0);
}

/** Installs what is missing where that can be done, and returns what still cannot run. */
function seeToPrograms(files) {
  const lack = lacking(files);
  if (lack.length === 0 || !isRoot || !isDebian) return lack;
  run('bash', [SETUP]);
  return lacking(files);
}

/** Names what was left out, by what is missing, and the one command that brings it. */
function tellLacking(lack) {
  const all = new Set(lack.flatMap(({ lacks }) => lacks));
  console.log(`${isCi ? 'Failed' : 'Skipped'}, because something is missing here: ${lack.length} test file(s)`);
  for (const what of all) {
    const files = lack.flatMap(({ file, lacks }) => (lacks.includes(what) ? [file] : []));
    console.log(`  ${what}: ${files.join(' ')}`);
  }
  const command = isRoot ? 'npm run setup' : 'sudo .ci/setup';
  if (all.has('root'))
    console.log('Only root may mount file systems and give files away: run the tests as root, in a container for example.');
  if (all.size > (all.has('root') ? 1 : 0))
    console.log(isDebian ? `To install the rest: ${command}` : 'To see what to install: npm run setup');
}

/** A busy machine may make this many quick tests miss their time; more than these are no accident. */
const RUN_AGAIN_AT_MOST = 5;

/** What a test said, and where in the tests it said so; the lines of the test runner itself say nothing. */
function shortened(messages) {
  const lines = messages
    .flatMap((message) => message.split('\n'))
    .filter((line) => !/node_modules|^\s+at new Promise/.test(line));
  return lines
    .slice(0, 20)
    .map((line) => `      ${line.slice(0, 300)}`)
    .join('\n');
}

/** The failed tests of the newest report, each with its file and its first lines; a file that could not be loaded is one. */
function failures() {
  if (!existsSync(report)) return [];
  return JSON.parse(readFileSync(report, 'utf8')).testResults.flatMap((file) => {
    const tests = file.assertionResults.filter((test) => test.status === 'failed');
    if (tests.length === 0 && file.status !== 'failed') return [];
    const said = tests.map((one) => `${one.fullName}\n${shortened(one.failureMessages)}`);
    return (tests.length === 0 ? [`cannot be loaded: ${file.message}`] : said).map((text) => ({
      file: relative(root, file.name),
      text,
    }));
  });
}

/** Passed and failed tests; a file that could not even be loaded, a skipped test and a crash each count as one failure. */
function count(exitCode) {
  if (!existsSync(report)) return { passed: 0, failed: 1 };
  const { numPassedTests, numPendingTests, numTodoTests } = JSON.parse(readFileSync(report, 'utf8'));
  const failed = failures().length + numPendingTests + numTodoTests;
  return { passed: numPassedTests, failed: failed === 0 && exitCode !== 0 ? 1 : failed };
}

function runVitest(words) {
  rmSync(report, { force: true });
  const args = ['run', '--config', '.config/vitest.config.ts', '--project', project, '--passWithNoTests'];
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  return count(run(process.execPath, ['node_modules/vitest/vitest.mjs', ...args, ...reporters, ...words]));
}

/** Names every failed test once more below all output, where a cut log still has it. */
function tellFailed(title, failed) {
  console.log(`\n${title}`);
  for (const { file, text } of failed) console.log(`  ${file}: ${text}`);
}

/**
 * Runs the tests. A few quick ones that failed run once more, alone: what then passes had missed its time beside others, is
 * named, and counts as passed. The deep sweeps look for races, so that one failure of theirs is one.
 */
function runTests(words) {
  const first = runVitest(words);
  const failed = failures();
  if (failed.length > 0) tellFailed('Failed:', failed);
  if (project === 'deep' || failed.length === 0 || failed.length > RUN_AGAIN_AT_MOST || first.failed > failed.length)
    return first;
  const files = [...new Set(failed.map(({ file }) => file))];
  const second = runVitest([...files, ...options, '--no-file-parallelism']);
  const again = failures();
  if (second.failed > 0) {
    if (again.length > 0) tellFailed('Failed again, alone:', again);
    return { passed: first.passed, failed: Math.max(second.failed, failed.length) };
  }
  console.log(`\nPassed when run alone: ${failed.length} of ${files.join(' ')}`);
  return { passed: first.passed + failed.length, failed: 0 };
}

function main() {
  if (run(process.execPath, ['.config/build.mjs']) !== 0) return { passed: 0, failed: 1, lack: [] };
  const files = askedFor();
  const lack = seeToPrograms(files);
  if (lack.length === 0) return { ...runTests(words), lack };
  if (isCi) return { passed: 0, failed: lack.length, lack };
  const left = files.filter((file) => !lack.some((one) => one.file === file));
  return { ...(left.length === 0 ? { passed: 0, failed: 0 } : runTests([...left, ...options])), lack };
}

const { passed, failed, lack } = main();
process.exitCode = failed === 0 ? 0 : 1;
if (lack.length > 0) tellLacking(lack);
console.log(`${passed} passed, ${failed} failed${lack.length > 0 && !isCi ? `, ${lack.length} skipped` : ''}`);
