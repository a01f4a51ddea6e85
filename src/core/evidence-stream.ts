/** The evidence of one stream: one metric in one slice. Logs of mixtures and a few counts, of constant size; feeding returns a new one. No I/O. */
import * as z from 'zod';
import {
  BETS,
  BETTER_BY,
  type Block,
  betLogFactor,
  certificateLogFactor,
  countLogFactor,
  grow,
  LOG_NOTHING,
  logAddExp,
  logSumExp,
  mixtureLogE,
  rateLogFactor,
  shareOfFailures,
  WORSE_BY,
} from './e-process.ts';
import { type GateSettings, harmAt, type JudgedMetric } from './gate-settings.ts';
import { inIncident, recentStable } from './newest.ts';
import { TRAFFIC_ALTERNATIVES, trafficLogFactors } from './traffic-share.ts';

const logs = z.array(z.number());
const count = z.number().min(0);
/** Candidate requests and failures, stable requests and failures. */
const counts4 = z.tuple([count, count, count, count]);

export const streamSchema = z.strictObject({
  /** ln of each alternative's part of the e-process; empty where it takes no part. `count` holds the traffic test's too. */
  share: logs,
  absolute: logs,
  count: logs,
  /** ln of each alternative's part of the certificate of this step. */
  certificate: logs,
  /** The block of the share process that is still open; counts of this step that the certificate rests on; counts of the whole rollout. */
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
const nothing = (length: number) => new Array<number>(length).fill(LOG_NOTHING);

export function openStream(settings: GateSettings, metric: JudgedMetric): Stream {
  const failures = metric.kind === 'failures';
  const counting = settings.calibrated ? WORSE_BY.length : 0;
  return {
    share: nothing(failures ? BETS.length : 0),
    absolute: nothing(failures && metric.limit !== null ? BETS.length : 0),
    count: nothing(failures ? counting : TRAFFIC_ALTERNATIVES),
    certificate: openCertificate(metric),
    open: NO_COUNTS,
    step: NO_COUNTS,
    all: NO_COUNTS,
    recent: [0, 0],
    last: [0, 0],
  };
}

function openCertificate(metric: JudgedMetric): number[] {
  return metric.certified ? new Array<number>(BETTER_BY.length).fill(-Math.log(BETTER_BY.length)) : [];
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
}

/** `both` builds were counted, the `candidate` alone, or `neither`; `restarted`: what this step's certificate rests on has a hole. */
export interface Seen {
  readonly block: Block;
  readonly arms: 'both' | 'candidate' | 'neither';
  readonly restarted: boolean;
}

/** The stream after one poll. Whatever was not seen is no evidence, for or against. */
export function feedStream(metric: JudgedMetric, stream: Stream, turn: Turn, seen: Seen): Stream {
  if (metric.kind === 'traffic') return feedTraffic(metric, stream, turn, seen);
  const { block, arms } = seen;
  const comparable = arms === 'both' && block.candidate.requests > 0 && block.stable.requests > 0;
  const closed = turn.beginBlock !== null;
  const counts = seesAll(turn, seen);
  // Failures of one build alone, in a block that compares both, would be held against it.
  const open = counts ? withBlock(stream.open, block, arms) : stream.open;
  return {
    share: closed ? feedShare(metric, stream.share, blockOf(open), turn.beginBlock ?? 0) : stream.share,
    absolute: stream.absolute.length === 0 ? stream.absolute : feedAbsolute(metric, stream.absolute, turn, seen),
    count: stream.count.length === 0 ? stream.count : feedCount(metric, stream.count, turn, comparable ? block : null),
    certificate: seen.restarted
      ? openCertificate(metric)
      : counts
        ? feedCertificate(metric, stream.certificate, turn, block)
        : stream.certificate,
    open: closed ? NO_COUNTS : open,
    step: seen.restarted ? NO_COUNTS : counts ? withBlock(stream.step, block, arms) : stream.step,
    all: withBlock(stream.all, block, arms),
    recent: closed ? recentStable(stream.recent, open) : stream.recent,
    last: closed ? [open[0], open[1]] : stream.last,
  };
}

/** Ends a block of the share process: bets on the failures in it. */
function feedShare(metric: JudgedMetric, logs: readonly number[], block: Block, begin: number): number[] {
  const comparable = block.candidate.requests > 0 && block.stable.requests > 0;
  const multiple = comparable ? shareOfFailures(block, metric.tolerated) : undefined;
  return grow(logs, begin, multiple === undefined ? null : betsOn(multiple));
}

/** The stream at the beginning of a step: the certificate speaks for one step only, the evidence of harm goes on. */
export function nextStepStream(metric: JudgedMetric, stream: Stream): Stream {
  const { open } = stream;
  return {
    ...stream,
    share: stream.share.length === 0 ? stream.share : feedShare(metric, stream.share, blockOf(open), 0),
    certificate: openCertificate(metric),
    open: NO_COUNTS,
    step: NO_COUNTS,
    recent: recentStable(stream.recent, open),
    last: [0, 0],
  };
}

/** What each bet loses on a block without a failure, which most blocks are. */
const LOST = BETS.map((bet) => betLogFactor(0, bet));

function betsOn(multiple: number): (index: number) => number {
  return multiple === 0 ? (index) => LOST[index] ?? 0 : (index) => betLogFactor(multiple, BETS[index] ?? 0);
}

function feedAbsolute(metric: JudgedMetric, logs: readonly number[], turn: Turn, { block, arms }: Seen): number[] {
  const { candidate } = block;
  const limit = metric.limit ?? 1;
  // Where the stable build fails as well the candidate is not to blame, and only the comparison may speak.
  const skipped =
    arms === 'neither' || candidate.requests === 0 || (arms === 'both' && (turn.incident || inIncident(metric, block)));
  const multiple = candidate.failures / candidate.requests / limit;
  return grow(logs, turn.begin, skipped ? null : betsOn(multiple));
}

function feedCount(metric: JudgedMetric, logs: readonly number[], turn: Turn, block: Block | null): number[] {
  if (block === null) return grow(logs, turn.begin, null);
  const factor = (index: number) => countLogFactor(block, metric.tolerated, WORSE_BY[index] ?? 1) / metric.dispersion;
  return grow(logs, turn.begin, factor);
}

/** No requests at the candidate are the strongest evidence here, unless a restart lost them. */
function feedTraffic(metric: JudgedMetric, stream: Stream, turn: Turn, { block, arms, restarted }: Seen): Stream {
  const factors = arms === 'both' && !restarted ? trafficLogFactors(block, turn.share, metric.dispersion) : null;
  return {
    ...stream,
    count: grow(stream.count, turn.begin, factors === null ? null : (index) => factors[index] ?? 0),
    step: arms === 'both' ? withBlock(stream.step, block, arms) : stream.step,
    all: arms === 'both' ? withBlock(stream.all, block, arms) : stream.all,
  };
}

/** Beside a stable build both must be seen; alone, the candidate. */
function seesAll(turn: Turn, { arms }: Seen): boolean {
  return arms === 'both' || (arms === 'candidate' && turn.share >= 1);
}

function feedCertificate(metric: JudgedMetric, logs: readonly number[], turn: Turn, block: Block): number[] {
  return grow(logs, 0, certificateFactor(metric, block, turn.share));
}

/** Beside a stable build the harm is a comparison; alone it is the limit, and the claim no more than that. */
function certificateFactor(metric: JudgedMetric, block: Block, share: number): ((index: number) => number) | null {
  const { limit, dispersion } = metric;
  if (share >= 1)
    return limit === null ? null : (index) => rateLogFactor(block.candidate, limit, limit * (BETTER_BY[index] ?? 1)) / dispersion;
  if (block.candidate.requests === 0 || block.stable.requests === 0) return null;
  const harm = harmAt(metric.harm, share);
  return (index) => certificateLogFactor(block, harm, BETTER_BY[index] ?? 1) / dispersion;
}

/** The masses of the two mixtures over start times that have not begun yet. */
export interface Waiting {
  readonly poll: number;
  readonly block: number;
}

/**
 * ln E of the stream: H0 is that the candidate is within `tolerated` of the stable build and within `limit`. Uncalibrated 0.7 share + 0.3
 * absolute, which hold for failures in clumps; calibrated 0.35 share + 0.15 absolute + 0.5 count, tempered by the dispersion.
 */
export function streamLogE(stream: Stream, waiting: Waiting): number {
  const { share, absolute, count } = stream;
  if (share.length === 0) return mixtureLogE(count, waiting.poll);
  const ofShare = mixtureLogE(share, waiting.block);
  const robust = absolute.length === 0 ? ofShare : weigh(0.7, ofShare, mixtureLogE(absolute, waiting.poll));
  return count.length === 0 ? robust : weigh(0.5, robust, mixtureLogE(count, waiting.poll));
}

function weigh(part: number, a: number, b: number): number {
  return logAddExp(Math.log(part) + a, Math.log1p(-part) + b);
}

/** ln C of this step's certificate; 0 while nothing was counted. */
export function streamLogC(stream: Stream): number {
  return stream.certificate.length === 0 ? 0 : logSumExp(stream.certificate);
}

export function blockOf([requests, failures, stableRequests, stableFailures]: Counts4): Block {
  return { candidate: { requests, failures }, stable: { requests: stableRequests, failures: stableFailures } };
}

function withBlock(counts: Counts4, { candidate, stable }: Block, arms: Seen['arms']): Counts4 {
  if (arms === 'neither') return counts;
  const [requests, failures, stableRequests, stableFailures] = counts;
  const both = arms === 'both';
  return [
    requests + candidate.requests,
    failures + candidate.failures,
    both ? stableRequests + stable.requests : stableRequests,
    both ? stableFailures + stable.failures : stableFailures,
  ];
}
