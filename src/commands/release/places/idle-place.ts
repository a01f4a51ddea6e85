/** Which place can be given a new build, and why the others cannot. What was not seen is never idle. No I/O. */
import { currentKnownGood, type History, rescueGoal } from '../../../core/ledger/history.ts';
import { shortGuid } from '../../../core/scope.ts';
import { membersAt } from '../../../routers/places.ts';
import type { PlaceReading, Reading } from '../../../routers/router.ts';

/** Why a new build must not be started at this place, or null. */
export function occupiedBecause(
  { place, percent, realPercent }: PlaceReading,
  reading: Pick<Reading, 'locations'>,
  history: History,
): string | null {
  const goal = rescueGoal(history)?.build;
  const known = currentKnownGood(history)?.build;
  if (known?.ref === place) return `the known-good build ${shortGuid(known.guid)} is there`;
  if (goal?.ref === place) return `an unfinished rollback leads to ${shortGuid(goal.guid)} there`;
  if (percent > 0) return `it gets ${percent} % of new requests`;
  if (realPercent > 0) return `it really gets ${realPercent} % of new requests, although it is set to none`;
  const at = new Set(membersAt(reading, place).map(({ location }) => location));
  const without = reading.locations.filter(({ name }) => !at.has(name)).map(({ name }) => name);
  return without.length === 0 ? null : `it has no server at ${without.join(' and ')}`;
}

/** When a build at this place was last known-good, RFC 3339; null if none ever was. */
export function lastGoodAt(place: string, history: History): string | null {
  const times = history.knownGood.flatMap(({ build, since, until }) => (build.ref === place ? [until ?? since] : []));
  return times.sort().at(-1) ?? null;
}

/**
 * The one to use of several: where no build ever was known-good, else where that is longest ago, so that the newest rollback targets stay
 * where they are; then by name. Undefined if there is none.
 */
export function firstIdle(idle: readonly string[], history: History): string | undefined {
  const key = (place: string) => `${lastGoodAt(place, history) ?? ''} ${place}`;
  return idle.toSorted((a, b) => (key(a) < key(b) ? -1 : 1))[0];
}
