/**
 * What the evidence of the comparing gates says at one moment: fail, give up, pass, or hold, with every reason. Whatever is not known to be
 * fine holds. No I/O, no clock.
 */
import { apartTexts, countAgainstTexts, countText, fractionText, listText, msText, versusText } from '../../text.ts';
import { shareIsAsPlanned, toleratedShare } from '../evidence/e-process.ts';
import { type Evidence, type GateData, streamsOf } from '../evidence/evidence.ts';
import { exceedsTolerated, failingTogether, failsNow, stableInIncident } from '../evidence/newest.ts';
import { type HarmBound, harmBounds, harmOfStream } from '../evidence/non-inferiority.ts';
import { type GateSettings, harmBoundLogC, type JudgedMetric, rollbackLogE } from '../gate-settings.ts';
import { asideTexts, unseenTexts } from './aside.ts';
import { type Blame, blameOf, oddsText, standingText } from './blamed.ts';
import { boundReasons, dwellReasons, LEAST_BLOCKS, leastDwellMs, type Reason, reason } from './reasons-to-wait.ts';

interface Base {
  readonly why: string;
  readonly logE: number;
  readonly neededLogE: number;
}

/** Evidence of harm, under the bound alpha. */
export interface Fail extends Base, Blame {
  readonly verdict: 'fail';
  /** The chance of such evidence against a build within its margins. */
  readonly falseAlarm: number;
  readonly sinceMs: number;
}

/**
 * The candidate alone is silent (`missing`), nothing is counted (`blind`), or only the share of the traffic is evidence (`traffic`), which
 * cookies and routes change as much as a build does: it rolls back, and says nothing of the build.
 */
export interface GiveUp extends Base {
  readonly verdict: 'give-up';
  readonly grounds: 'missing' | 'blind' | 'traffic';
  readonly gate: string;
  readonly sinceMs: number;
}

export interface Pass extends Base {
  readonly verdict: 'pass';
  readonly confidence: number;
  readonly bounds: readonly RuledOut[];
  /** Slices too small to rule harm out, as `metric in slice`; never called healthy. */
  readonly unverified: readonly string[];
}

/** What one non-inferiority bound rules out. `extraPerSecond`: failures that it still allows at the next step; null after the last. */
export interface RuledOut {
  readonly gate: string;
  readonly metric: string;
  readonly why: string;
  readonly requests: number;
  readonly failures: number;
  readonly extraPerSecond: number | null;
}

export interface Hold extends Base {
  readonly verdict: 'hold';
  /** Never empty. */
  readonly reasons: readonly Reason[];
  /** When all of it may be over, on the clock of the polls; null where no one can say. */
  readonly untilMs: number | null;
}

export type EvidenceVerdict = Fail | GiveUp | Pass | Hold;

/** `nowMs` on the clock of the polls; `nextShare` of the next step, 0..1, or null at the last. */
export interface Moment {
  readonly nowMs: number;
  readonly nextShare: number | null;
}

/**
 * Judges. Nothing but bounds from data that are whole, fresh and sufficient passes. `bounds` must be of the same evidence: whoever judges it
 * again and again works them out once.
 */
export function judgeEvidence(
  settings: GateSettings,
  evidence: Evidence,
  moment: Moment,
  bounds: readonly HarmBound[] = harmBounds(settings, evidence),
): EvidenceVerdict {
  const base = { logE: evidence.logE, neededLogE: rollbackLogE(settings, evidence.lost) };
  const bad = onEvidence(settings, evidence, base.neededLogE) ?? onSilence(settings, evidence, base);
  if (bad !== undefined) return bad;
  const reasons = reasonsToHold(settings, evidence, moment.nowMs, bounds);
  const [first] = reasons;
  if (first === undefined) return passed(settings, evidence, moment, bounds, base);
  const ends = reasons.map(({ untilMs }) => untilMs);
  const untilMs = ends.reduce((latest, end) => (latest === null || end === null ? null : Math.max(latest, end)), moment.nowMs);
  return { verdict: 'hold', why: reasonText(first), ...base, reasons, untilMs };
}

function onEvidence(settings: GateSettings, evidence: Evidence, neededLogE: number): Fail | GiveUp | undefined {
  if (evidence.crossed === null) return undefined;
  const blame = blameOf(settings, evidence);
  const named = blame.confirmed[0] ?? blame.heaviest;
  const where = blame.nearlyAllIn === null ? '' : `; ${standingText(blame.nearlyAllIn)}`;
  // The longest odds that are still true: the bound, not the evidence, is what was promised beforehand.
  const falseAlarm = settings.alpha / 2 ** evidence.lost;
  const why = `${standingText(named)}${where}; ${oddsText(falseAlarm)}`;
  const since = { logE: evidence.crossed.logE, neededLogE, sinceMs: evidence.crossed.atMs };
  if (blame.byTrafficAlone)
    return { verdict: 'give-up', grounds: 'traffic', gate: named.gate, why: `${why}; ${ONLY_TRAFFIC}`, ...since };
  return { verdict: 'fail', why: [why, ...asideTexts(evidence)].join('; '), falseAlarm, ...since, ...blame };
}

