/** The evidence of one stream: one metric in one slice. Logs of mixtures and a few counts, of constant size; feeding returns a new one. No I/O. */
import * as z from 'zod';
import { harmAt, type JudgedMetric, limitAlone } from '../gate-settings.ts';
import {
  BETS,
  BETTER_BY,
  type Block,
  betLogFactors,
  type Counted,
  countLogFactors,
  exposure,
  fairChance,
  greatest,
  grow,
  LOG_NOTHING,
  logSumExp,
  mixtureE,
  mixtureLogE,
  rateLogFactor,
  shareOfFailures,
  TRAFFIC_ALTERNATIVES,
  trafficLogFactors,
  WORSE_BY,
} from './e-process.ts';
import { inIncident, lastOfCandidate, recentStable, stableIsWell } from './newest.ts';

const logs = z.array(z.number());

const count = z.number().min(0);

/** Candidate requests and failures, stable requests and failures. */
const counts4 = z.tuple([count, count, count, count]);

export const streamSchema = z.strictObject({
  /** ln of each alternative's part of the e-process; empty where it takes no part. `count` holds the traffic test's too. */
  share: logs,
  absolute: logs,
  count: logs,
  /** ln of each alternative's part of the non-inferiority bound of this step. */
  harmBound: logs,
  /** The block of the share process that is still open; counts of this step that the non-inferiority bound rests on; counts of the whole rollout. */
  open: counts4,
  step: counts4,
  all: counts4,
  /** The newest requests and failures of the stable build in closed blocks; halved now and then, so not whole. */
  recent: z.tuple([count, count]),
  /** Requests and failures of the candidate in the last closed block. */
  last: z.tuple([count, count]),
});

export type Stream = z.infer<typeof streamSchema>;

type Counts4 = Stream['open'];

const NO_COUNTS: Counts4 = [0, 0, 0, 0];

// By Array.from, here and below: arrays that new Array(length) makes are several times slower to read.
const nothing = (length: number) => Array.from({ length }, () => LOG_NOTHING);

/**
 * Whether the quick tests judge the metric (count, first seconds, surges): failures of requests. What is only slow, as builds are while they
 * warm up, is left to the share test.
 */
export function countsSurges(metric: JudgedMetric): boolean {
  return metric.kind === 'failures' && metric.certified;
}

export function openStream(metric: JudgedMetric): Stream {
  const failures = metric.kind !== 'traffic';
  const counting = countsSurges(metric) ? WORSE_BY.length : 0;
  return {
    share: nothing(failures ? BETS.length : 0),
    absolute: nothing(failures && metric.limit !== null ? BETS.length : 0),
    count: nothing(failures ? counting : TRAFFIC_ALTERNATIVES),
    harmBound: openHarmBound(metric),
    open: NO_COUNTS,
    step: NO_COUNTS,
    all: NO_COUNTS,
    recent: [0, 0],
    last: [0, 0],
  };
}

function openHarmBound(metric: JudgedMetric): number[] {
  return metric.certified ? Array.from(BETTER_BY, () => -Math.log(BETTER_BY.length)) : [];
}

/** What one poll brings to every stream. */
export interface Turn {
  /** The candidate's share by plan, 0..1. */
  readonly share: number;
  /** The masses that begin to bet with this poll, and with the block of the share process that it closes; null while that stays open. */
  readonly begin: number;
  readonly beginBlock: number | null;
  /** The stable build failed in all of the traffic. */
  readonly incident: boolean;
  /** By how much the limit's bets are tempered, 0..1. */
  readonly temper: number;
  /** The count test's dispersion, as known before this poll, and how much time it covers; null while that test does not bet. */
  readonly counting: { readonly dispersion: number; readonly cap: (fair: number) => number } | null;
  /** While the metric warms up, the stable build's usual rate; null otherwise. */
  readonly warming: number | null;
}

/**
 * `both` builds were counted, the `candidate` alone, or `neither`; `restarted`: what this step's non-inferiority bound rests on has a hole;
 * `members`: how many share the traffic, where the stream is of one of them; otherwise 1.
 */
