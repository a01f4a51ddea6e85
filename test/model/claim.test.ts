/** Claim, fence and hold in every order of steps: two runners and a rescuer, whole and with each guard taken away. */
import { afterAll, describe, expect, it } from 'vitest';
import { recordReliability } from '../reliability.ts';
import { type Searched, search, spinVersion } from './spin.ts';

const proofs: Searched[] = [];

describe('two runners and a rescuer on one host, any of them asleep at any moment', () => {
  it('two runners and a rescuer keep all four promises, any of them asleep at any moment', () => {
    const searched = search();
    expect(searched.broken).toBeNull();
    proofs.push(searched);
  });

  it('two runners and a rescuer keep every acknowledged entry even where no process can be ended', () => {
    const searched = search('-DREMOTE');
    expect(searched.broken).toBeNull();
    proofs.push(searched);
  });
});

describe('spin finds the error', () => {
  it.each([
    [
      'no look at the fence after an append: an acknowledged entry is lost',
      ['-DREMOTE', '-DNO_LOOK_AFTER_APPEND'],
      'seen<=accepted',
    ],
    ['no kill before the claim: a runner that was taken over from makes a change', ['-DNO_KILL_BEFORE_CLAIM'], 'over[me]'],
    ['a process that is hidden is called gone: it makes a change after the takeover', ['-DHIDDEN_IS_GONE'], 'over[me]'],
    ['no kill by the rescuer: a sleeping runner makes a change after it', ['-DNO_KILL_BY_RESCUER'], 'rescued'],
    ['the hold looked at only when a command begins: a runner makes a change after the rescuer', ['-DNO_HOLD_LOOK'], 'rescued'],
    ['a claim that does not exclude another: two lead', ['-DNO_EXCLUSIVE_LINK'], 'rescued'],
    [
      'what the docs say is not promised: a process that cannot be ended still makes its one change',
      ['-DREMOTE', '-DREMOTE_EFFECTS'],
      'over[me]',
    ],
  ])('spin finds the error: %s', (_what, flags, broken) => {
    expect(search(...flags).broken).toContain(broken);
  });
});

afterAll(() => {
  const sum = (of: (searched: Searched) => number) => proofs.reduce((total, searched) => total + of(searched), 0);
  recordReliability(
    {
      name: 'spin-model-short',
      what: 'all states of the model of claim, fence and hold (two runners and one rescuer)',
      points: sum(({ states }) => states),
      seconds: sum(({ seconds }) => seconds),
      seed: null,
      failures: 2 - proofs.length,
    },
    { spin: spinVersion() },
  );
});
