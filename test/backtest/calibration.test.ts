/** The stable build against itself: what is measured, what is dealt, and what is said while too little was recorded. */
import { describe, expect, it } from 'vitest';
import { DEFAULT_GATE } from '../../src/backtest/backtest.ts';
import { type Calibration, calibrate, dealt, seeded } from '../../src/backtest/calibration.ts';
import { readTrace, type TraceRow } from '../../src/backtest/trace.ts';
import { intervalsOf } from '../../src/backtest/trace-counts.ts';
import { clustersFor, dispersionOf } from '../../src/core/gates/evidence/clusters.ts';
import { binomial } from '../core/gates/verdict/judged.ts';
import { HEADER, linesOf, SEED, statusTrace, tenants } from '../traces.ts';
import { csv, STATUSES } from './replayed.ts';

const PERCENTS = [5, 25, 50, 100];
const rowsOf = (text: string) => readTrace(text, 'trace.csv', 'stable').rows;

/** So many hours of a stable build whose failures come in clusters. */
function history(cluster: number, hours: number): readonly TraceRow[] {
  const random = seeded(SEED + cluster);
  const lines = Array.from({ length: hours * 240 }, (_, index) => {
    return `${15 * (index + 1)},,stable,15000,${cluster * binomial(random, Math.round(15_000 / cluster), 0.001)}`;
  });
  return rowsOf(csv(lines));
}

function calibration(rows: readonly TraceRow[]): Calibration {
  return calibrate(rows, { gate: DEFAULT_GATE, evidence: {}, percents: PERCENTS, seed: SEED }, STATUSES);
}

describe('a calibration', () => {
  it('a calibration of fifteen hours sets the threshold, the same each time', () => {
    const found = calibration(history(1, 15));
    expect(found).toMatchObject({ replaysNeeded: 99, replayS: 540 });
    expect(found.greatest).toHaveLength(100);
    expect(found.threshold).toBeCloseTo(Math.log(100), 9);
    expect(calibration(history(1, 15))).toEqual(found);
  });

  it('a calibration of less says how many replays are missing', () => {
    const found = calibration(history(1, 1));
    expect(found.threshold).toBeNull();
    expect(found.greatest).toHaveLength(6);
    expect(calibration(history(1, 1).slice(0, 10)).greatest).toEqual([]);
  });

  it.each([5, 20])('a build whose failures come in clusters of %i is not called bad', (cluster) => {
    const found = calibration(history(cluster, 15));
    expect(found.clusters).toBeGreaterThan(cluster);
    expect(found.clusters).toBeLessThan(2.5 * cluster);
    expect(found.greatest.filter((logE) => logE >= Math.log(100)).length).toBeLessThanOrEqual(1);
  });

  it('a calibration plays slices and statuses too', () => {
    const sliced = rowsOf(csv(linesOf({ slices: tenants(20), intervals: 80 })));
    expect(calibration(sliced).greatest).toHaveLength(2);
    const statuses = calibration(rowsOf(statusTrace()));
    expect(statuses).toMatchObject({ greatest: [], threshold: null, dispersion: null });
  });
});

describe('clusters', () => {
  const counted = (cluster: number, noise: number) => {
    const random = seeded(SEED);
    return Array.from({ length: 4000 }, () => {
      const rate = 0.001 * (1 + noise * (2 * random() - 1));
      return { requests: 15_000, failures: cluster * binomial(random, Math.round(15_000 / cluster), rate) };
    });
  };

  it.each([1, 5, 20])('clusters of %i are measured', (cluster) => {
    const found = dispersionOf(counted(cluster, 0));
    expect((found?.base ?? 0) + (found?.growth ?? 0) * 15).toBeCloseTo(cluster, cluster === 1 ? 0 : -1);
    expect(found === undefined ? 0 : clustersFor(found, 15)).toBeGreaterThanOrEqual(1.5 * cluster * 0.9);
  });

  it('a rate that slowly moves does not look like clusters', () => {
    const random = seeded(SEED);
    const slow = Array.from({ length: 2000 }, (_, index) => ({
      requests: 15_000,
      failures: binomial(random, 15_000, 0.001 * (1.5 + Math.sin(index / 200))),
    }));
    expect(clustersFor(dispersionOf(slow) ?? expect.fail('not measured'), 15)).toBeLessThan(2);
  });

  it('clusters are not measured on few failures', () => {
    expect(dispersionOf(counted(1, 0).slice(0, 20))).toBeUndefined();
    expect(dispersionOf([])).toBeUndefined();
  });
});

describe('dealing', () => {
  const text = csv(
    [
      '15,,stable,1000,10,',
      '15,eu,stable,600,6,',
      '15,us,stable,400,4,',
      '15,,stable,900,0,0.1',
      '15,,stable,990,0,1',
      '15,,stable,1000,0,+Inf',
    ],
    `${HEADER},le`,
  );
  const intervals = intervalsOf(rowsOf(text)).all;
  const deal = (seed: number) => dealt(intervals, { shares: [0.1], startS: 0, cluster: 3, random: seeded(seed) }, STATUSES);

  it('a deal of a trace loses nothing, makes nothing, and leaves a trace that can be read', () => {
    for (let seed = 1; seed <= 50; seed += 1) {
      const rows = deal(seed);
      for (const { slice, le, requests, errors } of rowsOf(text)) {
        const both = rows.filter((row) => row.slice === slice && row.le === le);
        expect(both.map(({ arm }) => arm).sort()).toEqual(['candidate', 'stable']);
        expect(both.reduce((sum, row) => sum + row.requests, 0)).toBe(requests);
        expect(both.reduce((sum, row) => sum + row.errors, 0)).toBe(errors);
      }
      const lines = rows.map((row) => {
        const le = row.le === null ? '' : row.le === Number.POSITIVE_INFINITY ? '+Inf' : row.le;
        return [row.tS, row.slice ?? '', row.arm, row.requests, row.errors, le].join(',');
      });
      expect(readTrace(csv(lines, `${HEADER},le`), 'dealt.csv').findings, `seed ${seed}`).toEqual([]);
    }
  });

  it('a deal of a trace is the same for the same seed, and another for another', () => {
    expect(deal(1)).toEqual(deal(1));
    expect(deal(1)).not.toEqual(deal(2));
  });
});
