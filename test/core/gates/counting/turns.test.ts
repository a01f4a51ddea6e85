/** Totals that go back and forth: named, never counted, and never taken for a process that begins again, or the other way round. */
import { describe, expect, it } from 'vitest';
import { seeded } from '../../../../src/backtest/calibration.ts';
import { gatePollOf } from '../../../../src/core/gates/counting/blocks.ts';
import { type CounterMemory, counterMemorySchema } from '../../../../src/core/gates/counting/counter-memory.ts';
import { type ArmCounters, countersSince, type Delta, NO_COUNTERS } from '../../../../src/core/gates/counting/counters.ts';
import type { MetricCounters } from '../../../../src/core/gates/counting/metric-counters.ts';
import { WHOLE } from '../../../../src/core/gates/gate-settings.ts';

const SEED = Number(process.env.KVDEPLOY_SEED ?? Date.now() % 1_000_000);
const ERRORS: MetricCounters = { metric: 'errors', requests: 'requests', failures: 'errors', counts: 'failures' };

type Totals = readonly [requests: number, errors: number];

function arm(atS: number, [requests, errors]: Totals): ArmCounters {
  const counters = [
    { counter: 'requests', slice: '', value: requests },
    { counter: 'errors', slice: '', value: errors },
  ];
  return { targets: { 'app pod:1': { startedMs: null, freshMs: atS * 1000, counters } } };
}

/** What became of the candidate's readings, `everyS` apart. */
function read(totals: readonly Totals[], everyS = 1, lagS = 2): Delta[] {
  let memory: CounterMemory = NO_COUNTERS;
  return totals.map((candidate, index) => {
    const reading = { candidate: arm(index * everyS, candidate), stable: arm(index * everyS, [900 * index, index]) };
    const delta = countersSince(memory, reading, lagS * 1000);
    expect(counterMemorySchema.parse(JSON.parse(JSON.stringify(delta.memory)))).toEqual(delta.memory);
    memory = delta.memory;
    return delta;
  });
}

/** Requests and errors that were counted in all, of the polls from that one on, and how often it is said to have restarted. */
function sums(deltas: readonly Delta[], from = 1) {
  const counted = deltas.slice(from).map((delta) => {
    const block = gatePollOf(delta, [ERRORS]).blocks['errors']?.[WHOLE]?.candidate;
    return { requests: block?.requests ?? 0, failures: block?.failures ?? 0, restarts: delta.candidate.restarts };
  });
  const sum = (key: 'requests' | 'failures' | 'restarts') => counted.reduce((all, one) => all + one[key], 0);
  return { requests: sum('requests'), failures: sum('failures'), restarts: sum('restarts') };
}

const whyOf = ({ candidate }: Delta) => ('why' in candidate.arm ? candidate.arm.why : candidate.arm.state);

/** Two processes with totals of their own, one after the other; each counts `each` a reading. */
function inTurn(one: Totals, other: Totals, each: number, shown: (reading: number) => boolean, count = 40): Totals[] {
  return Array.from({ length: count }, (_, index) => {
    const [requests, errors] = shown(index) ? one : other;
    return [requests + index * each, errors] as const;
  });
}

const BACK_AND_FORTH =
  'app pod:1: its totals go back and forth: several processes behind one scrape address show theirs in turn, or it is a gauge; ' +
  'scrape each process by itself, each with its own instance label, and query a counter';

describe(`totals that go back and forth (seed ${SEED})`, () => {
  const random = seeded(SEED);

  it.each([
    ['alike', [5000, 1], [5700, 200], 150],
    ['that stand still', [5000, 1], [5700, 200], 0],
    ['of which one is twice the other', [2500, 90], [5700, 1], 40],
    ['of which one is young', [300, 3], [90_000, 45], 10],
  ] as const)(
    'totals of two processes in turn, %s, are named, and only what one of them counted is counted',
    (_, one, other, each) => {
      for (const shown of [(at: number) => at % 2 === 0, () => random() < 0.5]) {
        const deltas = read(inTurn(one, other, each, shown, 120));
        expect(deltas.map(whyOf)).toContain(BACK_AND_FORTH);
        const named = deltas.findIndex((delta) => whyOf(delta) === BACK_AND_FORTH);
        // The first climb cannot be told from requests; the bets begin later.
        expect(named).toBeLessThan(40);
      }
    },
  );

  it('totals in turn add no failure once they went back and forth for the first time', () => {
    const deltas = read(inTurn([5000, 1], [5700, 200], 150, (at) => at % 2 === 0));
    expect(sums(deltas, 2)).toMatchObject({ failures: 0, restarts: 0 });
  });

  it('totals that no longer go back and forth are believed again', () => {
    const turning = inTurn([5000, 1], [5700, 200], 15, (at) => at < 20 && at % 2 === 0, 200);
    expect(whyOf(read(turning).at(-1) ?? expect.fail('nothing was read'))).toBe('counted');
  });

  it('a gauge that hovers is named, and counts for nothing once it is', () => {
    const hovering = Array.from({ length: 60 }, (): Totals => [80 + Math.floor(40 * random()), 2]);
    expect(read(hovering).map(whyOf)).toContain(BACK_AND_FORTH);
  });

  it('errors that go back while requests go on are no restart', () => {
    const deltas = read([
      [1000, 50],
      [1100, 52],
      [1200, 3],
      [1300, 55],
    ]);
    expect(deltas.map(({ candidate }) => candidate.arm.state)).toEqual(['missing', 'counted', 'invalid', 'counted']);
    expect(deltas.map(whyOf)[2]).toMatch(/^app pod:1: a total decreased, .* is it a gauge, or several processes behind one/);
    expect(sums(deltas)).toEqual({ requests: 300, failures: 5, restarts: 0 });
  });

  it('a process that crashes again and again is never taken for several in turn, however often one looks', () => {
    for (const everyS of [1, 2, 5])
      for (const livesS of [7, 12, 40, 95]) {
        let [requests, errors] = [0, 0];
        const totals = Array.from({ length: Math.ceil(400 / everyS) }, (_, index): Totals => {
          for (let second = index * everyS; second < (index + 1) * everyS; second += 1) {
            if (second % livesS === 0) [requests, errors] = [0, 0];
            requests += 45 + Math.floor(random() * 10);
            errors += random() < 0.3 ? 1 : 0;
          }
          return [requests, errors];
        });
        const deltas = read(totals, everyS);
        expect(deltas.map(whyOf), `${livesS} s, every ${everyS} s`).not.toContain(BACK_AND_FORTH);
        expect(sums(deltas).restarts, `${livesS} s, every ${everyS} s`).toBeGreaterThan(200 / livesS);
      }
  });

  it('a restart counts what came since, as far as the process could count that', () => {
    const counted = read([
      [1000, 0],
      [1050, 0],
      [1100, 0],
      [1150, 0],
      [30, 4],
    ]);
    expect(sums(counted.slice(-1), 0)).toEqual({ requests: 30, failures: 4, restarts: 1 });
    const unknown = read([
      [1000, 0],
      [30, 4],
    ]);
    expect(sums(unknown.slice(-1), 0)).toEqual({ requests: 0, failures: 0, restarts: 1 });
  });
});
