import { describe, expect, test } from 'vitest';
import { colourLevel, speaksUnicode } from '../../src/terminal/colour.ts';

describe('colour', () => {
  test.each([
    ['a terminal has colour', {}, true, undefined, 1],
    ['a pipe has none', {}, false, undefined, 0],
    ['NO_COLOR takes it away', { NO_COLOR: '1' }, true, undefined, 0],
    ['an empty NO_COLOR does not count', { NO_COLOR: '' }, true, undefined, 1],
    ['NO_COLOR is stronger than FORCE_COLOR', { NO_COLOR: '1', FORCE_COLOR: '1' }, true, undefined, 0],
    ['FORCE_COLOR brings it to a pipe', { FORCE_COLOR: '1' }, false, undefined, 1],
    ['CLICOLOR_FORCE does too', { CLICOLOR_FORCE: '1' }, false, undefined, 1],
    ['FORCE_COLOR=0 takes it away', { FORCE_COLOR: '0' }, true, undefined, 0],
    ['a dumb terminal has none', { TERM: 'dumb' }, true, undefined, 0],
    ['CI alone changes nothing', { CI: 'true', GITHUB_ACTIONS: 'true' }, false, undefined, 0],
    ['--no-color is stronger than FORCE_COLOR', { FORCE_COLOR: '1' }, true, 'never', 0],
    ['--color=always is stronger than NO_COLOR', { NO_COLOR: '1' }, false, 'always', 1],
  ] as const)('the colour of a stream is decided by rank: %s', (_name, env, isTty, flag, level) => {
    expect(colourLevel(env, isTty, flag)).toBe(level);
  });

  test('the report falls back to ASCII where the locale is not UTF-8', () => {
    expect(speaksUnicode({ LANG: 'de_DE.UTF-8' })).toBe(true);
    expect(speaksUnicode({ LANG: 'de_DE.UTF-8', LC_ALL: 'C' })).toBe(false);
    expect(speaksUnicode({})).toBe(false);
  });
});
