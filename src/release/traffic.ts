/** Where traffic is, in the words of results and errors. Must ask the router, never remember. */
import type { Traffic } from '../core/output.ts';
import { notUp } from '../core/rollout/capacity.ts';
import type { Guid } from '../core/scope.ts';
import type { Target } from '../engine/target.ts';
import type { Reading } from '../routers/router.ts';
import type { Deps } from './deps.ts';
import type { Offers } from './offers.ts';
import { type Opened, targetOf } from './open.ts';

/** The target of a scope. Results and errors of this command say where its traffic is, from now on. */
export function shownTarget(opened: Opened, deps: Deps, from: 'config' | 'ledger' = 'config'): Target {
  const target = targetOf(opened, deps, from);
  showTraffic(deps, target, buildsAtPlaces(opened));
  return target;
}

/** Lets results and errors say where traffic is. `builds` names the build at each place. */
export function showTraffic(
  deps: Deps,
  target: Target,
  builds: ReadonlyMap<string, string>,
  since?: () => Reading | undefined,
): void {
  deps.situation.traffic = async () => {
    try {
      return trafficOf(await target.read(since?.()), builds);
    } catch {
      return { split: [], certainty: 'unknown' };
    }
  };
}

/** The members of places that get traffic that give them nothing, where others still do. */
export function lostIn(reading: Reading): readonly string[] {
  const kept = servingIn(reading).filter(({ up }) => up);
  return notUp(
    reading.locations,
    kept.map(({ place }) => place),
  );
}

/** The places that get traffic. */
export function servingIn({ places }: Pick<Reading, 'places'>): Reading['places'] {
  return places.filter(({ percent }) => percent > 0);
}

/** The one place that gets all traffic, and what its members say that they are; null where several get some. */
export async function servingAlone(target: Target, reading: Reading) {
  const [only, ...others] = servingIn(reading);
  if (only === undefined || others.length > 0) return null;
  return { place: only.place, answers: await target.ask(only.place, reading) };
}

/** The places that get traffic, with the builds known to be there. */
export function trafficOf(reading: Reading, builds: ReadonlyMap<string, string>): Traffic {
  return {
    split: servingIn(reading).map(({ place, percent }) => ({ build: builds.get(place) ?? null, place, percent })),
    // A location that cannot be read may serve anything.
    certainty: reading.unseen === undefined ? reading.certainty : 'unknown',
  };
}

/** The build at each place, as far as the ledger knows: the newest word about a place counts. */
export function buildsAtPlaces(opened: Pick<Opened, 'history'>): ReadonlyMap<string, Guid> {
  const builds = new Map<string, Guid>();
  for (const known of [...opened.history.knownGood].reverse()) builds.set(known.build.ref, known.build.guid);
  const plan = opened.history.rollout?.plan;
  if (plan !== undefined)
    for (const build of [plan.stable, plan.candidate]) if (build !== null) builds.set(build.ref, build.guid);
  return builds;
}

/** So many servers in maintenance that no one named are looked at; with more, none is. */
const PARKED_ASKED = 20;

/**
 * The places to look at, and how many are left out: a backend may have thousands of spare slots in maintenance. What gets traffic, is in
 * rotation, or is named by ledger or manifest is never left out.
 */
export function placesToAsk(
  places: Reading['places'],
  opened: Pick<Opened, 'history'>,
  offers: Pick<Offers, 'listed'> | null,
): { readonly asked: Reading['places']; readonly leftOut: number } {
  const named = new Set([...buildsAtPlaces(opened).keys(), ...(offers?.listed.map(({ build }) => build.ref) ?? [])]);
  const isSpare = ({ place, percent, realPercent, parked }: Reading['places'][number]) =>
    parked && percent === 0 && realPercent === 0 && !named.has(place);
  const asked = places.filter((one) => !isSpare(one));
  const leftOut = places.length - asked.length;
  return leftOut <= PARKED_ASKED ? { asked: places, leftOut: 0 } : { asked, leftOut };
}

/** `398 spare or parked servers left out`. */
export function leftOutText(leftOut: number): string {
  return `${leftOut} spare or parked ${leftOut === 1 ? 'server' : 'servers'} left out`;
}
