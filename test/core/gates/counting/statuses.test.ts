/** Statuses as counters: whatever a status is, one metric judges it, or it is usual and good, or it is expected. */
import { describe, expect, it } from 'vitest';
import type { MetricCounters } from '../../../../src/core/gates/counting/metric-counters.ts';
import {
  CLASS_METRICS,
  metricOfStatus,
  metricsExcept,
  STATUS_METRICS,
  statusCounters,
} from '../../../../src/core/gates/counting/statuses.ts';

const counted = (byStatus: Record<string, number>, metrics: readonly MetricCounters[], expected: readonly string[] = []) =>
  Object.fromEntries(
    statusCounters(byStatus, metrics, { expected }).flatMap(({ counter, value }) => (value > 0 ? [[counter, value]] : [])),
  );

describe('every status has a judge', () => {
  it.each([
    ['302', 'other 3xx', '3xx'],
    ['308', 'other 3xx', '3xx'],
    ['304', '304', '3xx'],
    ['101', '1xx', '1xx'],
    ['401', '401', '4xx'],
    ['418', 'other 4xx', '4xx'],
    ['503', 'errors', 'errors'],
    ['none', 'errors', 'errors'],
    ['204', 'other 2xx', undefined],
    ['200', undefined, undefined],
    ['2xx', undefined, undefined],
    ['3xx', 'other 3xx', '3xx'],
    ['other 4xx', 'other 4xx', '4xx'],
  ])('the status %s is judged as %s where statuses are single, and as %s among classes', (status, single, among) => {
    expect(metricOfStatus(status, STATUS_METRICS)).toBe(single);
    expect(metricOfStatus(status, CLASS_METRICS)).toBe(among);
  });

  it('101 is a final answer and counts as a request, and 100 and 103 are followed by one', () => {
    expect(counted({ 100: 5, 103: 7, 101: 2, 200: 10 }, STATUS_METRICS)).toEqual({ requests: 12, '1xx': 2 });
  });

  it('expected statuses count as requests and as no failures, by themselves or with their hundred', () => {
    const byStatus = { 200: 10, 301: 3, 302: 4, 404: 2 };
    expect(counted(byStatus, STATUS_METRICS, ['301'])).toEqual({ requests: 19, 'other 3xx': 4, 404: 2 });
    expect(counted(byStatus, STATUS_METRICS, ['3xx', '404'])).toEqual({ requests: 19 });
    expect(metricsExcept(CLASS_METRICS, ['3xx']).map(({ metric }) => metric)).toEqual(['errors', '4xx', '1xx']);
  });
});
