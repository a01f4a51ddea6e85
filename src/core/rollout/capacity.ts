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

/** What the candidate's place is to get, and what the config says that a place must have. */
export interface Needed {
  readonly candidate: string;
  /** The place whose traffic it takes; null where there is none. */
  readonly stable: string | null;
  /** Whether that place must be able to take all of it back. */
  readonly rollsBack: boolean;
  /** Of the candidate. */
  readonly percent: number;
  /** The config's `minUp` of a place; undefined where it says nothing. */
  readonly minUp: (place: string) => number | undefined;
}

/**
 * Why a place has too few members up at a location, or undefined. The candidate needs its `minUp`; without one, as many as the stable place has
 * up there, scaled by its percent and rounded up, and at least one. The stable place needs its `minUp`, or one: rolling back leads there.
 */
export function tooFewUp(locations: readonly LocationSeen[], needed: Needed): string | undefined {
  const { candidate, stable, rollsBack } = needed;
  const short = locations.flatMap((location) => {
    const carries = stable === null ? 0 : ableAt(location, stable).length;
    const least = needed.minUp(candidate) ?? scaled(carries, needed.percent);
    const share = ` for ${percentText(needed.percent)}`;
    const own = shortAt(location, candidate, least, needed.minUp(candidate) === undefined ? share : '');
    const back = stable === null || !rollsBack ? [] : shortAt(location, stable, needed.minUp(stable) ?? 1, ' to roll back to');
    return [...own, ...back];
  });
  return short.length === 0 ? undefined : short.join('; ');
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

function shortAt(location: LocationSeen, place: string, least: number, what: string): readonly string[] {
  const own = location.members.filter((member) => member.place === place);
  const able = ableAt(location, place);
  if (able.length >= least) return [];
  const missing = own.filter((member) => !able.includes(member)).map(({ name }) => name);
  const which = missing.length === 0 ? '' : `, without ${missing.join(', ')}`;
  return [
    `${place} needs ${least} member${least === 1 ? '' : 's'} up at ${location.name}${what}, and has ${able.length} of ${own.length}${which}`,
  ];
}

/** A place that gets traffic gives none of it to a member in drain or maintenance; one that gets nothing may be in maintenance whole. */
function ableAt({ members }: LocationSeen, place: string): readonly MemberSeen[] {
  const own = members.filter((member) => member.place === place);
  const takes = ({ weight, draining, parked }: MemberSeen) => weight > 0 && !draining && !parked;
  const serves = own.some(takes);
  return own.filter((member) => member.up && (!serves || takes(member)));
}
