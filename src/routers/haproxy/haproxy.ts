/** HAProxy through its runtime API, on one or more sockets that must all agree. Must not trust its own last command. */

import { normalize } from 'node:path';
import { elsewhereFor, type TargetQuestion } from '../../base/changes/change.ts';
import { wordsOf } from '../../base/changes/target-question.ts';
import type { Unusable } from '../../base/unusable.ts';
import { KvdeployError } from '../../core/errors.ts';
import type { Io } from '../../io.ts';
import { hostsIn } from '../locations-config.ts';
import { placeSettingsOf } from '../places-config.ts';
import { type Ask, type Between, markFile, type Reading, type Router, type Unseen } from '../router.ts';
import { isMaster, parseLocation, readingLine, type Server, statisticsLine, withStatistics } from './haproxy-answer.ts';
import { askOf } from './haproxy-ask.ts';
import { config, type HaproxyConfig, stateFiles, TIMEOUT_MS } from './haproxy-config.ts';
import type { Written } from './haproxy-file.ts';
import { placer } from './haproxy-places.ts';
import { type Answered, emptyPlaces, readingOf, type Ways } from './haproxy-reading.ts';
import { changes, checks } from './haproxy-render.ts';
import { adminCure, masterCure, unsavable } from './haproxy-setup.ts';
import { type Spot, spotsOf } from './haproxy-spots.ts';
import { isNearEnough, nearestPercent } from './haproxy-weights.ts';

/** Implements the Router port. Protocol: HAProxy 2.6 management guide, section 9.3 (set server, show servers state, show stat). */
export const haproxy: Router<HaproxyConfig> = {
  kind: 'haproxy',
  summary: 'HAProxy through its runtime API, on one or more sockets',
  promises: {
    granularity:
      'whole weights up to 256: the share within 1 % of what was asked, else refused; the smallest depends on the number of members',
    readBack: '*configured* by the weights and states that HAProxy reports, *served* by its counters',
    identity: 'every server, over the way that HAProxy takes to it',
    fencing: 'none at HAProxy: a change that may come late is waited for (10 s), and made again',
    sticky: 'persistence cookies and stick tables are named; a rollback moves their clients',
    breakGlass: 'the runtime sockets (level admin), and the folder of the state file',
    hosts: 'this one, or several over SSH; sockets by TCP too',
  },
  config,
  targets: (settings) => {
    const hosts = hostsIn(settings.locations);
    return spotsOf(settings).map(({ name, socket }) => {
      const host = hosts[name]?.ssh;
      return `${host === undefined ? '' : `${host} `}${socket.startsWith('/') ? normalize(socket) : socket} ${settings.backend}`;
    });
  },
  impossible,
  locations: (settings) => spotsOf(settings).map(({ name }) => name),
  hosts: ({ locations }) => hostsIn(locations),
  placeSettings: ({ places }) => placeSettingsOf(places),
  changes,
  checks,
  read,
  identify,
  questions,
  marks,
  // The default `stats timeout`.
  idleTimeoutMs: 10_000,
};

/** The granularity of weights: whole numbers up to 256, one of which is within 1 % of the share that was asked for. */
function impossible(_config: HaproxyConfig, reading: Reading, percent: number, between?: Between): string | undefined {
  if (reading.unusable !== undefined) return reading.unusable.why;
  if (percent === 0 || percent === 100) return undefined;
  if (reading.wholeOnly !== undefined) return `${reading.wholeOnly}; use the single step 100 %`;
  for (const { name, members } of reading.locations) {
    const count = (place: string) => Math.max(1, members.filter((member) => member.place === place).length);
    // Without both places, as an adoption is, what matters is that such places can be: as many members on each side.
    const [own, others] =
      between === undefined || between.stable === null ? [1, 1] : [count(between.candidate), count(between.stable)];
    const nearest = nearestPercent(percent, own, others);
    if (isNearEnough(percent, nearest)) continue;
    const sizes = own === others ? '' : ` with ${own} against ${others} servers at ${name}`;
    return `HAProxy's maximum weight is 256, so it cannot set ${percent} %${sizes}; the nearest possible value is ${Number(nearest.toFixed(3))} %`;
  }
  return undefined;
}

