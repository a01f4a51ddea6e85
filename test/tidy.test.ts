// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the examples are source texts
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import {
  codeOf,
  crowdedFolders,
  importCircles,
  noOutsideReferences,
  noSwitchedOffTests,
  plainWords,
  type Rule,
  SOURCE_RULES,
  type Source,
  testTitles,
  valueImports,
  wholeTitles,
} from './tidy-rules.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

function sources(folder: string): readonly Source[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(?:m?[jt]s|md)$/.test(name))
    .map((name) => ({ path: `${folder}/${name}`, text: readFileSync(join(ROOT, folder, name), 'utf8') }));
}

function faults(rule: Rule, folder: string): readonly string[] {
  return sources(folder).flatMap((source) => rule(source).map((fault) => `${source.path}: ${fault}`));
}

describe('the source keeps the rules of the house', () => {
  test.each(Object.entries(SOURCE_RULES))('the source keeps the rule %s', (_name, rule) => {
    expect(faults(rule, 'src')).toEqual([]);
  });

  test('the source has no circle of imports, types included', () => {
    expect(importCircles(sources('src'))).toEqual([]);
  });

  test('the source has no folder with more files than a reader takes in at a glance', () => {
    expect(crowdedFolders(sources('src'))).toEqual([]);
  });

  test('no test is switched off', () => {
    expect(faults(noSwitchedOffTests, 'test')).toEqual([]);
  });

  test('every title of a test reads without its describe', () => {
    expect(faults(wholeTitles, 'test')).toEqual([]);
  });

  test.each(['src', 'bin', 'docs'])('every word in %s is plain', (folder) => {
    expect(faults(plainWords, folder)).toEqual([]);
  });

  test.each(['README.md', 'CONTRIBUTING.md'])('every word in %s is plain', (path) => {
    expect(plainWords({ path, text: readFileSync(join(ROOT, path), 'utf8') })).toEqual([]);
  });

  test.each(['src', 'test', 'bin'])('no comment in %s cites what is not in the repository', (folder) => {
    expect(faults(noOutsideReferences, folder)).toEqual([]);
  });
});

const DOC = '/** What it is for. */\n';

