#!/usr/bin/env node
/**
 * Starts kvdeploy: checks the Node version, prints --version, and starts break-glass before anything else is loaded.
 * Uses only syntax that Node 12 parses, so that an old Node can print the required version.
 */
// biome-ignore lint/style/useNodejsImportProtocol: old Nodes do not know the prefix
import { existsSync, readFileSync } from 'fs';

const NEEDED = [20, 19];

/** Options whose value is the next word: it is not the command. */
const WITH_VALUE = '-c --config -t --tenant -e --env -s --service --state-dir --to --reason --confirm'.split(' ');

function isTooOld(version) {
  const [major, minor] = version.split('.').map(Number);
  return major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1]);
}

/** The index of the command; -1 if there is none. */
function commandAt(words) {
  for (let at = 0; at < words.length; at += 1) {
    if (!words[at].startsWith('-')) return at;
    if (WITH_VALUE.includes(words[at])) at += 1;
  }
  return -1;
}

function isBreakGlass(argv) {
  const end = argv.indexOf('--');
  const words = end === -1 ? argv : argv.slice(0, end);
  return words[commandAt(words)] === 'rollback' && words.includes('--break-glass');
}

/** Neither a closed pipe nor a full disk behind `>` may end a rollout halfway. */
function goOnUnheard(error) {
  if (isUnheard || error.code === 'EPIPE') return;
  isUnheard = true;
  process.stderr.write(`! Some output of kvdeploy could not be written (${error.code}).\n`);
}
let isUnheard = false;

/** Nothing can have been changed yet. */
function refuse(text, exitCode = 2) {
  process.stderr.write(`${text}\ntraffic  unchanged\n`);
  return exitCode;
}

/** The program's own files cannot be read: too many open files, a failing disk. */
function refuseSystem(error) {
  if (error.errno === undefined && error.code !== 'EMFILE' && error.code !== 'ENFILE') throw error;
  return refuse(
    `SYSTEM_ERROR: kvdeploy could not be loaded: ${error.message}.\nCheck the limit of open files (ulimit -n) and the disk.`,
    7,
  );
}

function printVersion() {
  process.stdout.write(`${JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version}\n`);
  return 0;
}

function tolerate() {}

async function start(argv) {
  if (isTooOld(process.versions.node)) {
    return refuse(`kvdeploy needs Node >= ${NEEDED.join('.')}; this is Node ${process.versions.node}.`);
  }
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) return printVersion();
  const bundle = new URL(isBreakGlass(argv) ? '../dist/break-glass.mjs' : '../dist/main.js', import.meta.url);
  if (!existsSync(bundle)) return refuse('kvdeploy is not built yet. In a clone, run: npm run build');
  // Of files that are loaded at once each may fail; the first failure is told, and the others must not end the process before it.
  process.on('unhandledRejection', tolerate);
  const loaded = await import(bundle.href);
  process.off('unhandledRejection', tolerate);
  return isBreakGlass(argv) ? loaded.breakGlass(argv) : loaded.main(argv);
}

// If the event loop ends before the command, that is not success.
process.exitCode = 1;
process.stdout.on('error', goOnUnheard);
process.stderr.on('error', goOnUnheard);
start(process.argv.slice(2))
  .catch(refuseSystem)
  .then((exitCode) => {
    process.exitCode = exitCode;
  });
