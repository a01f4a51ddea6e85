/** Which places of a target a plan and its pointer name. */
import { describe, expect, it } from 'vitest';
import { keptPlaces } from '../../../src/core/ledger/kept-places.ts';
import { historyWith } from '../admission/facts.ts';
import { promotion } from '../manifest/builds.ts';

const place = (name: string, parked = false) => ({ place: name, parked });

describe('the places that a plan names', () => {
  it('a place whose members are all in maintenance is left out, unless a build was known-good there', () => {
    const slots = Array.from({ length: 400 }, (_, at) => place(`slot-${at}`, true));
    const all = [place('blue', true), place('green'), ...slots];
    expect(keptPlaces(all, historyWith(), null)).toEqual(['blue', 'green']);
  });

  it('a place that the last plan named stays named, so that every generation restores the same', () => {
    const all = [place('blue'), place('green', true), place('old', true), place('spare', true)];
    const history = historyWith();
    expect(keptPlaces(all, history, promotion([100]))).toEqual(['blue', 'green', 'old']);
    expect(keptPlaces(all, history)).toEqual(['blue', 'green', 'old']);
    expect(keptPlaces(all, { ...history, rollout: null })).toEqual(['blue']);
  });
});
