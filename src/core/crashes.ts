/** Crashes as a router's own health checks see them, beside the builds: how many, in how much time. Must not count one crash twice. No I/O. */
import type { ArmMemory } from './counters.ts';
import type { Counted } from './e-process.ts';

/** How often a healthy build may go down of its own accord while the stable build does not, per second that it is watched: once an hour. */
export const CRASH_LIMIT = 1 / 3600;

/**
 * Seconds that a build was watched, and how often it went down in them. Every router sees the same crash, so the one that saw most counts.
 * A router that began anew counts from 0, and what it saw until then is not counted again. Undefined where nobody watches by plan.
 */
export function crashesSeen(before: ArmMemory, now: ArmMemory): Counted | undefined {
  const watchers = Object.entries(now.targets).filter(([, { downs }]) => downs !== undefined);
  if (watchers.length === 0) return undefined;
  const seen = watchers.flatMap(([name, { downs }]) => {
    const was = Object.hasOwn(before.targets, name) ? before.targets[name]?.downs : undefined;
    return typeof downs === 'number' && typeof was === 'number' ? [Math.max(0, downs - was)] : [];
  });
  if (seen.length === 0) return { requests: 0, failures: 0 };
  // Differences of whole seconds add up to the whole time, whatever parts it is counted in.
  const seconds = Math.floor((now.freshMs ?? 0) / 1000) - Math.floor((before.freshMs ?? 0) / 1000);
  const failures = Math.max(...seen);
  return { requests: seconds + failures, failures };
}

/** `the candidate went down 4 times in 47 s, the stable build not once`. */
export function crashesText(candidate: Counted, stable: Counted): string {
  const times = ({ failures }: Counted) => (failures === 0 ? 'not once' : failures === 1 ? 'once' : `${failures} times`);
  return `the candidate went down ${times(candidate)} in ${candidate.requests} s, the stable build ${times(stable)}`;
}
