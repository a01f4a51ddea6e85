/**
 * What the stable build shows of itself, before and during a rollout: its usual rate, how many failures come together, how long its surges
 * last. The other tests take their measure from it, always from what it had shown before the poll that they judge. No I/O.
 */
import * as z from 'zod';
import { clustersSchema, clustersUpTo, NO_CLUSTERS } from './clusters.ts';
import type { Counted } from './e-process.ts';

const pair = z.tuple([z.number().min(0), z.number().min(0)]);

export const usualSchema = z.strictObject({
  /** Requests and failures of the stable build in all, and the same with old ones forgotten and those of its surges left out. */
  all: pair,
  newest: pair,
  clusters: clustersSchema,
  /** Whether the stable build surged, and how long its longest surge was. */
  surged: z.boolean(),
  longestMs: z.number().min(0),
});

export type Usual = z.infer<typeof usualSchema>;

/** What was usual before the rollout weighs as much as so many requests, and no fewer are ever remembered. */
const KNOWN_REQUESTS = 20_000;

/** `rate`: how often the stable build usually fails, 0..1; null where that is unknown. */
export function openUsual(rate: number | null): Usual {
  const newest: Usual['newest'] = rate === null ? [0, 0] : [KNOWN_REQUESTS, KNOWN_REQUESTS * rate];
  return { all: [0, 0], newest, clusters: NO_CLUSTERS, surged: false, longestMs: 0 };
}

const MEMORY_MS = 600_000;

/** After one poll of the stable build. `surges`: these failures are a surge, which is not what is usual. */
export function usualAfter(usual: Usual, stable: Counted, turn: { readonly elapsedMs: number; readonly surges: boolean }): Usual {
  const all: Usual['all'] = [usual.all[0] + stable.requests, usual.all[1] + stable.failures];
  if (turn.surges) return { ...usual, all };
  const kept = usual.newest[0] > KNOWN_REQUESTS ? Math.exp(-turn.elapsedMs / MEMORY_MS) : 1;
  return { ...usual, all, newest: [kept * usual.newest[0] + stable.requests, kept * usual.newest[1] + stable.failures] };
}

/** At the end of a block: how its failures are clustered, next to those of the block before. */
export function usualAtBlockEnd(usual: Usual): Usual {
  const [requests, failures] = usual.all;
  return { ...usual, clusters: clustersUpTo(usual.clusters, { requests, failures }) };
}

/** What fails for longer is no surge but an incident, in which both builds are compared as ever. */
const LONGEST_MS = 30_000;

export function usualAfterSurge(usual: Usual, lastedMs: number): Usual {
  return { ...usual, surged: true, longestMs: Math.min(LONGEST_MS, Math.max(usual.longestMs, lastedMs)) };
}

const ENOUGH_REQUESTS = 1000;

/** Whether enough of the stable build was seen to tell a surge from what is usual. */
export function isRateKnown({ newest }: Usual): boolean {
  return newest[0] >= ENOUGH_REQUESTS;
}

/** A surge of the stable build this long is what is usual from now on. */
export function isUsualByNow(lastedMs: number): boolean {
  return lastedMs > LONGEST_MS;
}

export function usualRate({ newest }: Usual): number {
  return newest[0] === 0 ? 0 : newest[1] / newest[0];
}

const LEAST_PAIRS = 4;

/**
 * By how much the logarithms of the count test must be divided: variance over mean between neighbouring blocks of the stable build, with
 * caution, the more the fewer there were. Null while it is unknown: then that test does not bet.
 */
export function countDispersion(usual: Usual): number | null {
  const { pairs } = usual.clusters;
  return pairs < LEAST_PAIRS ? null : Math.max(1.1, 1.2 * clustered(usual) * (1 + 0.5 * Math.sqrt(3 / pairs)));
}

/** About how many failures of the stable build come together; 1 while too little was seen to tell. */
export function clustered({ clusters: { pairs, apart } }: Usual): number {
  return pairs < LEAST_PAIRS ? 1 : Math.max(1, apart / pairs);
}

const BLOCK_MS = 15_000;

/** A block of the share test outlasts two surges like the longest that the stable build has shown. */
export function shareBlockMs({ longestMs }: Usual, blockMs: number): number {
  return Math.max(blockMs, 2 * longestMs);
}

/** A surge like the longest that the stable build has shown is worth no more than one bet on the limit. */
export function limitTemper({ longestMs }: Pick<Usual, 'longestMs'>, elapsedMs: number): number {
  return Math.min(1, elapsedMs / Math.max(5000, longestMs));
}

/**
 * The most that one poll may add to the count test, in nats. Until the stable build has shown a surge, the first one lands on the candidate
 * with a chance of at most `fair`; after that no more than the share test may win in as much time.
 */
export function countCap({ surged, longestMs }: Usual, fair: number, elapsedMs: number): number {
  // Rounding can lift the chance a little above 1.
  const log = Math.max(0, -Math.log(fair));
  if (surged) return 0.8 * log * Math.min(1, elapsedMs / Math.max(BLOCK_MS, 2 * longestMs));
  const atMostS = Math.max(3, 15 * (log / 4.4) ** 1.5);
  return ((log + 0.9) / 4.4) * Math.min(elapsedMs / 1000, atMostS);
}
