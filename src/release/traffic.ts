/** Where traffic is, in the words of results and errors. Must ask the router, never remember. */
import type { Traffic } from '../core/output.ts';
import type { Target } from '../engine/target.ts';
import type { Reading } from '../routers/router.ts';
import type { Deps } from './deps.ts';

/** From now on, results and errors of this command say where traffic is. `builds` names the build at each place. */
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

/** The places that get traffic, with the builds known to be there. */
export function trafficOf(reading: Reading, builds: ReadonlyMap<string, string>): Traffic {
  const serving = reading.members.filter((member) => member.percent > 0);
  return {
    split: serving.map((member) => ({ build: builds.get(member.place) ?? null, place: member.place, percent: member.percent })),
    certainty: reading.certainty,
  };
}
