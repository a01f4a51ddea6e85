/** Readings for tests that need no router, and renderings of a split for all locations of one. */
import type { Change, Check } from '../../src/base/changes/change.ts';
import type { Split } from '../../src/core/rollout/split.ts';
import { placesOf, spread } from '../../src/routers/places.ts';
import type { Layout, Leaving, Member, MemberCounters, Reading, Router } from '../../src/routers/router.ts';

/** A place with one member of its name, or as `said` has it. */
export type Told = Pick<MemberCounters, 'byClass' | 'downs' | 'times'> &
  Partial<Pick<Member, 'name' | 'up' | 'draining' | 'parked' | 'weight'>> & {
    readonly place: string;
    readonly percent: number;
    readonly address?: string | null;
    readonly served?: number | null;
  };

/** One location called `edge`. */
export function readingOf(told: readonly Told[], rest: Partial<Reading> = {}): Reading {
  const members = told.map(({ place, percent, address = null, served = null, byClass, downs, times, ...said }): Member => {
    const counters = {
      served,
      ...(byClass === undefined ? {} : { byClass }),
      ...(downs === undefined ? {} : { downs }),
      ...(times === undefined ? {} : { times }),
    };
    const calm = { name: place, weight: percent, up: true, draining: false, parked: false };
    return { ...calm, place, percent, ask: { address }, counters, ...said };
  });
  const locations = [{ name: 'edge', members }];
  return { locations, places: placesOf(locations), certainty: 'served', trouble: [], ...rest };
}

/** The changes for this split at every location. */
export function changesOf<Config>(
  router: Router<Config>,
  config: Config,
  split: Split,
  how: Leaving,
  layout: Layout = [],
): readonly Change[] {
  return router.changes(config, spread(router.locations(config), layout, split), how);
}

/** The checks of this split at every location. */
export function checksOf<Config>(router: Router<Config>, config: Config, split: Split, layout: Layout = []): readonly Check[] {
  return router.checks(config, spread(router.locations(config), layout, split));
}
