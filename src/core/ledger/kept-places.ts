/** Which places a plan, and a pointer, have to name. No I/O. */
import type { Plan } from '../rollout/plan.ts';
import type { History } from './history.ts';

/**
 * Every place but those whose members are all in maintenance anyway, and that are home to no build which was ever known-good here: spare slots.
 * What the plan that is under way or was the last one set to 0 % stays named, so that every generation of its pointer restores it.
 */
export function keptPlaces(
  places: readonly { readonly place: string; readonly parked?: boolean }[],
  { knownGood, rollout }: Pick<History, 'knownGood' | 'rollout'>,
  plan: Pick<Plan, 'members'> | null | undefined = rollout?.plan,
): readonly string[] {
  const named = new Set([...knownGood.map(({ build }) => build.ref), ...(plan?.members ?? []).map(({ place }) => place)]);
  return places.filter(({ place, parked }) => parked !== true || named.has(place)).map(({ place }) => place);
}
