/** The worlds and peers of the field in the comparison of gates do what their tables say. */

import { describe, expect, it } from 'vitest';
import { counterTotals } from '../../../../src/core/gates/counting/counters.ts';
import { STATUS_METRICS } from '../../../../src/core/gates/counting/statuses.ts';
import { P0 } from '../cell.ts';
import type { Judge, NewJudge } from '../judge.ts';
import { byDefaultOnly, OWN_POLLS, ownPolls } from '../ours.ts';
import { Random } from '../random.ts';
import { hold, holdOften, WATCH_S, walk } from '../simulate.ts';
import { holdAt, walkOf } from '../workloads.ts';
import { ECS_BAKE_S, ECS_PERCENT, ecsCanary } from './alarms.ts';
import { beforeName, keptRows, withBefore } from './before.ts';
import { fieldCells, HOURS, ONSETS, RETURNING, trafficOf } from './cells.ts';
import { redispatched } from './haproxy-readings.ts';
import { answering, churning, GRPC } from './readings.ts';
import { coldStart, dailyValley, doublingEvery, nthOutage, outageEvery, rampTo } from './worlds.ts';

const SEED = 6;

/** One candidate with these bad requests of a hundred in each minute; when the canary was rolled back. */
function minutesUntilRollback(make: NewJudge, badByMinute: readonly (number | null)[]): number | null {
  const judge = make();
  judge.start({ rps: 1000, pollS: 60, percents: [5], p0: P0, p1: P0, slices: [], seed: SEED });
  for (const [minute, bad] of badByMinute.entries()) {
    const candidate = bad === null ? { requests: 0, failures: 0 } : { requests: 100, failures: bad };
    if (judge.poll(60 * (minute + 1), candidate, { requests: 1900, failures: 2 }) === 'rollback') return minute + 1;
  }
  return null;
}

describe('an ECS canary with a CloudWatch alarm', () => {
  it('the alarm on 1 of 1 datapoints ends the canary after the first minute above 1 %, and not at 1 %', () => {
    expect(minutesUntilRollback(ecsCanary(1, 1), [0, 1, 2])).toBe(3);
  });

  it('the alarm on 3 of 5 datapoints needs three bad minutes of the last five, wherever they are', () => {
    expect(minutesUntilRollback(ecsCanary(3, 5), [2, 0, 2, 0, 2])).toBe(5);
    expect(minutesUntilRollback(ecsCanary(3, 5), [2, 0, 0, 2, 0, 2, 0, 0, 2])).toBeNull();
    expect(minutesUntilRollback(ecsCanary(3, 5), [100, 100, 100])).toBe(3);
  });

  it('a minute without requests has no datapoint and does not breach the alarm', () => {
    expect(minutesUntilRollback(ecsCanary(1, 1), [null, null])).toBeNull();
    expect(minutesUntilRollback(ecsCanary(3, 5), [2, null, 2, null, 2])).toBe(5);
  });

  it('a healthy canary gets all the traffic after its ten minutes at 5 %', () => {
    const place = walkOf([ECS_PERCENT], { p0: P0, p1: P0 }, 15, 1000, 0);
    expect(walk(place, ecsCanary(3, 5), SEED)).toMatchObject({ rolledBackS: null, wholeS: ECS_BAKE_S });
  });
});

