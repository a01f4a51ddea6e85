/** The evidence of one stream: one metric in one slice. Logs of mixtures and a few counts, of constant size; feeding returns a new one. No I/O. */
import * as z from 'zod';
import {
  averageLogE,
  BETS,
  BETTER_BY,
  type Block,
  betLogFactor,
  certificateLogFactor,
  countLogFactor,
  grow,
  LOG_NOTHING,
  logSumExp,
  mixtureLogE,
  rateLogFactor,
  shareOfFailures,
  WORSE_BY,
} from './e-process.ts';
import { type GateSettings, harmAt, type JudgedMetric } from './gate-settings.ts';
import { inIncident, recentStable } from './newest.ts';
import { addBlocks } from './poll.ts';
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
const NONE = { requests: 0, failures: 0 };
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
  const compared = arms === 'both' && block.candidate.requests > 0 && block.stable.requests > 0;
  const fed: Stream = {
    ...stream,
    absolute: stream.absolute.length === 0 ? stream.absolute : feedAbsolute(metric, stream, turn, seen),
    count: stream.count.length === 0 ? stream.count : feedCount(metric, stream, turn, compared ? block : null),
    open: arms === 'neither' ? stream.open : withBlock(stream.open, arms === 'both' ? block : { ...block, stable: NONE }),
    all: arms === 'neither' ? stream.all : withBlock(stream.all, block),
    ...feedCertificate(metric, stream, turn, seen),
  };
  return turn.beginBlock === null ? fed : closeBlock(metric, fed, turn.beginBlock);
}

/** Ends the open block of the share process: bets on it, and keeps what the stable build did in it. */
function closeBlock(metric: JudgedMetric, stream: Stream, begin: number): Stream {
  const block = blockOf(stream.open);
  const compared = block.candidate.requests > 0 && block.stable.requests > 0;
  const multiple = compared ? shareOfFailures(block, metric.tolerated) : undefined;
  const bet = multiple === undefined ? null : (index: number) => betLogFactor(multiple, BETS[index] ?? 0);
  return {
    ...stream,
    share: grow(stream.share, stream.share.length === 0 ? 0 : begin, bet),
    open: NO_COUNTS,
    recent: recentStable(stream.recent, block),
    last: [block.candidate.requests, block.candidate.failures],
  };
}

/** The stream at the beginning of a step: the certificate speaks for one step only, the evidence of harm goes on. */
export function nextStepStream(metric: JudgedMetric, stream: Stream): Stream {
  return { ...closeBlock(metric, stream, 0), certificate: openCertificate(metric), step: NO_COUNTS, last: [0, 0] };
}

function feedAbsolute(metric: JudgedMetric, stream: Stream, turn: Turn, { block, arms }: Seen): number[] {
  const { candidate } = block;
  const limit = metric.limit ?? 1;
  // Where the stable build fails as well the candidate is not to blame, and only the comparison may speak.
  const skipped =
    arms === 'neither' || candidate.requests === 0 || (arms === 'both' && (turn.incident || inIncident(metric, block)));
  const multiple = candidate.failures / candidate.requests / limit;
  return grow(stream.absolute, turn.begin, skipped ? null : (index) => betLogFactor(multiple, BETS[index] ?? 0));
}

function feedCount(metric: JudgedMetric, stream: Stream, turn: Turn, block: Block | null): number[] {
  if (block !== null)
    return grow(
      stream.count,
      turn.begin,
      (index) => countLogFactor(block, metric.tolerated, WORSE_BY[index] ?? 1) / metric.dispersion,
    );
  return grow(stream.count, turn.begin, null);
}

/** No requests at the candidate are the strongest evidence here, unless a restart lost them. */
function feedTraffic(metric: JudgedMetric, stream: Stream, turn: Turn, { block, arms, restarted }: Seen): Stream {
  const factors = arms === 'both' && !restarted ? trafficLogFactors(block, turn.share, metric.dispersion) : null;
  return {
    ...stream,
    count: grow(stream.count, turn.begin, factors === null ? null : (index) => factors[index] ?? 0),
    step: arms === 'both' ? withBlock(stream.step, block) : stream.step,
    all: arms === 'both' ? withBlock(stream.all, block) : stream.all,
  };
}

function feedCertificate(metric: JudgedMetric, stream: Stream, turn: Turn, seen: Seen): Pick<Stream, 'certificate' | 'step'> {
  const { block, arms } = seen;
  if (seen.restarted) return { certificate: openCertificate(metric), step: NO_COUNTS };
  const alone = turn.share >= 1;
  if (arms === 'neither' || (arms === 'candidate' && !alone)) return { certificate: stream.certificate, step: stream.step };
  return {
    certificate: grow(stream.certificate, 0, certificateFactor(metric, block, turn.share)),
    step: withBlock(stream.step, block),
  };
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
  const half = count.length === 0 ? 1 : 0.5;
  const ofShare = absolute.length === 0 ? 1 : 0.7;
  return averageLogE([
    { weight: half * ofShare, logE: mixtureLogE(share, waiting.block) },
    { weight: half * (1 - ofShare), logE: mixtureLogE(absolute, waiting.poll) },
    { weight: 1 - half, logE: mixtureLogE(count, waiting.poll) },
  ]);
}

/** ln C of this step's certificate; 0 while nothing was counted. */
export function streamLogC(stream: Stream): number {
  return stream.certificate.length === 0 ? 0 : logSumExp(stream.certificate);
}

export function blockOf([requests, failures, stableRequests, stableFailures]: Counts4): Block {
  return { candidate: { requests, failures }, stable: { requests: stableRequests, failures: stableFailures } };
}

function withBlock(counts: Counts4, block: Block): Counts4 {
  const { candidate, stable } = addBlocks(blockOf(counts), block);
  return [candidate.requests, candidate.failures, stable.requests, stable.failures];
}
