/** Processes that come and go: what each costs, when all of a build counts as restarted, and that leaving hides no build that keeps dying. */
import { describe, expect, it } from 'vitest';
import { seeded } from '../../../../src/backtest/calibration.ts';
import { comparisonOf } from '../../../../src/core/gates/comparison.ts';
import { gatePollOf } from '../../../../src/core/gates/counting/blocks.ts';
import { type CounterMemory, counterMemorySchema } from '../../../../src/core/gates/counting/counter-memory.ts';
import {
  type ArmCounters,
  type Counters,
  countersSince,
  type Delta,
  NO_COUNTERS,
} from '../../../../src/core/gates/counting/counters.ts';
import { type MetricCounters, RESTARTS } from '../../../../src/core/gates/counting/metric-counters.ts';
import { type Evidence, feed, openEvidence } from '../../../../src/core/gates/evidence/evidence.ts';
import { WHOLE } from '../../../../src/core/gates/gate-settings.ts';
import { blameOf } from '../../../../src/core/gates/verdict/blamed.ts';
import { judgeEvidence } from '../../../../src/core/gates/verdict/evidence-verdict.ts';

const SEED = Number(process.env.KVDEPLOY_SEED ?? Date.now() % 1_000_000);
const LAG_MS = 15_000;
const ERRORS: MetricCounters = { metric: 'errors', requests: 'requests', failures: 'errors', counts: 'failures' };
const METRICS: readonly MetricCounters[] = [
  ERRORS,
  { metric: 'traffic', requests: 'requests', failures: 'none of them', counts: 'failures' },
];

type Totals = Readonly<Record<string, readonly [requests: number, errors: number]>>;

function arm(atS: number, pods: Totals, several?: true): ArmCounters {
  const targets = Object.entries(pods).map(([name, [requests, errors]]) => {
    const counters = [
      { counter: 'requests', slice: '', value: requests },
      { counter: 'errors', slice: '', value: errors },
    ];
    return [name, { startedMs: null, freshMs: atS * 1000, counters, ...(several === undefined ? {} : { several }) }] as const;
  });
  return { targets: Object.fromEntries(targets) };
}

/** The differences of one reading after the other, 15 s apart; the stable build is one process that serves on. */
function read(...readings: readonly (Totals | null)[]): Delta[] {
  let memory: CounterMemory = NO_COUNTERS;
  return readings.map((pods, index) => {
    const atS = 15 * index;
    const candidate = pods === null ? ({ missing: 'no answer' } as const) : arm(atS, pods);
    const delta = countersSince(memory, { candidate, stable: arm(atS, { s: [1000 * index, index] }) }, LAG_MS);
    expect(counterMemorySchema.parse(JSON.parse(JSON.stringify(delta.memory)))).toEqual(delta.memory);
    memory = delta.memory;
    return delta;
  });
}

const last = (deltas: readonly Delta[]) => deltas.at(-1) ?? expect.fail('nothing was read');
const candidateOf = (delta: Delta) => gatePollOf(delta, METRICS).blocks['errors']?.[WHOLE]?.candidate;
const begun: Totals = { a: [100, 1], b: [100, 0], c: [100, 0] };