export interface Seen {
  readonly block: Block;
  readonly arms: 'both' | 'candidate' | 'neither';
  readonly restarted: boolean;
  readonly members: number;
}

/** The stream after one poll. Whatever was not seen is no evidence, for or against. */
export function feedStream(metric: JudgedMetric, stream: Stream, turn: Turn, seen: Seen): Stream {
  if (metric.kind === 'traffic') return feedTraffic(metric, stream, turn, seen);
  if (turn.warming !== null && metric.kind === 'failures' && !failsNearlyAll(metric, seen.block.candidate, turn.warming))
    return feedWarmUp(stream, turn, seen);
  const { block, arms } = seen;
  const comparable = arms === 'both' && block.candidate.requests > 0 && block.stable.requests > 0;
  const closed = turn.beginBlock !== null;
  const counts = seesAll(turn, seen);
  // Failures of one build alone, in a block that compares both, would be held against it.
  const open = counts ? withBlock(stream.open, block, arms) : stream.open;
  const all = withBlock(stream.all, block, arms);
  return new FedStream({
    share: closed ? feedShare(metric, stream.share, blockOf(open), turn.beginBlock ?? 0) : stream.share,
    absolute:
      metric.kind === 'crashes'
        ? feedCrashes(metric, stream.absolute, turn.begin, closed ? { open, all } : null)
        : feedAbsolute(metric, stream, turn, seen),
    count: stream.count.length === 0 ? stream.count : feedCount(metric, stream.count, turn, comparable ? block : null),
    harmBound: seen.restarted
      ? openHarmBound(metric)
      : counts
        ? feedHarmBound(metric, stream.harmBound, turn, seen)
        : stream.harmBound,
    open: closed ? NO_COUNTS : open,
    step: seen.restarted ? NO_COUNTS : counts ? withBlock(stream.step, block, arms) : stream.step,
    all,
    recent: closed ? recentStable(stream.recent, open) : stream.recent,
    last: closed ? lastOfCandidate(stream.last, open) : stream.last,
  });
}

/** While a build warms up, its failures are recorded and judged by nothing, unless nearly all of its requests fail. */
function feedWarmUp(stream: Stream, turn: Turn, { block, arms }: Seen): Stream {
  return {
    ...stream,
    share: turn.beginBlock === null ? stream.share : grow(stream.share, turn.beginBlock, null),
    absolute: grow(stream.absolute, turn.begin, null),
    count: grow(stream.count, turn.begin, null),
    all: withBlock(stream.all, block, arms),
  };
}

const FAILS_NEARLY_ALL = 0.9;

/** Requests of a poll, and how unlikely such a poll must be of a build within its margin (e^-20), before it is more than a cold start. */
const ENOUGH_REQUESTS = 5;

const NO_COLD_START = 20;

/**
 * True where at least nine of ten requests fail, and five or more: no cold start. Each such poll has a chance of at most e^-20 while the
 * margin of a build that usually fails at `rate` is kept, so that judging those polls alone adds next to nothing to alpha.
 */
export function failsNearlyAll(metric: JudgedMetric, { requests, failures }: Counted, rate: number): boolean {
  if (!countsSurges(metric) || requests < ENOUGH_REQUESTS || failures < FAILS_NEARLY_ALL * requests) return false;
  const most = Math.min(1, metric.tolerated.times * rate + metric.tolerated.plus);
  return -failures * Math.log(most) >= NO_COLD_START;
}

/** Ends a block of the share process: bets on the failures in it. */
function feedShare(metric: JudgedMetric, logs: readonly number[], block: Block, begin: number): number[] {
  const comparable = block.candidate.requests > 0 && block.stable.requests > 0;
  const multiple = comparable ? shareOfFailures(block, metric.tolerated) : undefined;
  return grow(logs, begin, betLogFactors(multiple));
}

