import { describe, expect, test } from 'vitest';
import type { OutputLine } from '../../src/core/output.ts';
import { createHeartbeat } from '../../src/terminal/log.ts';
import { poll } from './rollout-lines.ts';

type Poll = Extract<OutputLine, { type: 'poll' }>;

/** The seconds at which a poll a second is printed. */
function printed(lastSecond: number, verdict: (second: number) => 'pass' | 'hold' = () => 'hold'): readonly number[] {
  const heartbeat = createHeartbeat();
  return Array.from({ length: lastSecond }, (_, index) => index + 1).filter((second) => {
    const isDue = heartbeat.due(poll({ seconds: second, verdict: verdict(second) }) as Poll, second * 1000);
    if (isDue) heartbeat.spoke(second * 1000);
    return isDue;
  });
}

describe('the heartbeat of a log', () => {
  test('the heartbeat of a log comes every 10 s in the first minute, then every 30 s', () => {
    expect(printed(130)).toEqual([1, 11, 21, 31, 41, 51, 81, 111]);
  });

  test('the heartbeat of a log comes at once when a verdict changes', () => {
    expect(printed(15, (second) => (second < 5 ? 'hold' : 'pass'))).toEqual([1, 5, 15]);
  });

  test('the heartbeat of a log has no gap over 12 s in a 35 s rollout that is polled every 2 s', () => {
    const heartbeat = createHeartbeat();
    let last = 0;
    for (let second = 0; second <= 35; second += 2) {
      if (!heartbeat.due(poll({ seconds: second }) as Poll, second * 1000)) continue;
      heartbeat.spoke(second * 1000);
      expect(second - last).toBeLessThanOrEqual(12);
      last = second;
    }
    expect(last).toBeGreaterThan(35 - 12);
  });
});
