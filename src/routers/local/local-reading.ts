/** What a status of `kvdeploy serve` says: every member, and what is not as the config has it. Must not ask anyone. */
import { splitText } from '../../core/rollout/split.ts';
import type { Member } from '../router.ts';
import { type LocalConfig, type LocalMember, membersIn, placeNames } from './local-config.ts';
import { appliedText, type ServeStatus } from './local-routes.ts';

/** Every member that serve or the config names. One that serve does not know gets nothing, and cannot be called up. */
export function membersOf(settings: LocalConfig, status: ServeStatus): Member[] {
  const shares = new Map(status.split.map(({ place, percent }) => [place, percent]));
  const told = toldMembers(status);
  const serving = told.map(({ name, place, url, up, served, answered }): Member => {
    const share = shares.get(place) ?? 0;
    const own = told.filter((other) => other.place === place);
    const inRotation = own.some((other) => other.up) ? own.filter((other) => other.up) : own;
    return {
      ...{ name, place, up, draining: false, parked: false, ask: { address: url } },
      weight: share / own.length,
      // Where none is up, serve tries all of them.
      percent: up || inRotation === own ? share / inRotation.length : 0,
      counters: { served, byClass: answered },
    };
  });
  return [...serving, ...silentMembers(settings, told, shares)];
}

/** Of a place that serve has otherwise, a member that it does not have gets nothing. */
function silentMembers(
  settings: LocalConfig,
  told: readonly ToldMember[],
  shares: ReadonlyMap<string, number>,
): readonly Member[] {
  const named = lacking(settings, told).filter(({ name }) => !told.some((one) => one.name === name));
  const places = new Set([...told, ...named].map(({ place }) => place));
  const unknown = [...shares.keys()].filter((place) => !places.has(place)).map((place) => ({ name: place, place }));
  const silent = [...named, ...unknown];
  return silent.map(({ name, place }) => {
    const isServed = told.some((one) => one.place === place);
    const share = isServed ? 0 : (shares.get(place) ?? 0) / silent.filter((one) => one.place === place).length;
    const gets = { weight: share, percent: share, up: false, draining: false, parked: false };
    return { name, place, ...gets, ask: { address: null }, counters: { served: 0, byClass: {} } };
  });
}

type ToldMember = NonNullable<ServeStatus['members']>[number];

/** An earlier `kvdeploy serve` has one member for each place, and does not say whether it is up. */
function toldMembers({ addresses, members, served, answered }: ServeStatus): readonly ToldMember[] {
  if (members !== undefined) return members;
  return Object.entries(addresses).map(([place, url]) => ({
    ...{ name: place, place, url, up: true },
    served: Object.hasOwn(served, place) ? (served[place] ?? 0) : 0,
    answered: Object.hasOwn(answered, place) ? (answered[place] ?? {}) : {},
  }));
}

/** What the config has and serve has not. */
function lacking(settings: LocalConfig, told: readonly ToldMember[]): readonly LocalMember[] {
  return membersIn(settings).filter((one) => !told.some((other) => other.place === one.place && isOne(other, one)));
}

function isOne(a: Pick<LocalMember, 'url'>, b: Pick<LocalMember, 'url'>): boolean {
  return URL.canParse(a.url) && new URL(a.url).origin === new URL(b.url).origin;
}

/** What is not as the config has it, and what is down. */
export function problemsOf(settings: LocalConfig, status: ServeStatus): string[] {
  const problems: string[] = [];
  if (status.problem !== null) problems.push(`kvdeploy serve: ${status.problem}`);
  if (appliedText(status.split) !== status.applied) {
    problems.push(`kvdeploy serve applied ${status.applied}, but reports ${splitText(status.split)}`);
  }
  if (status.routes !== settings.routes) {
    problems.push(`kvdeploy serve uses ${status.routes}, but the config has ${settings.routes}; restart it with this config`);
  }
  return [
    ...problems,
    ...placeNames(settings).flatMap((place) => placeProblems(place, settings, status)),
    ...downProblems(status),
  ];
}

/** How serve's members of a place differ from those in the config. */
function placeProblems(place: string, settings: LocalConfig, status: ServeStatus): readonly string[] {
  const told = toldMembers(status).filter((one) => one.place === place);
  const wanted = membersIn(settings).filter((one) => one.place === place);
  const missing = lacking(settings, told).filter((one) => one.place === place);
  const more = told.filter((one) => !wanted.some((other) => isOne(one, other)));
  const [real] = told;
  const [own] = wanted;
  if (real === undefined) return [`kvdeploy serve has no address for ${place}; restart it with this config`];
  if (wanted.length > 1 && status.members === undefined)
    return [
      `kvdeploy serve is of an earlier version, which has one member for ${place}; restart it with this version and config`,
    ];
  if (told.length === 1 && wanted.length === 1 && missing.length > 0)
    return [`kvdeploy serve sends ${place} to ${real.url}, but the config has ${own?.url}; restart it with this config`];
  return [
    ...missing.map(({ name }) => `kvdeploy serve has no member ${name} of ${place}; restart it with this config`),
    ...more.map(
      ({ url }) => `kvdeploy serve also sends ${place} to ${url}, which the config does not have; restart it with this config`,
    ),
  ];
}

/** Places that get traffic, and have no member that is up. Where some are, the others are down by name. */
function downProblems(status: ServeStatus): readonly string[] {
  const members = toldMembers(status);
  return status.split.flatMap(({ place, percent }) => {
    const own = members.filter((one) => one.place === place);
    if (percent === 0 || own.some(({ up }) => up)) return [];
    if (own.length === 0) return [`kvdeploy serve has no address for ${place}, which gets ${percent} %`];
    return [`kvdeploy serve: no member of ${place} accepts connections: ${own.map(({ url }) => url).join(', ')}`];
  });
}
