/** A ledger from before a config had `places`, read with today's places. No I/O. */
import type { Build } from '../manifest/manifest.ts';
import { isOver } from '../rollout/rollout.ts';
import type { History, KnownGood } from './history.ts';

/** Tells the place that a `ref` means now. */
export type HomeOf = (ref: string) => string;

/** Every build that was known-good, or is of a rollout that is over, at the place that its `ref` means now. An open rollout runs on its own plan. */
export function rehomed(history: History, homeOf: HomeOf): History {
  const knownGood = history.knownGood.map((known) => movedGood(known, homeOf));
  const { rollout } = history;
  if (rollout === null || !isOver(rollout)) return { ...history, knownGood };
  const { candidate, stable } = rollout.plan;
  const plan = { ...rollout.plan, candidate: moved(candidate, homeOf), stable: stable && moved(stable, homeOf) };
  return { ...history, knownGood, rollout: { ...rollout, plan } };
}

/** A known-good build at the place that its `ref` means now. */
export function movedGood(known: KnownGood, homeOf: HomeOf): KnownGood {
  return { ...known, build: moved(known.build, homeOf) };
}

function moved<B extends Build>(build: B, homeOf: HomeOf): B {
  const ref = homeOf(build.ref);
  return ref === build.ref ? build : { ...build, ref };
}
