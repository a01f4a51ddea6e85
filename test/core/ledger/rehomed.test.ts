/** A ledger that was written before a config had `places`. */
import { describe, expect, it } from 'vitest';
import { fold, type History } from '../../../src/core/ledger/history.ts';
import { rehomed } from '../../../src/core/ledger/rehomed.ts';
import type { Plan } from '../../../src/core/rollout/plan.ts';
import { homeOf } from '../../../src/routers/places.ts';

const places = { blue: ['b1', 'b2'], green: { servers: 'g-*' }, white: { servers: ['w', 'shared'] }, grey: ['shared'] };
const home = (ref: string) => homeOf({ kind: 'haproxy', places }, ref);

describe('homeOf', () => {
  it.each([
    ['a place by its own name', 'blue', 'blue'],
    ['a server that one place lists', 'b2', 'blue'],
    ['a server that a pattern stands for', 'g-17', 'green'],
    ['a server in a list of the object form', 'w', 'white'],
    ['a server that two places list stays what it is', 'shared', 'shared'],
    ['a server of no place stays what it is', 'b3', 'b3'],
    ['a name that only looks like the pattern', 'xg-1', 'xg-1'],
  ])('a ref names %s', (_what, ref, place) => {
    expect(home(ref)).toBe(place);
  });

  it('a ref is answered at once for a pattern with many stars that almost fits', () => {
    expect(homeOf({ places: { green: { servers: `${'a*'.repeat(60)}b` } } }, 'a'.repeat(128))).toBe('a'.repeat(128));
  });

  it('a ref names its server where a config has no places', () => {
    expect(homeOf({ kind: 'haproxy' }, 'b1')).toBe('b1');
  });
});

describe('rehomed', () => {
  const build = (ref: string) => ({ guid: ref, ref }) as unknown as Plan['candidate'];
  const rollout = (phase: string) =>
    ({ phase, plan: { candidate: build('g-1'), stable: build('b1') } }) as unknown as History['rollout'];
  const history = (phase: string): History => {
    return {
      ...fold([]),
      knownGood: [{ build: build('b1'), since: '', rollout: 'r' } as unknown as History['knownGood'][number]],
      rollout: rollout(phase),
    };
  };

  it('puts known-good builds, and those of the last rollout, at the place that has their server now', () => {
    const { knownGood, rollout: last } = rehomed(history('done'), home);
    expect(knownGood[0]?.build).toEqual({ guid: 'b1', ref: 'blue' });
    expect(last?.plan).toMatchObject({ candidate: { ref: 'green' }, stable: { ref: 'blue' } });
  });

  it('leaves the builds of an open rollout where its own plan has them', () => {
    expect(rehomed(history('checking'), home).rollout?.plan).toMatchObject({ candidate: { ref: 'g-1' }, stable: { ref: 'b1' } });
  });
});
