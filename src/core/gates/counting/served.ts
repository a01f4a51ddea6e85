/** What a router served of a build's requests, held against what the build's own metrics say: no counter can jump far beyond it. No I/O. */
import type { ArmMemory } from './counter-memory.ts';

/** Metrics may count this many times as much as usual of what the router served, and so many requests more: probes, and scrapes that come late. */
const BEYOND = 5;

const SLACK = 200;

/** With fewer requests it is unknown how metrics and router go together: some clients may come by other ways, some counts may be samples. */
const ENOUGH = 200;

type Served = NonNullable<ArmMemory['served']>;

/** `served`: what is remembered next; undefined where the router does not count. `jump`: how far the metrics are beyond it, if they are. */
export interface CrossCheck {
  readonly served: Served | undefined;
  readonly jump: { readonly requests: number; readonly served: number } | undefined;
}

/** `total`: of the router until now; `requests`: what the metrics counted since the last reading. What jumps twice in a row is how it is. */
export function crossCheck(was: Served | undefined, total: number | undefined, requests: number): CrossCheck {
  if (total === undefined) return { served: undefined, jump: undefined };
  if (was === undefined || total < was.total)
    return { served: { total, last: total, earlier: total, requests: 0, served: 0 }, jump: undefined };
  if (requests === 0) return { served: { ...was, total }, jump: undefined };
  const { jumped, ...rest } = was;
  // What one scrape shows was served since the scrape before, which was seen at the earlier of the two last moves or after it.
  const since = total - was.earlier;
  const usual = was.served < ENOUGH ? undefined : Math.max(1, was.requests / was.served);
  const isBeyond = usual !== undefined && requests > SLACK + BEYOND * usual * since;
  const moved = { ...rest, total, last: total, earlier: was.last };
  if (isBeyond && jumped !== true) return { served: { ...moved, jumped: true }, jump: { requests, served: since } };
  return {
    served: { ...moved, requests: was.requests + requests, served: was.served + (total - was.last) },
    jump: undefined,
  };
}

export function jumpText(name: string, { requests, served }: NonNullable<CrossCheck['jump']>): string {
  return `${name}: a counter jumps: ${requests} requests in one poll, though the router served ${served}; this poll is not counted`;
}
