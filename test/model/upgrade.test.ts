/** The rescue program and the generations next to it in every order of steps, while a new version takes over from an old one. */
import { expect, it } from 'vitest';
import { searchIn } from './spin.ts';

it('a rescue program reads every generation next to it, whoever stops where in an upgrade', () => {
  expect(searchIn('upgrade.pml', []).broken).toBeNull();
});

it.each([
  ['the program is replaced after the generation', '-DPROGRAM_LAST'],
  ['the old leader is not ended before the claim', '-DNO_KILL_BEFORE_CLAIM'],
])('spin finds a generation that the rescue program cannot read, where %s', (_what, flag) => {
  expect(searchIn('upgrade.pml', [flag]).broken).toContain('program>=format');
});
