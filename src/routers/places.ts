/** Members by place: what several locations report of one place, and which members a split by place goes to. No I/O. */
import { type Split, servedFits, splitsAgree } from '../core/rollout/split.ts';
import type { Layout, Location, LocationSplit, Member, PlaceReading, Reading } from './router.ts';

/** The name of the location of a router that has one. */
export const MAIN = 'main';

/**
 * One member with its location. `key` is unique in its target, and stays when others come and go: the location, with the member's name unless
 * that is the place's. `words` are for people: `member green-3 at edge1`, or `member green-3` where the router has one location.
 */
export interface MemberAt {
  readonly key: string;
  readonly words: string;
  readonly location: string;
  readonly member: Member;
}

/** Every place that members belong to, in alphabetical order. A share is the average over the locations. */
export function placesOf(locations: readonly Location[]): readonly PlaceReading[] {
  const grouped = locations.map(({ members }) => byPlace(members));
  const names = new Set(grouped.flatMap((groups) => [...groups.keys()]).filter((place) => place !== null));
  const totals = grouped.map((groups) => sum([...groups].map(([place, members]) => weightOf(place, members))));
  return [...names].sort().map((place): PlaceReading => {
    const own = grouped.map((groups) => groups.get(place) ?? []);
    const all = own.flat();
    // Thirds of a share add up to it but for the last digits.
    const average = (shares: readonly number[]) => Math.round((1e9 * sum(shares)) / locations.length) / 1e9;
    const share = (members: readonly Member[], total: number) => (total === 0 ? 0 : (100 * weightOf(place, members)) / total);
    const served = all.map(({ counters }) => counters.served);
    return {
      place,
      percent: average(own.map((members, at) => share(members, totals[at] ?? 0))),
      realPercent: average(own.map((members) => sum(members.map(({ percent }) => percent)))),
      up: own.every((members) => members.some(({ up }) => up)),
      parked: all.every(({ parked }) => parked),
      served: served.includes(null) ? null : sum(served.map((count) => count ?? 0)),
    };
  });
}

function byPlace(members: readonly Member[]): ReadonlyMap<string | null, readonly Member[]> {
  const groups = new Map<string | null, Member[]>();
  for (const member of members) {
    const own = groups.get(member.place);
    if (own === undefined) groups.set(member.place, [member]);
    else own.push(member);
  }
  return groups;
}

/** The weight that counts: of members in rotation, whether they are up or not. */
export function weightInRotation({ weight, draining, parked }: Pick<Member, 'weight' | 'draining' | 'parked'>): number {
  return draining || parked ? 0 : weight;
}

/**
 * What a place is set to get at one location: the weights of all its members as long as one of them is in rotation, else nothing. A member that
 * a person took out of a place that goes on serving is capacity lost, as one that is down is: the split was not moved. A place whose members
 * are all out was moved. Members without a place count by themselves.
 */
function weightOf(place: string | null, members: readonly Member[]): number {
  const inRotation = sum(members.map(weightInRotation));
  return place === null || inRotation === 0 ? inRotation : sum(members.map(({ weight }) => weight));
}

type Asked = Pick<Reading, 'locations' | 'unseen'>;

/** The members of one place, at every location that answered. */
export function membersAt({ locations, unseen = [] }: Asked, place: string): readonly MemberAt[] {
  const isOne = locations.length + unseen.length === 1;
  return locations.flatMap(({ name: location, members }) => {
    const own = members.filter((member) => member.place === place);
    return own.map((member) => {
      const { name } = member;
      const key = name === place ? location : `${location} ${name}`;
      return { key, words: `member ${name}${isOne ? '' : ` at ${location}`}`, location, member };
    });
  });
}

/** How often each member of a place went down, by its words, as far as that is checked. */
export function downsAt(reading: Asked, place: string): Readonly<Record<string, number>> {
  const all = membersAt(reading, place);
  return Object.fromEntries(
    all.flatMap(({ words, member }) => (member.counters.downs === undefined ? [] : [[words, member.counters.downs]])),
  );
}

/**
 * The places as they are set, by the members that `since` had: those that came later are left out, and one that is gone is as it was. Without
 * `since`, as they are.
 */
export function asBefore(reading: Reading, since: Reading | undefined): readonly PlaceReading[] {
  if (since === undefined) return reading.places;
  const locations = reading.locations.map(({ name, members }): Location => {
    const now = new Map(members.map((member) => [member.name, member]));
    const before = since.locations.find((one) => one.name === name)?.members ?? members;
    // One that belongs to no place takes traffic that is not ours to split: it never counts as one of a place's members.
    const strangers = members.filter(({ place }) => place === null);
    return {
      name,
      members: [...before.filter(({ place }) => place !== null).map((one) => now.get(one.name) ?? one), ...strangers],
    };
  });
  return placesOf(locations);
}

