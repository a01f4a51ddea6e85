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

/**
 * The place that a build's `ref` means on this router: itself without `places` or where it is one of them; else the one place that lists a
 * server of that name, as refs were before `places`. A name that fits none, or several, stays as it is, and is no place.
 */
export function homeOf(router: object, ref: string): string {
  const { places } = router as { readonly places?: unknown };
  if (typeof places !== 'object' || places === null || Object.hasOwn(places, ref)) return ref;
  const homes = Object.entries(places).flatMap(([place, said]) => (namesIn(said).some((name) => fits(name, ref)) ? [place] : []));
  const [only, ...others] = homes;
  return only === undefined || others.length > 0 ? ref : only;
}

function namesIn(said: unknown): readonly string[] {
  const names: unknown = Array.isArray(said) ? said : Object(said).servers;
  return [names].flat().filter((name) => typeof name === 'string');
}

/** `*` stands for any characters. */
function fits(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[^\w]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}
