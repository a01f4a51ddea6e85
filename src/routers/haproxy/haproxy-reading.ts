/** Combines the answers of all HAProxy processes into one reading. Must report a disagreement, never average it silently. */
import { splitsAgree, splitText } from '../../core/rollout/split.ts';
import { placesOf, seen, weightInRotation } from '../places.ts';
import type { Location as LocationReading, Member, MemberCounters, Reading, Unseen } from '../router.ts';
import type { Location, Server } from './haproxy-answer.ts';
import { type Balance, unusableBecause } from './haproxy-setup.ts';

/** The answer of one socket. */
export interface Answered {
  readonly socket: string;
  readonly location: Location;
}

/** One reading from the answers of the sockets, at least one, and of those that did not answer: nothing is known of their split. */
export function readingOf(
  answered: readonly Answered[],
  unseen: readonly Unseen[],
  balance: Balance,
  since: Reading | undefined,
): Reading {
  const locations = answered.map((one) => membersOf(one, unseen.length === 0));
  const places = placesOf(locations);
  const trouble = [...unseen.map(({ why }) => why), ...disagreements(locations), ...answered.flatMap(faults)];
  const unusable = answered.map((one) => unusableBecause(one, balance)).find((one) => one !== undefined);
  const wholeOnly = wholeOnlyBecause(answered, balance);
  const cookie = answered.map(({ location }) => location.cookie).find((name) => name !== null);
  return {
    locations,
    places,
    certainty: trouble.length === 0 && seen(places, since) ? 'served' : 'configured',
    trouble,
    ...(unseen.length === 0 ? {} : { unseen }),
    ...(unusable === undefined ? {} : { unusable }),
    ...(wholeOnly === undefined ? {} : { wholeOnly }),
    ...(cookie === undefined ? {} : { sticky: `cookie ${cookie}` }),
  };
}

function membersOf({ socket, location }: Answered, isWhole: boolean): LocationReading {
  const total = sum(location.servers.filter(({ up }) => up).map(takes));
  const members = location.servers.map((server): Member => {
    return {
      name: server.name,
      place: server.name,
      weight: server.backup ? 0 : server.weight,
      percent: server.up && total > 0 ? (100 * takes(server)) / total : 0,
      up: server.up,
      draining: server.state === 'drain',
      parked: server.state === 'maint',
      ask: { address: server.address },
      counters: countersOf(server, location.mode === 'http', isWhole),
    };
  });
  return { name: socket, members };
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
function takes({ state, backup, weight }: Server): number {
  return backup ? 0 : weightInRotation({ weight, draining: state === 'drain', parked: state === 'maint' });
}

function disagreements(locations: readonly LocationReading[]): string[] {
  const [first, ...others] = locations;
  if (first === undefined) return [];
  const places = placesOf(locations).map(({ place }) => place);
  const trouble = locations.flatMap(({ name, members }) => {
    const missing = places.filter((place) => !members.some((member) => member.place === place));
    return missing.map((place) => `${name} has no server ${place}, but another socket does`);
  });
  const split = (location: LocationReading) => placesOf([location]);
  for (const other of others) {
    if (!splitsAgree(split(first), split(other))) {
      trouble.push(`${other.name} reports ${splitText(split(other))}, but ${first.name} reports ${splitText(split(first))}`);
    }
  }
  return trouble;
}

function faults({ socket, location }: Answered): string[] {
  const serving = location.servers.filter((server) => takes(server) > 0);
  if (serving.length === 0) return [`${socket}: no server takes traffic`];
  return serving.flatMap(({ name, up, status, slowStartPercent }) => {
    if (!up) return [`${socket}: HAProxy's health check reports ${name} as ${status}, so its traffic goes elsewhere`];
    const slow = slowStartPercent !== null && slowStartPercent < 100;
    return slow ? [`${socket}: ${name} is in slow start, at ${slowStartPercent} % of its weight`] : [];
  });
}

function wholeOnlyBecause(answered: readonly Answered[], balance: Balance): string | undefined {
  if (balance === 'static') return 'the router’s config sets `balance: static`, so a place gets all traffic or none';
  const first = answered.find(({ location }) => location.algorithm === 'first');
  return first === undefined ? undefined : '`balance first` ignores weights, so a place gets all traffic or none';
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
