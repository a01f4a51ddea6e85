/** What the router says after we asked something of it. Must never be what we asked for instead. */
import type { Event } from '../core/ledger/events.ts';
import { type Split, splitsAgree, splitText } from '../core/rollout/split.ts';
import { asBefore, cameAndLeft, type Regrouped } from '../routers/places.ts';
import type { PlaceReading, Reading } from '../routers/router.ts';
import type { Target } from './target.ts';

export type Found = { readonly reading: Reading } | { readonly why: string };

/** Reads the router, and remembers its counters as they were when the split was last known: later ones show what was really served. */
export class ReadBack {
  readonly #target: Target;
  #since: Reading | undefined;

  constructor(target: Target) {
    this.#target = target;
  }

  /** The reading that later ones are compared with; undefined before the first. */
  get since(): Reading | undefined {
    return this.#since;
  }

  /** From this reading on, counters belong to the split that it shows. */
  countFrom(reading: Reading): void {
    this.#since = reading;
  }

  /**
   * Whether the traffic is where it was put: as the router reports the places, or by those members alone that there were when the split was set.
   * Whoever comes or leaves later moves nothing that was set.
   */
  stands(reading: Reading, fits: (places: readonly PlaceReading[]) => boolean): boolean {
    return fits(reading.places) || fits(asBefore(reading, this.#since));
  }

  /** The same for one split. */
  agrees(reading: Reading, split: Split): boolean {
    return this.stands(reading, (places) => splitsAgree(places, split));
  }

  /** Who came into rotation or left since then. */
  regrouped(reading: Reading): Regrouped | undefined {
    return cameAndLeft(reading, this.#since);
  }

  /** Reads the router; a failure is a reason, not an exception. */
  async read(): Promise<Found> {
    try {
      return { reading: await this.#target.read(this.#since) };
    } catch (error) {
      return { why: error instanceof Error ? error.message : String(error) };
    }
  }
}

/** What someone else made of the split. */
export function drifted(expected: Split, reading: Reading, atMs: number): Event {
  const split = reading.places.map(({ place, percent }) => ({ place, build: null, percent }));
  return { type: 'drifted', atMs, why: driftText(expected, reading), split };
}

/** The same in words. */
export function driftText(expected: Split, reading: Reading): string {
  const why = reading.trouble.length === 0 ? '' : ` (${reading.trouble.slice(0, 3).join('; ')})`;
  return `someone else moved the traffic: kvdeploy set ${splitText(expected)}, the router reports ${splitText(reading.places)}${why}`;
}