describe('a process that comes or goes', () => {
  it('a process that leaves costs only what it alone had not told: the others are counted on', () => {
    const delta = last(read(begun, { a: [110, 1], b: [110, 2] }));
    expect(delta.candidate).toMatchObject({ arm: { state: 'counted' }, restarts: 0, partial: true });
    expect(candidateOf(delta)).toEqual({ requests: 20, failures: 2 });
  });

  it('a process that is replaced costs what it had not told, and the new one counts from its first reading', () => {
    const replaced = read(begun, { a: [110, 1], b: [110, 2], d: [7, 7] }, { a: [120, 1], b: [120, 2], d: [17, 8] });
    expect(replaced.map(({ candidate }) => candidate.arm.state)).toEqual(['missing', 'counted', 'counted']);
    expect(replaced.map(candidateOf).slice(1)).toEqual([
      { requests: 20, failures: 2 },
      { requests: 30, failures: 1 },
    ]);
  });

  it('a process that restarts under its name is counted as a restart, and takes nothing from the others', () => {
    const delta = last(read(begun, { a: [110, 1], b: [110, 2], c: [5, 1] }));
    expect(delta.candidate).toMatchObject({ arm: { state: 'counted' }, restarts: 1, partial: true });
    expect(candidateOf(delta)).toEqual({ requests: 25, failures: 3 });
  });

  it('a process that misses a scrape and comes back goes on from where it was', () => {
    const back = read(begun, { a: [110, 1], b: [110, 0] }, { a: [120, 1], b: [120, 0], c: [130, 3] });
    expect(back.map(({ candidate }) => candidate.restarts)).toEqual([0, 0, 0]);
    expect(candidateOf(last(back))).toEqual({ requests: 20 + 30, failures: 3 });
  });

  it('a process that comes back after minutes begins with that reading, and one that comes back lower restarted', () => {
    const rest = { a: [100, 1], b: [100, 0] } as const;
    const late = last(read(begun, rest, rest, rest, rest, rest, rest, { ...rest, c: [900, 90] }));
    expect(candidateOf(late)).toEqual({ requests: 0, failures: 0 });
    expect(last(read(begun, rest, { ...rest, c: [3, 3] })).candidate.restarts).toBe(1);
  });

  it('counts of a build that was counted in part say nothing of its share of the traffic', () => {
    const traffic = (delta: Delta) => gatePollOf(delta, METRICS).blocks['traffic']?.[WHOLE];
    expect(traffic(last(read(begun, { a: [110, 1], b: [110, 2] })))?.candidate.requests).toBe(0);
    expect(traffic(last(read(begun, { a: [110, 1], b: [110, 2], c: [110, 0] })))?.candidate.requests).toBe(30);
    const ten = Object.fromEntries(Array.from({ length: 10 }, (_, id) => [`p${id}`, [100 + id, 0] as const]));
    const { p0: _, ...nine } = ten;
    // One of ten is less than what the split may be off by.
    expect(traffic(last(read(ten, { ...nine, p1: [150, 0], q: [9, 0] })))?.candidate.requests).toBe(49);
  });

  it('a build of which more than half restarts or leaves at once begins anew, and so does one of a single process', () => {
    const half = last(read(begun, { a: [110, 1], b: [2, 0] }));
    expect(half.candidate).toMatchObject({ arm: { state: 'reset', why: 'c is gone, b restarted' }, restarts: 2 });
    const single = read({ a: [100, 1] }, { b: [10, 1] });
    expect(last(single).candidate).toMatchObject({ arm: { state: 'reset', why: 'a is gone' }, restarts: 1 });
    expect(last(read({ a: [100, 1] }, { a: [10, 1] })).candidate).toMatchObject({ arm: { state: 'reset' }, restarts: 1 });
  });

  it('a sum over processes that decreases begins anew, since no one knows which process left', () => {
    const pair = (atS: number, requests: number): Counters => ({
      candidate: { targets: { ...targetsOf(arm(atS, { x: [atS, 0] })), ...targetsOf(arm(atS, { sum: [requests, 0] }, true)) } },
      stable: arm(atS, { s: [atS, 0] }),
    });
    const { memory } = countersSince(NO_COUNTERS, pair(0, 500), LAG_MS);
    expect(countersSince(memory, pair(15, 400), LAG_MS).candidate.arm.state).toBe('reset');
  });
});

function targetsOf(counted: ArmCounters) {
  return 'targets' in counted ? counted.targets : {};
}

const SEEN = { metrics: ['errors'], slices: {}, countsTraffic: true, countsProcesses: true, lagMs: LAG_MS };
const { settings } = comparisonOf(
  [{ name: 'errors', source: 'prometheus', settings: {}, compare: {} }],
  { dwellMs: 180_000 },
  new Map([['errors', SEEN]]),
);

