/** The text of a manifest is edited, not written anew: every byte that is not the row's own stays as it was. */
import { describe, expect, test } from 'vitest';
import { valueAt } from '../../../src/config/check.ts';
import { withoutRows } from '../../../src/config/edit/cut-rows.ts';
import { type ManifestText, newManifest, withRef, withRow } from '../../../src/config/edit/rows.ts';
import { strictParse } from '../../../src/config/parse/strict-parse.ts';

const ROW = { guid: 'c', version: '3', labels: { release: '2026-11' } };
const SCOPE = { tenant: 'acme', environment: 'production', service: 'hello' };

function manifest(text: string, file = 'a.yaml'): ManifestText {
  const { document, findings } = strictParse(file, Buffer.from(text));
  if (document === undefined) throw new Error(JSON.stringify(findings));
  return { text, root: document.root, json: file.endsWith('.json') };
}

function values(text: string | undefined, file = 'a.yaml'): unknown {
  const { document, findings } = strictParse(file, Buffer.from(text ?? ''));
  expect(findings).toEqual([]);
  return JSON.parse(JSON.stringify(valueAt(document?.value, ['builds'])));
}

/** How people write a list of two, and what one more row makes of it. */
const BLOCK = [
  ['indented', 'builds:\n  - guid: a\n  - guid: b\n', 'builds:\n  - guid: a\n  - guid: b\n@'],
  ['not indented', 'builds:\n- guid: a\n- guid: b\nkind: x\n', 'builds:\n- guid: a\n- guid: b\n@kind: x\n'],
  ['without a last line end', 'builds:\n  - guid: a\n  - guid: b', 'builds:\n  - guid: a\n  - guid: b\n@'],
  [
    'with comments everywhere',
    '# top\nbuilds: # all\n  # first\n  - guid: a     # one\n\n  - guid: b\n    # of b\n\n  # end of the list\n# end\n',
    '# top\nbuilds: # all\n  # first\n  - guid: a     # one\n\n  - guid: b\n    # of b\n@\n  # end of the list\n# end\n',
  ],
  [
    'with the dash on a line of its own',
    'builds:\n  -\n    guid: a\n  -\n    guid: b\nx: 1\n',
    'builds:\n  -\n    guid: a\n  -\n    guid: b\n@x: 1\n',
  ],
  [
    'with a text of lines at its end',
    'builds:\n  - guid: a\n  - guid: b\n    n: |\n      x\n\nx: 1\n',
    'builds:\n  - guid: a\n  - guid: b\n    n: |\n      x\n@\nx: 1\n',
  ],
] as const;

