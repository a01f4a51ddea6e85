/** What runs at a place of the simulated router, and what a metric source says of it. */

export type Sight = 'counts' | 'nothing' | 'stands still' | 'is down';

/** What runs at a place of the router. */
export interface Running {
  guid: string | null;
  environment: string | null;
  /** Share of its requests that fail. */
  failing: number;
  up: boolean;
  /** How often the router's own check saw it go down. */
  downs: number;
}

export interface Counters {
  requests: number;
  errors: number;
  /** What the metric source says about it, and what it said last. */
  sight: Sight;
  frozen: { readonly requests: number; readonly errors: number } | undefined;
}

/** What the source says now, or undefined where it says nothing. */
export function seen(counters: Counters): { readonly requests: number; readonly errors: number } | undefined {
  switch (counters.sight) {
    case 'counts':
      counters.frozen = undefined;
      return counters;
    case 'stands still':
      counters.frozen ??= { requests: counters.requests, errors: counters.errors };
      return counters.frozen;
    case 'nothing':
    case 'is down':
      return undefined;
  }
}