describe('candidates that fail by the clock', () => {
  it('an outage comes first after its period, lasts its seconds, and is counted by its number', () => {
    const failing = outageEvery(600, 3, P0);
    const bad = Array.from({ length: 1810 }, (_, second) => second).filter((tS) => failing(tS) === 1);
    expect(bad).toEqual([601, 602, 603, 1201, 1202, 1203, 1801, 1802, 1803]);
    expect([601, 603, 1201, 1803].map((tS) => nthOutage(tS, 600))).toEqual([1, 1, 2, 3]);
  });

  it('a leak doubles, a ramp rises in a straight line, a cold start is over after its seconds', () => {
    expect([0, 300, 600, 36_000].map(doublingEvery(300, P0))).toEqual([P0, 2 * P0, 4 * P0, 1]);
    expect([0, 900, 1800, 3600].map(rampTo(0.1, 1800, 0))).toEqual([0, 0.05, 0.1, 0.1]);
    expect([1, 10, 11].map(coldStart(0.2, 10, P0))).toEqual([0.2, 0.2, P0]);
  });

  it('the traffic of a day is least at midnight and full at noon', () => {
    const rate = (hour: number) => dailyValley(hour, 0.05)(1);
    expect(rate(0)).toBeCloseTo(0.05, 3);
    expect(rate(6)).toBeCloseTo(0.525, 3);
    expect(rate(12)).toBeCloseTo(1, 3);
    expect(dailyValley(7, 0.05)(86_400)).toBeCloseTo(0.525 * 86_400, 3);
  });

  it('rare bursts fall on each build by its part of the traffic, all in all as many as were asked for', () => {
    const draw = holdAt(25, { p0: 0, p1: 0, rare: { perInterval: 0.1, mean: 5, lasts: 3 } }, 1, 1000).begin(new Random(SEED));
    let [candidate, stable] = [0, 0];
    for (let tS = 1; tS <= 20_000; tS += 1) {
      const sample = draw(tS, 250, 750);
      candidate += sample.candidate.failures;
      stable += sample.stable.failures;
    }
    expect((candidate + stable) / 10_000).toBeCloseTo(1, 0.9);
    expect(candidate / (candidate + stable)).toBeCloseTo(0.25, 1);
  });
});

describe(`watching the stable build (seed ${SEED})`, () => {
  /** Sees what a gate sees, and decides nothing. */
  class Onlooker implements Judge {
    readonly name = 'onlooker';
    readonly watched: number[] = [];
    readonly polled: number[] = [];
    start(): void {
      // Nothing to forget.
    }
    watch(tS: number): void {
      this.watched.push(tS);
    }
    poll(tS: number): 'hold' {
      this.polled.push(tS);
      return 'hold';
    }
  }

  it('the stable build is watched up to the second at which the candidate gets its first request', () => {
    const onlooker = new Onlooker();
    hold({ ...holdAt(1, { p0: P0, p1: P0 }, 1), untilS: 3 }, [() => onlooker], SEED);
    expect([onlooker.watched[0], onlooker.watched.at(-1), onlooker.watched.length]).toEqual([1 - WATCH_S, 0, WATCH_S]);
    expect(onlooker.polled).toEqual([1, 2, 3]);
  });

  it('a judge that watches the stable build changes nothing for the others', () => {
    const place = holdAt(1, { p0: P0, p1: 0.01, clusterMean: 5 });
    const [alone] = hold(place, [ecsCanary(1, 1)], SEED);
    const [next] = hold(place, [ecsCanary(1, 1), () => new Onlooker()], SEED);
    expect(next).toEqual(alone);
  });
});