/** Each rule with a made-up file that breaks it. */
const BROKEN: readonly (readonly [keyof typeof SOURCE_RULES, string, string])[] = [
  ['importDirections', 'src/core/x.ts', "import { readFileSync } from 'node:fs';"],
  ['importDirections', 'src/core/x.ts', "import { run } from '../engine/run.ts';"],
  ['importDirections', 'src/core/x.ts', "import { type A, b } from '../engine/run.ts';"],
  ['importDirections', 'src/core/x.ts', "export { run } from '../engine/run.ts';"],
  ['importDirections', 'src/core/x.ts', "import '../io.ts';"],
  ['importDirections', 'src/engine/x.ts', "const it = await import('../commands/release/plan.ts');"],
  ['importDirections', 'src/engine/x.ts', "import { rescue } from '../break-glass/rescue.ts';"],
  ['importDirections', 'src/core/x.ts', "import { make } from '../base/changes/make.ts';"],
  ['importDirections', 'src/core/x.ts', "import type { Io } from '../io.ts';"],
  ['importDirections', 'src/engine/x.ts', "import { openIo } from '../io.ts';"],
  ['importDirections', 'src/engine/x.ts', "import type { Opened } from '../release/open.ts';"],
  ['importDirections', 'src/release/x.ts', "import type { Lead } from '../lead/lead.ts';"],
  ['importDirections', 'src/base/x.ts', "import type { Code } from '../core/errors.ts';"],
  ['importDirections', 'src/base/x.ts', "import * as z from 'zod';"],
  ['importDirections', 'src/engine/x.ts', "import { readFileSync } from 'node:fs';"],
  ['importDirections', 'src/engine/x.ts', "import { haproxy } from '../routers/haproxy/haproxy.ts';"],
  ['importDirections', 'src/routers/x.ts', "import { load } from '../config/load.ts';"],
  ['importDirections', 'src/terminal/x.ts', "import { run } from '../engine/run.ts';"],
  ['importDirections', 'src/terminal/x.ts', "import * as z from 'zod';"],
  ['importDirections', 'src/terminal/view.ts', "import chalk from 'chalk';"],
  ['importDirections', 'src/break-glass/x.ts', "import * as z from 'zod';"],
  ['importDirections', 'src/break-glass/x.ts', "import { shortGuid } from '../core/scope.ts';"],
  ['importDirections', 'src/commands/x.ts', "import { Command } from 'commander';"],
  ['importDirections', 'src/commands/x.ts', "import { parse } from 'yaml';"],
  ['importDirections', 'src/engine/x.ts', "import leftPad from 'left-pad';"],
  ['importDirections', 'src/engine/x.ts', "import {\n  a,\n  b,\n} from '../config/load.ts';"],
  ['fileLength', 'src/core/x.ts', 'const a = 1;\n'.repeat(401)],
  ['functionLength', 'src/core/x.ts', `function long() {\n${'  go();\n'.repeat(80)}}`],
  ['functionLength', 'src/core/x.ts', `function long(\n  a: string,\n): string {\n${'  go();\n'.repeat(80)}}`],
  ['functionLength', 'src/core/x.ts', `const long = async () => {\n${'  go();\n'.repeat(80)}};`],
  ['functionLength', 'src/core/x.ts', `class A {\n  async long(b: string): Promise<void> {\n${'    go();\n'.repeat(80)}  }\n}`],
  ['functionLength', 'src/core/x.ts', `const it = {\n  long(b) {\n${'    go();\n'.repeat(80)}  },\n};`],
  ['opensWithDocComment', 'src/core/x.ts', "import * as z from 'zod';"],
  ['vocabulary', 'src/core/x.ts', 'export function runTask() {}'],
  ['vocabulary', 'src/core/x.ts', 'export const CANARY_PERCENT = 1;'],
  ['vocabulary', 'src/core/x.ts', 'export interface RequestContext {}'],
  ['network', 'src/routers/x.ts', 'await fetch(url);'],
  ['network', 'src/routers/x.ts', 'const text = `${await fetch(url)}`;'],
  ['clockAndChance', 'src/engine/x.ts', 'const at = Date.now();'],
  ['clockAndChance', 'src/core/x.ts', 'const at = new Date();'],
  ['clockAndChance', 'src/core/x.ts', 'return Math.random();'],
  ['clockAndChance', 'src/config/x.ts', 'const home = process.env.HOME;'],
  ['clockAndChance', 'src/metrics/x.ts', 'setTimeout(go, 10);'],
  ['escapeBytes', 'src/commands/x.ts', "const red = '\\u001b[31m';"],
  ['escapeBytes', 'src/commands/x.ts', "const red = '\\x1b[31m';"],
  ['recursiveMkdir', 'src/scenarios/x.ts', 'fs.mkdirSync(dir, { recursive: true });'],
  ['certificates', 'src/break-glass/x.ts', 'connect({ rejectUnauthorized: false });'],
  ['certificates', 'src/break-glass/x.ts', 'connect({ host, rejectUnauthorized });'],
  ['certificates', 'src/break-glass/x.ts', 'connect({ checkServerIdentity: () => undefined });'],
  ['certificates', 'src/serve/x.ts', 'connect({ rejectUnauthorized: !insecure, });'],
  [
    'certificates',
    'src/base/dial/dial.ts',
    'connect({ rejectUnauthorized: !insecure, }); connect({ rejectUnauthorized: !lax });',
  ],
  ['certificates', 'src/serve/x.ts', "process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';"],
  ['certificates', 'src/scenarios/x.ts', "const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0' };"],
];

