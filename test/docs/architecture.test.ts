/** docs/architecture.md against the source: the files that it names, the rooms that it lists, the questions that it answers. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from './walk.ts';

const PAGE = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
const QUESTIONS = rowsUnder('Ten questions').map(([question = '', word = '', open = '']) => ({
  question,
  word: word.replaceAll('`', ''),
  files: [...open.matchAll(/`(src\/[\w./-]+\.ts)`/g)].map(([, file = '']) => file),
}));

const SOURCES = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => `src/${name}`);

/** The cells of the table under a heading. */
function rowsUnder(heading: string): readonly (readonly string[])[] {
  const section = PAGE.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
  const lines = section.split('\n').filter((line) => line.startsWith('| '));
  return lines.slice(1).map((line) => line.slice(2, -2).split(' | '));
}

test('every file and folder that docs/architecture.md names exists', () => {
  const named = [...PAGE.matchAll(/`((?:src|bin|test|docs)\/[\w./-]*)`/g)].map(([, path = '']) => path);
  expect(named.length).toBeGreaterThan(40);
  expect([...new Set(named)].filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test('docs/architecture.md lists every room of src', () => {
  const rooms = readdirSync(join(root, 'src')).filter((name) => name !== 'version.ts');
  const listed = rowsUnder('The rooms').flatMap(([names = '']) =>
    [...names.matchAll(/`src\/([\w.-]+)`/g)].map(([, name]) => name),
  );
  expect(listed.sort()).toEqual(rooms.sort());
});

test('docs/architecture.md answers ten questions', () => {
  expect(QUESTIONS).toHaveLength(10);
});

test.each(QUESTIONS.map((row) => [row.question, row] as const))(
  'grep finds the file that answers: %s',
  (_question, { word, files }) => {
    const has = new RegExp(`\\b${word}\\b`);
    const found = SOURCES.filter((path) => has.test(readFileSync(join(root, path), 'utf8')));
    expect(files.length).toBeGreaterThan(0);
    expect(files.length).toBeLessThanOrEqual(2);
    expect(found).toContain(files[0]);
  },
);
