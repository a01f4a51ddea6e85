/**
 * What is known of a metric in all of the traffic, besides its streams: the measure of the stable build, the surge test, and the test of the
 * first seconds. Must take every choice from what was known before the poll that it is made for. No I/O.
 */
import * as z from 'zod';
import type { JudgedMetric } from '../gate-settings.ts';
import { type Block, type Counted, countLogFactors, exposure, fairChance, grow, logSumExp, WORSE_BY } from './e-process.ts';
import { failsNearlyAll, type Stream, streamLogE, type Turn, type Waiting } from './evidence-stream.ts';
import { feedSurge, openSurge, surgeAtNextStep, surgeLogs, surgeSchema } from './surge.ts';
import {
  countCap,
  countDispersion,
  isUsualByNow,
  limitTemper,
  openUsual,
  shareBlockMs,
  usualAfter,
  usualAfterSurge,
  usualAtBlockEnd,
  usualRate,
  usualSchema,
} from './usual.ts';

export const wholeSchema = z.strictObject({
  usual: usualSchema,
  surge: surgeSchema,
  /** Whether the stable build was watched before the first step; ln of each alternative of the test of the first seconds, and when that began. */
  watched: z.boolean(),
  fast: z.array(z.number()),
  fastMs: z.number().nullable(),
  /** The last poll that was counted, the last end of a block of the share process, and the mass of that process that does not bet yet. */
  seenMs: z.number(),
  closedMs: z.number(),
  waiting: z.number().min(0).max(1),
});

export type Whole = z.infer<typeof wholeSchema>;

export function openWhole({ usual }: JudgedMetric, atMs: number): Whole {
  const fast = Array.from(WORSE_BY, () => -Math.log(WORSE_BY.length));
  return {
    usual: openUsual(usual),
    surge: openSurge(),
    watched: false,
    fast,
    fastMs: null,
    seenMs: atMs,
    closedMs: atMs,
    waiting: 1,
  };
}

/** How the next poll is judged, by what was known before it. */
export function choices(whole: Whole, atMs: number): Pick<Turn, 'temper' | 'counting'> {
  const elapsedMs = atMs - whole.seenMs;
  const dispersion = countDispersion(whole.usual);
  const cap = (fair: number) => countCap(whole.usual, fair, elapsedMs);
  return { temper: limitTemper(whole.usual, elapsedMs), counting: dispersion === null ? null : { dispersion, cap } };
}

/** How long a block of the share process must be. */
export function blockOfShareMs({ usual }: Whole, blockMs: number): number {
  return shareBlockMs(usual, blockMs);
}

/** One poll as the whole of a metric sees it. */
export interface WholePoll {
  readonly atMs: number;
  readonly block: Block;
  /** Whether the stable build was counted, and the candidate with it. */
  readonly stable: boolean;
  readonly both: boolean;
  /** A block of the usual length ends. */
  readonly closes: boolean;
  /** Until when the metric warms up; polls that began before are judged only where nearly everything fails. */
  readonly warmMs: number;
}

const NONE: Counted = { requests: 0, failures: 0 };

export function feedWhole(metric: JudgedMetric, whole: Whole, poll: WholePoll): Whole {
  const { atMs, block, stable, both } = poll;
  if (!stable && !both) return whole;
  const elapsedMs = atMs - whole.seenMs;
  const isWarm = whole.seenMs < poll.warmMs;
  const bets = both && (!isWarm || failsNearlyAll(metric, block.candidate, usualRate(whole.usual)));
  const seen = bets ? block : { candidate: NONE, stable: block.stable };
  const { surge, stableMs } = feedSurge(whole.surge, seen, {
    atMs,
    elapsedMs,
    bets,
    tolerated: metric.tolerated,
    usual: whole.usual,
  });
  const surges = stableMs !== null && !isUsualByNow(stableMs);
  let usual = usualAfter(whole.usual, block.stable, { elapsedMs, surges });
  if (stableMs !== null) usual = usualAfterSurge(usual, stableMs);
  const fed = { ...whole, usual: poll.closes ? usualAtBlockEnd(usual) : usual, surge, seenMs: atMs };
  return bets && whole.watched ? feedFast(metric, fed, whole, { block, isWarm }) : fed;
}

const FIRST_MS = 10_000;

/** At least so many failures are no cluster of a few. */
const MANY = 20;

/**
 * The test of the first seconds, all of whose mass bets at once, in the first 10 s of judging or its first poll, and never again; and only where
 * the stable build was watched before. H0: as the count test's, with a dispersion of at least 1.5. A first burst within so short a time is rare.
 */
function feedFast(
  metric: JudgedMetric,
  fed: Whole,
  { seenMs, fastMs, usual }: Whole,
  { block, isWarm }: { readonly block: Block; readonly isWarm: boolean },
): Whole {
  const beganMs = fastMs ?? (isWarm ? null : seenMs);
  if (beganMs !== null && seenMs - beganMs >= FIRST_MS) return fed;
  if (block.candidate.requests === 0 || block.stable.requests === 0) return fed;
  const log = -Math.log(fairChance(exposure(block), metric.tolerated.times));
  const dispersion = Math.max(1.5 * Math.max(1, 4.4 / log), countDispersion(usual) ?? 1);
  const { failures } = block.candidate;
  const cap = failures >= MANY || (block.candidate.requests >= 5 && failures >= 0.9 * block.candidate.requests) ? 50 : 5;
  const factors = countLogFactors(block, metric.tolerated, WORSE_BY, dispersion, cap);
  return { ...fed, fastMs: beganMs, fast: grow(fed.fast, 0, factors) };
}

/** The next step begins at `atMs`. */
export function wholeAtNextStep(whole: Whole, atMs: number, isFirst: boolean): Whole {
  return {
    ...whole,
    surge: surgeAtNextStep(whole.surge),
    closedMs: atMs,
    ...(isFirst ? { seenMs: atMs, watched: whole.usual.all[0] > 0 } : {}),
  };
}

/** The parts of a metric's evidence in all of the traffic. */
const PARTS = { share: 0.2, absolute: 0.05, count: 0.3 } as const;

const FAST = 0.15;

const SURGE = 0.3;

/** ln E of a metric in all of the traffic: an average of tests, each strong against what the others are slow to see. */
export function wholeLogE(stream: Stream, waiting: Waiting, { fast, surge }: Whole): number {
  const mixed = streamLogE(stream, waiting, PARTS);
  return logSumExp([mixed, Math.log(FAST) + logSumExp(fast), ...surgeLogs(surge).map((log) => Math.log(SURGE) + log)]);
}