async function read(settings: HaproxyConfig, io: Io, since?: Reading): Promise<Reading> {
  const found = await Promise.all(spotsOf(settings).map((spot) => look(spot, settings.backend, io)));
  const answered = found.filter((one) => 'location' in one);
  const [first, ...others] = found.filter((one) => 'error' in one);
  if (first !== undefined && answered.length === 0) throw first.error;
  const unread = first === undefined ? [] : [first, ...others];
  const unseen = unread.map(({ error }): Unseen => ({ why: error.message.replace(/\.$/, ''), cure: error.hint }));
  const known = waysIn(since);
  // What is written changes only with a reload: it is looked at before a rollout and for servers that are new, not at every poll.
  const placesAt = placer(settings.places);
  const isNew = ({ socket, location }: Answered) =>
    location.servers.some((server) => known(socket, server) === undefined && placesAt(server.name).length > 0);
  const looked = answered.filter((one) => since === undefined || isNew(one));
  const written = new Map<string, Written>();
  for (const one of looked) written.set(one.socket, await filesBehind(one, settings, io));
  const hosts = hostsIn(settings.locations);
  const ways: Ways = (name, server) => ({
    ...(known(name, server) ?? askOf(server, written.get(name)?.wayTo(server.name))),
    ...(Object.hasOwn(hosts, name) ? { at: name } : {}),
  });
  const reading = readingOf(answered, unseen, settings, ways, since);
  const files = stateFiles(settings.serverStateFile);
  // At another host, its own disk says so when the state is saved.
  const here = spotsOf(settings).some(({ isHere }) => isHere);
  const unusable = reading.unusable ?? (here ? unsavable(files, io) : undefined);
  const all = since === undefined ? [...written.values()] : [];
  const forgetful = files.length === 0 ? UNSAVED : all.map(({ fleeting }) => fleeting).find((one) => one !== undefined);
  const doubts = [...new Set([...all.flatMap((one) => one.doubts), ...emptyPlaces(settings, reading)])];
  const rule = all.map((one) => one.rule).find((one) => one !== undefined);
  return {
    ...(rule === undefined ? {} : { sticky: rule }),
    ...reading,
    ...(unusable === undefined ? {} : { unusable }),
    ...(forgetful === undefined ? {} : { forgetful }),
    ...(doubts.length === 0 ? {} : { doubts }),
  };
}

/** How an earlier reading had it, while HAProxy still reports the same address. */
function waysIn(since: Reading | undefined): (socket: string, server: Server) => Ask | undefined {
  const before = new Map(
    (since?.locations ?? []).map(({ name, members }) => [name, new Map(members.map((one) => [one.name, one.ask]))]),
  );
  return (socket, { name, address }) => {
    const ask = before.get(socket)?.get(name);
    return ask !== undefined && (ask.address === address || ask.unixSocket !== undefined) ? ask : undefined;
  };
}

const NAMES_CURE =
  'HAProxy cannot resolve the names of its servers, so it sends requests to none of them: check the nameservers of its `resolvers` section.';

const UNSAVED: Unusable = {
  why: 'without serverStateFile, a reload restores the weights in haproxy.cfg',
  cure: 'Set serverStateFile in the config, and in haproxy.cfg `server-state-file` (global) and `load-server-state-from-file global` (defaults).',
};

/** What stands in the files of one HAProxy; unknown where its process is not on this host. Never rejects. */
async function filesBehind({ socket: name, location }: Answered, settings: HaproxyConfig, io: Io): Promise<Written> {
  const { backend, places } = settings;
  const spot = spotsOf(settings).find((one) => one.name === name);
  const isHere = spot?.isHere === true && spot.socket.startsWith('/');
  const info = isHere ? await ask(spot, 'show info', io).catch(() => '') : '';
  const pid = /^Pid: (\d{1,9})$/m.exec(info)?.[1];
  const placesAt = placer(places);
  const names = location.servers.map(({ name }) => name).filter((name) => placesAt(name).length > 0);
  // Only who reads a target needs it: what checks files alone starts without it.
  const { writtenOf } = await import('./haproxy-file.ts');
  return writtenOf(names, backend, pid === undefined ? null : Number(pid), io);
}

