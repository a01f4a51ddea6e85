/** Processes that are no longer in the answers: missed for a moment, or gone. Must not let a build that keeps dying pass for one that moves. No I/O. */
import type { ArmMemory, TargetMemory } from './counter-memory.ts';

/** One departure for so many milliseconds that a process lives is how machines and autoscalers are; more often, processes die. */
const LIFE_MS = 120_000;

/** A process that is missing is remembered for so long, or so many lags, and goes on from where it was when it comes back. */
const KEPT_MS = 60_000;

const KEPT_LAGS = 3;

/** Of those that are missing as many are remembered as there are others, and at least so many. */
const KEPT_AT_LEAST = 10;

export function isHere({ leftMs }: TargetMemory): boolean {
  return leftMs === undefined;
}

export interface Departures {
  /** Remembered though they are not there, with `leftMs`. */
  readonly left: Readonly<Record<string, TargetMemory>>;
  /** How many of them count as restarts, since more go than go by themselves. */
  readonly deaths: number;
  readonly spare: number;
}

/**
 * Those of `before` that are not in `now` any more. Whoever is not back after `lagMs` has departed: one for each two minutes of each process is
 * given, as many as there are processes at the beginning; every other counts as a restart.
 */
export function departures(before: ArmMemory, now: ArmMemory, lagMs: number): Departures {
  const here = Object.keys(now.targets).length;
  const [nowMs, beforeMs] = [now.freshMs ?? 0, before.freshMs ?? 0];
  let spare = Math.min(here, (before.spare ?? here) + (here * (nowMs - beforeMs)) / LIFE_MS);
  let deaths = 0;
  const left: [string, TargetMemory][] = [];
  for (const [name, was] of Object.entries(before.targets)) {
    if (Object.hasOwn(now.targets, name)) continue;
    const leftMs = was.leftMs ?? nowMs;
    const departs = was.departed !== true && nowMs - leftMs > lagMs;
    if (departs && spare < 1) deaths += 1;
    else if (departs) spare -= 1;
    if (nowMs - leftMs <= keptMs(lagMs)) left.push([name, { ...was, leftMs, ...(departs ? { departed: true } : {}) }]);
  }
  const newest = left.toSorted(([, a], [, b]) => (b.leftMs ?? 0) - (a.leftMs ?? 0));
  return { left: Object.fromEntries(newest.slice(0, Math.max(KEPT_AT_LEAST, here))), deaths, spare };
}

function keptMs(lagMs: number): number {
  return Math.max(KEPT_MS, KEPT_LAGS * lagMs);
}
