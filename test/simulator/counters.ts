/** What runs at a place of the simulated router, and what a metric source says of it. */

export type Sight = 'counts' | 'nothing' | 'stands still' | 'is down';

/** What runs at a place of the router. */
export interface Running {
  guid: string | null;
  environment: string | null;
  /** Share of its requests that fail. */
  failing: number;
  /** Share of its requests that take longer than `SLOW_S`. */
  slow: number;
  up: boolean;
  /** How often the router's own check saw it go down. */
  downs: number;
}

/** The one bound of latency that the metric source knows beside +Inf, in seconds. */
export const SLOW_S = 0.5;

interface Counted {
  readonly requests: number;
  readonly errors: number;
  readonly slow: number;
}

export interface Counters {
  requests: number;
  errors: number;
  slow: number;
  /** What the metric source says about it, and what it said last. */
  sight: Sight;
  /** How long it takes to answer. */
  slowMs?: number;
  frozen: Counted | undefined;
}

/** What the source says now, or undefined where it says nothing. */
export function seen(counters: Counters): Counted | undefined {
  switch (counters.sight) {
    case 'counts':
      counters.frozen = undefined;
      return counters;
    case 'stands still':
      counters.frozen ??= { requests: counters.requests, errors: counters.errors, slow: counters.slow };
      return counters.frozen;
    case 'nothing':
    case 'is down':
      return undefined;
  }
}
