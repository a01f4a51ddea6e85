/** Capacity: whether a place has enough members up for the traffic that it is to get. No I/O. */
import { percentText } from '../text.ts';

/** One member, as far as its location says whether it can serve. */
export interface MemberSeen {
  readonly name: string;
  readonly place: string | null;
  readonly weight: number;
  readonly up: boolean;
  readonly draining: boolean;
  readonly parked: boolean;
}

/** One location with its members. */
export interface LocationSeen {
  readonly name: string;
  readonly members: readonly MemberSeen[];
}

/** What the candidate's place is to get, what the config says that a place must have, and what the stable place had. */
export interface Needed {
  readonly candidate: string;
  /** The place whose traffic it takes; null where there is none. */
  readonly stable: string | null;
  /** Of the candidate. */
  readonly percent: number;
  /** What the stable place must be able to carry, in percent: after a raise its own share, at a step nothing more; null with no way back to it. */
  readonly keeps: number | null;
  /** The config's `minUp` of a place; undefined where it says nothing. */
  readonly minUp: (place: string) => number | undefined;
  /** How many members the stable place had up at a location when the plan was made; 0 where the plan does not know. */
  readonly had: (location: string) => number;
}

/** What one place needs at one location, and what it has. */
export interface PlaceNeed {
  readonly place: string;
  readonly location: string;
  readonly needs: number;
  readonly up: number;
  readonly members: number;
}

/**
 * How many members must be up. The candidate needs its `minUp`; without one, as many as the stable place had up there (now, or when the plan was
 * made: members that it loses ask no less of the candidate), scaled by its percent and rounded up, and at least one. The stable place needs its
 * `minUp`; without one as many as it had, scaled by what it keeps, and at least one: rolling back leads there.
 */
export function membersNeeded(locations: readonly LocationSeen[], needed: Needed): readonly PlaceNeed[] {
  return locations.flatMap((location) => needsAt(location, needed).map(({ what: _, ...need }) => need));
}

/** Why a place has too few members up at a location, or undefined. */
export function tooFewUp(locations: readonly LocationSeen[], needed: Needed): string | undefined {
  const short = locations.flatMap((location) => needsAt(location, needed).flatMap((need) => shortAt(location, need)));
  return short.length === 0 ? undefined : short.join('; ');
}

function needsAt(location: LocationSeen, needed: Needed): readonly (PlaceNeed & { readonly what: string })[] {
  const { candidate, stable, percent, keeps, minUp, had } = needed;
  const carried = stable === null ? 0 : Math.max(had(location.name), ableAt(location, stable).length);
  const need = (place: string, share: number, what: string, said: string) => {
    const least = minUp(place);
    const members = location.members.filter((member) => member.place === place).length;
    const up = ableAt(location, place).length;
    const at = { place, location: location.name, up, members };
    return { ...at, needs: least ?? scaled(carried, share), what: least === undefined ? what : said };
  };
  const own = need(candidate, percent, ` for ${percentText(percent)}`, '');
  if (stable === null || keeps === null) return [own];
  const back = ' to roll back to';
  return [own, need(stable, keeps, keeps > 0 ? ` for the ${percentText(keeps)} that it keeps` : back, back)];
}

/** The members of a location that carry nothing of their places, by name. */
export function outAt(location: LocationSeen): ReadonlySet<string> {
  const places = [...new Set(location.members.flatMap(({ place }) => place ?? []))];
  const able = new Set(places.flatMap((place) => ableAt(location, place).map(({ name }) => name)));
  return new Set(location.members.flatMap(({ name }) => (able.has(name) ? [] : [name])));
}

/** Which members of these places, which serve, give them nothing: by name and location, in words. Empty where all do. */
export function notUp(locations: readonly LocationSeen[], places: readonly string[]): readonly string[] {
  return locations.flatMap((location) =>
    places.flatMap((place) => {
      const own = location.members.filter((member) => member.place === place);
      const lost = own.filter(({ up, draining, parked }) => !up || draining || parked);
      if (lost.length === 0) return [];
      const names = lost.map(({ name, up, parked }) => (up ? `${name} (${parked ? 'in maintenance' : 'draining'})` : name));
      return [`${names.join(', ')} of ${place} at ${location.name}: ${own.length - lost.length} of ${own.length} are up`];
    }),
  );
}

/** Rounded up; what arithmetic adds to a whole number is no member. */
function scaled(carries: number, percent: number): number {
  return Math.max(1, Math.ceil((carries * percent) / 100 - 1e-9));
}

function shortAt(location: LocationSeen, need: PlaceNeed & { readonly what: string }): readonly string[] {
  const { place, needs: least, what, up, members } = need;
  const able = ableAt(location, place);
  if (able.length >= least) return [];
  const own = location.members.filter((member) => member.place === place);
  const missing = own.filter((member) => !able.includes(member)).map(({ name }) => name);
  const which = missing.length === 0 ? '' : `, without ${missing.join(', ')}`;
  return [
    `${place} needs ${least} member${least === 1 ? '' : 's'} up at ${location.name}${what}, and has ${up} of ${members}${which}`,
  ];
}

/** A place that gets traffic gives none of it to a member in drain or maintenance; one that gets nothing may be in maintenance whole. */
function ableAt({ members }: LocationSeen, place: string): readonly MemberSeen[] {
  const own = members.filter((member) => member.place === place);
  const takes = ({ weight, draining, parked }: MemberSeen) => weight > 0 && !draining && !parked;
  const serves = own.some(takes);
  return own.filter((member) => member.up && (!serves || takes(member)));
}
