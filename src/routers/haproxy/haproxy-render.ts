/** Changes and checks: the runtime commands that set a split over all members, and what must then be read back. Pure. */
import type { Change, Check, Idle, RowGroup, Socket, TableCheck } from '../../base/changes/change.ts';
import type { Layout, Leaving, LocationSplit } from '../router.ts';
import { ADMIN_STATES } from './haproxy-answer.ts';
import { type HaproxyConfig, TIMEOUT_MS } from './haproxy-config.ts';
import { placer } from './haproxy-places.ts';
import { spotsOf } from './haproxy-spots.ts';
import { weightsFor } from './haproxy-weights.ts';

/** HAProxy reads one line into a buffer of 16 KiB (tune.bufsize). */
const LINE_BYTES = 8000;

/** See `Router.changes`. */
export function changes(settings: HaproxyConfig, wanted: readonly LocationSplit[], how: Leaving): readonly Change[] {
  const spots = spotsOf(settings);
  const set = wanted.flatMap((one) => {
    const { socket: address, at } = spots.find(({ name }) => name === one.location) ?? { socket: one.location, at: {} };
    return joinable(commandsFor(settings, one, how)).map(
      (commands): Socket => ({ kind: 'socket', address, commands, timeoutMs: TIMEOUT_MS, ...at }),
    );
  });
  // Saved after every socket was set: a full disk must not stop the shift at the next location.
  const save = spots.flatMap(({ socket: address, stateFile: saveTo, at }): Socket[] =>
    saveTo === undefined
      ? []
      : [{ kind: 'socket', address, commands: ['show servers state'], saveTo, timeoutMs: TIMEOUT_MS, ...at }],
  );
  return [...set, ...save];
}

/** A place with its members at one location. */
interface Part {
  readonly place: string;
  readonly percent: number;
  readonly names: readonly string[];
}

/**
 * First the members of places that take traffic, the largest share first, then those that leave: at every moment a server is in rotation,
 * and no place gets more than its old or new share. The weight is set before `ready`, which would restore an old weight for a moment.
 */
function commandsFor(settings: HaproxyConfig, at: LocationSplit, { leaving }: Leaving): string[] {
  const { backend, balance } = settings;
  const parts = partsOf(settings, at);
  const serving = weighted(parts);
  // Without a member that is to serve here, taking the others out would leave no server at all.
  if (serving.length === 0) return [];
  const taking = serving.flatMap(({ names, weight }) =>
    names.flatMap((name) => [
      `set server ${backend}/${name} weight ${balance === 'static' ? '100%' : weight}`,
      `set server ${backend}/${name} state ready`,
    ]),
  );
  const left = parts
    .filter(({ percent }) => percent === 0)
    .flatMap(({ names }) => names)
    .flatMap((name) => {
      const server = `server ${backend}/${name}`;
      // At weight 0 and in drain HAProxy still sends clients with a persistence cookie there; only maint moves them.
      const leave = [`set ${server} state ${leaving === 'drain' ? 'drain' : 'maint'}`, `set ${server} weight 0`];
      return leaving === 'drain' ? leave : [...leave, `shutdown sessions ${server}`];
    });
  return [...taking, ...left];
}

/** See `Router.checks`. */
export function checks(settings: HaproxyConfig, wanted: readonly LocationSplit[]): readonly Check[] {
  const spots = spotsOf(settings);
  return wanted.map((one): TableCheck => {
    const { socket: address, at } = spots.find(({ name }) => name === one.location) ?? { socket: one.location, at: {} };
    return {
      kind: 'table',
      address,
      ...at,
      command: `show servers state ${settings.backend}`,
      separator: ' ',
      where: { be_name: settings.backend },
      key: 'srv_name',
      ...rowsFor(settings, one),
      others: [{ srv_admin_state: ADMIN_STATES.out }, { srv_uweight: ['0'] }],
      timeoutMs: TIMEOUT_MS,
    };
  });
}

/** What a member that is to serve may be instead, in which HAProxy sends it nothing new. It cannot leave maintenance that DNS or a tracked server decides. */
const IDLE: readonly Idle[] = [
  { is: 'down', columns: { srv_admin_state: ADMIN_STATES.ready, srv_op_state: ['0'] } },
  { is: 'stopping', columns: { srv_admin_state: ADMIN_STATES.ready, srv_op_state: ['3'] } },
  { is: 'in maintenance', columns: { srv_admin_state: ADMIN_STATES.maint } },
];

/** One group for each place that is to serve, of which one member must, and one for all members that are to get nothing. */
function rowsFor(settings: HaproxyConfig, at: LocationSplit): Pick<TableCheck, 'rows' | 'groups'> {
  const { balance } = settings;
  const parts = partsOf(settings, at);
  const serving = weighted(parts).map(({ names, weight }): RowGroup => {
    const exact = balance === 'static' ? {} : { srv_uweight: [String(weight)] };
    return {
      keys: names,
      columns: { srv_admin_state: ADMIN_STATES.ready, srv_op_state: ['1', '2'], ...exact },
      idle: IDLE,
      least: 1,
    };
  });
  const left = parts.filter(({ percent }) => percent === 0).flatMap(({ names }) => names);
  const none = { keys: left, columns: { srv_admin_state: ADMIN_STATES.maint, srv_uweight: ['0'] }, idle: [] };
  // A place that is to serve here and has no member: no row has this name, which is what the check then says.
  const lacking = parts.filter(({ percent, names }) => percent > 0 && names.length === 0);
  return {
    rows: Object.fromEntries(lacking.map(({ place }) => [place, { srv_admin_state: ADMIN_STATES.ready }])),
    groups: [...serving, ...(left.length === 0 ? [] : [none])],
  };
}

/**
 * The largest share first, and members by name: the same for the same split, in whatever order it comes. A member that `places` does not put
 * there is only a guess: HAProxy would refuse the commands for it, and carry out the others of the line.
 */
function partsOf({ places }: HaproxyConfig, { split, members }: LocationSplit): readonly Part[] {
  const placesAt = placer(places);
  const byPlace = namesByPlace(members.filter(({ name, place }) => place !== null && placesAt(name).includes(place)));
  const inOrder = [...split].sort((a, b) => b.percent - a.percent || (a.place < b.place ? -1 : 1));
  return inOrder.map(({ place, percent }) => ({ place, percent, names: byPlace.get(place) ?? [] }));
}

/** The names of each place's members, in alphabetical order. */
function namesByPlace(members: Layout[number]['members']): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>();
  for (const { name, place } of members) {
    if (place === null) continue;
    const own = names.get(place);
    if (own === undefined) names.set(place, [name]);
    else own.push(name);
  }
  for (const own of names.values()) own.sort();
  return names;
}

/** The places above 0 that have members, each with the weight of one. */
function weighted(parts: readonly Part[]): readonly (Part & { readonly weight: number })[] {
  const taking = parts.filter(({ percent, names }) => percent > 0 && names.length > 0);
  const weights = weightsFor(taking.map(({ percent, names }) => ({ percent, members: names.length })));
  return taking.map((part, index) => ({ ...part, weight: weights[index] ?? 0 }));
}

/** Groups of commands that each fit into one line. */
function joinable(commands: readonly string[]): string[][] {
  const lines: string[][] = [[]];
  let length = 0;
  for (const command of commands) {
    if (length + command.length > LINE_BYTES) {
      lines.push([]);
      length = 0;
    }
    lines.at(-1)?.push(command);
    length += command.length + 2;
  }
  return lines;
}
