/** What one simulation will go through, drawn from its seed before it begins, so that any part of it can be left out again. */
import type { Plan } from '../../src/core/rollout/plan.ts';
import { seeded } from '../stores/entries.ts';
import type { Sight } from './counters.ts';
import { type Odd, type Replicas, withReplicas } from './replicas.ts';
import { planOf, rollbackOf } from './rollouts.ts';
import type { Fate, Sees } from './simulation.ts';
import { withWaits } from './waits.ts';

/** Somebody with a command, and what becomes of the process. */
export interface Actor {
  readonly command: 'promote' | 'resume' | 'abort' | 'rollback' | 'rescue' | 'reconcile' | 'ask for an abort';
  readonly startMs: number;
  readonly host: string;
  readonly sees: Sees;
  /** Killed at this one of its calls: writes half way, and before and after each request. */
  readonly dieAt: number | null;
  /** Whether what it had sent when it was killed still arrives. */
  readonly lastWord: 'now' | 'never';
  /** SIGTERM. */
  readonly leaveAfterMs: number | null;
  /** A person holds it at its step, and leaves a minute later. */
  readonly holdAfterMs: number | null;
  /** At this call it is frozen; while it is, others may fail to end it. */
  readonly freeze: { readonly atCall: number; readonly forMs: number; readonly endable: boolean } | null;
}

/** Something that happens by itself. */
export interface Fault {
  readonly atMs: number;
  readonly lastsMs: number;
  readonly what:
    | { readonly kind: 'somebody moves traffic'; readonly split: Readonly<Record<string, number>> }
    | { readonly kind: 'metrics'; readonly build: 'blue' | 'green'; readonly sight: Sight }
    | { readonly kind: 'metrics are slow'; readonly byMs: number }
    | { readonly kind: 'clock jumps'; readonly byMs: number }
    | { readonly kind: 'power cut'; readonly seed: number }
    | { readonly kind: 'members go down'; readonly keys: readonly string[] }
    | { readonly kind: 'a member turns'; readonly name: string; readonly odd: Odd }
    | { readonly kind: 'a member arrives'; readonly location: string; readonly name: string; readonly odd: Odd | null }
    | { readonly kind: 'a member leaves'; readonly location: string; readonly name: string }
    | {
        readonly kind:
          | 'counters restart'
          | 'router down'
          | 'router in trouble'
          | 'disk full'
          | 'fsync fails'
          | 'short writes'
          | 'disk lies'
          | 'green fails'
          | 'foreign binary at green'
          | 'foreign binary at the second location'
          | 'green is silent'
          | 'its row turns foreign'
          | 'its manifest cannot be read'
          | 'another state drives the target'
          | 'the state is removed'
          | 'claims name other programs';
      };
}

/** The router treats the n-th request to shift in this way. */
export interface Mishap {
  readonly nth: number;
  readonly fate: Fate;
}

export interface Schedule {
  readonly seed: number;
  readonly plan: Plan;
  /** What runs at green from the beginning: `sick` fails some requests, `foreign` has another GUID, `staging` says another environment. */
  readonly green: 'good' | 'sick' | 'broken' | 'foreign' | 'staging';
  readonly actors: readonly Actor[];
  readonly mishaps: readonly Mishap[];
  readonly faults: readonly Fault[];
  /** Several members to a place; absent where each has one. */
  readonly replicas?: Replicas;
  /** The state has a rescue program of an earlier version, which no generation of this one may meet. */
  readonly isOld?: true;
  /** What is done at the end about a rollout that nobody finished. */
  readonly end: 'resume' | 'abort';
}

const MISHAPS: readonly Fate[] = [
  'refused',
  'down',
  'lost',
  'late',
  'late',
  'overdue',
  'overdue',
  'lie',
  'twice',
  'ignored',
  'crooked',
];
const DAY_MS = 86_400_000;
const FORWARD = planOf();
const BACK = rollbackOf();

class Luck {
  readonly chance: (share: number) => boolean;
  readonly below: (limit: number) => number;
  constructor(seed: number) {
    const random = seeded(seed);
    this.chance = (share) => random() < share;
    this.below = (limit) => Math.floor(random() * limit);
  }

  one<T>(of: readonly T[]): T {
    return of[this.below(of.length)] as T;
  }

  times<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.below(most + 1) }, make);
  }
}

/** The schedule of this seed; `replicas` is the share that has several members to a place. */
export function scheduleOf(seed: number, replicas?: number): Schedule {
  return withReplicas(withWaits(drawnFrom(seed)), replicas);
}

function drawnFrom(seed: number): Schedule {
  const luck = new Luck(seed);
  // Most simulations are short, since it is their number that finds the rare order of things; the others have room for more.
  const long = luck.chance(0.4);
  const plan = planFor(luck, long);
  const green = luck.one(['good', 'good', 'good', 'good', 'good', 'sick', 'broken', 'broken', 'foreign', 'staging'] as const);
  const mishapShare = luck.one([0, 0, 0.15, 0.4]);
  const mishaps = Array.from({ length: 24 }, (_, nth) => ({ nth, fate: luck.one(MISHAPS) })).filter(() =>
    luck.chance(mishapShare),
  );
  const first = actorFor(luck, plan.kind === 'rollback' ? 'rollback' : 'promote', 0);
  const more = luck.times(long ? 3 : 1, () =>
    actorFor(luck, luck.one(COMMANDS), luck.one([luck.below(6000), luck.below(25_000)])),
  );
  const faults = luck.times(3, () => faultFor(luck));
  const end = luck.chance(0.8) ? 'resume' : 'abort';
  const drawn: Schedule = { seed, plan, green, actors: [first, ...more], mishaps, faults, end };
  if (seed % LOSES_STATE === 7) return withoutState(drawn, first, luck);
  return seed % LOSES_STATE === 13 ? withForgedClaim(drawn, first, luck) : drawn;
}

