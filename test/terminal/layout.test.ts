import fc from 'fast-check';
import stringWidth from 'string-width';
import { describe, expect, test } from 'vitest';
import { advice, clip, fitted, hang, sideBySide, table, widest, wrap } from '../../src/terminal/layout.ts';

describe('a line for a terminal', () => {
  test('a line is cut by columns, and never inside a character', () => {
    expect(clip('a🙂b', 3)).toBe('a🙂');
    expect(clip('a🙂b', 2)).toBe('a');
    expect(clip('日本語', 4)).toBe('日本');
    expect(clip('plain', 5)).toBe('plain');
  });

  test('a wrapped text is never wider than the terminal, and holds every word', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('to', 'rollout', '日本語', '🙂', 'a-very-long-word-without-blanks'), { minLength: 1 }),
        (words) => {
          const lines = wrap(words.join(' '), 12);
          expect(lines.filter((line) => stringWidth(line) > 12)).toEqual([]);
          expect(lines.join('').replaceAll(' ', '')).toBe(words.join(''));
        },
      ),
    );
  });

  test('a text goes on below itself, between words', () => {
    expect(hang('  try      ', 'Look at the router, and run the command again.', 40)).toBe(
      '  try      Look at the router, and run\n           the command again.',
    );
    expect(hang('✖ ', '\u001b[1mDRIFT\u001b[22m  The router says 25 %.', 22)).toBe(
      '✖ \u001b[1mDRIFT\u001b[22m  The router\n  says 25 %.',
    );
  });

  test('a text is left whole in a pipe, and where it is a command to paste', () => {
    const text = 'Carry on with kvdeploy resume --env production --tenant acme';
    expect(hang('  try      ', text, undefined)).toBe(`  try      ${text}`);
    expect(advice('  try      ', text, 40)).toBe(`  try      ${text}`);
    expect(fitted(`  next       ${text}`, 40)).toBe(`  next       ${text}`);
  });

  test('a path stays in one piece, to be copied', () => {
    const path = '/var/lib/kvdeploy/acme/production/kv-gateway/pointer';
    expect(hang('  ', `the pointer in ${path} is damaged`, 30)).toBe(`  the pointer in\n  ${path}\n  is damaged`);
  });

  test('a line of a text goes on below what follows its label', () => {
    const text = 'acme/production\n  traffic     the router did not answer in time\n    1  claimed by ana on a host with a name';
    expect(fitted(text, 36).split('\n')).toEqual([
      'acme/production',
      '  traffic     the router did not',
      '              answer in time',
      '    1  claimed by ana on a host with',
      '       a name',
    ]);
  });
});

describe('a table', () => {
  const rows = [
    ['日本', 'one'],
    ['b', 'a longer cell'],
  ];

  test('a table is aligned under wide characters', () => {
    expect(table(rows)).toEqual(['日本  one', 'b     a longer cell']);
  });

  test('a table gets narrower in its widest column, and wraps there', () => {
    expect(widest(rows, 14)).toEqual([4, 8]);
    expect(table(rows, widest(rows, 14))).toEqual(['日本  one', 'b     a longer', '      cell']);
    expect(widest(rows, 1)).toEqual([1, 1]);
    expect(table([])).toEqual([]);
  });

  test('blocks of lines stand side by side', () => {
    expect(sideBySide([['a', 'b'], [], ['c']], [2, 0])).toEqual(['a     c', 'b']);
  });
});
