/** What every page owes its reader: commands that are run, links that lead somewhere, names that exist, figures that a run wrote. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, it, test } from 'vitest';
import { HELP } from '../../src/break-glass/options.ts';
import { buildProgram } from '../../src/cli.ts';
import { root } from './walk.ts';

const DOCS = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
const PAGES = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...DOCS.map((name) => `docs/${name}`)];
const GENERATED = ['docs/figures.md', 'docs/gates-figures.md', 'docs/reliability.md'];

const read = (path: string) => readFileSync(join(root, path), 'utf8');

interface Block {
  readonly line: number;
  /** The HTML comment on the line before, without its brackets. */
  readonly mark: string;
  readonly text: string;
}

function blocksOf(page: string): readonly Block[] {
  const text = read(page);
  const found = [...text.matchAll(/(?:<!-- (.*) -->\n)?^```.*\n([\s\S]*?)^```$/gm)];
  return found.map(({ index, 1: mark = '', 2: inside = '' }) => ({
    line: text.slice(0, index).split('\n').length,
    mark,
    text: inside,
  }));
}

const TESTS = testsBelow('test');
/** This file only looks; what it names is not run by that. */
const TEST_TEXTS = TESTS.filter((path) => path !== 'test/docs/pages.test.ts').map(read);

function testsBelow(folder: string): readonly string[] {
  const names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith('.test.ts')).map((name) => `${folder}/${name}`);
}

/** How a block is accounted for; undefined when it is not. */
function account(mark: string): 'run' | 'tested' | 'illustration' | undefined {
  const tested = /^tested by (\S+)$/.exec(mark)?.[1];
  if (tested !== undefined) return TESTS.includes(tested) ? 'tested' : undefined;
  if (/^illustration: .{20,}$/.test(mark)) return 'illustration';
  const name = /^(?:run|file|output): ([\w./-]+)$|^ci$/.exec(mark);
  if (name === null) return undefined;
  // A test asks for the block by its whole mark, or by the name alone where it has a function for that.
  const said = [mark, name[1] ?? mark].flatMap((word) => [`'${word}'`, `-- ${word} --`]);
  return TEST_TEXTS.some((text) => said.some((word) => text.includes(word))) || WALKED.has(mark) ? 'run' : undefined;
}

/** The files that every walk begins with. */
const WALKED = new Set(['build.mjs', 'kvdeploy.config.yaml', 'releases/production/hello.yaml'].map((name) => `file: ${name}`));

describe('every fenced block', () => {
  test.each(PAGES)('every fenced block of %s is run by a test, or says why it is only an illustration', (page) => {
    const lost = blocksOf(page).filter(({ mark }) => account(mark) === undefined);
    expect(
      lost.map(({ line, mark, text }) => `${page}:${line} <!-- ${mark} --> ${text.split('\n')[0]}`),
      'Put <!-- run: NAME -->, <!-- tested by test/….test.ts --> or <!-- illustration: why --> on the line before, and run it in a test.',
    ).toEqual([]);
  });

  it.each(['', 'run: nobody-runs-this', 'tested by test/nowhere.test.ts', 'illustration: short'])(
    'a fenced block is not accounted for by: %s',
    (mark) => {
      expect(account(mark)).toBeUndefined();
    },
  );

  it('every fenced shell script names npm scripts that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = PAGES.flatMap((page) => [...read(page).matchAll(/\bnpm run ([\w:-]*\w)/g)].map(([, name = '']) => name));
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  });
});

