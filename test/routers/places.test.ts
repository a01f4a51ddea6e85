/** Members by place, over several locations. */
import { expect, it } from 'vitest';
import { placesOf } from '../../src/routers/places.ts';
import { memberAt } from '../engine/asking.ts';

it('a place is not up where one location has no member of it', () => {
  const [blue, green] = ['blue', 'green'].map((place) => memberAt({ address: null }, { name: place, place }));
  if (blue === undefined || green === undefined) throw new Error('two members were made');
  const locations = [
    { name: 'edge1', members: [blue, green] },
    { name: 'edge2', members: [blue] },
  ];
  expect(placesOf(locations).map(({ place, up }) => [place, up])).toEqual([
    ['blue', true],
    ['green', false],
  ]);
});