/** The stream at the beginning of a step: the non-inferiority bound speaks for one step only, the evidence of harm goes on. */
export function nextStepStream(metric: JudgedMetric, stream: Stream): Stream {
  const { open } = stream;
  return {
    ...stream,
    absolute: metric.kind === 'crashes' ? feedCrashes(metric, stream.absolute, 0, stream) : stream.absolute,
    share: stream.share.length === 0 ? stream.share : feedShare(metric, stream.share, blockOf(open), 0),
    harmBound: openHarmBound(metric),
    open: NO_COUNTS,
    step: NO_COUNTS,
    recent: recentStable(stream.recent, open),
    last: [0, 0],
  };
}

function feedAbsolute(metric: JudgedMetric, stream: Stream, turn: Turn, { block, arms }: Seen): number[] {
  const logs = stream.absolute;
  if (logs.length === 0) return [];
  const { candidate } = block;
  const limit = metric.limit ?? 1;
  // Where the stable build fails as well the candidate is not to blame, and only the comparison may speak.
  const skipped =
    arms === 'neither' ||
    candidate.requests === 0 ||
    (arms === 'candidate' && !metric.limitsAlone) ||
    (arms === 'both' && (turn.incident || inIncident(metric, block) || !stableIsWell(metric, stream.all, block)));
  const multiple = candidate.failures / candidate.requests / limit;
  return grow(logs, turn.begin, skipped ? null : betLogFactors(multiple, turn.temper));
}

/**
 * Crashes against the limit, at the end of a block: of a crash that both builds share, one is seen sooner than the other. H0: a block has a crash
 * with at most the chance that the limit gives it; several in one block are one event, as when a build goes down at every place. Once the
 * stable build went down in this rollout, as a service does that often crashes, only the comparison may speak.
 */
function feedCrashes(
  metric: JudgedMetric,
  logs: readonly number[],
  begin: number,
  ended: Pick<Stream, 'open' | 'all'> | null,
): number[] {
  const [seconds, crashes] = ended?.open ?? NO_COUNTS;
  const multiple =
    ended === null || seconds === 0 || ended.all[3] > 0 ? undefined : Math.min(1, crashes) / seconds / (metric.limit ?? 1);
  return grow(logs, begin, betLogFactors(multiple));
}

/** H0: requests fail independently within the margin, or no more clustered than `counting` has learned from the stable build. */
function feedCount({ tolerated }: JudgedMetric, logs: readonly number[], turn: Turn, block: Block | null): number[] {
  if (block === null || turn.counting === null) return grow(logs, turn.begin, null);
  const { dispersion, cap } = turn.counting;
  const most = cap(fairChance(exposure(block), tolerated.times));
  return grow(logs, turn.begin, countLogFactors(block, tolerated, WORSE_BY, dispersion, most));
}

/** No requests at the candidate are the strongest evidence here, unless a restart lost them. */
function feedTraffic(metric: JudgedMetric, stream: Stream, turn: Turn, { block, arms, restarted }: Seen): Stream {
  const factors = arms === 'both' && !restarted ? trafficLogFactors(block, turn.share, metric.dispersion) : null;
  return {
    ...stream,
    count: grow(stream.count, turn.begin, factors),
    step: arms === 'both' ? withBlock(stream.step, block, arms) : stream.step,
    all: arms === 'both' ? withBlock(stream.all, block, arms) : stream.all,
  };
}

/** Beside a stable build both must be seen; alone, the candidate. */
function seesAll(turn: Turn, { arms }: Seen): boolean {
  return arms === 'both' || (arms === 'candidate' && turn.share >= 1);
}

function feedHarmBound(metric: JudgedMetric, logs: readonly number[], turn: Turn, seen: Seen): number[] {
  return grow(logs, 0, harmBoundFactors(metric, seen, turn.share));
}

/** Beside a stable build the harm is a comparison; alone it is the limit, and the claim no more than that. */
function harmBoundFactors(metric: JudgedMetric, { block, members }: Seen, share: number): number[] | null {
  const { dispersion } = metric;
  const limit = limitAlone(metric, members);
  if (share >= 1)
    return limit === null ? null : Array.from(BETTER_BY, (by) => rateLogFactor(block.candidate, limit, limit * by) / dispersion);
  if (block.candidate.requests === 0 || block.stable.requests === 0) return null;
  // The bound's factor is the count's, with the harm for a margin.
  return countLogFactors(block, harmAt(metric.harm, share, members), BETTER_BY, dispersion);
}