/** As GitHub makes them. */
function anchorsOf(page: string): readonly string[] {
  const headings = [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading);
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

describe('every relative link', () => {
  test.each(PAGES)('every relative link of %s leads to a file, and to a heading where it names one', (page) => {
    const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
    const broken = links.filter((link) => {
      if (/^https?:/.test(link)) return false;
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : join(dirname(page), path);
      return !existsSync(join(root, target)) || (anchor !== undefined && !anchorsOf(target).includes(anchor));
    });
    expect(broken).toEqual([]);
  });

  it('every page in docs/ is reached from README, over other pages or at once', () => {
    const seen = new Set(['README.md']);
    for (const page of seen)
      for (const [, link = ''] of read(page).matchAll(/\]\(([\w./-]+\.md)[)#]/g)) seen.add(join(dirname(page), link));
    expect(PAGES.filter((page) => !seen.has(page))).toEqual([]);
  });
});

const COMMANDS = everyCommand(buildProgram(async () => undefined));

function everyCommand(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

describe('the command line in the pages', () => {
  const flags = new Set([
    ...COMMANDS.flatMap((command) => command.options.map(({ long }) => long ?? '')),
    ...[...HELP.matchAll(/--[a-z][a-z-]*/g)].map(([flag]) => flag),
    '--help',
  ]);
  /** Of git and Prometheus; and the one that the README says is not there. */
  const foreign = new Set(['--ff-only', '--hard', '--cached', '--query', '--force', '--record']);

  test.each(PAGES)('every command line in %s has only flags that exist', (page) => {
    const text = read(page).replaceAll(/<!--|-->/g, '');
    const named = [...text.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)].map(([flag]) => flag);
    expect(named.filter((flag) => !flags.has(flag) && !foreign.has(flag))).toEqual([]);
  });

  test.each(PAGES)('every command line in %s has only commands that exist', (page) => {
    const code = [
      ...blocksOf(page).map(({ text }) => text),
      ...[
        ...read(page)
          .replace(/^```.*\n[\s\S]*?^```$/gm, '')
          .matchAll(/`([^`\n]+)`/g),
      ].map(([, inside = '']) => inside),
    ];
    const named = code.flatMap((text) =>
      [...text.matchAll(/(?:(?<=^|\s)kvdeploy|\/kvdeploy\.js) ([a-z][a-z-]*)(?= |$)/gm)].map(([, word = '']) => word),
    );
    const names = new Set(COMMANDS.map((command) => command.name()));
    expect(named.filter((name) => !names.has(name) && !PROSE.has(name))).toEqual([]);
  });

  it('the README lists every command', () => {
    const list = /^## Commands\n[\s\S]*?```\n([\s\S]*?)```/m.exec(read('README.md'))?.[1] ?? '';
    const words = new Set(list.match(/[a-z-]+/g));
    expect(COMMANDS.slice(1).filter((command) => !words.has(command.name()))).toEqual([]);
  });
});

/** Words after `kvdeploy` in comments inside of blocks. */
const PROSE = new Set(['needs', 'writes', 'refuses', 'does']);

describe('figures', () => {
  it.each(PAGES.filter((page) => !GENERATED.includes(page)))(
    'figures of speed and size do not stand in %s, where no run would renew them',
    (page) => {
      const lines = read(page).split('\n');
      expect(lines.filter((line) => /\b\d[\d.,]*\s?(?:ms|kB|KB|MB|GB)\b/.test(line))).toEqual([]);
    },
  );

  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const benchmarks = Object.keys(scripts).flatMap((name) => (name.startsWith('bench:') && name !== 'bench:gates' ? [name] : []));

  it('the figures in docs/figures.md come from every benchmark, each in a whole table', () => {
    const sections = read('docs/figures.md').split(/^## /m).slice(1);
    expect(sections.map((section) => /`npm run ([\w:-]+)`, \d{4}-\d\d-\d\d, Node /.exec(section)?.[1]).sort()).toEqual(
      benchmarks.sort(),
    );
    for (const section of sections) expectTable(section);
  });

  it('the figures in docs/gates-figures.md come from the comparison of gates, in whole tables made with one seed', () => {
    const page = read('docs/gates-figures.md');
    expect(page).toMatch(/`npm run bench:gates`, \d{4}-\d\d-\d\d, seed \d+, Node /);
    for (const section of page.split(/^## /m).slice(1)) expectTable(section);
  });

  it('the figures in docs/reliability.md are of runs without a failure', () => {
    const rows = expectTable(read('docs/reliability.md'));
    expect(rows.length).toBeGreaterThan(0);
    for (const cells of rows) {
      expect(cells).toHaveLength(8);
      expect(Number((cells[2] ?? '').replaceAll(',', ''))).toBeGreaterThan(0);
      expect(cells[3], cells.join(' | ')).toBe('0');
      expect(cells[6]).toMatch(/^\d{4}-\d\d-\d\d$/);
    }
  });

  it('all figures in docs/ are written by the script', () => {
    for (const page of GENERATED) expect(read(page)).toContain('<!-- Generated from the results of the runs; do not edit. -->');
  });
});

/** The rows of the one table in a text; all have as many cells as its head. */
function expectTable(text: string): readonly (readonly string[])[] {
  const lines = text.split('\n').filter((line) => line.startsWith('|'));
  const cells = lines.map((line) =>
    line
      .slice(2, -2)
      .split(' | ')
      .map((cell) => cell.trim()),
  );
  const [head = [], , ...rows] = cells;
  expect(rows.length).toBeGreaterThan(0);
  for (const row of rows) expect(row, row.join(' | ')).toHaveLength(head.length);
  return rows;
}