/** Things that look like a fault and are none. */
const FINE: readonly (readonly [keyof typeof SOURCE_RULES, string, string])[] = [
  ['importDirections', 'src/engine/x.ts', "import type { Io } from '../io.ts';"],
  ['importDirections', 'src/engine/x.ts', "import { type Io, type Other } from '../io.ts';"],
  ['importDirections', 'src/engine/x.ts', "type Io = typeof import('../io.ts');"],
  ['importDirections', 'src/core/x.ts', "import type { Change } from '../base/changes/change.ts';"],
  ['importDirections', 'src/core/x.ts', "import { EXIT } from '../base/codes.ts';"],
  ['importDirections', 'src/core/x.ts', "import { createHash } from 'node:crypto';"],
  ['importDirections', 'src/core/x.ts', "// import { run } from '../engine/run.ts';"],
  ['importDirections', 'src/io.ts', "import { outside } from './base/changes/outside.ts';"],
  ['importDirections', 'src/engine/x.ts', "import { make } from '../base/changes/make.ts';"],
  ['importDirections', 'src/commands/x.ts', "import { sameScope } from '../core/scope.ts';"],
  ['vocabulary', 'src/core/x.ts', 'export const staged = 1; const handler = 2;'],
  ['network', 'src/routers/x.ts', '// fetch(url)\nconst text = "fetch(url)"; this.fetch(url);'],
  ['clockAndChance', 'src/core/x.ts', 'const at = new Date(atMs); // not Date.now()'],
  ['clockAndChance', 'src/core/x.ts', 'const it = /[`"\'/]/.test(text); const other = `Date.now()`;'],
  ['certificates', 'src/main.ts', "if (process.env['NODE_TLS_REJECT_UNAUTHORIZED'] !== '0') return;"],
  ['functionLength', 'src/core/x.ts', `export const LIST = [\n${'  1,\n'.repeat(80)}];`],
];

/** A name of one line for every example. */
function named(examples: typeof BROKEN): readonly (readonly [string, (typeof BROKEN)[number]])[] {
  return examples.map((example) => [example[2].split('\n', 1)[0]?.slice(0, 60) ?? '', example]);
}

describe('each rule bites', () => {
  test.each(named(BROKEN))('each rule bites on: %s', (_name, [name, path, text]) => {
    const source = { path, text: name === 'opensWithDocComment' ? text : DOC + text };
    expect(SOURCE_RULES[name]?.(source)).toHaveLength(1);
  });

  test.each(named(FINE))('no rule bites on: %s', (_name, [name, path, text]) => {
    expect(SOURCE_RULES[name]?.({ path, text: DOC + text })).toEqual([]);
  });

  test('every rule has been shown to bite', () => {
    expect(new Set(BROKEN.map(([name]) => name))).toEqual(new Set(Object.keys(SOURCE_RULES)));
  });

  // Put together here, so that this file is not itself a finding.
  test.each(['only', 'skip', 'todo', 'skipIf'])('a test that is switched off by .%s is found', (word) => {
    expect(noSwitchedOffTests({ path: 'test/x.test.ts', text: ['test', `${word}('x', () => {});`].join('.') })).toHaveLength(1);
  });
});

describe('a comment that cites what is not in the repository', () => {
  test.each(['// As R34 asks.', '/** The rule\n * of DESIGN.md. */', 'go(); // CONTRACT'])(
    'an outside reference is found: %s',
    (text) => {
      expect(noOutsideReferences({ path: 'src/x.ts', text })).toHaveLength(1);
    },
  );

  test.each(['const r = "R34";', '// Cloudflare R2x', 'const CONTRACT = 1;'])('no outside reference is found: %s', (text) => {
    expect(noOutsideReferences({ path: 'src/x.ts', text })).toEqual([]);
  });
});