/** What is said where only the share of the traffic was evidence. */
export const ONLY_TRAFFIC =
  'only the share of the traffic is evidence against the build, so it is not marked bad (if clients stay with a build: compare: { traffic: false })';

/** At so many polls in a row, at least, silence is more than a hiccup. */
const SILENT_POLLS = 3;

/** Up to this share blindness costs so little that holding is better than rolling back. */
const SMALL_SHARE = 0.01;

function onSilence(settings: GateSettings, evidence: Evidence, base: Omit<Base, 'why'>): GiveUp | undefined {
  for (const [gate, { candidate, stable }] of Object.entries(evidence.gates)) {
    if (candidate.polls < SILENT_POLLS || candidate.state === 'reset') continue;
    const alone = stable.polls === 0 && evidence.share < 1;
    const silentMs = evidence.atMs - candidate.sinceMs;
    if (silentMs < (alone ? settings.missingMs : settings.blindMs)) continue;
    if (!alone && evidence.share <= SMALL_SHARE) continue;
    const who = alone ? 'only the candidate was not counted' : 'nothing was counted';
    const why = `${who} for ${msText(silentMs)} (gate ${gate}): ${candidate.why}`;
    return { verdict: 'give-up', grounds: alone ? 'missing' : 'blind', gate, why, ...base, sinceMs: candidate.sinceMs };
  }
  return undefined;
}

function passed(
  settings: GateSettings,
  evidence: Evidence,
  { nextShare }: Moment,
  harms: readonly HarmBound[],
  base: Omit<Base, 'why'>,
): Pass {
  const bounds = harms.map((one) => ruledOut(one, evidence, nextShare));
  const sure = `with ${fractionText(settings.confidence)} confidence: ${bounds.map(({ why }) => why).join('; ')}`;
  const unverified = harms.flatMap(({ metric, unverified }) => unverified.map((slice) => `${metric.metric} in ${slice}`));
  const left = unverified.length === 0 ? [] : [`too small to judge: ${listText(unverified)}`];
  // Of many metrics the largest; none after the last step.
  const open = bounds.flatMap(({ extraPerSecond }) => extraPerSecond ?? []);
  const worst = open.length === 0 ? [] : [`at most ${roundedUp(Math.max(...open))} extra failures per second at the next step`];
  const why = [sure, ...worst, ...left, ...asideTexts(evidence)].join('; ');
  return { verdict: 'pass', why, ...base, confidence: settings.confidence, bounds, unverified };
}

/** Two digits that promise no less than there may be; nothing below a hundredth. */
function roundedUp(amount: number): number {
  if (amount <= 0.01) return 0.01;
  const digits = Math.max(0, 1 - Math.floor(Math.log10(amount)));
  return Math.ceil(Number((amount * 10 ** digits).toFixed(6))) / 10 ** digits;
}

function ruledOut({ metric, harm, stream, dispersion }: HarmBound, evidence: Evidence, nextShare: number | null): RuledOut {
  const [requests, failures, stableRequests, stableFailures] = stream.step;
  const seconds = (evidence.atMs - evidence.stepSinceMs) / 1000;
  const stableRate = stableRequests === 0 ? 0 : stableFailures / stableRequests;
  const extra = harm === null ? (metric.limit ?? 1) : (harm.times - 1) * stableRate + harm.plus;
  const claim =
    harm === null
      ? `less than ${fractionText(metric.limit ?? 1)}, with no stable build to compare with`
      : `less than ${harm.times} x stable + ${fractionText(harm.plus)}`;
  return {
    gate: metric.gate,
    metric: metric.metric,
    why: `${metric.metric} fails ${claim} (${countText(failures, requests)} seen, dispersion ${roundedUp(dispersion)})`,
    requests,
    failures,
    extraPerSecond: nextShare === null ? null : (extra * nextShare * (requests + stableRequests)) / seconds,
  };
}

/**
 * How far the evidence is on its way, 0..1, for a bar: to `fail`, and to `pass` by whatever is furthest behind (0 while something holds that
 * waiting alone does not end). `nowMs` on the clock of the polls.
 */
