/** Crashes that a router saw: counted once, held against the stable build and against once in six hours, within a handful of them. */
import { describe, expect, it } from 'vitest';
import { seeded } from '../../../../src/backtest/calibration.ts';
import { comparisonOf } from '../../../../src/core/gates/comparison.ts';
import { gatePollOf, pollEveryMs } from '../../../../src/core/gates/counting/blocks.ts';
import { type CounterMemory, counterMemorySchema } from '../../../../src/core/gates/counting/counter-memory.ts';
import { type ArmCounters, countersSince, NO_COUNTERS } from '../../../../src/core/gates/counting/counters.ts';
import { RESTARTS } from '../../../../src/core/gates/counting/metric-counters.ts';
import { type Evidence, feed, openEvidence } from '../../../../src/core/gates/evidence/evidence.ts';
import { WHOLE } from '../../../../src/core/gates/gate-settings.ts';
import { blameOf, standingText } from '../../../../src/core/gates/verdict/blamed.ts';
import { judgeEvidence } from '../../../../src/core/gates/verdict/evidence-verdict.ts';

const SEED = Number(process.env.KVDEPLOY_SEED ?? Date.now() % 1_000_000);
const RUNS = 100;
const HOUR_S = 3600;
const METRICS = ['errors', '4xx', 'none of them'].map((name) => {
  return {
    metric: name === 'none of them' ? 'traffic' : name,
    requests: 'requests',
    failures: name,
    counts: 'failures',
  } as const;
});

const SEEN = { metrics: ['errors', '4xx'], slices: {}, countsTraffic: true, seesCrashes: true, lagMs: 0 };
const { settings } = comparisonOf(
  [{ name: 'errors', source: 'haproxy', settings: {}, compare: {} }],
  {},
  new Map([['errors', SEEN]]),
);

/** A build as locations count it: its requests at the first, and how often each of them saw it go down. */
function watched(atMs: number, requests: number, downs: readonly (number | null)[]): ArmCounters {
  const targets = downs.map((times, index) => {
    const counters = [{ counter: 'requests', slice: '', value: index === 0 ? requests : 0 }];
    return [`location ${index}`, { startedMs: null, freshMs: atMs, counters, downs: times }] as const;
  });
  return { targets: Object.fromEntries(targets) };
}

interface Ended {
  readonly evidence: Evidence;
  readonly crashes: number;
}

/** A rollout at half of 100 requests a second, until it goes back or `untilS` is over. Crashes are moments in seconds, in order. */
function rollout(candidate: readonly number[], stable: readonly number[], untilS: number, everyMs = pollEveryMs(1000)): Ended {
  const until = (moments: readonly number[], atMs: number) => moments.filter((at) => at * 1000 <= atMs).length;
  const reading = (moments: readonly number[], atMs: number) => watched(atMs, Math.floor(atMs / 20), [until(moments, atMs)]);
  let memory: CounterMemory = NO_COUNTERS;
  let evidence = openEvidence(settings, { atMs: 0, share: 0.5 });
  for (let atMs = 0; atMs < untilS * 1000 && evidence.crossed === null; atMs += everyMs) {
    const delta = countersSince(memory, { candidate: reading(candidate, atMs), stable: reading(stable, atMs) }, 2000);
    memory = delta.memory;
    if (atMs > 0) evidence = feed(settings, evidence, { atMs, gates: { errors: gatePollOf(delta, METRICS) } });
  }
  return { evidence, crashes: until(candidate, evidence.atMs) };
}

const every = (seconds: number, untilS: number) =>
  Array.from({ length: Math.floor(untilS / seconds) }, (_, index) => (index + 1) * seconds);

/** Moments of a Poisson process. */
function byChance(perHour: number, untilS: number, random: () => number): number[] {
  const moments: number[] = [];
  for (let at = 0; ; ) {
    at += (-Math.log(1 - random()) * HOUR_S) / perHour;
    if (at > untilS) return moments;
    moments.push(at);
  }
}

const isBack = ({ evidence }: Ended) => evidence.crossed !== null;

describe('a build that crashes and comes back while the stable build does not', () => {
  it.each([
    ['every 5 s', every(5, HOUR_S), 6],
    ['every 20 s', every(20, HOUR_S), 4],
    ['every minute', every(60, HOUR_S), 5],
    ['every three minutes', every(180, HOUR_S), 4],
    ['every five minutes', every(300, HOUR_S), 4],
    ['every ten minutes', every(600, HOUR_S), 4],
    ['with a back-off that doubles', [3, 13, 33, 73, 153, 313, 613, 913], 4],
  ])('a build that crashes %s is rolled back within a handful of crashes', (_often, moments, most) => {
    const ended = rollout(moments, [], HOUR_S);
    expect(isBack(ended)).toBe(true);
    expect(ended.crashes).toBeLessThanOrEqual(most);
    const { heaviest } = blameOf(settings, ended.evidence);
    expect(heaviest.metric).toBe(RESTARTS);
    expect(standingText(heaviest)).toMatch(/^restarts: the candidate went down \d+ times in \d+ s, the stable build not once$/);
  });

  it('a build that crashes once is not rolled back, nor believed before a whole new time of proof', () => {
    const { evidence } = rollout([100], [], 130);
    expect(evidence.crossed).toBeNull();
    expect(judgeEvidence(settings, evidence, { nowMs: evidence.atMs, nextShare: 1 })).toMatchObject({ verdict: 'hold' });
    expect(evidence.gates['errors']?.blocks).toBeLessThan(3);
  });
});

