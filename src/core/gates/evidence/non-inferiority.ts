/** Non-inferiority bounds: which harm is ruled out for the candidate at this step, in the whole and in each slice, and what is missing. No I/O. */
import {
  type GateSettings,
  harmAt,
  harmBoundLogC,
  type JudgedMetric,
  LATER,
  limitAlone,
  membersBeside,
} from '../gate-settings.ts';
import { dispersionSeen } from './clusters.ts';
import { BETTER_BY, harmBoundLogFactor, logSumExp, type Margin, rateLogFactor } from './e-process.ts';
import { type Evidence, streamsKey, streamsOf } from './evidence.ts';
import { type Stream, streamLogC } from './evidence-stream.ts';

/** What a metric's non-inferiority bound says at one moment. */
export interface HarmBound {
  readonly metric: JudgedMetric;
  /** The harm compared with the stable build; null where the candidate serves alone and only the limit is claimed. */
  readonly harm: Margin | null;
  readonly logC: number;
  readonly ruledOut: boolean;
  /** How many failures come together: as the settings say, or as the stable build evidently shows where that is more. */
  readonly dispersion: number;
  readonly stream: Stream;
  /** How many candidate requests a healthy build needs for it, about. */
  readonly requestsNeeded: number;
  /** Slices that could be certified and are not yet, and those too small for it. */
  readonly waiting: readonly string[];
  readonly unverified: readonly string[];
  /** The least ln C of the whole and of those that wait. */
  readonly leastLogC: number;
  /** The part of the requests that is in no slice which is or can be certified; 0 of a metric without slices. */
  readonly unverifiedShare: number;
}

/** The certificate of every metric that a step like this needs one of. Alone, a metric without a limit can prove nothing. */
export function harmBounds(settings: GateSettings, evidence: Evidence): HarmBound[] {
  return settings.metrics
    .filter((metric) => metric.certified && metric.kind === 'failures' && (evidence.share < 1 || limitAlone(metric) !== null))
    .map((metric) => harmBoundOf(settings, evidence, metric));
}

function harmBoundOf(settings: GateSettings, evidence: Evidence, metric: JudgedMetric): HarmBound {
  const [whole, ...slices] = streamsOf(evidence, metric);
  if (whole === undefined) throw new Error(`no evidence of ${metric.metric}`);
  const need = harmBoundLogC(settings);
  const dispersion = dispersionSeen(evidence.wholes[streamsKey(metric)]?.usual.clusters, metric.dispersion);
  const logCOf = (stream: Stream) => streamLogC(stream, metric.dispersion / dispersion);
  const logC = logCOf(whole);
  const asSeen = { ...metric, dispersion };
  const rate = stableRate(whole, evidence.share);
  const needed = (members: number) => requestsToRuleOut(settings, asSeen, evidence.share, rate, members);
  const requestsNeeded = needed(1);
  // Of slices each is a world of its own, of members each has its part of the whole.
  const partNeeds = metric.byMember === true ? needed(membersBeside(metric, 1)) : requestsNeeded;
  const watchedMs = evidence.atMs - evidence.stepSinceMs;
  // What a slice will have been asked when the step has lasted as long as it may.
  const outlook = watchedMs > 0 ? Math.max(1, settings.maxDwellMs / watchedMs) : 1;
  const waiting: string[] = [];
  const unverified: string[] = [];
  let spokenFor = 0;
  let leastLogC = logC;
  slices.forEach((stream, index) => {
    const name = metric.slices[index]?.name ?? '';
    if (name === LATER && metric.byMember === true && stream.step[0] === 0) return;
    const ofSlice = logCOf(stream);
    const ruledOut = ofSlice >= need;
    const possible = stream.step[0] * outlook >= partNeeds;
    if (ruledOut || possible) spokenFor += requestsOf(stream, metric);
    if (!ruledOut) (possible ? waiting : unverified).push(name);
    if (!ruledOut && possible) leastLogC = Math.min(leastLogC, ofSlice);
  });
  const all = requestsOf(whole, metric);
  return {
    metric,
    harm: evidence.share < 1 ? harmAt(metric.harm, evidence.share) : null,
    logC,
    ruledOut: logC >= need,
    dispersion,
    stream: whole,
    requestsNeeded,
    waiting,
    unverified,
    leastLogC,
    unverifiedShare: slices.length === 0 || all === 0 ? 0 : (all - spokenFor) / all,
  };
}

/** The same requests of the stable build stand next to every member. */
function requestsOf({ step }: Stream, { byMember }: JudgedMetric): number {
  return byMember === true ? step[0] : step[0] + step[2];
}

function stableRate({ step }: Stream, share: number): number {
  const [requests, failures] = share < 1 ? [step[2], step[3]] : [step[0], step[1]];
  return requests === 0 ? 0 : failures / requests;
}

/** The harm that a stream's bound rules out at this share: next to a stable build, or by the limit alone. `index` 0 is the whole. */
export function harmOfStream(metric: JudgedMetric, index: number, share: number): Margin | null {
  const members = membersBeside(metric, index);
  if (share < 1) return harmAt(metric.harm, share, members);
  return members === 1 ? null : { times: 1, plus: limitAlone(metric, members) ?? 1 };
}

/**
 * About how many requests a candidate that fails as rarely as the stable build (`rate`) must serve before it is certified, at its `share` of
 * the traffic (0..1): where the expected growth of the non-inferiority bound reaches ln 1/beta. Infinity where that never comes. `members`: of
 * so many, the requests of one of them.
 */
export function requestsToRuleOut(
  settings: GateSettings,
  metric: JudgedMetric,
  share: number,
  rate: number,
  members = 1,
): number {
  const growths = BETTER_BY.map((betterBy) => growth(metric, { share, rate, members }, betterBy) / metric.dispersion);
  const need = harmBoundLogC(settings);
  const logC = (requests: number) => logSumExp(growths.map((each) => each * requests)) - Math.log(growths.length);
  if (Math.max(...growths) <= 0) return Number.POSITIVE_INFINITY;
  let most = 1;
  while (logC(most) < need && most < Number.MAX_SAFE_INTEGER) most *= 2;
  let least = most / 2;
  for (let middle = (least + most) / 2; most - least > 1; middle = (least + most) / 2) {
    if (logC(middle) < need) least = middle;
    else most = middle;
  }
  return Math.ceil(most);
}

/** Expected ln of the bound's factor for one request of the candidate, or of one of its members. */
function growth(
  metric: JudgedMetric,
  { share, rate, members }: { readonly share: number; readonly rate: number; readonly members: number },
  betterBy: number,
): number {
  const candidate = { requests: 1, failures: rate };
  const alone = limitAlone(metric, members);
  if (share >= 1) return alone === null ? 0 : rateLogFactor(candidate, alone, alone * betterBy);
  if (share <= 0) return 0;
  const others = (members * (1 - share)) / share;
  const block = { candidate, stable: { requests: others, failures: rate * others } };
  return harmBoundLogFactor(block, harmAt(metric.harm, share, members), betterBy);
}
