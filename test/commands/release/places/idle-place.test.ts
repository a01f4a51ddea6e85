/** Which place is free for a new build. */
import { describe, expect, it } from 'vitest';
import { firstIdle, occupiedBecause } from '../../../../src/commands/release/places/idle-place.ts';
import { fold, type History } from '../../../../src/core/ledger/history.ts';
import type { Member, PlaceReading } from '../../../../src/routers/router.ts';

const NONE = fold([]);
const place = (of: Partial<PlaceReading>): PlaceReading => {
  return { place: 'green', percent: 0, realPercent: 0, up: true, parked: false, served: null, ...of };
};
const member = { place: 'green' } as Member;
const everywhere = {
  locations: [
    { name: 'a', members: [member] },
    { name: 'b', members: [member] },
  ],
};
const good = (entries: readonly { ref: string; since: string; until?: string }[]): History => ({
  ...NONE,
  knownGood: entries.map(({ ref, since, until }) => {
    return {
      build: { ref, guid: ref },
      since,
      rollout: 'r',
      ...(until === undefined ? {} : { until }),
    } as unknown as History['knownGood'][number];
  }),
});

describe('occupiedBecause', () => {
  it('lets a place at 0 % that every location has be used', () => {
    expect(occupiedBecause(place({}), everywhere, NONE)).toBeNull();
  });

  it.each([
    ['gets traffic by its weights', place({ percent: 10 }), everywhere, NONE, 'it gets 10 %'],
    ['really gets traffic', place({ realPercent: 5 }), everywhere, NONE, 'it really gets 5 %'],
    ['is the known-good one', place({}), everywhere, good([{ ref: 'green', since: '1' }]), 'the known-good build'],
    [
      'is missing at a location',
      place({}),
      { locations: [...everywhere.locations, { name: 'c', members: [] }] },
      NONE,
      'no server at c',
    ],
  ])('says why a place that %s is occupied', (_what, reading, locations, history, why) => {
    expect(occupiedBecause(reading, locations, history)).toContain(why);
  });
});

describe('firstIdle', () => {
  const history = good([
    { ref: 'blue', since: '2026-11-04' },
    { ref: 'green', since: '2026-11-03', until: '2026-11-04' },
    { ref: 'amber', since: '2026-11-02', until: '2026-11-03' },
  ]);

  it('takes a place where no build was ever known-good before any other', () => {
    expect(firstIdle(['green', 'violet', 'amber'], history)).toBe('violet');
  });

  it('takes the place that was known-good longest ago, so that the newest rollback target stays', () => {
    expect(firstIdle(['green', 'amber'], history)).toBe('amber');
  });

  it('takes the first by name of those that were never known-good', () => {
    expect(firstIdle(['white', 'violet'], history)).toBe('violet');
  });
});