interface World {
  readonly pods: number;
  /** A process of the candidate is replaced by another, or begins anew under its name, so often. */
  readonly replaceS: number;
  readonly inPlace?: true;
  readonly failing: number;
}

/** An hour at half of 400 requests a second, or until it goes back; the stable build has 20 processes. */
function rollout({ pods, replaceS, inPlace, failing }: World, random: () => number) {
  let memory: CounterMemory = NO_COUNTERS;
  let evidence: Evidence = openEvidence(settings, { atMs: 0, share: 0.5 });
  let [next, restarts, passedS] = [pods, 0, Number.POSITIVE_INFINITY];
  const alive = (many: number) => Array.from({ length: many }, (_, id) => ({ name: `p${id}`, requests: 5000, errors: 5 }));
  const [ours, theirs] = [alive(pods), alive(20)];
  const count = (all: typeof ours, rate: number) => {
    for (const pod of all)
      for (let request = 0; request < 200 / all.length; request += 1) {
        pod.requests += 1;
        if (random() < rate) pod.errors += 1;
      }
  };
  const readingOf = (all: typeof ours) =>
    Object.fromEntries(all.map(({ name, requests, errors }) => [name, [requests, errors] as const]));
  for (let atS = 1; atS <= 3600 && evidence.crossed === null; atS += 1) {
    count(ours, failing);
    count(theirs, 0.001);
    if (atS % replaceS === 0) {
      const gone = ours.shift();
      ours.push({ name: inPlace === undefined ? `p${next}` : (gone?.name ?? ''), requests: 0, errors: 0 });
      next += 1;
    }
    if (atS % 15 !== 0) continue;
    const reading = { candidate: arm(atS, readingOf(ours)), stable: arm(atS, readingOf(theirs)) };
    const delta = countersSince(memory, reading, LAG_MS);
    memory = delta.memory;
    restarts += delta.candidate.restarts;
    evidence = feed(settings, evidence, { atMs: atS * 1000, gates: { errors: gatePollOf(delta, METRICS) } });
    const said = judgeEvidence(settings, evidence, { nowMs: atS * 1000, nextShare: 1 });
    if (said.verdict === 'pass') passedS = Math.min(passedS, atS);
  }
  return { evidence, restarts, passedS, bytes: JSON.stringify(memory).length };
}

const blamed = (evidence: Evidence) => (evidence.crossed === null ? 'no one' : blameOf(settings, evidence).heaviest.metric);

describe(`a build whose processes come and go (seed ${SEED})`, () => {
  const random = seeded(SEED);

  it('a good build of which one of ten processes is replaced every 90 s reaches its verdict, and is not blamed for an hour', () => {
    const steady = rollout({ pods: 10, replaceS: 5000, failing: 0.001 }, random);
    const { evidence, restarts, passedS, bytes } = rollout({ pods: 10, replaceS: 90, failing: 0.001 }, random);
    expect([blamed(evidence), restarts]).toEqual(['no one', 0]);
    expect(passedS).toBeLessThan(1200);
    expect(bytes).toBeLessThan(2 * steady.bytes);
  });

  it('a bad build of which one of ten processes is replaced every 90 s is caught by its errors', () => {
    expect(blamed(rollout({ pods: 10, replaceS: 90, failing: 0.05 }, random).evidence)).toBe('errors');
  });

  it('a build whose processes die and are replaced all the time is caught by that, though no counter ever decreases', () => {
    const { evidence } = rollout({ pods: 10, replaceS: 2, failing: 0.001 }, random);
    expect(blamed(evidence)).toBe(RESTARTS);
    expect(evidence.crossed?.atMs).toBeLessThan(300_000);
  });

  it('a build of which one process restarts again and again under its name is caught by that', () => {
    const { evidence } = rollout({ pods: 10, replaceS: 20, inPlace: true, failing: 0.001 }, random);
    expect(blamed(evidence)).toBe(RESTARTS);
    expect(evidence.crossed?.atMs).toBeLessThan(600_000);
  });
});
