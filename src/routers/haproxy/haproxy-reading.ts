/** Combines the answers of all HAProxy processes into one reading. Must report a disagreement, never average it silently. */
import { splitsAgree, splitText } from '../../core/rollout/split.ts';
import { type Ask, type Member, type Reading, seen } from '../router.ts';
import type { Location, Server } from './haproxy-answer.ts';

/** The answer of one socket. */
export interface Answered {
  readonly socket: string;
  readonly location: Location;
}

/** The `balance` setting of the router's config. */
export type Balance = 'dynamic' | 'static';

// `random` is "unknown" in the statistics of 2.6. Every other algorithm accepts only the configured weight or 0.
const SPLITTING = ['roundrobin', 'leastconn', 'random', 'unknown'];

/** Not `__proto__`: JavaScript would set a prototype, and the member would be missing from the reading. */
const NAME = /^(?!__proto__$)[A-Za-z0-9_.:-]{1,256}$/;

/** One reading from the answers of all sockets; at least one. */
export function readingOf(answered: readonly Answered[], balance: Balance, since: Reading | undefined): Reading {
  const names = [...new Set(answered.flatMap(({ location }) => location.servers.map(({ name }) => name)))].sort();
  const members = names.map((name) => memberOf(name, answered));
  const trouble = [...disagreements(answered, names), ...answered.flatMap(faults)];
  const unusable = answered.map((one) => unusableBecause(one, balance)).find((why) => why !== undefined);
  const wholeOnly = wholeOnlyBecause(answered, balance);
  return {
    members,
    certainty: trouble.length === 0 && seen(members, since) ? 'served' : 'configured',
    trouble,
    ...(unusable === undefined ? {} : { unusable }),
    ...(wholeOnly === undefined ? {} : { wholeOnly }),
  };
}

function memberOf(name: string, answered: readonly Answered[]): Member {
  const servers = answered.flatMap(({ location }) => location.servers.filter((server) => server.name === name));
  const percents = answered.map(({ location }) => percentOf(name, location));
  const countsRequests = answered.every(({ location }) => location.mode === 'http');
  return {
    place: name,
    percent: sum(percents) / percents.length,
    up: servers.every((server) => server.up),
    address: servers[0]?.address ?? null,
    ...(answered.length > 1 ? { asks: asksOf(name, answered) } : {}),
    servedTotal: countsRequests ? sum(servers.map(({ chosen }) => chosen)) : null,
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
    const byClass = location.servers.find((server) => server.name === name)?.answers ?? null;
    return byClass === null ? null : { location: socket, byClass };
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

function unusableBecause({ socket, location }: Answered, balance: Balance): string | undefined {
  const { level, algorithm, servers } = location;
  if (level !== 'admin') return `${socket} has level ${level}; set \`level admin\` on its stats socket line`;
  const odd = servers.find(({ name }) => !NAME.test(name));
  if (odd !== undefined) return `${socket} has a server whose name cannot be written into a command safely`;
  const backup = servers.find((server) => server.backup);
  if (backup !== undefined) {
    return `${backup.name} is a backup server: HAProxy sends traffic to it by itself when the others are down; remove it from the backend`;
  }
  if (balance === 'dynamic' && !SPLITTING.includes(algorithm) && algorithm !== 'first') {
    return `\`balance ${algorithm}\` supports only 0 % and 100 % at run time; use roundrobin, or set \`balance: static\` in the router's config`;
  }
  const silent = servers.find((server) => server.configuredWeight === 0);
  if (balance === 'static' && silent !== undefined) {
    return `${silent.name} has weight 0 in haproxy.cfg, so it could never serve; give it the same weight as the others, and \`disabled\` if it must not serve at start`;
  }
  return undefined;
}

function wholeOnlyBecause(answered: readonly Answered[], balance: Balance): string | undefined {
  if (balance === 'static') return 'the router’s config sets `balance: static`, so a place gets all traffic or none';
  const first = answered.find(({ location }) => location.algorithm === 'first');
  return first === undefined ? undefined : '`balance first` ignores weights, so a place gets all traffic or none';
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