describe(`what the product counts by itself (seed ${SEED})`, () => {
  const ours = byDefaultOnly({ counted: STATUS_METRICS });

  it('401 to 5 % of the users is caught by kvdeploy, and not seen by a rule of 5xx', () => {
    const [found, alarm] = holdOften('401', answering(1, { 500: P0 }, { 401: 0.05 }), [ours, ecsCanary(1, 1)], 5, SEED);
    expect([found?.rolledBack, alarm?.rolledBack]).toEqual([5, 0]);
    expect(found?.meanBad).toBeLessThan(60);
    expect(alarm?.meanBad).toBeGreaterThan(1500);
  });

  it('a candidate that answers as the stable build does is not ended', () => {
    const [found] = holdOften('same', answering(1, { 500: P0, 404: 0.02 }, { 500: P0, 404: 0.02 }), [ours], 5, SEED);
    expect(found?.rolledBack).toBe(0);
  });

  it('gRPC codes are bad for users, and HTTP 200 for a rule of 5xx', () => {
    const gate = byDefaultOnly({ counted: GRPC.metrics });
    const place = answering(1, { UNAVAILABLE: P0 }, { UNAVAILABLE: 0.05 }, GRPC);
    const [found, alarm] = holdOften('grpc', place, [gate, ecsCanary(1, 1)], 5, SEED);
    expect([found?.rolledBack, alarm?.rolledBack]).toEqual([5, 0]);
  });

  it('HAProxy hides refused connections by retries from a rule of 5xx, and its own counters are read by the product', () => {
    const draw = redispatched(50, 0.2, 0).begin(new Random(SEED));
    const { candidate, stable, parts, bad = 0 } = draw(15, 1000, 1000);
    expect([candidate.failures, stable.failures]).toEqual([0, 0]);
    expect(bad / 200).toBeCloseTo(1, 0);
    const totals = [parts?.reading?.candidate, parts?.reading?.stable].map((arm) => arm && counterTotals(arm).get('requests'));
    expect(totals[0]).toBeGreaterThanOrEqual(candidate.requests);
    expect(totals[1]).toBe(stable.requests);
  });

  it('a pod that is replaced is a new name that began after, and takes only what it had counted since the last look', () => {
    const draw = churning([50], 30, 0, 0).begin(new Random(SEED));
    const totals = [15, 30, 45].map((tS) => {
      const arm = draw(tS, 7500, 7500).parts?.reading?.candidate;
      if (arm === undefined || !('targets' in arm)) throw new Error('no reading');
      const pods = Object.entries(arm.targets);
      const requests = pods.flatMap(([, { counters }]) => counters ?? []).filter(({ counter }) => counter === 'requests');
      return { pods: pods.map(([name]) => name), requests: requests.reduce((sum, { value }) => sum + value, 0) };
    });
    expect(totals.map(({ requests }) => requests)).toEqual([7500, 13_500, 21_000]);
    expect(totals[0]?.pods).toContain('candidate-0');
    expect(totals[1]?.pods).not.toContain('candidate-0');
    expect(totals[2]?.pods).toContain('candidate-10');
  });
});

describe('the version before', () => {
  it('recorded rows stand after those of this version, and only those of its own seed', () => {
    const [cell] = fieldCells(() => 1, SEED).filter(({ workload }) => workload.startsWith('100 % fail from the start; 5 of 500'));
    const rows = cell?.rows() ?? [];
    expect(keptRows(rows).map(([, , judge]) => judge)).toContain(OWN_POLLS);
    expect(keptRows(rows).some(([, , judge]) => judge.startsWith('ECS'))).toBe(false);
    expect(withBefore(rows, SEED)).toEqual(rows);
    const judges = withBefore(rows, 20261121).map(({ judge }) => judge);
    expect(judges.slice(0, 2)).toEqual([OWN_POLLS, beforeName(OWN_POLLS)]);
  });

  it('every world of the field has its own cell, and each traffic is a part of all', () => {
    const names = fieldCells(() => 1, SEED).map(({ experiment, workload }) => `${experiment} ${workload}`);
    expect(new Set(names).size).toBe(names.length);
    const traffics = [...HOURS.flatMap(([, , all]) => all), ...RETURNING.flatMap(([, , , all]) => all)].map(trafficOf);
    for (const { candidate, all } of traffics) expect(candidate / all).toBeGreaterThan(0);
    expect(ONSETS.map(([, onsetS]) => onsetS)).toEqual([0, 77, 1802]);
  });

  it('the gate at its own polls ends a total failure within seconds', () => {
    const [found] = holdOften('own', holdAt(1, { p0: P0, p1: 1 }, 1, 500), [ownPolls()], 5, SEED);
    expect(found?.meanBad).toBeLessThan(30);
  });
});
