/** What a config can say of one place, the same for every router that has `places`. No I/O. */
import * as z from 'zod';
import { placeIdentitySchema } from '../core/identity.ts';

/** The name of a place; the same characters as a manifest's `ref`. */
export const placeNameSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/, 'a place has letters, digits and . _ : - only');

/** The settings of one place that concern no router in particular. */
export interface PlaceSettings {
  /** The fewest members that must be up at each location before the place gets traffic; otherwise as many as its share needs. */
  readonly minUp?: number;
}

/** The keys of `PlaceSettings`, for the object form of a place. */
export const placeSettingsShape = {
  minUp: z
    .int()
    .min(1)
    .max(10_000)
    .exactOptional()
    .describe('The fewest members that must be up at each location before the place gets traffic, such as 2'),
  /** `identityAt` reads it from the settings as they were written. */
  identity: placeIdentitySchema.exactOptional(),
};

/** The object form of a place: next to these settings it names its members, in the words of its router. */
type Said = PlaceSettings & Readonly<Record<string, unknown>>;

/** The settings of each place of `places`; null without `places`: every server is a place of its own. */
export function placeSettingsOf(
  places: Readonly<Record<string, Said | readonly unknown[]>> | undefined,
): Readonly<Record<string, PlaceSettings>> | null {
  if (places === undefined) return null;
  const settings = Object.entries(places).map(
    ([place, said]) => [place, Array.isArray(said) ? {} : picked(said as Said)] as const,
  );
  return Object.fromEntries(settings);
}

function picked({ minUp }: PlaceSettings): PlaceSettings {
  return minUp === undefined ? {} : { minUp };
}
