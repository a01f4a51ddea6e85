import { describe, expect, test } from 'vitest';
import { countText, msText } from '../../src/core/text.ts';
import { bar, sharesText, sparkline, stopwatch } from '../../src/terminal/words.ts';

describe('words', () => {
  test('a duration is said as people write it', () => {
    expect([0, 250, 41_000, 90_000, 3_600_000, 5_400_000].map(msText)).toEqual(['0s', '250ms', '41s', '1m30s', '1h', '1h30m']);
    expect([72_000, 3_723_000].map(stopwatch)).toEqual(['01:12', '1:02:03']);
  });

  test('a rate is never shown without its count', () => {
    expect(countText(1, 40)).toBe('1 of 40 (2.5 %)');
    expect(countText(0, 0)).toBe('0 of 0');
  });

  test('a split in words leaves out what gets nothing, and says so when nothing serves', () => {
    const split = [
      { build: '41d0a6c3-7425-40de-944b-e07fc1f90ae7', place: 'blue', percent: 99.5 },
      { build: null, percent: 0.5 },
      { build: 'x', percent: 0 },
    ];
    expect(sharesText(split)).toBe('41d0a6c3 (blue) 99.5 %, unknown build 0.5 %');
    expect(sharesText([])).toBe('nothing serves');
  });

  test('a bar never draws something as nothing, nor less than everything as everything', () => {
    expect([0, 0.1, 50, 99.9, 100].map((percent) => bar(percent, 4, false))).toEqual(['....', '#...', '##..', '###.', '####']);
  });

  test('a list of rates is drawn as a line of marks', () => {
    expect(sparkline([0, 0.1, 0.2], true)).toBe('▁▅█');
    expect(sparkline([0, 0, 0], false)).toBe('___');
  });
});
