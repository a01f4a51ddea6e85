/** Strict parsing: everything that two readers could read differently is refused, with its place, and quickly. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Parsed, strictParse } from '../../../src/config/parse/strict-parse.ts';

const parse = (text: string | Uint8Array, file = 'a.yaml'): Parsed =>
  strictParse(file, typeof text === 'string' ? new TextEncoder().encode(text) : text);
const seen = ({ findings }: Parsed) => findings.map((each) => `${each.code} ${each.line}:${each.column}`);

describe('refused, with the place', () => {
  const table: readonly (readonly [string, string | Uint8Array, string, string?])[] = [
    ['a duplicate key', 'a: 1\na: 2\n', 'DUPLICATE_KEY 2:1'],
    ['a duplicate key in disguise', 'a: 1\n"\\u0061": 2\n', 'DUPLICATE_KEY 2:1'],
    ['a duplicate key in flow style', '{a: 1, b: {c: 1, c: 2}}', 'DUPLICATE_KEY 1:18'],
    ['a duplicate key in JSON', '{"a":1,"a":2}', 'DUPLICATE_KEY 1:8', 'a.json'],
    ['an escaped duplicate key in JSON', '{"a":1,"\\u0061":2}', 'DUPLICATE_KEY 1:8', 'a.json'],
    ['an alias and its anchor', 'a: &x 1\nb: *x\n', 'FORBIDDEN_YAML 1:4,FORBIDDEN_YAML 2:4'],
    ['a merge key', 'a:\n  <<: { b: 1 }\n', 'FORBIDDEN_YAML 2:3'],
    ['a tag', 'a: !!str 1\n', 'FORBIDDEN_YAML 1:4'],
    ['a verbatim tag', 'a: !<tag:yaml.org,2002:str> 1\n', 'FORBIDDEN_YAML 1:4'],
    ['a directive', '%YAML 1.1\n---\na: yes\n', 'FORBIDDEN_YAML 1:1'],
    ['an explicit key', '? a\n: 1\n', 'FORBIDDEN_YAML 1:1'],
    ['a key that is a list', '[a]: 1\n', 'FORBIDDEN_YAML 1:1'],
    ['two documents', 'a: 1\n---\nb: 2\n', 'FORBIDDEN_YAML 2:1'],
    ['__proto__', 'a:\n  __proto__: 1\n', 'FORBIDDEN_KEY 2:3'],
    ['__proto__ in JSON', '{"__proto__": {"a": 1}}', 'FORBIDDEN_KEY 1:2', 'a.json'],
    ['an escaped constructor in JSON', '{"c\\u006fnstructor": 1}', 'FORBIDDEN_KEY 1:2', 'a.json'],
    ['prototype', 'prototype: 1', 'FORBIDDEN_KEY 1:1'],
    ['a whole number beyond 2^53', 'a: 9007199254740993', 'SCHEMA 1:4'],
    ['a number too large for JSON', '{"a": 1e999}', 'SCHEMA 1:7', 'a.json'],
    ['a number that is none', 'a: .nan', 'SCHEMA 1:4'],
    ['a merge conflict', 'a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> main\n', 'SYNTAX 2:1'],
    [
      'a merge conflict with the line ends of Windows',
      'a: 1\r\n<<<<<<< HEAD\r\nb: 1\r\n=======\r\n>>>>>>> main\r\n',
      'SYNTAX 2:1',
    ],
    ['a merge conflict in JSON', '{\n<<<<<<< HEAD\n"b": 1\n=======\n"b": 2\n>>>>>>> main\n}', 'SYNTAX 2:1', 'a.json'],
    ['an empty file', '', 'SYNTAX 1:1'],
    ['a file of comments', '# a\n---\n# b\n', 'SYNTAX 1:1'],
    ['an empty JSON file', ' \n', 'SYNTAX 1:1', 'a.json'],
    ['a byte order mark', '\ufeffa: 1', 'NOT_TEXT 1:1'],
    ['UTF-16', Buffer.from('\ufeffa: 1', 'utf16le'), 'NOT_TEXT 1:1'],
    ['Latin-1', Buffer.from([0x61, 0x3a, 0x20, 0x0a, 0x62, 0xe9, 0x3a, 0x20]), 'NOT_TEXT 2:2'],
    ['a torn character at the end', Buffer.from([0x61, 0xe2, 0x82]), 'NOT_TEXT 1:2'],
    ['NUL', 'a: b\u0000c', 'NOT_TEXT 1:5'],
    ['an escape byte', 'a: b\nc: \u001b[2J', 'NOT_TEXT 2:4'],
    ['a bidi override', 'a: "\u202e1"', 'NOT_TEXT 1:5'],
    ['a lone carriage return', 'a: 1 # x\rb: 2', 'NOT_TEXT 1:9'],
    ['a line separator', 'a: 1\u2028b: 2', 'NOT_TEXT 1:5'],
    ['a trailing comma in JSON', '{"a":1,}', 'SYNTAX 1:8', 'a.json'],
    ['a comment in JSON', '{"a":1 /* b */}', 'SYNTAX 1:8', 'a.json'],
    ['single quotes in JSON', "{'a':1}", 'SYNTAX 1:2', 'a.json'],
    ['a leading zero in JSON', '{"a":01}', 'SYNTAX 1:6', 'a.json'],
    ['text after JSON', '{"a":1}\n{}', 'SYNTAX 2:1', 'a.json'],
    ['torn JSON', '{"a":[1,\n', 'SYNTAX 1:9', 'a.json'],
    ['an open quote', 'a: "b\n', 'SYNTAX 2:1'],
    ['an open bracket', 'a: [1\nb: 2\n', 'SYNTAX 2:1'],
    ['tabs as indentation', 'a:\n\tb: 1\n', 'SYNTAX 2:1'],
  ];
  for (const [name, text, expected, file] of table) {
    test(`the strict parser refuses ${name}, with the place`, () => {
      const result = parse(text, file);
      expect(seen(result).join()).toBe(expected);
      expect(result.document).toBeUndefined();
      for (const finding of result.findings)
        expect(finding).toMatchObject({ kind: 'syntax', fix: expect.stringMatching(/./), message: expect.stringMatching(/./) });
    });
  }
});