/** One schedule of so many loses its state, and another one has a claim that names a process which is not kvdeploy. */
const LOSES_STATE = 20;

/** The state goes while one leader is at work, and is put back in the end at the latest: there is no second one meanwhile. */
function withoutState(drawn: Schedule, { command, host, sees, leaveAfterMs }: Actor, luck: Luck): Schedule {
  const first: Actor = {
    ...{ command, host, sees, leaveAfterMs, startMs: 0 },
    ...{ dieAt: null, lastWord: 'now', holdAfterMs: null, freeze: null },
  };
  const removed: Fault = {
    atMs: luck.one([luck.below(3000), luck.below(8000)]),
    lastsMs: luck.one([500, 3000, 60_000]),
    what: { kind: 'the state is removed' },
  };
  const others = drawn.faults.filter(({ what }) => what.kind !== 'power cut' && what.kind !== 'another state drives the target');
  return { ...drawn, actors: [first], faults: [...others, removed] };
}

/** The first leader dies, and whatever its claim names from then on is another program. */
function withForgedClaim(drawn: Schedule, first: Actor, luck: Luck): Schedule {
  const forged: Fault = { atMs: luck.below(8000), lastsMs: 0, what: { kind: 'claims name other programs' } };
  const [, ...more] = drawn.actors;
  return { ...drawn, actors: [{ ...first, dieAt: luck.below(120) }, ...more], faults: [...drawn.faults, forged] };
}

const COMMANDS = [
  'promote',
  'resume',
  'resume',
  'abort',
  'abort',
  'rollback',
  'rescue',
  'rescue',
  'reconcile',
  'ask for an abort',
] as const;

function actorFor(luck: Luck, command: Actor['command'], startMs: number): Actor {
  return {
    command,
    startMs,
    host: luck.chance(0.2) ? 'deploy-2' : 'deploy-1',
    sees: luck.chance(0.2) ? luck.one(['container', 'hidepid'] as const) : 'all',
    dieAt: luck.chance(0.3) ? luck.one([luck.below(60), luck.below(250)]) : null,
    lastWord: luck.one(['now', 'never'] as const),
    leaveAfterMs: luck.chance(0.15) ? luck.below(12_000) : null,
    holdAfterMs: luck.chance(0.05) ? luck.below(8000) : null,
    freeze: luck.chance(0.3)
      ? {
          atCall: luck.one([luck.below(20), luck.below(80)]),
          forMs: luck.one([500, 2000, 12_000, 90_000]),
          endable: luck.chance(0.5),
        }
      : null,
  };
}

function planFor(luck: Luck, long: boolean): Plan {
  const kind = luck.one(['promote', 'promote', 'promote', 'promote', 'promote', 'rollback', 'adopt'] as const);
  const bakeMs = long ? luck.one([1000, 2000, 3000]) : 1000;
  const before = long ? [1, 10, 50].filter(() => luck.chance(0.5)) : luck.one([[], [10], [50]]);
  const percents = [...before, 100];
  const pace = {
    patienceMs: luck.one([3000, 8000]),
    pollMs: luck.one([1000, 1000, 3000]),
    copies: luck.chance(0.25) ? FORWARD.copies : [],
  };
  // Not parsed again: whoever writes a plan into the ledger does that.
  if (kind === 'rollback') return { ...BACK, ...pace };
  if (kind === 'adopt')
    return { ...FORWARD, ...pace, kind, candidate: BACK.candidate, stable: null, steps: [{ percent: 100, bakeMs }] };
  return { ...FORWARD, ...pace, steps: percents.map((percent) => ({ percent, bakeMs })) };
}

function faultFor(luck: Luck): Fault {
  const atMs = luck.one([luck.below(3000), luck.below(15_000)]);
  return { atMs, lastsMs: luck.one([500, 3000, 15_000]), what: luck.one(WHATS)(luck) };
}

function metricsFault(luck: Luck): Fault['what'] {
  const sight = luck.one(['nothing', 'stands still', 'is down'] as const);
  return { kind: 'metrics', build: luck.one(['green', 'green', 'green', 'blue'] as const), sight };
}

const WHATS: readonly ((luck: Luck) => Fault['what'])[] = [
  (luck) => ({
    kind: 'somebody moves traffic',
    split: luck.one([
      { blue: 50, green: 0, grey: 50 },
      { blue: 100, green: 0, grey: 0 },
    ]),
  }),
  metricsFault,
  metricsFault,
  metricsFault,
  (luck) => ({ kind: 'clock jumps', byMs: luck.one([-DAY_MS, -3_600_000, 3_600_000, DAY_MS]) }),
  (luck) => ({ kind: 'power cut', seed: luck.below(1_000_000) }),
  ...(
    [
      'counters restart',
      'router down',
      'router in trouble',
      'disk full',
      'fsync fails',
      'short writes',
      'disk lies',
      'green fails',
      'foreign binary at green',
      'foreign binary at the second location',
      'green is silent',
      'its row turns foreign',
      'its manifest cannot be read',
      'another state drives the target',
    ] as const
  ).map((kind) => () => ({ kind })),
];
