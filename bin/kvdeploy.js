#!/usr/bin/env node
/**
 * Starts kvdeploy: guards the Node version, answers --version, and hands break-glass to its own bundle before anything
 * else is loaded. Only syntax that Node 12 parses, so that an old Node can still say what it needs; must decide nothing else.
 */
// biome-ignore lint/style/useNodejsImportProtocol: the prefix is younger than the Nodes that must be told what is needed
import { existsSync, readFileSync } from 'fs';

const NEEDED = [20, 19];

/** Options that take the next word as their value, so that a value is never taken for the command. */
const WITH_VALUE = '-c --config -t --tenant -e --env -s --service --state-dir --to --reason --confirm'.split(' ');

function isTooOld(version) {
  const [major, minor] = version.split('.').map(Number);
  return major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1]);
}

/** The command's place among the words before `--`, where options can stand; -1 when there is none. */
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

/** Neither a reader that went away (`| head`) nor a full disk behind `>` may end a rollout or a rescue half way. */
function goOnUnheard(error) {
  if (isUnheard || error.code === 'EPIPE') return;
  isUnheard = true;
  process.stderr.write(`! Not everything that kvdeploy says could be written (${error.code}).\n`);
}
let isUnheard = false;

/** Nothing can have been changed yet. */
function refuse(text) {
  process.stderr.write(`${text}\ntraffic  unchanged\n`);
  return 2;
}

function printVersion() {
  process.stdout.write(`${JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version}\n`);
  return 0;
}

async function start(argv) {
  if (isTooOld(process.versions.node)) {
    return refuse(`kvdeploy needs Node >= ${NEEDED.join('.')}; this is Node ${process.versions.node}.`);
  }
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) return printVersion();
  const bundle = new URL(isBreakGlass(argv) ? '../dist/break-glass.mjs' : '../dist/main.js', import.meta.url);
  if (!existsSync(bundle)) return refuse('kvdeploy is not built yet. In a clone, run: npm run build');
  const loaded = await import(bundle.href);
  return isBreakGlass(argv) ? loaded.breakGlass(argv) : loaded.main(argv);
}

// Whoever runs out of things to wait for half way has not succeeded.
process.exitCode = 1;
process.stdout.on('error', goOnUnheard);
process.stderr.on('error', goOnUnheard);
start(process.argv.slice(2)).then((exitCode) => {
  process.exitCode = exitCode;
});