describe('hostile files end quickly, and never the process', () => {
  const deep = Array.from({ length: 700 }, (_, depth) => `${' '.repeat(depth)}a:\n`).join('');
  const table: readonly (readonly [string, string, string, string?])[] = [
    ['brackets', '['.repeat(262_144), 'TOO_DEEP'],
    ['brackets in JSON', '['.repeat(262_144), 'TOO_DEEP', 'a.json'],
    ['100 levels', `${'{"a":'.repeat(100)}1${'}'.repeat(100)}`, 'TOO_DEEP', 'a.json'],
    ['100 levels of YAML', `${'{a: '.repeat(100)}1${'}'.repeat(100)}`, 'TOO_DEEP'],
    ['dashes', '- '.repeat(131_000), 'TOO_DEEP'],
    ['colons', 'a: '.repeat(87_000), 'TOO_DEEP'],
    ['colons in brackets', `[${'a: '.repeat(87_000)}`, 'TOO_DEEP'],
    ['indentation', deep, 'TOO_DEEP'],
    ['quotes', '"'.repeat(65_536), 'SYNTAX'],
    ['more quotes', '"'.repeat(262_144), 'TOO_LARGE'],
    ['more items than any manifest has', `[${'a,'.repeat(131_000)}]`, 'TOO_LARGE'],
    ['anchors', '&a '.repeat(87_000), 'FORBIDDEN_YAML'],
    ['tags', '! '.repeat(131_000), 'FORBIDDEN_YAML'],
    ['an alias bomb', `a: &a [x, x]\n${'b: &b [*a, *a]\n'.repeat(9000)}`, 'FORBIDDEN_YAML'],
    ['one key 10,000 times', 'a: 1\n'.repeat(10_000), 'DUPLICATE_KEY'],
    ['an open string in JSON', `"${'\\u0061'.repeat(43_000)}`, 'SYNTAX', 'a.json'],
    ['too many bytes', ' '.repeat(4 * 1024 * 1024 + 1), 'TOO_LARGE'],
    ['a megabyte of quotes', '"'.repeat(1024 * 1024), 'TOO_LARGE'],
  ];
  for (const [name, text, code, file] of table) {
    test(`a hostile file ends quickly, and never the process: ${name}`, () => {
      const { findings } = parse(text, file);
      expect(findings[0]?.code).toBe(code);
      expect(findings.length).toBeLessThanOrEqual(100);
    });
  }

  test('a file with 10,000 keys is read, each of them once', () => {
    const text = Array.from({ length: 10_000 }, (_, index) => `k${index}: 1\n`).join('');
    expect(parse(text).findings).toEqual([]);
  });

  test('a manifest of the largest size is read, however densely its builds stand', () => {
    const build =
      '{guid: 7c9e6679-7425-40de-944b-e07fc1f90ae7,version: 1,digest: sha256:0,sequence: 1,createdAt: 2026-11-21,ref: g}';
    const digest = 'f'.repeat(63);
    const builds = Array.from({ length: 1_400 }, () => build.replace('sha256:0', `sha256:0${digest}`));
    const text = `{tenant: a,builds: [${builds.join(',')}]}`;
    expect(text.length).toBeGreaterThan(245_000);
    expect(parse(text).findings).toEqual([]);
  });

  const blank = (length: number) => `${' '.repeat(length)}x`;
  const growing: readonly { readonly what: string; readonly text: (length: number) => string; readonly file?: string }[] = [
    { what: 'blanks', text: blank },
    { what: 'blanks in JSON', text: blank, file: 'a.json' },
    { what: 'quotes', text: (length) => '"'.repeat(length / 2) },
    { what: 'closing brackets', text: (length) => ']'.repeat(length / 2) },
    { what: 'colons on lines of their own', text: (length) => ':\n'.repeat(length / 4) },
    { what: 'quotes after keys', text: (length) => 'a: "\n'.repeat(length / 8) },
    { what: 'letters in an open string of JSON', text: (length) => `"${'a'.repeat(length)}`, file: 'a.json' },
  ];
  test.each(growing)('four times as many $what take about four times as long, not sixteen times', ({ text, file }) => {
    const cpuMs = (length: number) => {
      const bytes = new TextEncoder().encode(text(length));
      const spent = [1, 2, 3].map(() => {
        const before = process.cpuUsage();
        strictParse(file ?? 'a.yaml', bytes);
        const { user, system } = process.cpuUsage(before);
        return (user + system) / 1000;
      });
      return Math.min(...spent);
    };
    cpuMs(32_768);
    // What is added is for a machine that does other things; sixteen times as long is seconds.
    expect(cpuMs(131_072)).toBeLessThan(8 * cpuMs(32_768) + 100);
  });
});

