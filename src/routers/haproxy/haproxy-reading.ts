/** Combines the answers of all HAProxy processes into one reading. Must report a disagreement, never average it silently. */
import type { Unusable } from '../../base/unusable.ts';
import { splitsAgree, splitText } from '../../core/rollout/split.ts';
import { placesOf, seen, weightInRotation } from '../places.ts';
import type { Ask, Location as LocationReading, Member, MemberCounters, Reading, Unseen } from '../router.ts';
import type { Location, Server } from './haproxy-answer.ts';
import type { HaproxyConfig } from './haproxy-config.ts';
import { listsByName, misplaced, placer } from './haproxy-places.ts';
import { type Balance, unusableBecause } from './haproxy-setup.ts';

/** The answer of one socket. */
export interface Answered {
  readonly socket: string;
  readonly location: Location;
}

/** How each server of a socket is asked. */
export type Ways = (socket: string, server: Server) => Ask;

/** The servers that belong to one place, or that take traffic although they belong to none. */
interface Placed {
  readonly socket: string;
  readonly location: Location;
  readonly members: readonly { readonly server: Server; readonly place: string | null }[];
}

/** One reading from the answers of the sockets, at least one, and of those that did not answer: nothing is known of their split. */
export function readingOf(
  answered: readonly Answered[],
  unseen: readonly Unseen[],
  settings: HaproxyConfig,
  ways: Ways,
  since: Reading | undefined,
): Reading {
  const placed = placedBy(settings, answered);
  const locations = placed.map((one) => membersOf(one, unseen.length === 0, ways));
  const places = placesOf(locations);
  const rising = placed.flatMap(slowStarts);
  // A static algorithm has the weights of haproxy.cfg, which may differ.
  const uneven = settings.balance === 'static' ? [] : placed.flatMap(unevenAt);
  const trouble = [
    ...unseen.map(({ why }) => why),
    ...disagreements(locations),
    ...placed.flatMap((one) => faults(one, settings)),
    ...rising,
    ...uneven,
  ];
  const unusable =
    placed.map((one) => unusableBecause(one, settings)).find((one) => one !== undefined) ??
    (unseen.length === 0 ? misplaced(settings.places, answered, settings.backend) : undefined) ??
    strangers(placed, settings.backend);
  const wholeOnly = wholeOnlyBecause(answered, settings.balance);
  const cookie = answered.map(({ location }) => location.cookie).find((name) => name !== null);
  return {
    locations,
    places,
    certainty: trouble.length === 0 && seen(places, since) ? 'served' : 'configured',
    trouble,
    ...(rising.length === 0 ? {} : { rising }),
    ...(uneven.length === 0 ? {} : { uneven }),
    ...(unseen.length === 0 ? {} : { unseen }),
    ...(unusable === undefined ? {} : { unusable }),
    ...(wholeOnly === undefined ? {} : { wholeOnly }),
    ...(cookie === undefined ? {} : { sticky: `cookie ${cookie}` }),
  };
}

function placedBy({ places }: HaproxyConfig, answered: readonly Answered[]): readonly Placed[] {
  const placesAt = placer(places);
  const isListed = listsByName(places);
  return answered.map(({ socket, location }) => {
    const resolved = new Set(location.servers.flatMap(({ name }) => placesAt(name)));
    // A pattern may stand for more slots than there are addresses. Where it has none left, its name does not resolve: they are down, not gone.
    const isDown = ({ name }: Server) => isListed(name) || placesAt(name).every((place) => !resolved.has(place));
    const all = [...location.servers, ...location.lost.filter(isDown)].map((server) => {
      const [place, second] = placesAt(server.name);
      return { server, place: place === undefined || second !== undefined ? null : place };
    });
    return { socket, location, members: all.filter(({ server, place }) => place !== null || takes(server) > 0) };
  });
}

function membersOf({ socket, location, members }: Placed, isWhole: boolean, ways: Ways): LocationReading {
  const really = ({ up, slowStartPercent, ...server }: Server) => (up ? (takes(server) * (slowStartPercent ?? 100)) / 100 : 0);
  const total = sum(members.map(({ server }) => really(server)));
  return {
    name: socket,
    members: members.map(
      ({ server, place }): Member => ({
        name: server.name,
        place,
        weight: server.backup ? 0 : server.weight,
        percent: total > 0 ? (100 * really(server)) / total : 0,
        up: server.up,
        draining: server.state === 'drain',
        parked: server.state === 'maint',
        ask: ways(socket, server),
        counters: countersOf(server, location.mode === 'http', isWhole),
      }),
    ),
  };
}

function countersOf({ chosen, answers, times, downs }: Server, countsRequests: boolean, isWhole: boolean): MemberCounters {
  return {
    served: countsRequests && isWhole ? chosen : null,
    ...(countsRequests && answers !== null ? { byClass: answers } : {}),
    ...(countsRequests && times !== null ? { times } : {}),
    ...(downs === null ? {} : { downs }),
  };
}

/** Its effective weight for new traffic. */
function takes({ state, backup, weight }: Pick<Server, 'state' | 'backup' | 'weight'>): number {
  return backup ? 0 : weightInRotation({ weight, draining: state === 'drain', parked: state === 'maint' });
}

