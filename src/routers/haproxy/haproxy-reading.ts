/** Combines the answers of all HAProxy processes into one reading. Must report a disagreement, never average it silently. */
import { splitsAgree, splitText } from '../../core/rollout/split.ts';
import { type Ask, type Member, type Reading, seen, type Unseen } from '../router.ts';
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
  const names = [...new Set(answered.flatMap(({ location }) => location.servers.map(({ name }) => name)))].sort();
  const members = names.map((name) => memberOf(name, answered, unseen.length === 0));
  const trouble = [...unseen.map(({ why }) => why), ...disagreements(answered, names), ...answered.flatMap(faults)];
  const unusable = answered.map((one) => unusableBecause(one, balance)).find((one) => one !== undefined);
  const wholeOnly = wholeOnlyBecause(answered, balance);
  const cookie = answered.map(({ location }) => location.cookie).find((name) => name !== null);
  return {
    members,
    certainty: trouble.length === 0 && seen(members, since) ? 'served' : 'configured',
    trouble,
    ...(unseen.length === 0 ? {} : { unseen }),
    ...(unusable === undefined ? {} : { unusable }),
    ...(wholeOnly === undefined ? {} : { wholeOnly }),
    ...(cookie === undefined ? {} : { sticky: `cookie ${cookie}` }),
  };
}

function memberOf(name: string, answered: readonly Answered[], isWhole: boolean): Member {
  const servers = answered.flatMap(({ location }) => location.servers.filter((server) => server.name === name));
  const percents = answered.map(({ location }) => percentOf(name, location));
  const countsRequests = answered.every(({ location }) => location.mode === 'http');
  return {
    place: name,
    percent: sum(percents) / percents.length,
    up: servers.every((server) => server.up),
    address: servers[0]?.address ?? null,
    ...(answered.length > 1 ? { asks: asksOf(name, answered) } : {}),
    servedTotal: countsRequests && isWhole ? sum(servers.map(({ chosen }) => chosen)) : null,
    ...(countsRequests ? answersOf(name, answered) : {}),
    ...downsOf(name, answered),
  };
}

/** Two data centres may have their own members for one place: each is asked. */
function asksOf(name: string, answered: readonly Answered[]): readonly Ask[] {
  return answered.flatMap(({ socket, location }) => {
    const server = location.servers.find((one) => one.name === name);
    return server === undefined ? [] : [{ location: socket, address: server.address }];
  });
}

function answersOf(name: string, answered: readonly Answered[]): Pick<Member, 'answers'> {
  const all = answered.map(({ socket, location }) => {
    const server = location.servers.find((one) => one.name === name);
    if (server === undefined || server.answers === null) return null;
    return { location: socket, byClass: server.answers, ...(server.times === null ? {} : { times: server.times }) };
  });
  const counted = all.filter((answers) => answers !== null);
  return counted.length === all.length ? { answers: counted } : {};
}

function downsOf(name: string, answered: readonly Answered[]): Pick<Member, 'downs'> {
  const seen = answered.flatMap(({ socket, location }) => {
    const downs = location.servers.find((server) => server.name === name)?.downs ?? null;
    return downs === null ? [] : [[socket, downs] as const];
  });
  return seen.length === 0 ? {} : { downs: Object.fromEntries(seen) };
}

function percentOf(name: string, location: Location): number {
  const total = sum(location.servers.map(takes));
  const server = location.servers.find((one) => one.name === name);
  return server === undefined || total === 0 ? 0 : (100 * takes(server)) / total;
}

/** Its effective weight for new traffic. */
function takes(server: Server): number {
  return server.state === 'ready' && !server.backup ? server.weight : 0;
}

function disagreements(answered: readonly Answered[], names: readonly string[]): string[] {
  const [first, ...others] = answered;
  if (first === undefined) return [];
  const trouble = answered.flatMap(({ socket, location }) => {
    const missing = names.filter((name) => !location.servers.some((server) => server.name === name));
    return missing.map((name) => `${socket} has no server ${name}, but another socket does`);
  });
  const split = ({ location }: Answered) => names.map((place) => ({ place, percent: percentOf(place, location) }));
  for (const other of others) {
    if (!splitsAgree(split(first), split(other))) {
      trouble.push(`${other.socket} reports ${splitText(split(other))}, but ${first.socket} reports ${splitText(split(first))}`);
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