describe('accepted', () => {
  test('YAML 1.2 is read: yes and dates are text, keys keep their spelling, 16 levels fit, objects have no prototype', () => {
    const { document } = parse('a: yes\nb: 2026-11-21T09:12:00Z\n1.10: x\n1.1: y\n');
    expect(document?.value).toEqual(
      Object.assign(Object.create(null), { a: 'yes', b: '2026-11-21T09:12:00Z', '1.10': 'x', '1.1': 'y' }),
    );
    expect(Object.getPrototypeOf(document?.value)).toBeNull();
    expect(parse(`${'['.repeat(16)}${']'.repeat(16)}`).findings).toEqual([]);
    expect(parse(`${'['.repeat(17)}${']'.repeat(17)}`).findings).toHaveLength(1);
    expect(parse('a: |\n  [[[[[[[[[[[[[[[[[[[[[\n').findings).toEqual([]);
    expect(parse('{\n\t"a": 1\r\n}\n').findings).toEqual([]);
  });

  test('strict JSON is what JSON.parse accepts, with the same value; YAML reads it alike (seeded)', () => {
    const seed = Number(process.env.KVDEPLOY_SEED ?? Date.now() % 1_000_000);
    const plain = (text: string) => !/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Noncharacter_Code_Point}\ufeff]/u.test(text);
    const safe = (value: unknown) =>
      plain(JSON.stringify(value)) &&
      !/"(?:__proto__|constructor|prototype|<<)":/.test(JSON.stringify(value)) &&
      !/(?<!")\b\d{16,}|e\+/.test(JSON.stringify(value));
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }).filter(safe), fc.constantFrom(undefined, 1, '\t'), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(JSON.stringify(parse(text, 'a.json').document?.value)).toBe(JSON.stringify(JSON.parse(text)));
        const yaml = parse(text).document;
        if (yaml !== undefined) expect(JSON.stringify(yaml.value)).toBe(JSON.stringify(JSON.parse(text)));
      }),
      { seed, numRuns: 500 },
    );
  });

  test('no damage to a good JSON file makes the strict parser accept what JSON.parse refuses (seeded)', () => {
    const seed = Number(process.env.KVDEPLOY_SEED ?? Date.now() % 1_000_000);
    const good = '{"a": [1, -2.5e3, true, null], "b": {"c": "x\\u0041\\n"}, "d": ""}';
    fc.assert(
      fc.property(
        fc.nat(good.length),
        fc.nat(3),
        fc.constantFrom('', ',', '"', '{', ']', '\\', '0', 'e', ' ', ':', "'"),
        (at, cut, text) => {
          const damaged = good.slice(0, at) + text + good.slice(at + cut);
          if (parse(damaged, 'a.json').document !== undefined) JSON.parse(damaged);
        },
      ),
      { seed, numRuns: 3000 },
    );
  });

  test('the strict parser says where any path stands, the deepest part that exists when it goes on', () => {
    const { document } = parse('a:\n  - guid: x\n    "b": 2\n');
    const place = (path: (string | number)[], what?: 'key') =>
      document?.finding(path, { code: 'SCHEMA', message: '', fix: '' }, what);
    expect(place(['a', 0, 'guid'])).toMatchObject({ line: 2, column: 11, frame: { text: '  - guid: x', length: 1 } });
    expect(place(['a', 0, 'b'], 'key')).toMatchObject({ line: 3, column: 5, frame: { length: 3 } });
    expect(place(['a', 0, 'missing'])).toMatchObject({ line: 2, column: 5 });
    expect(place(['a'])).toMatchObject({ line: 1, column: 1 });
  });
});
