/** Suggestions, numbers in words, and text made safe for a terminal. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { safeLine, safeText } from '../../src/base/text.ts';
import { parseDuration } from '../../src/core/gates/verdict/gate.ts';
import { lookAlike, nearest } from '../../src/core/nearest.ts';
import { countText, msText, percentText } from '../../src/core/text.ts';

test('a suggestion is two slips away or begins alike, and is none for what is known or far', () => {
  const names = ['weight', 'percent', 'production', 'prod', 'qa'];
  expect(nearest('wieght', names)).toBe('weight');
  expect(nearest('precnt', names)).toBe('percent');
  expect(nearest('produ', names)).toBe('prod');
  expect(nearest('product', ['production'])).toBe('production');
  expect(nearest('7c9e6679', ['7c9e6679-7425-40de-944b-e07fc1f90ae7'])).toBe('7c9e6679-7425-40de-944b-e07fc1f90ae7');
  expect(nearest('Percent', names)).toBe('percent');
  for (const word of ['weight', 'uat', 'x', '', 'staging']) expect(nearest(word, names)).toBeUndefined();
  expect(lookAlike('prod', ['production'])).toBeUndefined();
});

describe('durations', () => {
  const good: Readonly<Record<string, number>> = {
    '0s': 0,
    '500ms': 500,
    '90s': 90_000,
    '5m': 300_000,
    '1h30m': 5_400_000,
    '1d2h3m4s5ms': 93_784_005,
    '30d': 2_592_000_000,
  };
  for (const [text, ms] of Object.entries(good)) test(`the duration ${text} is read`, () => expect(parseDuration(text)).toBe(ms));
  for (const text of ['', '5', 's', '-5s', '5 m', '1.5h', '1m1m', '5s1h', '5M', '31d', '5m\n', '٣s', '1ms1s']) {
    test(`a duration is not ${JSON.stringify(text)}`, () => expect(parseDuration(text)).toBeUndefined());
  }
  test('the durations of whole seconds are written as they are read', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2_000_000 }), (seconds) => {
        expect(parseDuration(msText(seconds * 1000))).toBe(seconds * 1000);
      }),
    );
  });
});

test('a percentage calls no part nothing, and no part the whole', () => {
  expect([0, 0.000026, 0.0075, 2.456, 99.996, 100].map(percentText)).toEqual([
    '0 %',
    '0.000026 %',
    '0.0075 %',
    '2.46 %',
    '99.996 %',
    '100 %',
  ]);
  expect(countText(0, 0)).toBe('0 of 0');
});

describe('safe text', () => {
  test('safe text shows what would move, hide or reorder text', () => {
    expect(safeText('a\u001b[2Jb\u202ec\u200bd\re\u009bf\u{e0041}g\u2028')).toBe(
      'a\\u{1b}[2Jb\\u{202e}c\\u{200b}d\\u{d}e\\u{9b}f\\u{e0041}g\\u{2028}',
    );
    expect(safeText('ä 中 🙂\n\tok')).toBe('ä 中 🙂\n\tok');
    expect(safeLine('a\n\tb')).toBe('a\\n b');
    expect(safeText('\ud800')).toBe('\\u{d800}');
  });

  test('safe text leaves no control, format or separator character in any string (seeded)', () => {
    const seed = Number(process.env.KVDEPLOY_SEED ?? Date.now() % 1_000_000);
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        expect(safeText(text)).not.toMatch(/(?![\t\n])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
        expect(safeLine(text)).not.toMatch(/[\t\n]/);
      }),
      { seed, numRuns: 5000 },
    );
  });
});
