/** Every program that tests start is one that `.ci/setup` installs, and is found to be needed where it is started. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, test } from 'vitest';
import { freshFolder } from './fresh-folder.ts';
import { neededBy } from './needs.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TABLE = /^needed='([^']*)'/m.exec(readFileSync(join(ROOT, '.ci/setup'), 'utf8'))?.[1] ?? '';
const PROGRAMS = TABLE.split('\n').map((line) => line.split(' ')[0] ?? '');

const sources = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
const tests = sources.filter((name) => name.endsWith('.test.ts')).map((name) => `test/${name}`);

test.each([...PROGRAMS, 'root'])('some test needs %s', (what) => {
  expect(tests.filter((file) => neededBy(ROOT, file, [what]).length > 0)).not.toEqual([]);
});

/** On every Linux that runs Node and npm. */
const ALWAYS = ['sh', 'bash', 'cat', 'cp', 'chmod', 'chown', 'setpriv', 'mkfifo', 'mknod', 'sleep', 'umount', 'npm', 'node'];

it('the tests start no program that .ci/setup does not install', () => {
  const started = sources.flatMap((name) => {
    const text = readFileSync(join(ROOT, 'test', name), 'utf8');
    return [...text.matchAll(/\b(?:spawn|spawnSync|execFile|execFileSync|startProgram|runToEnd)\(\s*\[?\s*'([\w.-]+)'/g)].map(
      ([, program = '']) => `${name}: ${program}`,
    );
  });
  expect(started.length).toBeGreaterThan(20);
  const known = [...PROGRAMS, ...ALWAYS, 'some-server', 'no-such-server'];
  expect(started.filter((line) => !known.some((program) => line.endsWith(`: ${program}`)))).toEqual([]);
});

describe('what a test file needs', () => {
  function needsOf(files: Readonly<Record<string, string>>): readonly string[] {
    const folder = freshFolder();
    mkdirSync(join(folder, 'test'));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, 'test', name), text);
    return neededBy(folder, 'test/a.test.ts', ['some-server', 'git', 'curl', 'root']);
  }

  it.each([
    ['a call', "startProgram('some-server', ['-f', file]);"],
    ['a list', "run(['some-server', '-f', file]);"],
    ['a call in lines', "startProgram(\n  'some-server',\n  args,\n);"],
    ['a line for a shell', 'shell(`cd /tmp && /usr/sbin/some-server -f ${file}`);'],
    ['a demo', "play(['demo', 'good', '--router', 'some-server']);"],
  ])('a test file needs what it starts by %s', (_how, text) => {
    expect(needsOf({ 'a.test.ts': text })).toEqual(['some-server']);
  });

  it.each([
    ["import { start } from './b.ts';"],
    ["export * from './b.ts';"],
    ["await import('./b.ts');"],
    ["const program = new URL('./b.ts', import.meta.url);"],
    ["import { c } from './c.ts';"],
  ])('a test file needs what is started where it leads by: %s', (text) => {
    const files = { 'a.test.ts': text, 'b.ts': "spawn('some-server', []);", 'c.ts': "import './b.ts';\nimport './a.test.ts';" };
    expect(needsOf(files)).toEqual(['some-server']);
  });

  it.each([
    ["import type { Started } from './b.ts';"],
    ["const gate = { source: 'some-server' };"],
    ["choose(stopper, 'some-server', 1);"],
    ['// It is like git: it has a history.'],
  ])('a test file needs nothing that is only named: %s', (text) => {
    expect(needsOf({ 'a.test.ts': text, 'b.ts': "spawn('some-server', []);" })).toEqual([]);
  });

  // Put together here, so that this file does not need it itself.
  it.each([
    [['fs.chownSync', '(path, 1, 1);'].join('')],
    [["await runToEnd(['mount'", ", '-t', 'tmpfs', 'tmpfs', folder]);"].join('')],
  ])('a test file needs root for: %s', (text) => {
    expect(needsOf({ 'a.test.ts': text })).toEqual(['root']);
  });
});
