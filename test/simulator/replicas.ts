/** Some schedules have several members to a place, of which some go down. From the seed alone: all other schedules stay as they were. */
import { seeded } from '../stores/entries.ts';
import type { Fault, Schedule } from './schedule.ts';

/** Another stream of luck than the one that the schedule is drawn from. */
const OTHER_LUCK = 0x6a09e667;
const SHARE = 0.06;

/** Three members of each place, at one location or two. */
export interface Replicas {
  readonly locations: readonly string[];
  readonly minUp: Readonly<Record<string, number>>;
}

/** The schedule, with replicas where its seed says so. The first member of a place never falls: it is the one that is asked as before. */
export function withReplicas(drawn: Schedule): Schedule {
  if (drawn.plan.kind !== 'promote') return drawn;
  const random = seeded(Math.imul(drawn.seed ^ OTHER_LUCK, OTHER_LUCK));
  if (random() >= SHARE) return drawn;
  const one = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;
  const locations = one([['east'], ['east', 'west']]);
  const minUp = one([{}, {}, { green: 2 }, { blue: 2 }]);
  const falls = Array.from({ length: one([0, 1, 1, 2]) }, (): Fault => {
    const place = one(['green', 'green', 'blue']);
    const keys = one([[2], [3], [2, 3]]).map((nth) => `${one(locations)} ${place}-${nth}`);
    return { atMs: Math.floor(random() * 9000), lastsMs: one([2000, 15_000, 40_000]), what: { kind: 'members go down', keys } };
  });
  return { ...drawn, replicas: { locations, minUp }, faults: [...drawn.faults, ...falls] };
}
