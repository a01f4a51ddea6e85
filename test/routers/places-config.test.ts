/** What configs say of places, whatever the router. */
import { expect, it } from 'vitest';
import * as z from 'zod';
import { placeSettingsOf, placeSettingsShape } from '../../src/routers/places-config.ts';

it('a place says how many of its members must be up, and a plain list says nothing', () => {
  const places = { blue: ['b1', 'b2'], green: { servers: 'green-*', minUp: 2 }, amber: { servers: ['a1'] } };
  expect(placeSettingsOf(places)).toEqual({ blue: {}, green: { minUp: 2 }, amber: {} });
});

it('a config without places has no settings of places: every server is one', () => {
  expect(placeSettingsOf(undefined)).toBeNull();
});

it.each([0, -1, 1.5, 10_001, '2'])('a place that wants %s members up is refused', (minUp) => {
  expect(z.strictObject(placeSettingsShape).safeParse({ minUp }).success).toBe(false);
});
