/** When comparing gates look again. */
import { describe, expect, it } from 'vitest';
import { certificates } from '../../src/core/certificate.ts';
import type { Evidence } from '../../src/core/evidence.ts';
import { pollAgainMs, pollEveryMs } from '../../src/core/poll-schedule.ts';
import { fed, settingsOf, whole } from './judged.ts';

const SETTINGS = settingsOf();
const again = (evidence: Evidence, floorMs = 1000, settings = SETTINGS) =>
  pollAgainMs(settings, evidence, certificates(settings, evidence), floorMs);
const healthy = (polls: number) => Array.from({ length: polls }, () => whole([0, 50, 0, 4950]));

describe('the next poll', () => {
  it('comes after a second at first, after five later, and never sooner than the source counts', () => {
    expect([0, 59_999, 60_000, 600_000].map((ms) => pollEveryMs(ms, 0))).toEqual([1000, 1000, 5000, 5000]);
    expect(pollEveryMs(0, 30_000)).toBe(30_000);
    expect(again(fed(SETTINGS, healthy(100), 0.01, 5000))).toBe(5000);
  });

  it('comes after a second again as soon as the newest requests fail, and goes back to five when that is over', () => {
    const failing = [...healthy(100), whole([20, 50, 0, 4950])];
    expect(again(fed(SETTINGS, failing, 0.01, 5000))).toBe(1000);
    expect(again(fed(SETTINGS, [...failing, ...healthy(6)], 0.01, 5000))).toBe(5000);
    expect(again(fed(SETTINGS, failing, 0.01, 5000), 15_000)).toBe(15_000);
  });

  it('is no seldomer than blocks end, unless the source is', () => {
    const short = settingsOf({ blockMs: 2000 });
    const evidence = fed(short, healthy(100), 0.01, 5000);
    expect(again(evidence, 1000, short)).toBe(2000);
    expect(again(evidence, 8000, short)).toBe(8000);
  });
});
