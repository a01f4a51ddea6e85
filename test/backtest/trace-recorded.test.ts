/** Counters read at even moments as a trace: holes, births and restarts. */

import { describe, expect, it } from 'vitest';
import { formOf, intervalsOf, stepAt } from '../../src/backtest/trace-counts.ts';
import { recordedRows } from '../../src/backtest/trace-recorded.ts';
import type { ArmCounters } from '../../src/core/gates/counting/counters.ts';
import { ALL_BUCKETS, type MetricCounters } from '../../src/core/gates/counting/metric-counters.ts';
import { GRPC_METRICS, STATUS_METRICS } from '../../src/core/gates/counting/statuses.ts';
import { STATUSES } from './replayed.ts';

type Totals = Readonly<Record<string, number>> | null;

/** One moment every 15 s; null is a build that was not counted. */
function rows(
  candidate: readonly Totals[],
  stable: readonly Totals[],
  metrics: readonly MetricCounters[] = STATUS_METRICS.slice(0, 1),
) {
  const moments = candidate.map((totals, index) => ({
    atS: 1000 + 15 * index,
    reading: { candidate: armOf(totals, 1000 + 15 * index), stable: armOf(stable[index] ?? null, 1000 + 15 * index) },
  }));
  return recordedRows(moments, 1000, metrics).map(({ tS, arm, slice, requests, errors, status, le }) =>
    [tS, arm, slice ?? '', requests, errors, status ?? le ?? ''].join(' '),
  );
}

function armOf(totals: Totals, atS: number): ArmCounters {
  if (totals === null) return { missing: 'no fresh series' };
  const counters = Object.entries(totals).map(([name, value]) => {
    const [counter = '', slice = ''] = name.split('@');
    return { counter, slice, value };
  });
  return { targets: { pod: { startedMs: null, freshMs: atS * 1000, counters } } };
}

const total = (requests: number, errors = 0) => ({ requests, errors });

describe('recorded counters', () => {
  it('recorded counters become what was counted between two moments', () => {
    expect(rows([total(10), total(20, 1)], [total(500, 3), total(900, 5)])).toEqual(['15 candidate  10 1 ', '15 stable  400 2 ']);
  });

  it('recorded counters of errors begin with the first error', () => {
    expect(rows([{ requests: 10 }, { requests: 20, errors: 4 }], [total(5), total(6)])[0]).toBe('15 candidate  10 4 ');
  });

  it('recorded counters of the stable build are there before the candidate is', () => {
    expect(rows([null, null, total(5), total(9)], [total(1), total(2), total(3), total(4)])).toEqual([
      '15 stable  1 0 ',
      '30 stable  1 0 ',
      '45 candidate  4 0 ',
      '45 stable  1 0 ',
    ]);
  });

  it('recorded counters with a hole give no line there, nor for the longer window after it', () => {
    const found = rows([total(1), total(2), null, total(9), total(10)], [total(1), total(2), total(3), total(4), total(5)]);
    expect(found.filter((row) => row.includes('candidate'))).toEqual(['15 candidate  1 0 ', '60 candidate  1 0 ']);
    expect(found.filter((row) => row.includes('stable'))).toHaveLength(4);
  });

  it('recorded counters that went back give no line, since no one knows what was lost', () => {
    const found = rows([total(100), total(120), total(5), total(9)], [total(1), total(2), total(3), total(4)]);
    expect(found.filter((row) => row.includes('candidate'))).toEqual(['15 candidate  20 0 ', '45 candidate  4 0 ']);
  });

  it('recorded counters with more errors than requests give no line', () => {
    expect(rows([total(1), { requests: 2, errors: 3 }], [total(1), total(2)])).toEqual(['15 stable  1 0 ']);
  });

  it('recorded counters keep slices, statuses and buckets', () => {
    const before = { 'requests@eu': 1, '401@eu': 0, 'other 4xx@eu': 0, 'le:0.5@eu': 0, [`${ALL_BUCKETS}@eu`]: 1 };
    const after = { 'requests@eu': 11, '401@eu': 3, 'other 4xx@eu': 2, 'le:0.5@eu': 7, [`${ALL_BUCKETS}@eu`]: 11 };
    const found = rows([before, after], [null, null], STATUS_METRICS);
    expect(found).toContain('15 candidate eu 10 0 ');
    expect(found).toContain('15 candidate eu 3 0 401');
    expect(found).toContain('15 candidate eu 2 0 other 4xx');
    expect(found).toContain('15 candidate eu 7 0 0.5');
    expect(found).toContain('15 candidate eu 10 0 Infinity');
  });
});

it('a recorded gate on gRPC codes is judged by its codes', () => {
  const row = { line: 0, tS: 15, slice: null, arm: 'stable', errors: 0, le: null } as const;
  const all = [
    { ...row, requests: 90, status: null },
    ...['NOT_FOUND', 'other gRPC codes'].map((status) => ({ ...row, requests: 3, status })),
  ];
  const { metrics } = formOf(intervalsOf(all).all, STATUSES);
  expect(metrics.map(({ metric }) => metric)).toEqual(GRPC_METRICS.map(({ metric }) => metric));
});

describe('the step of an interval', () => {
  const percents = [5, 25, 50, 100];
  const block = (candidate: number, stable: number) => ({
    candidate: { requests: candidate, failures: 0 },
    stable: { requests: stable, failures: 0 },
  });

  it.each([
    [block(50, 950), { index: 0, share: 0.05 }],
    [block(240, 760), { index: 1, share: 0.25 }],
    [block(10, 990), { index: 0, share: 0.01 }],
    [block(700, 300), { index: 2, share: 0.7 }],
    [block(100, 0), { index: 3, share: 1 }],
    [block(99, 1), { index: 3, share: 0.99 }],
    [block(0, 0), { index: 0, share: 0.05 }],
  ])('the step of an interval is the nearest one', (counts, step) => {
    expect(stepAt(percents, undefined, counts)).toEqual(step);
  });

  it('the step of an interval stays where chance or silence can explain what was measured', () => {
    const now = { index: 0, share: 0.05 };
    expect(stepAt(percents, now, block(2, 8))).toBe(now);
    expect(stepAt(percents, now, block(0, 1000))).toBe(now);
    expect(stepAt(percents, now, block(0, 0))).toBe(now);
    expect(stepAt(percents, now, block(200, 800))).toEqual({ index: 1, share: 0.25 });
    expect(stepAt(percents, { index: 1, share: 0.25 }, block(50, 950))).toEqual(now);
  });
});
