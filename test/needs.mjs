/** What a test file needs of the machine: found by reading it and what it imports below test/, so that files can move. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** The program as the first word of a call, of a list with options, or of a line for a shell. */
function startOf(program) {
  const word = program.replaceAll('.', '\\.');
  return new RegExp(`\\(\\s*\\[?'${word}'[,)\\]]|\\['${word}', '-|(?<![\\w./'-])(?:/usr/s?bin/)?${word} (?:-|init\\b)`);
}

/** Mounts, networks and devices, files given away, folders that only root can write, a group that is not one's own. */
const OF_ROOT = [
  ...['mount', 'unshare', 'chown', 'mknod'].map(startOf),
  /\bchownSync\(.*, /,
  /\bumask\(0o2/,
  /\bstateGroup:\s'games'/,
];

/** A change as break-glass writes it for a shell has curl in it. */
const CHANGE_IN_SHELL = /'bash', '-c', asCommand\(/;

/** The examples of the command router are shell scripts that run jq. */
const EXAMPLE_SCRIPT = /(?:split-file|alb)\.sh/;

/** The demo starts the router that it is told. */
function demoOf(what) {
  return new RegExp(`'--router', '${what}'`);
}

function signsOf(what) {
  if (what === 'jq') return [startOf(what), EXAMPLE_SCRIPT];
  if (what === 'root') return OF_ROOT;
  return what === 'curl' ? [startOf(what), CHANGE_IN_SHELL] : [startOf(what), demoOf(what)];
}

/** Every module that the text names by its path, also one that another process runs; not what is only a type. */
function namedIn(text) {
  const values = text.replace(/^import type [^;]*;/gm, '');
  return [...values.matchAll(/'(\.{1,2}\/[^'\n]+\.m?ts|\.{1,2}\/[^'\n]+\.mjs)'/g)].map(([, path]) => path);
}

/** What this test file needs of `wanted`: names of programs, and `root`. Paths are relative to the folder of the repository. */
export function neededBy(repository, file, wanted) {
  const seen = new Set([normalize(file)]);
  for (const path of seen) {
    for (const named of namedIn(readFileSync(join(repository, path), 'utf8'))) {
      const target = join(dirname(path), named);
      if (target.startsWith('test/') && existsSync(join(repository, target))) seen.add(target);
    }
  }
  const texts = [...seen].map((path) => readFileSync(join(repository, path), 'utf8'));
  return wanted.filter((what) => signsOf(what).some((sign) => texts.some((text) => sign.test(text))));
}