/** The masses of the two mixtures over start times that have not begun yet. */
export interface Waiting {
  readonly poll: number;
  readonly block: number;
}

/** The parts that each process has of a stream's evidence; without a limit its part goes to the share process. */
export interface Parts {
  readonly share: number;
  readonly absolute: number;
  readonly count: number;
}

/** Of a slice; and of what is slow and of crashes, processes that hold for failures in clusters of any size. */
const OF_SLICE: Parts = { share: 0.35, absolute: 0.15, count: 0.5 };

const ROBUST: Parts = { share: 0.7, absolute: 0.3, count: 0 };

/** A single crash more than the stable build's says little; that there are several says much. */
export const OF_CRASHES: Parts = { share: 0.2, absolute: 0.8, count: 0 };

/** ln E of a stream: H0 is that the candidate is within `tolerated` of the stable build and within `limit`. */
export function streamLogE(stream: Stream, waiting: Waiting, given?: Parts): number {
  const { share, absolute, count } = stream;
  const parts = given ?? (count.length === 0 ? ROBUST : OF_SLICE);
  if (share.length === 0) return mixtureLogE(count, waiting.poll);
  const least = waiting.poll > 0 || waiting.block > 0 ? 0 : LOG_NOTHING;
  const most = greatest(count, greatest(absolute, greatest(share, least)));
  const ofAbsolute = absolute.length === 0 ? 0 : parts.absolute;
  let sum = (parts.share + parts.absolute - ofAbsolute) * mixtureE(share, waiting.block, most);
  if (ofAbsolute > 0) sum += ofAbsolute * mixtureE(absolute, waiting.poll, most);
  if (parts.count > 0) sum += parts.count * mixtureE(count, waiting.poll, most);
  return most + Math.log(sum);
}

/** ln C of this step's non-inferiority bound; 0 while nothing was counted. `temper`, 0..1: what its logarithms are multiplied by beyond the settings. */
export function streamLogC({ harmBound }: Stream, temper = 1): number {
  if (harmBound.length === 0) return 0;
  const open = -Math.log(harmBound.length);
  return logSumExp(temper === 1 ? harmBound : harmBound.map((log) => open + temper * (log - open)));
}

export function blockOf(counts: Counts4): Block {
  return {
    candidate: { requests: counts[0], failures: counts[1] },
    stable: { requests: counts[2], failures: counts[3] },
  };
}

// A stream as a poll leaves it, made without literals for speed alone. Must hold nothing that streamSchema does not. No I/O.

/**
 * V8 measures literals: where those of the first polls live on, it makes all later ones among its old objects, which keep each state alive
 * through the one before, and a poll of a thousand slices costs twice as much. What constructors make is young.
 */
export class FedStream implements Stream {
  readonly share: Stream['share'];
  readonly absolute: Stream['absolute'];
  readonly count: Stream['count'];
  readonly harmBound: Stream['harmBound'];
  readonly open: Stream['open'];
  readonly step: Stream['step'];
  readonly all: Stream['all'];
  readonly recent: Stream['recent'];
  readonly last: Stream['last'];

  constructor(fields: Stream) {
    this.share = fields.share;
    this.absolute = fields.absolute;
    this.count = fields.count;
    this.harmBound = fields.harmBound;
    this.open = fields.open;
    this.step = fields.step;
    this.all = fields.all;
    this.recent = fields.recent;
    this.last = fields.last;
  }
}

/** The counts with those of a block, as far as its builds were seen. */
export function withBlock(counts: Stream['all'], { candidate, stable }: Block, arms: Seen['arms']): Stream['all'] {
  if (arms === 'neither') return counts;
  // A copy, and no literal either.
  const sum: Stream['all'] = [...counts];
  sum[0] += candidate.requests;
  sum[1] += candidate.failures;
  if (arms === 'candidate') return sum;
  sum[2] += stable.requests;
  sum[3] += stable.failures;
  return sum;
}