export function progress(
  settings: GateSettings,
  evidence: Evidence,
  nowMs: number = evidence.atMs,
  bounds: readonly HarmBound[] = harmBounds(settings, evidence),
): { readonly fail: number; readonly pass: number } {
  const fail = evidence.crossed === null ? partOf(evidence.logE, rollbackLogE(settings, evidence.lost)) : 1;
  return { fail, pass: readiness(settings, evidence, nowMs, bounds) };
}

/** Reasons that waiting alone does not end. */
const IN_THE_WAY: readonly Reason['what'][] = ['data', 'incident', 'average', 'limit', 'evidence', 'worse', 'split', 'never'];

/** How much of what a pass needs is there, 0..1: of time, blocks, bounds and slices the least; 1 only where nothing holds. */
function readiness(settings: GateSettings, evidence: Evidence, nowMs: number, bounds: readonly HarmBound[]): number {
  if (bounds.length === 0) return 0;
  if (reasonsToHold(settings, evidence, nowMs, bounds).some(({ what }) => IN_THE_WAY.includes(what))) return 0;
  const need = harmBoundLogC(settings);
  return Math.min(
    partOf(evidence.atMs - evidence.stepSinceMs, leastDwellMs(settings)),
    ...Object.values(evidence.gates).map(({ blocks }) => partOf(blocks, LEAST_BLOCKS)),
    ...bounds.map(({ leastLogC }) => partOf(leastLogC, need)),
    ...bounds.map(({ unverifiedShare }) => partOf(1 - unverifiedShare, 1 - settings.unverifiedShare)),
  );
}

function partOf(is: number, needed: number): number {
  return is >= needed ? 1 : Math.max(0, is / needed);
}

/** With the gate that it is about, for whoever reads several gates' reasons in one place. */
export function reasonText({ gate, why }: Reason): string {
  return gate === null ? why : `gate ${gate}: ${why}`;
}

/** The same with one bound for all of a gate's, after what is nearer: there is one for each status, and they wait for the same requests. */
export function inShort(reasons: readonly Reason[]): Reason[] {
  const bounds = reasons.filter(({ what }) => what === 'bound');
  const alike = bounds.flatMap((one): Reason[] => {
    const own = bounds.filter(({ gate }) => gate === one.gate);
    if (own[0] !== one) return [];
    return [own.length === 1 ? one : { ...one, why: `${one.why} (and ${own.length - 1} more metrics)` }];
  });
  return [...reasons.filter(({ what }) => what !== 'bound'), ...alike];
}

/** Every reason, the gravest first. An empty list is the only way to a pass. */
function reasonsToHold(settings: GateSettings, evidence: Evidence, nowMs: number, bounds: readonly HarmBound[]): Reason[] {
  return [
    ...Object.entries(evidence.gates).flatMap(([gate, data]) => dataReasons(settings, evidence, gate, data)),
    ...staleReasons(settings, evidence, nowMs),
    ...incidentReasons(settings, evidence),
    ...evidenceReasons(settings, evidence),
    ...bounds.flatMap((one) => failingReasons(evidence, one)),
    ...worseReasons(settings, evidence),
    ...splitReasons(settings, evidence),
    ...dwellReasons(settings, evidence),
    ...boundReasons(settings, evidence, bounds),
  ];
}

function dataReasons(settings: GateSettings, evidence: Evidence, gate: string, data: GateData): Reason[] {
  const reasons = (['candidate', 'stable'] as const).flatMap((arm) => {
    const { state, why } = data[arm];
    const fine = state === 'counted' || (arm === 'stable' && evidence.share >= 1 && state === 'absent');
    return fine ? [] : [reason('data', gate, `${arm} ${state}${why === '' ? '' : `: ${why}`}`)];
  });
  if (reasons.length === 0) reasons.push(...unseenTexts(data).map((why) => reason('data', gate, why)));
  // Silence is no health: what was ruled out before the candidate fell silent was ruled out for another time.
  const silentMs = evidence.atMs - (data.servedMs ?? evidence.stepSinceMs);
  if (data.servedMs === null) return [...reasons, reason('data', gate, 'the candidate has had no requests yet')];
  if (silentMs < settings.blockMs) return reasons;
  return [...reasons, reason('data', gate, `the candidate has had no requests for ${msText(silentMs)}`)];
}

function staleReasons(settings: GateSettings, evidence: Evidence, nowMs: number): Reason[] {
  const oldMs = nowMs - evidence.atMs;
  if (oldMs >= 0 && oldMs <= settings.lagMs + settings.blockMs) return [];
  return [reason('data', null, oldMs < 0 ? 'the last poll has a future timestamp' : `the last poll is ${msText(oldMs)} old`)];
}

