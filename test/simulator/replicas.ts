/**
 * Some schedules have several members to a place, at one location or two, some of which are not what they should be, fall, come or go. From the
 * seed alone: all other schedules stay as they were.
 */
import type { IdentityConfig } from '../../src/core/identity.ts';
import type { Build } from '../../src/core/manifest/manifest.ts';
import { seeded } from '../stores/entries.ts';
import type { Actor, Fault, Schedule } from './schedule.ts';
import { commitOf } from './simulation.ts';

/** Another stream of luck than the one that the schedule is drawn from. */
const OTHER_LUCK = 0x6a09e667;

/** What a member is that is not as the others of its place: it says another build, another environment, or nothing; or it fails requests. */
export type Odd = 'foreign' | 'staging' | 'refuses' | 'hangs' | 'broken';

/** The members of one location, by place. */
export interface Shape {
  readonly location: string;
  readonly members: Readonly<Record<string, readonly string[]>>;
}

export interface Replicas {
  readonly shapes: readonly Shape[];
  readonly minUp: Readonly<Record<string, number>>;
  /** From the beginning, by the name of the member. */
  readonly odd: Readonly<Record<string, Odd>>;
  /** One process without a mishap: what becomes of the rollout is then known. */
  readonly isCalm: boolean;
}

/** The share of all schedules, unless another one is wanted. */
export const REPLICAS_SHARE = 0.12;

type One = <T>(of: readonly T[]) => T;

/** The schedule, with replicas where its seed says so. */
export function withReplicas(drawn: Schedule, share = REPLICAS_SHARE): Schedule {
  if (drawn.plan.kind !== 'promote') return drawn;
  const random = seeded(Math.imul(drawn.seed ^ OTHER_LUCK, OTHER_LUCK));
  if (random() >= share) return drawn;
  const one: One = (of) => of[Math.floor(random() * of.length)] as (typeof of)[number];
  const isCalm = random() < 0.4;
  const shapes = shapesOf(one);
  const odd = random() < 0.3 ? { [memberOf(shapes, one(['green', 'green', 'green', 'blue']), one)]: one(ODDS) } : {};
  const minUp = one([{}, {}, { green: 1 }, { green: 2 }, { blue: 2 }]);
  const events = isCalm && Object.keys(odd).length > 0 ? 0 : one([0, 1, 1, 2]);
  const faults = Array.from({ length: events }, () => faultOf(shapes, one, random));
  const layout = shapes.map(({ location, members }) => ({
    location,
    members: Object.entries({ ...members, grey: ['grey'] }).flatMap(([place, names]) => names.map((name) => ({ name, place }))),
  }));
  const plan = { ...drawn.plan, layout, ...saying(drawn.plan, one), ...(random() < 0.25 ? { unprotected: true as const } : {}) };
  const isOld = random() < 0.2;
  const replicas = { shapes, minUp, odd, isCalm };
  const changed: Schedule = { ...drawn, plan, replicas, faults: [...drawn.faults, ...faults], ...(isOld ? { isOld } : {}) };
  return isCalm ? { ...changed, green: 'good', actors: drawn.actors.slice(0, 1).map(calm), mishaps: [], faults } : changed;
}

const ODDS: readonly Odd[] = ['foreign', 'foreign', 'staging', 'refuses', 'hangs', 'broken'];

const calm = ({ host, sees }: Actor): Actor => ({
  ...{ command: 'promote', startMs: 0, host, sees, dieAt: null, lastWord: 'now' },
  ...{ leaveAfterMs: null, holdAfterMs: null, freeze: null },
});

/** One location or two, of equal size or not; the second one leads to the same members or to others. */
function shapesOf(one: One): readonly Shape[] {
  const sizes = () =>
    one([
      [1, 1],
      [2, 2],
      [3, 3],
      [3, 3],
      [1, 3],
      [3, 1],
      [2, 4],
    ] as const);
  const named = (location: string, [blue, green]: readonly [number, number], first: number): Shape => {
    const names = (place: string, size: number) => Array.from({ length: size }, (_, index) => `${place}-${first + index}`);
    return { location, members: { blue: names('blue', blue), green: names('green', green) } };
  };
  const size = sizes();
  const east = named('east', size, 1);
  return one<readonly Shape[]>([
    [east],
    [east],
    [east, { ...east, location: 'west' }],
    [east, named('west', size, 11)],
    [east, named('west', sizes(), 11)],
  ]);
}

function memberOf(shapes: readonly Shape[], place: string, one: One): string {
  return one(shapes.flatMap(({ members }) => members[place] ?? []));
}

function faultOf(shapes: readonly Shape[], one: One, random: () => number): Fault {
  const at = { atMs: Math.floor(random() * one([3000, 9000])), lastsMs: one([2000, 15_000, 40_000]) };
  const place = one(['green', 'green', 'green', 'blue']);
  const { location } = one(shapes);
  const name = memberOf(shapes, place, one);
  const keys = [`${location} ${name}`, `${one(shapes).location} ${memberOf(shapes, place, one)}`].slice(0, 1);
  return {
    ...at,
    what: one<Fault['what']>([
      { kind: 'members go down', keys },
      { kind: 'members go down', keys },
      { kind: 'a member turns', name, odd: one(ODDS) },
      { kind: 'a member turns', name, odd: one(['refuses', 'hangs']) },
      { kind: 'a member arrives', location, name: `${place}-${one([7, 8])}`, odd: one([null, null, ...ODDS]) },
      { kind: 'a member leaves', location, name },
    ]),
  };
}

/** How builds say which one they are. */
function saying({ candidate, stable }: Schedule['plan'], one: One): Partial<Schedule['plan']> {
  const path = '/healthz';
  const identity = one<IdentityConfig | null>([
    null,
    null,
    { path, json: 'build.guid', environmentJson: 'environment' },
    { path, header: 'x-git-sha', is: 'commit', environmentHeader: 'x-environment' },
    { path, json: 'build.commit', is: 'commit', environmentJson: 'environment' },
  ]);
  return identity === null ? {} : { identity, candidate: sourced(candidate), stable: stable && sourced(stable) };
}

/** The build with the commit that it says. */
export function sourced(build: Build): Build {
  return { ...build, source: { repository: 'https://example.com/gateway', commit: commitOf(build.guid) } };
}
