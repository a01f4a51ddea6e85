/** Crashes as a router's own health checks see them: how many, in how much time, of which member. Must not count one crash twice. No I/O. */
import type { Counted } from '../evidence/e-process.ts';
import type { ArmMemory, TargetMemory } from './counter-memory.ts';

/** How often a healthy build may go down of its own accord while the stable build does not, per second that it is watched: once in six hours. */
export const CRASH_LIMIT = 1 / 21_600;

/** What is remembered of one router: what it saw since the last look is added. One that began anew counts from 0, and nothing is counted again. */
export function withCrashes(was: TargetMemory | undefined, now: TargetMemory): TargetMemory {
  if (now.downs === undefined) return now;
  const more = typeof now.downs === 'number' && typeof was?.downs === 'number' ? Math.max(0, now.downs - was.downs) : 0;
  return { ...now, crashes: (was?.crashes ?? 0) + more };
}

/**
 * Seconds that a build was watched, and how often it went down in them. Every router sees the same crash, sooner or later, so the one that saw
 * most counts; of several members likewise the one that went down most. Undefined if no one watches by plan.
 */
export function crashesSeen(before: ArmMemory, now: ArmMemory): Counted | undefined {
  const watchers = Object.entries(now.targets).filter(([, { downs }]) => downs !== undefined);
  if (watchers.length === 0) return undefined;
  const watched = watchers.some(([name, { downs }]) => {
    const was = Object.hasOwn(before.targets, name) ? before.targets[name] : undefined;
    return typeof downs === 'number' && typeof was?.downs === 'number';
  });
  if (!watched) return { requests: 0, failures: 0 };
  // Differences of whole seconds add up to the whole time, whatever parts it is counted in.
  const seconds = Math.floor((now.freshMs ?? 0) / 1000) - Math.floor((before.freshMs ?? 0) / 1000);
  const failures = Math.max(0, mostSeen(now) - mostSeen(before));
  return { requests: seconds + failures, failures };
}

function mostSeen({ targets }: ArmMemory): number {
  return Math.max(0, ...Object.values(targets).map(({ crashes = 0 }) => crashes));
}

/** `the candidate went down 4 times in 47 s, the stable build not once`. */
export function crashesText(candidate: Counted, stable: Counted): string {
  const times = ({ failures }: Counted) => (failures === 0 ? 'not once' : failures === 1 ? 'once' : `${failures} times`);
  return `the candidate went down ${times(candidate)} in ${candidate.requests} s, the stable build ${times(stable)}`;
}

export interface Crashed {
  /** `member green-3 at edge1`. */
  readonly name: string;
  readonly times: number;
}

/** Who went down most; undefined where no one did. `nameOf`: in words, by target. */
export function crashedMost({ targets }: ArmMemory, nameOf: (target: string) => string | undefined): Crashed | undefined {
  let most: Crashed | undefined;
  for (const [target, { crashes = 0 }] of Object.entries(targets)) {
    const name = nameOf(target);
    if (name !== undefined && crashes > (most?.times ?? 0)) most = { name, times: crashes };
  }
  return most;
}

/** `member green-3 went down twice`. */
export function crashedText({ name, times }: Crashed): string {
  return `${name} went down ${times === 1 ? 'once' : times === 2 ? 'twice' : `${times} times`}`;
}