describe('a row that is added to a list in block style', () => {
  test.each(BLOCK)('one more row keeps every byte of a list %s', (_how, text, wanted) => {
    const pad = /^ *(?=-)/m.exec(text)?.[0] ?? '';
    const row = `${pad}- guid: c\n${pad}  version: "3"\n${pad}  labels: { release: "2026-11" }\n`;
    const edited = withRow(manifest(text), ROW);
    expect(edited).toBe(wanted.replace('@', row));
    expect(values(edited)).toMatchObject([{ guid: 'a' }, { guid: 'b' }, ROW]);
  });

  test.each(BLOCK)('the line ends of Windows stay in a list %s', (_how, text) => {
    const crlf = text.replaceAll('\n', '\r\n');
    const edited = withRow(manifest(crlf), ROW) ?? '';
    expect(edited.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
    expect(values(edited)).toMatchObject([{ guid: 'a' }, { guid: 'b' }, ROW]);
  });
});

describe('a row that is added to a list in brackets', () => {
  test.each([
    ['builds: [{ guid: a }, { guid: b }]\n', 'builds: [{ guid: a }, { guid: b }, @]\n'],
    ['builds: [ { guid: a }, { guid: b }, ] # all\n', 'builds: [ { guid: a }, { guid: b }, @ ] # all\n'],
    [
      'builds: [\n  { guid: a }, # one\n  { guid: b } # two\n]\nx: 1\n',
      'builds: [\n  { guid: a }, # one\n  { guid: b }, # two\n  @\n]\nx: 1\n',
    ],
    [
      'builds: [\n  { guid: a },\n  { guid: b }, # two\n  # end\n]\n',
      'builds: [\n  { guid: a },\n  { guid: b }, # two\n  # end\n  @,\n]\n',
    ],
    ['builds:\n  - { guid: a }\n  - { guid: b } # two\n', 'builds:\n  - { guid: a }\n  - { guid: b } # two\n  - @\n'],
  ])('one more row keeps every byte of %j', (text, wanted) => {
    const edited = withRow(manifest(text), ROW);
    expect(edited).toBe(wanted.replace('@', '{ guid: c, version: "3", labels: { release: "2026-11" } }'));
    expect(values(edited)).toMatchObject([{ guid: 'a' }, { guid: 'b' }, ROW]);
  });

  test.each([
    ['{"builds":[{"guid":"a"},{"guid":"b"}]}', '{"builds":[{"guid":"a"},{"guid":"b"}, @]}'],
    [
      '{\n  "builds": [\n    { "guid": "a" },\n    { "guid": "b" }\n  ]\n}\n',
      '{\n  "builds": [\n    { "guid": "a" },\n    { "guid": "b" },\n    @\n  ]\n}\n',
    ],
  ])('one more row keeps every byte of the JSON %j', (text, wanted) => {
    const edited = withRow(manifest(text, 'a.json'), ROW);
    expect(edited).toBe(wanted.replace('@', JSON.stringify(ROW)));
    expect(JSON.parse(edited ?? '')).toMatchObject({ builds: [{ guid: 'a' }, { guid: 'b' }, ROW] });
  });

  test('a row of JSON is written over lines where the last one is, with its indentation', () => {
    const text = `${JSON.stringify({ kind: 'x', builds: [{ guid: 'a' }] }, null, '\t')}\n`;
    const edited = withRow(manifest(text, 'a.json'), ROW);
    expect(edited).toBe(`${JSON.stringify({ kind: 'x', builds: [{ guid: 'a' }, ROW] }, null, '\t')}\n`);
  });
});

describe('the first row of a list', () => {
  const row = '  - guid: c\n    version: "3"\n    labels: { release: "2026-11" }\n';
  test.each([
    ['kind: x\nbuilds: []\n', `kind: x\nbuilds:\n${row}`],
    ['builds: [ ] # none yet\nkind: x\n', `builds: # none yet\n${row}kind: x\n`],
    ['builds:\n  # none yet\nkind: x\n', `builds:\n  # none yet\n${row}kind: x\n`],
    ['builds: ~', `builds:\n${row}`],
    ['builds: null # none\n', `builds: # none\n${row}`],
  ])('the first row of %j is written in block style', (text, wanted) => {
    expect(withRow(manifest(text), ROW)).toBe(wanted);
  });

  test('the first row of an empty list of JSON is written over lines', () => {
    const text = `${JSON.stringify({ kind: 'x', builds: [] }, null, 2)}\n`;
    expect(withRow(manifest(text, 'a.json'), ROW)).toBe(`${JSON.stringify({ kind: 'x', builds: [ROW] }, null, 2)}\n`);
    expect(withRow(manifest('{"builds":[]}', 'a.json'), ROW)).toBe(`{"builds":[${JSON.stringify(ROW)}]}`);
  });

  test('the first row in a map in brackets stays in brackets', () => {
    expect(values(withRow(manifest('{ kind: x, builds: [] }\n'), ROW))).toEqual([ROW]);
    expect(values(withRow(manifest('builds: [ # none\n]\n'), ROW))).toEqual([ROW]);
  });

  test('a file that has comments only keeps them above its first manifest', () => {
    const text = newManifest(SCOPE, ROW, false, '# ours\r\n');
    expect(text.startsWith('# ours\r\napiVersion: kvdeploy.dev/v1\r\n')).toBe(true);
    expect(values(text)).toEqual([ROW]);
    expect(JSON.parse(newManifest(SCOPE, ROW, true))).toMatchObject({ ...SCOPE, builds: [ROW] });
  });

  test('a file without a list is left alone', () => {
    expect(withRow(manifest('kind: x\n'), ROW)).toBeUndefined();
    expect(withRow(manifest('builds: none\n'), ROW)).toBeUndefined();
    expect(withRow(manifest('- builds\n'), ROW)).toBeUndefined();
  });
});

describe('texts that another parser could read as something else', () => {
  test.each([
    '1.10',
    '1',
    '1e5',
    '12:30:00',
    '2026-11-21',
    'yes',
    'null',
    'y',
    '0x1f',
    '0o17',
    '1_000',
    '',
    'a: b',
    '- a',
    '# a',
    "it's",
    'a\\b',
    '~',
    '.5',
    '1234567',
    '123e456',
    'a,b',
    '{a}',
    '*a',
    '&a',
  ])('the version %j comes back as it was', (version) => {
    const edited = withRow(manifest('builds:\n  - guid: a\n'), { guid: 'c', version }) ?? '';
    expect(edited).toContain(`version: ${JSON.stringify(version)}\n`);
    expect(values(edited)).toEqual([{ guid: 'a' }, { guid: 'c', version }]);
  });

  test.each([
    '2026.11.21-3',
    '1.4.2',
    'v1',
    '7c9e6679-7425-40de-944b-e07fc1f90ae7',
    '2026-11-21T09:12:00Z',
    'https://example.com/acme/gateway',
    '3f2a9c1d0b7e',
  ])('the text %s needs no quotes', (text) => {
    expect(withRow(manifest('builds:\n  - guid: a\n'), { guid: text })).toContain(`- guid: ${text}\n`);
  });
});

describe('a row that moves', () => {
  test.each([
    ['builds:\n  - guid: a\n    ref: blue # now\n', 'builds:\n  - guid: a\n    ref: green # now\n'],
    ['builds:\n  - guid: a\n    ref: "blue"\n', 'builds:\n  - guid: a\n    ref: "green"\n'],
    ["builds: [{ guid: a, ref: 'blue' }]\n", "builds: [{ guid: a, ref: 'green' }]\n"],
  ])('only the ref of %j is written anew', (text, wanted) => {
    expect(withRef(manifest(text), 0, 'green')).toBe(wanted);
  });

  test('a ref in JSON stays in quotes', () => {
    expect(withRef(manifest('{"builds":[{"ref":"blue"}]}', 'a.json'), 0, 'green')).toBe('{"builds":[{"ref":"green"}]}');
  });
});

describe('rows that are taken out', () => {
  const commented =
    '# top\nbuilds:\n  # newest last\n  - guid: a # one\n\n  # about b\n  - guid: b\n    # in b\n\n  # about c\n  - guid: c\n# end\n';
  test.each([
    [[0], '# top\nbuilds:\n  # newest last\n  # about b\n  - guid: b\n    # in b\n\n  # about c\n  - guid: c\n# end\n'],
    [[1], '# top\nbuilds:\n  # newest last\n  - guid: a # one\n\n  # about c\n  - guid: c\n# end\n'],
    [[2], '# top\nbuilds:\n  # newest last\n  - guid: a # one\n\n  # about b\n  - guid: b\n    # in b\n\n# end\n'],
    [[0, 1, 2], '# top\nbuilds: []\n  # newest last\n# end\n'],
  ])('a manifest without its rows %j keeps the comments of the others', (indexes, wanted) => {
    expect(withoutRows(manifest(commented), indexes)).toBe(wanted);
  });

  test.each([
    ['builds: [{ guid: a }, { guid: b }, { guid: c }]\n', [1], 'builds: [{ guid: a }, { guid: c }]\n'],
    ['builds: [{ guid: a }, { guid: b }, { guid: c }]\n', [1, 2], 'builds: [{ guid: a }]\n'],
    [
      'builds: [\n  { guid: a }, # one\n  { guid: b }, # two\n  { guid: c }\n]\n',
      [2],
      'builds: [\n  { guid: a }, # one\n  { guid: b } # two\n]\n',
    ],
    ['builds: [\n  { guid: a },\n  { guid: b }\n]\n', [0, 1], 'builds: [\n]\n'],
    ['builds:\n- { guid: a }\n- { guid: b }\n', [0], 'builds:\n- { guid: b }\n'],
  ])('the manifest %j without its rows %j keeps all the rest', (text, indexes, wanted) => {
    expect(withoutRows(manifest(text), indexes)).toBe(wanted);
  });

  test.each([[[0]], [[1]], [[2]], [[0, 1]], [[1, 2]], [[0, 2]], [[0, 1, 2]]])('JSON without the rows %j is JSON', (indexes) => {
    const guids = ['a', 'b', 'c'];
    const value = { kind: 'x', builds: guids.map((guid) => ({ guid, labels: { a: '1' } })) };
    for (const unit of [0, 2, '\t']) {
      const left = withoutRows(manifest(JSON.stringify(value, null, unit), 'a.json'), indexes) ?? '';
      const builds = value.builds.filter((_row, index) => !indexes.includes(index));
      expect(JSON.parse(left)).toEqual({ ...value, builds });
      if (unit !== 0 && builds.length > 0) expect(left).toBe(JSON.stringify({ ...value, builds }, null, unit));
    }
  });
});