/** What one HAProxy answers, or why it does not. One that is dead must not hide what the others show. Never rejects. */
async function look(spot: Spot, backend: string, io: Io): Promise<Answered | { readonly error: KvdeployError }> {
  const { name: socket } = spot;
  try {
    const answer = await ask(spot, readingLine(backend), io);
    if (isMaster(answer)) throw unreachable(spot, 'it is the master socket, which knows no backend', undefined, masterCure());
    let location = parseLocation(answer, backend);
    const byNumber = typeof location === 'string' ? statisticsLine(answer) : undefined;
    if (byNumber !== undefined) {
      location = parseLocation(withStatistics(answer, await ask(spot, byNumber, io)), backend);
    }
    if (typeof location !== 'string') return { socket, location };
    const level = /^(operator|user)$/m.exec(answer)?.[1];
    if (level === undefined) throw unreachable(spot, location, undefined, location.endsWith('resolves') ? NAMES_CURE : undefined);
    throw unreachable(spot, `it has level ${level}, which may not look`, undefined, adminCure(spot.socket));
  } catch (error) {
    if (error instanceof KvdeployError) return { error };
    throw error;
  }
}

/** By every HAProxy that answers: one that is dead must not keep the others from a rollback. Rejects where none answers. */
async function identify(settings: HaproxyConfig, io: Io): Promise<readonly string[]> {
  const asked = await Promise.allSettled(spotsOf(settings).map((spot) => ask(spot, 'show info', io)));
  const answers = asked.filter((one) => one.status === 'fulfilled').map(({ value }) => value);
  const [dead] = asked.filter((one) => one.status === 'rejected');
  if (answers.length === 0 && dead !== undefined) throw dead.reason;
  const said = answers.map((answer) => new RegExp(`^${settings.identify}: *(.*)$`, 'im').exec(answer)?.[1] ?? '');
  return [...new Set(said.flatMap(wordsOf))];
}

function questions(settings: HaproxyConfig): readonly TargetQuestion[] {
  const { identify: field } = settings;
  return spotsOf(settings).map(({ name, socket: address }) => {
    const level = { command: 'show cli level', answer: 'admin' };
    return { kind: 'socket', address, command: 'show info', field, level, timeoutMs: TIMEOUT_MS, at: name };
  });
}

/** Next to each state file; without one, next to each socket of this host. One HAProxy has many backends, so each has its own. */
function marks(settings: HaproxyConfig): readonly string[] {
  const { backend } = settings;
  const here = spotsOf(settings).filter(({ isHere }) => isHere);
  const files = here.flatMap(({ stateFile }) => stateFile ?? []);
  const kept = files.length > 0 ? files : here.map(({ socket }) => socket).filter((socket) => socket.startsWith('/'));
  return kept.map((path) => markFile(`${normalize(path)}.${backend}`));
}

/** Where the location is. */
async function ask(spot: Spot, line: string, io: Io): Promise<string> {
  const { socket: address, at } = spot;
  try {
    const there = elsewhereFor(at, io);
    if (there !== undefined) return await there.ask({ do: 'socket', address, line, timeoutMs: TIMEOUT_MS });
    return await io.socket(address, line, TIMEOUT_MS, () => undefined);
  } catch (cause) {
    throw unreachable(spot, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function unreachable({ name, socket, at }: Spot, why: string, cause: unknown, cure?: string): KvdeployError {
  const check = `Check${at === undefined ? '' : ` on ${name}`} that HAProxy is running, has this backend, and allows this user to connect`;
  return new KvdeployError('UNREACHABLE', {
    message: `HAProxy at ${name} cannot be queried: ${why}.`,
    hint: cure ?? `${check}: echo "show info" | socat stdio ${socket}`,
    cause,
  });
}