describe('false alarms by crashes', () => {
  it('false alarms are at most 1 % of two-hour rollouts where both builds crash once an hour', () => {
    const random = seeded(SEED);
    const runs = Array.from({ length: RUNS }, () =>
      rollout(byChance(1, 2 * HOUR_S, random), byChance(1, 2 * HOUR_S, random), 2 * HOUR_S, 15_000),
    );
    expect(runs.filter(isBack).length, `seed ${SEED}`).toBeLessThanOrEqual(RUNS * 0.01 + 4 * Math.sqrt(RUNS * 0.01));
  });

  it('no alarm is raised where both builds go down together, a second apart in either order, over and over', () => {
    const random = seeded(SEED);
    const shared = every(40, HOUR_S);
    const later = shared.map((at) => at + random());
    for (const [first, second] of [[shared, later] as const, [later, shared] as const])
      expect(isBack(rollout(first, second, HOUR_S)), `seed ${SEED}`).toBe(false);
  });
});

describe('what is counted', () => {
  const since = (before: ArmCounters, after: ArmCounters) => {
    const first = countersSince(NO_COUNTERS, { candidate: before, stable: watched(1000, 0, [0]) }, 2000);
    return countersSince(first.memory, { candidate: after, stable: watched(6000, 0, [0]) }, 2000).candidate;
  };

  it('a crash that several locations see counts once, with the seconds of watching', () => {
    expect(since(watched(1000, 5, [3, 0]), watched(6000, 50, [5, 1])).crashes).toEqual({ requests: 7, failures: 2 });
  });

  it('a crash counts once when a location begins anew, and not at all from where it cannot tell', () => {
    expect(since(watched(1000, 50, [3]), watched(6000, 5, [1])).crashes).toEqual({ requests: 5, failures: 0 });
    expect(since(watched(1000, 5, [null]), watched(6000, 50, [4])).crashes).toEqual({ requests: 0, failures: 0 });
    expect(since(watched(1000, 5, [4]), watched(6000, 50, [null])).crashes).toEqual({ requests: 0, failures: 0 });
  });

  it('the count of crashes goes on from what the ledger kept', () => {
    const pair = (atMs: number, times: number | null) => ({
      candidate: watched(atMs, 5, [times]),
      stable: watched(atMs, 5, [null]),
    });
    const { memory } = countersSince(NO_COUNTERS, pair(1000, 2), 2000);
    const kept = counterMemorySchema.parse(JSON.parse(JSON.stringify(memory)));
    expect(kept).toEqual(memory);
    expect(countersSince(kept, pair(60_000, 4), 2000).candidate.crashes).toEqual({ requests: 61, failures: 2 });
  });

  it('the restart of a router never counts as a crash of the build', () => {
    const reloaded = since(watched(1000, 50, [null]), watched(6000, 5, [null]));
    expect(reloaded.arm.state).toBe('reset');
    const stable = { arm: { state: 'counted' }, counts: new Map(), targets: 1, restarts: 0 } as const;
    const { blocks } = gatePollOf({ candidate: reloaded, stable, memory: NO_COUNTERS }, METRICS);
    expect(blocks[RESTARTS]?.[WHOLE]?.candidate).toEqual({ requests: 0, failures: 0 });
  });

  it('a crash that two routers see in different polls counts once', () => {
    const looks = [
      [0, 0],
      [1, 0],
      [1, 1],
      [1, 1],
    ];
    let memory: CounterMemory = NO_COUNTERS;
    const found = looks.map((downs, second) => {
      const arm = watched(second * 1000, second, downs);
      const delta = countersSince(memory, { candidate: arm, stable: { absent: true } }, 2000);
      memory = counterMemorySchema.parse(JSON.parse(JSON.stringify(delta.memory)));
      return delta.candidate.crashes?.failures ?? 0;
    });
    expect(found).toEqual([0, 1, 0, 0]);
  });

  it('crashes are no metric where health is not checked', () => {
    const gate = { name: 'errors', source: 'haproxy', settings: {}, compare: {} };
    const unwatched = comparisonOf([gate], {}, new Map([['errors', { ...SEEN, seesCrashes: false }]]));
    expect(unwatched.settings.metrics.map(({ metric }) => metric)).not.toContain(RESTARTS);
  });
});
