/** Rollouts of places with several members, seeded: what routers count of each member goes the whole way from counters to a verdict. */
import { comparisonOf } from '../../../../src/core/gates/comparison.ts';
import { gatePollOf } from '../../../../src/core/gates/counting/blocks.ts';
import { type ArmCounters, countersSince, NO_COUNTERS, type Target } from '../../../../src/core/gates/counting/counters.ts';
import { CLASS_METRICS, statusCounters } from '../../../../src/core/gates/counting/statuses.ts';
import { beginStep, type Evidence, feed, openEvidence } from '../../../../src/core/gates/evidence/evidence.ts';
import type { GateSettings } from '../../../../src/core/gates/gate-settings.ts';
import { type EvidenceVerdict, judgeEvidence } from '../../../../src/core/gates/verdict/evidence-verdict.ts';
import { Random, seedOf } from '../../../bench/gates/random.ts';

export const WATCH_S = 90;

export interface World {
  /** Members of each build at each location, and what each has of its build's requests there: alike unless said. */
  readonly candidates: number;
  readonly stables: number;
  /** How many of the candidate's members the plan knows; all unless said. */
  readonly planned?: number;
  readonly locations?: readonly string[];
  readonly percent: number;
  readonly rps: number;
  readonly untilS: number;
  readonly pollS?: number;
  /** The part of its requests that a member answers with 5xx at this second of the step; 0.1 % where it is not said. */
  readonly fails?: (member: string, second: number) => number;
  /** Whether a member is there at this second; all are unless said. */
  readonly isThere?: (member: string, second: number) => boolean;
}

export interface Ended {
  /** When it was rolled back, in seconds of the step. */
  readonly atS: number | null;
  /** Requests of the candidate's members by then, and how many of them failed. */
  readonly counted: ReadonlyMap<string, { readonly requests: number; readonly failures: number }>;
  readonly verdict: EvidenceVerdict;
  readonly settings: GateSettings;
  readonly evidence: Evidence;
}

const USUAL = 0.001;

export function wordsOf(member: string, location: string, { locations = ['main'] }: Pick<World, 'locations'>): string {
  return `member ${member}${locations.length > 1 ? ` at ${location}` : ''}`;
}

export function settingsOf(world: World): GateSettings {
  const { candidates, planned = candidates, locations = ['main'] } = world;
  const members = locations.flatMap((location) =>
    Array.from({ length: planned }, (_, index) => wordsOf(`green-${index + 1}`, location, world)),
  );
  const countable = {
    metrics: CLASS_METRICS.map(({ metric }) => metric),
    slices: {},
    members,
    countsTraffic: true,
    usualRates: { errors: USUAL },
    lagMs: 0,
  };
  const gate = { name: 'errors', source: 'haproxy', settings: {}, compare: {} };
  return comparisonOf([gate], {}, new Map([['errors', countable]])).settings;
}

export function rollout(world: World, run: number | string, seed: number): Ended {
  const { percent, untilS, pollS = 1, locations = ['main'] } = world;
  const settings = settingsOf(world);
  const routers = locations.map((location) => routerOf(world, location, new Random(seedOf(`members ${location} ${run}`, seed))));
  let [evidence, memory] = [openEvidence(settings, { atMs: 0, share: 0 }), NO_COUNTERS];
  const counted = new Map<string, { requests: number; failures: number }>();
  for (let s = 1; s <= WATCH_S + untilS && evidence.crossed === null; s += 1) {
    for (const router of routers) router.serve(s - WATCH_S);
    if (s % pollS === 0) {
      const atMs = s * 1000;
      const arms = (build: 'candidate' | 'stable'): ArmCounters => ({
        targets: Object.assign({}, ...routers.map((router) => router.targets(build, atMs, s - WATCH_S))),
      });
      const delta = countersSince(memory, { candidate: arms('candidate'), stable: arms('stable') }, 2000);
      memory = delta.memory;
      const poll = gatePollOf(delta, [
        ...CLASS_METRICS,
        { metric: 'traffic', requests: 'requests', failures: '', counts: 'failures' },
      ]);
      evidence = feed(settings, evidence, { atMs, gates: { errors: poll } });
    }
    if (s === WATCH_S) evidence = beginStep(settings, evidence, { atMs: s * 1000, share: percent / 100 });
  }
  for (const router of routers) router.addTo(counted);
  const { atMs } = evidence;
  const verdict = judgeEvidence(settings, evidence, { nowMs: atMs, nextShare: 0.25 });
  return { atS: evidence.crossed === null ? null : evidence.crossed.atMs / 1000 - WATCH_S, counted, verdict, settings, evidence };
}

/** One location: its requests go to members that are there, alike. */
function routerOf(world: World, location: string, random: Random) {
  const { candidates, stables, percent, rps, locations = ['main'], fails = () => USUAL, isThere = () => true } = world;
  const names = (build: string, length: number) => Array.from({ length }, (_, index) => `${build}-${index + 1}`);
  const all = { candidate: names('green', candidates), stable: names('blue', stables) };
  const totals = new Map([...all.candidate, ...all.stable].map((name) => [name, { requests: 0, failures: 0 }]));
  const serve = (second: number) => {
    const part = second > 0 ? percent / 100 : 0;
    for (const [build, share] of [
      ['candidate', part],
      ['stable', 1 - part],
    ] as const) {
      const here = all[build].filter((name) => isThere(name, second));
      for (const name of here) {
        const total = totals.get(name);
        if (total === undefined) continue;
        const exact = (rps * share) / locations.length / here.length;
        const requests = Math.floor(exact) + (random.unit() < exact % 1 ? 1 : 0);
        total.requests += requests;
        total.failures += random.binomial(requests, fails(wordsOf(name, location, world), second));
      }
    }
  };
  const targets = (build: 'candidate' | 'stable', atMs: number, second: number): Record<string, Target> =>
    Object.fromEntries(
      all[build]
        .filter((name) => isThere(name, second))
        .map((name) => {
          const { requests, failures } = totals.get(name) ?? { requests: 0, failures: 0 };
          const counters = statusCounters({ '2xx': requests - failures, '5xx': failures }, CLASS_METRICS);
          const member = { name: wordsOf(name, location, world), location };
          return [`${location} ${name}`, { startedMs: null, freshMs: atMs, counters, downs: null, member }];
        }),
    );
  const addTo = (sums: Map<string, { requests: number; failures: number }>) => {
    for (const name of all.candidate) sums.set(wordsOf(name, location, world), totals.get(name) ?? { requests: 0, failures: 0 });
  };
  return { serve, targets, addTo };
}