function incidentReasons(settings: GateSettings, evidence: Evidence): Reason[] {
  if (evidence.share >= 1) return [];
  return settings.metrics.flatMap((metric): Reason[] => {
    if (!metric.holdsInIncident || metric.limit === null) return [];
    const streams = streamsOf(evidence, metric);
    const found = streams.findIndex((stream) => stableInIncident(metric, stream));
    const step = streams[0]?.step;
    const bad = step !== undefined && step[2] > 0 && step[3] / step[2] > metric.limit;
    if (found === -1 && !bad) return [];
    const together = streams[0] === undefined ? 0 : failingTogether(streams[0], evidence.share);
    const [rate, most] = apartTexts(together, metric.limit);
    const limit = `the limit of ${most} for ${metric.metric}`;
    if (together > metric.limit) {
      const part = `together both builds fail ${rate} of the newest requests`;
      return [reason('limit', metric.gate, `the stable build fails too: ${part}, above ${limit}`)];
    }
    if (found === -1) return [reason('average', metric.gate, `the stable build failed more than ${limit} at this step`)];
    return [
      reason(
        'incident',
        metric.gate,
        `the stable build fails too${metric.byMember === true ? nextTo(metric, found) : whereText(metric, found)}: more than half of ${limit}`,
      ),
    ];
  });
}

/** Which of a metric's streams it is: nothing of the whole, else its slice. */
function whereText({ slices }: JudgedMetric, index: number): string {
  return index > 0 ? ` in ${slices[index - 1]?.name}` : '';
}

/** The stable build as a member has it next to it: all of it at one location. */
function nextTo({ slices }: JudgedMetric, index: number): string {
  return index > 0 ? ` next to ${slices[index - 1]?.name}` : '';
}

/** Halfway to a rollback is no time for the next step: a brake by rule of thumb, outside every bound. */
function evidenceReasons({ alpha }: GateSettings, { logE }: Evidence): Reason[] {
  return logE < -Math.log(alpha) / 2 ? [] : [reason('evidence', null, 'the evidence of harm is more than halfway to a rollback')];
}

/** A bound covers the whole step, and what went well for long outweighs what has just begun to fail. */
function failingReasons(evidence: Evidence, { metric }: HarmBound): Reason[] {
  const streams = streamsOf(evidence, metric);
  const failing = [...streams.keys()].filter((index) => {
    const stream = streams[index];
    return stream !== undefined && failsNow(metric, stream, harmOfStream(metric, index, evidence.share));
  });
  // Whoever hears of the whole looks at every member of it.
  const found = (metric.byMember === true ? failing.find((index) => index > 0) : undefined) ?? failing[0] ?? -1;
  const stream = streams[found];
  if (stream === undefined) return [];
  const newest = countText(stream.last[1] + stream.open[1], stream.last[0] + stream.open[0]);
  const why = `${metric.metric}${whereText(metric, found)}: ${newest} of the newest requests failed`;
  return [reason('evidence', metric.gate, why)];
}

/** No bound covers latency, so nothing but this keeps a slow build from the next step until the evidence is enough for a rollback. */
function worseReasons(settings: GateSettings, evidence: Evidence): Reason[] {
  if (evidence.share >= 1) return [];
  return settings.metrics.flatMap((metric): Reason[] => {
    if (metric.certified || metric.kind !== 'failures') return [];
    const streams = streamsOf(evidence, metric);
    const found = streams.findIndex((stream) => exceedsTolerated(metric, stream));
    const step = streams[found]?.step;
    if (step === undefined) return [];
    const counts = versusText([step[1], step[0]], [step[3], step[2]]);
    return [reason('worse', metric.gate, `${metric.metric}${whereText(metric, found)}: ${counts}, more than tolerated`)];
  });
}

function splitReasons(settings: GateSettings, evidence: Evidence): Reason[] {
  if (evidence.share <= 0 || evidence.share >= 1) return [];
  return settings.metrics.flatMap((metric): Reason[] => {
    const step = metric.kind === 'traffic' ? streamsOf(evidence, metric)[0]?.step : undefined;
    if (step === undefined) return [];
    const requests = step[0] + step[2];
    if (requests === 0) return [reason('split', metric.gate, 'the share of the traffic has not been measured yet')];
    const measured = step[0] / requests;
    const { least, most } = toleratedShare(evidence.share);
    const bound = measured < least ? least : most;
    const noise = 3 * Math.sqrt((bound * (1 - bound)) / requests);
    if (shareIsAsPlanned(measured, evidence.share) || Math.abs(measured - bound) <= noise) return [];
    const [had, plan] = countAgainstTexts(step[0], requests, evidence.share);
    return [reason('split', metric.gate, `the candidate had ${had} of the requests; the plan was ${plan}`)];
  });
}
