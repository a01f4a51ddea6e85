/** When comparing gates look again: what a look costs is little, and what is not looked at goes on failing. No I/O, no clock. */
import type { Certificate } from './certificate.ts';
import { type Evidence, streamsOf } from './evidence.ts';
import type { GateSettings } from './gate-settings.ts';
import { failsNow } from './newest.ts';

const MINUTE_MS = 60_000;

/**
 * Poll often while a step is young, since a poll's wait is what a plain fault costs; slower later. `floorMs` is the source's own interval:
 * no poll sees more often than that, and share x requests per second x floor is the least that a fault can cost.
 */
export function pollEveryMs(sinceStepMs: number, floorMs: number): number {
  return Math.max(floorMs, sinceStepMs < MINUTE_MS ? 1000 : 5000);
}

/**
 * Milliseconds from the last poll to the next: as early in a step for as long as the newest requests fail, since a fault that comes late must
 * not cost more polls' waits than one that comes at once. Bets are valid at whatever times one polls, as long as each time is chosen before
 * its counts are seen. Never seldomer than blocks end: what was counted would be too old to speak.
 */
export function pollAgainMs(
  settings: GateSettings,
  evidence: Evidence,
  certified: readonly Certificate[],
  floorMs: number,
): number {
  const failing = certified.some(({ metric, harm }) =>
    streamsOf(evidence, metric).some((stream) => failsNow(metric, stream, harm)),
  );
  const everyMs = pollEveryMs(failing ? 0 : evidence.atMs - evidence.stepSinceMs, floorMs);
  return Math.min(everyMs, Math.max(floorMs, settings.blockMs));
}