function disagreements(locations: readonly LocationReading[]): string[] {
  const [first, ...others] = locations;
  if (first === undefined) return [];
  const places = placesOf(locations).map(({ place }) => place);
  const trouble = locations.flatMap(({ name, members }) => {
    const own = new Set(members.map(({ place }) => place));
    return places.filter((place) => !own.has(place)).map((place) => `${name} has no server ${place}, but another socket does`);
  });
  const split = (location: LocationReading) => placesOf([location]);
  for (const other of others) {
    if (!splitsAgree(split(first), split(other))) {
      trouble.push(`${other.name} reports ${splitText(split(other))}, but ${first.name} reports ${splitText(split(first))}`);
    }
  }
  return trouble;
}

function byPlace({ members }: Placed): ReadonlyMap<string | null, readonly Server[]> {
  const groups = new Map<string | null, Server[]>();
  for (const { server, place } of members) {
    const own = groups.get(place);
    if (own === undefined) groups.set(place, [server]);
    else own.push(server);
  }
  return groups;
}

function faults(one: Placed, { backend }: HaproxyConfig): readonly string[] {
  const { socket, members } = one;
  const isEmpty = members.every(({ server }) => takes(server) === 0);
  const all = [...byPlace(one)].flatMap(([place, servers]) => {
    if (place === null) return servers.map(({ name }) => `${socket}: ${strange(name, backend)}`);
    return placeFaults(socket, servers);
  });
  return [...(isEmpty ? [`${socket}: no server takes traffic`] : []), ...all];
}

/**
 * Of one place at one location. One that gets nothing has no faults: its members wait in maintenance, or are not started. Some members that are
 * down, in maintenance or draining are capacity that is lost, and no trouble while the place keeps others.
 */
function placeFaults(socket: string, servers: readonly Server[]): readonly string[] {
  const serving = servers.filter((server) => takes(server) > 0);
  if (serving.some(({ up }) => up)) return [];
  return serving.map(
    ({ name, status }) => `${socket}: HAProxy's health check reports ${name} as ${status}, so its traffic goes elsewhere`,
  );
}

/** Members that get less than their weight for a while. A place that gets everything gets it in slow start too. */
function slowStarts({ socket, members }: Placed): readonly string[] {
  const serving = members.filter(({ server }) => takes(server) > 0);
  if (new Set(serving.map(({ place }) => place)).size < 2) return [];
  return serving.flatMap(({ server: { name, up, slowStartPercent } }) =>
    up && slowStartPercent !== null && slowStartPercent < 100
      ? [`${socket}: ${name} is in slow start, at ${slowStartPercent} % of its weight`]
      : [],
  );
}

/** Of each place that serves. */
function unevenAt(one: Placed): readonly string[] {
  return [...byPlace(one)].flatMap(([place, servers]) =>
    place === null || servers.every((server) => takes(server) === 0) ? [] : unevenOf(one.socket, place, servers),
  );
}

/** Members whose weight is another than that of most: someone set it, since kvdeploy gives all of them the same. */
function unevenOf(socket: string, place: string, servers: readonly Server[]): string[] {
  const ready = servers.filter(({ state }) => state === 'ready');
  const counts = new Map<number, number>();
  for (const { weight } of ready) counts.set(weight, (counts.get(weight) ?? 0) + 1);
  const [usual] = [...counts].reduce((most, one) => (one[1] > most[1] ? one : most), [0, 0]);
  const others = ready.filter(({ weight }) => weight !== usual);
  return others.map(
    ({ name, weight }) =>
      `${socket}: ${name} of ${place} has weight ${weight}, the others ${usual}, although all members of a place get the same`,
  );
}

function strange(name: string, backend: string): string {
  return `${name} takes traffic of backend ${backend} and belongs to no place`;
}

/** A server whose traffic is not kvdeploy's to split. */
function strangers(placed: readonly Placed[], backend: string): Unusable | undefined {
  const found = placed.flatMap(({ members }) => members).find(({ place }) => place === null);
  if (found === undefined) return undefined;
  const { name } = found.server;
  return {
    why: strange(name, backend),
    cure: `Add ${name} to its place in \`places\` in the config, or take it out of rotation: set server ${backend}/${name} state maint`,
  };
}

/** Places of the config without a server anywhere: nothing can be deployed there yet. */
export function emptyPlaces({ places = {}, backend }: HaproxyConfig, reading: Reading): readonly string[] {
  if (reading.unseen !== undefined) return [];
  const known = new Set(reading.places.map(({ place }) => place));
  const empty = Object.keys(places).filter((place) => !known.has(place));
  return empty.map((place) => `place ${place} has no server with an address in backend ${backend}, so no build can run there`);
}

function wholeOnlyBecause(answered: readonly Answered[], balance: Balance): string | undefined {
  if (balance === 'static') return 'the router’s config sets `balance: static`, so a place gets all traffic or none';
  const first = answered.find(({ location }) => location.algorithm === 'first');
  return first === undefined ? undefined : '`balance first` ignores weights, so a place gets all traffic or none';
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