/** The places by the members in rotation alone: in the middle of a shift the others of a place are still to come. */
export function inRotation({ locations }: Pick<Reading, 'locations'>): readonly PlaceReading[] {
  const serving = locations.map(({ name, members }) => ({
    name,
    members: members.map((member) => ({ ...member, weight: weightInRotation(member) })),
  }));
  return placesOf(serving);
}

/** Members that came into rotation or left since an earlier reading. */
export interface Regrouped {
  /** `green-4 came to green at edge1`. */
  readonly why: string;
  /** False while another that came is not in rotation: whoever added it has not finished. */
  readonly settled: boolean;
}

/** Undefined where no one came into rotation, or left. */
export function cameAndLeft(reading: Reading, since: Reading | undefined): Regrouped | undefined {
  if (since === undefined) return undefined;
  const words: string[] = [];
  let settled = true;
  for (const { name: at, members } of reading.locations) {
    const before = since.locations.find((one) => one.name === at)?.members;
    if (before === undefined) continue;
    const known = new Set(before.map(({ name }) => name));
    const names = new Set(members.map(({ name }) => name));
    const came = members.filter(({ name, place }) => place !== null && !known.has(name));
    const serving = came.filter((member) => weightInRotation(member) > 0);
    settled &&= serving.length === came.length;
    const left = before.filter(({ name, place, weight }) => place !== null && weight > 0 && !names.has(name));
    words.push(...serving.map(({ name, place }) => `${name} came to ${place} at ${at}`));
    words.push(...left.map(({ name, place }) => `${name} of ${place} is gone at ${at}`));
  }
  return words.length === 0 ? undefined : { why: words.join('; '), settled };
}

/** Which members each location has. */
export function layoutOf({ locations }: Pick<Reading, 'locations'>): Layout {
  return locations.map(({ name, members }) => ({
    location: name,
    members: members.flatMap((member) => (member.place === null ? [] : [{ name: member.name, place: member.place }])),
  }));
}

/**
 * A split by place for each of these locations. Of a location that did not answer, the members of the others are taken; a place without known
 * members has one, of its own name.
 */
export function spread(locations: readonly string[], layout: Layout, split: Split): readonly LocationSplit[] {
  const known = layout.flatMap(({ members }) => members);
  const unique = new Map(known.map((member) => [member.name, member]));
  const all = [...unique.values()];
  return locations.map((location) => {
    const members = layout.find((one) => one.location === location)?.members ?? all;
    const missing = split.filter(({ place }) => !members.some((member) => member.place === place));
    const byName = missing.filter(({ place }) => all.every((member) => member.place !== place || member.name === place));
    return { location, split, members: [...members, ...byName.map(({ place }) => ({ name: place, place }))] };
  });
}

/** True if the counters show this split, and it was the same at `since`. Missing counters, or those of another split, prove nothing. */
export function seen(places: readonly PlaceReading[], since: Pick<Reading, 'places'> | undefined): boolean {
  if (since === undefined || !splitsAgree(since.places, places, 0)) return false;
  const before = new Map(since.places.map((one) => [one.place, one.served]));
  const deltas = new Map<string, number>();
  for (const { place, served } of places) {
    const earlier = before.get(place) ?? null;
    if (served === null || earlier === null) return false;
    deltas.set(place, served - earlier);
  }
  return servedFits(places, deltas);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

/**
 * The place that a build's `ref` means on this router: itself without `places` or where it is one of them; else the one place that lists a
 * server of that name, as refs were before `places`. A name that fits none, or several, stays as it is, and is no place.
 */
export function homeOf(router: object, ref: string): string {
  const { places } = router as { readonly places?: unknown };
  if (typeof places !== 'object' || places === null || Array.isArray(places) || Object.hasOwn(places, ref)) return ref;
  const homes = Object.entries(places).flatMap(([place, said]) =>
    namesIn(said).some((name) => fitting(name)(ref)) ? [place] : [],
  );
  const [only, ...others] = homes;
  return only === undefined || others.length > 0 ? ref : only;
}

function namesIn(said: unknown): readonly string[] {
  const names: unknown = Array.isArray(said) ? said : Object(said).servers;
  return [names].flat().filter((name) => typeof name === 'string');
}

/** Whether names are meant by this one. `*` stands for any characters, none too. In linear time: a config may come from anyone. */
export function fitting(pattern: string): (name: string) => boolean {
  if (!pattern.includes('*')) return (name) => name === pattern;
  const [first = '', ...middle] = pattern.split('*');
  const last = middle.pop() ?? '';
  return (name) => {
    const end = name.length - last.length;
    if (!name.startsWith(first) || !name.endsWith(last)) return false;
    let at = first.length;
    for (const part of middle) {
      const found = name.indexOf(part, at);
      if (found === -1) return false;
      at = found + part.length;
    }
    return at <= end;
  };
}