describe('the titles of tests', () => {
  const fault = (text: string) => wholeTitles({ path: 'test/x.test.ts', text });

  test.each([
    "it('of a plan is read again as it was', () => {});",
    "test('which is refused for the third time', { timeout: 1 }, () => {});",
    "it('refuses a fraction', () => {});",
    "it.each([1, (2)])('%s', (one) => {});",
    "it.each<readonly [string]>([\n  ['a'],\n])(\n  'in %s is fine again and again',\n  () => {},\n);",
    "describe.each(['a'])('%s', () => it(`in ${'a'} or ${'b'} or here`, () => {}));",
  ])('a title that does not read alone is a fault: %s', (text) => {
    expect(fault(text)).toHaveLength(1);
  });

  test.each([
    "it('refuses a build stamped for staging', () => {});",
    "it.each([1])('%s of %s fits %s', () => {});",
    'it(`a plan of ${count} steps is read`, () => {});',
    "// it('of', () => {});\n/of/.test('of');\nconst text = 'it(\\'of\\')';",
    'it(title, () => {});',
  ])('a title that reads alone is no fault: %s', (text) => {
    expect(fault(text)).toEqual([]);
  });

  test('every way to declare a test is seen, with its line', () => {
    const text = "it('a', go);\ntest.concurrent('b', go);\nit.each(f(\")\"))\n('c', go);\ntest.for([1])(`d ${')'}`, go);";
    expect(testTitles(text).map(([line]) => line)).toEqual([1, 2, 3, 5]);
  });
});

describe('a word that is not plain', () => {
  test.each(['// Mend it.', 'Nobody looks.', 'It was taken back.', 'const culpritOf = 1;', '{ clumps: 4 }'])(
    'a word that is not plain is found: %s',
    (text) => {
      expect(plainWords({ path: 'src/x.ts', text })).toHaveLength(1);
    },
  );

  test.each(['amendment', 'No one rolls it back.', 'Take the book back.'])('a plain word is no fault: %s', (text) => {
    expect(plainWords({ path: 'src/x.ts', text })).toEqual([]);
  });

  test('the old name of a key is allowed where old configs and ledgers are read', () => {
    expect(plainWords({ path: 'src/config/schema.ts', text: 'clumps: z.number()' })).toEqual([]);
  });
});

describe('the rules about the whole tree bite', () => {
  const file = (path: string, text: string): Source => ({ path, text });

  test('a circle over three files is found, once, though one of its arrows is a type', () => {
    const circle = [
      file('src/a.ts', "import { b } from './b.ts';"),
      file('src/b.ts', "import type { C } from './c/c.ts';"),
      file('src/c/c.ts', "const a = await import('../a.ts');"),
      file('src/d.ts', "import { a } from './a.ts';"),
    ];
    expect(importCircles(circle)).toEqual(['src/a.ts → src/b.ts → src/c/c.ts → src/a.ts']);
  });

  test('two ways to one file are no circle', () => {
    const diamond = [
      file('src/a.ts', "import './b.ts';\nimport './c.ts';"),
      file('src/b.ts', "import './d.ts';"),
      file('src/c.ts', "import './d.ts';"),
      file('src/d.ts', ''),
    ];
    expect(importCircles(diamond)).toEqual([]);
  });

  test('a folder with sixteen files is crowded, one with fifteen is not', () => {
    const files = (folder: string, count: number) => Array.from({ length: count }, (_, at) => file(`${folder}/${at}.ts`, ''));
    expect(crowdedFolders([...files('src/many', 16), ...files('src/few', 15)])).toEqual(['src/many: 16 files']);
  });
});

describe('the scanner', () => {
  test('the scanner blanks comments, strings and regular expressions, and keeps line numbers', () => {
    expect(codeOf('a; // b\n/* c\n */ d("e", /f"/g, `g${h}`)').replaceAll(/ +/g, ' ')).toBe('a; \n \n d( , , ${h} )');
  });

  test('the scanner finds every import that is there at run time', () => {
    const text =
      "import a from 'a';\nimport type b from 'b';\nexport * from 'c';\nexport { d } from 'd';\nawait import('e');\nimport 'f';";
    expect(valueImports(text)).toEqual(['a', 'c', 'd', 'f', 'e']);
  });
});
