/** Whether traffic was seen to follow a split, by what the members counted. Must not take silence, or another split's counts, for sight. */
import { servedFits, splitsAgree } from '../core/split.ts';
import type { Member, Reading } from './router.ts';

/** True when the counters since `since` were counted under this same split and show it. */
export function seen(members: readonly Member[], since: Reading | undefined): boolean {
  if (since === undefined || !splitsAgree(since.members, members, 0)) return false;
  const before = new Map(since.members.map((member) => [member.place, member.servedTotal]));
  const deltas = new Map<string, number>();
  for (const { place, servedTotal } of members) {
    const earlier = before.get(place) ?? null;
    if (servedTotal === null || earlier === null) return false;
    deltas.set(place, servedTotal - earlier);
  }
  return servedFits(members, deltas);
}
