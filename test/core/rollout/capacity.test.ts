/** How many members of a place must be up for a share of the traffic. */
import { describe, expect, it } from 'vitest';
import {
  type LocationSeen,
  type MemberSeen,
  membersNeeded,
  type Needed,
  notUp,
  outAt,
  tooFewUp,
} from '../../../src/core/rollout/capacity.ts';

/** `b` for a member that is up, `x` for one that is down, `d` in drain, `m` in maintenance. */
function at(name: string, places: Readonly<Record<string, string>>, weight = 0): LocationSeen {
  const members = Object.entries(places).flatMap(([place, states]) =>
    [...states].map((state, index): MemberSeen => {
      const said = { up: state !== 'x', draining: state === 'd', parked: state === 'm' };
      return { name: `${place}${index + 1}`, place, weight: place === 'blue' ? 10 : weight, ...said };
    }),
  );
  return { name, members };
}

function few(locations: readonly LocationSeen[], percent: number, more: Partial<Needed> = {}) {
  return tooFewUp(locations, {
    candidate: 'green',
    stable: 'blue',
    percent,
    keeps: 0,
    minUp: () => undefined,
    had: () => 0,
    ...more,
  });
}

describe('the members that a share needs', () => {
  it.each([
    [1, 'bbb', 'b'],
    [34, 'bbb', 'bb'],
    [50, 'bbbb', 'bb'],
    [100, 'bbb', 'bbb'],
    [7, 'b'.repeat(100), 'b'.repeat(7)],
  ])('a share of %i %% of %s needs exactly as many members up, rounded up', (percent, blue, green) => {
    expect(few([at('main', { blue, green })], percent)).toBeUndefined();
    expect(few([at('main', { blue, green: `${green.slice(1)}x` })], percent)).toMatch(
      /^green needs \d+ members? up at main for /,
    );
  });

  it('a share is judged at each location, and what is missing is named by member and location', () => {
    const east = at('east', { blue: 'bbb', green: 'bbb' });
    const west = at('west', { blue: 'bbb', green: 'bxx' });
    expect(few([east, west], 10)).toBeUndefined();
    expect(few([east, west], 50)).toBe('green needs 2 members up at west for 50 %, and has 1 of 3, without green2, green3');
    expect(few([east, at('west', { blue: 'b' })], 1)).toMatch(/^green needs 1 member up at west for 1 %, and has 0 of 0$/);
  });

  it('what the config says of a place counts in its stead, for either place', () => {
    const here = [at('main', { blue: 'bbbb', green: 'bbx' })];
    expect(few(here, 100, { minUp: (place) => (place === 'green' ? 2 : undefined) })).toBeUndefined();
    expect(few(here, 1, { minUp: (place) => (place === 'green' ? 3 : undefined) })).toMatch(
      /^green needs 3 members up at main, and/,
    );
    const back = { minUp: (place: string) => (place === 'blue' ? 5 : undefined) };
    expect(few(here, 1, back)).toBe('blue needs 5 members up at main to roll back to, and has 4 of 4');
    expect(few(here, 1, { ...back, keeps: null })).toBeUndefined();
  });

  it('members that the stable place has lost ask no less of the candidate', () => {
    const here = [at('main', { blue: 'bxx', green: 'bxx' })];
    expect(few(here, 100)).toBeUndefined();
    expect(few(here, 100, { had: () => 3 })).toMatch(/^green needs 3 members up at main for 100 %, and has 1 of 3/);
    expect(few([at('main', { blue: 'bbbbbb', green: 'bbb' })], 100, { had: () => 3 })).toMatch(/^green needs 6 members/);
  });

  it('the stable place needs enough members before a raise for the share that it keeps, of as many as it had', () => {
    const two = [at('main', { blue: 'bbx', green: 'bbb' })];
    expect(few(two, 25, { keeps: 75, had: () => 3 })).toBe(
      'blue needs 3 members up at main for the 75 % that it keeps, and has 2 of 3, without blue3',
    );
    expect(few(two, 50, { keeps: 50, had: () => 3 })).toBeUndefined();
    expect(few(two, 25, { keeps: 75, had: () => 3, minUp: (place) => (place === 'blue' ? 2 : undefined) })).toBeUndefined();
    expect(few([at('main', { blue: 'bxx', green: 'bbb' })], 100, { keeps: 0, had: () => 3 })).toBeUndefined();
  });

  it('what each place needs and has is told for every location, also where it is enough', () => {
    const places = [at('east', { blue: 'bbbb', green: 'bbx' }), at('west', { blue: 'bb', green: 'bb' })];
    const needed = { candidate: 'green', stable: 'blue', percent: 50, keeps: 50, minUp: () => undefined, had: () => 0 };
    expect(membersNeeded(places, needed)).toEqual([
      { place: 'green', location: 'east', needs: 2, up: 2, members: 3 },
      { place: 'blue', location: 'east', needs: 2, up: 4, members: 4 },
      { place: 'green', location: 'west', needs: 1, up: 2, members: 2 },
      { place: 'blue', location: 'west', needs: 1, up: 2, members: 2 },
    ]);
  });

  it('a plan keeps which members carried nothing; an idle place may be in maintenance whole', () => {
    expect([...outAt(at('main', { blue: 'bxmd', green: 'mmx' }))]).toEqual(['blue2', 'blue3', 'blue4', 'green3']);
  });

  it('a place without any member up is no place to roll back to', () => {
    expect(few([at('main', { blue: 'xx', green: 'bb' })], 10)).toMatch(/^blue needs 1 member up at main to roll back to/);
    expect(few([at('main', { blue: 'xb', green: 'bb' })], 10)).toBeUndefined();
  });

  it('a member in drain or maintenance carries nothing where its place serves', () => {
    expect(few([at('main', { blue: 'bbb', green: 'mmm' })], 100)).toBeUndefined();
    expect(few([at('main', { blue: 'bbb', green: 'bmd' }, 5)], 100)).toMatch(/has 1 of 3, without green2, green3$/);
  });

  it('members that are down are named even where enough others are up', () => {
    expect(notUp([at('main', { blue: 'bb', green: 'bx' })], ['blue', 'green'])).toEqual([
      'green2 of green at main: 1 of 2 are up',
    ]);
    expect(notUp([at('main', { blue: 'bb', green: 'bb' })], ['blue', 'green'])).toEqual([]);
    expect(notUp([at('main', { blue: 'bmd' })], ['blue'])).toEqual([
      'blue2 (in maintenance), blue3 (draining) of blue at main: 1 of 3 are up',
    ]);
  });
});
