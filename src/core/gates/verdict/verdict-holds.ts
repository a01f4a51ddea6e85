/** Why a rollout holds: each reason says what is missing and until when. An empty list is the only way to an advance. No I/O, no clock. */
import { countText, fractionText, msText } from '../../text.ts';
import type { Certificate } from '../evidence/certificate.ts';
import { type Evidence, type GateData, streamsOf } from '../evidence/evidence.ts';
import { exceedsTolerated, failingTogether, failsNow, stableInIncident } from '../evidence/newest.ts';
import { shareIsAsPlanned, toleratedShare } from '../evidence/traffic-share.ts';
import { certificateLogC, type GateSettings, type JudgedMetric } from '../gate-settings.ts';

export interface Reason {
  /**
   * `data`: not counted or not whole. `incident`: the stable build fails too; `limit`: both together fail beyond the limit. `evidence`: some
   * harm is likely, though not proven; `worse`: it is evident, though no certificate speaks of it and the evidence is not enough yet.
   */
  readonly what: 'data' | 'incident' | 'limit' | 'evidence' | 'worse' | 'split' | 'dwell' | 'certificate' | 'slices';
  readonly gate: string | null;
  readonly why: string;
  /** When it may be over, on the clock of the polls; null where nobody can say. */
  readonly untilMs: number | null;
}

/** With the gate that it is about, for whoever reads several gates' reasons in one place. */
export function reasonText({ gate, why }: Reason): string {
  return gate === null ? why : `gate ${gate}: ${why}`;
}

/** The same with one certificate for all of a gate's, after what is nearer: there is one for each status, and they wait for the same requests. */
export function inShort(reasons: readonly Reason[]): Reason[] {
  const certificates = reasons.filter(({ what }) => what === 'certificate');
  const firstOf = (gate: string | null) => certificates.find((one) => one.gate === gate);
  const alike = certificates.flatMap((one): Reason[] => {
    if (firstOf(one.gate) !== one) return [];
    const more = certificates.filter(({ gate }) => gate === one.gate).length - 1;
    return [more === 0 ? one : { ...one, why: `${one.why} (and so ${more} more metrics)` }];
  });
  return [...reasons.filter(({ what }) => what !== 'certificate'), ...alike];
}

interface Outlook {
  readonly nowMs: number;
  readonly logE: number;
  readonly certified: readonly Certificate[];
}

/** Closed blocks that a certificate needs at least, and how many lags a step lasts: a fault shows no sooner. */
const LEAST_BLOCKS = 8;

const LEAST_LAGS = 2;

/** Every reason, the gravest first. */
export function reasonsToHold(settings: GateSettings, evidence: Evidence, outlook: Outlook): Reason[] {
  return [
    ...Object.entries(evidence.gates).flatMap(([gate, data]) => dataReasons(settings, evidence, gate, data)),
    ...staleReasons(settings, evidence, outlook.nowMs),
    ...incidentReasons(settings, evidence),
    ...evidenceReasons(settings, outlook),
    ...outlook.certified.flatMap((one) => failingReasons(evidence, one)),
    ...worseReasons(settings, evidence),
    ...splitReasons(settings, evidence),
    ...dwellReasons(settings, evidence),
    ...certificateReasons(settings, evidence, outlook.certified),
  ];
}

/** Reasons that no amount of waiting is on the way of. */
const IN_THE_WAY: readonly Reason['what'][] = ['data', 'incident', 'limit', 'evidence', 'worse', 'split'];

/** How much of what an advance needs is there, 0..1: of time, blocks, certificates and slices the least; 1 only where nothing holds. */
export function readiness(settings: GateSettings, evidence: Evidence, outlook: Outlook): number {
  const { certified } = outlook;
  if (certified.length === 0) return 0;
  if (reasonsToHold(settings, evidence, outlook).some(({ what }) => IN_THE_WAY.includes(what))) return 0;
  const need = certificateLogC(settings);
  const parts = [
    partOf(evidence.atMs - evidence.stepSinceMs, leastDwellMs(settings)),
    ...Object.values(evidence.gates).map(({ blocks }) => partOf(blocks, LEAST_BLOCKS)),
    ...certified.map(({ leastLogC }) => partOf(leastLogC, need)),
    ...certified.map(({ unverifiedShare }) => partOf(1 - unverifiedShare, 1 - settings.unverifiedShare)),
  ];
  return Math.min(...parts);
}

/** How much of what is needed is there, 0..1. */
export function partOf(is: number, needed: number): number {
  return is >= needed ? 1 : Math.max(0, is / needed);
}

function leastDwellMs({ dwellMs, lagMs }: GateSettings): number {
  return Math.max(dwellMs, LEAST_LAGS * lagMs);
}

function dataReasons(settings: GateSettings, evidence: Evidence, gate: string, data: GateData): Reason[] {
  const reasons: Reason[] = [];
  const add = (why: string) => reasons.push({ what: 'data', gate, why, untilMs: null });
  for (const arm of ['candidate', 'stable'] as const) {
    const { state, why } = data[arm];
    const fine = state === 'counted' || (arm === 'stable' && evidence.share >= 1 && state === 'absent');
    if (!fine) add(`${arm} ${state}${why === '' ? '' : `: ${why}`}`);
  }
  // Silence is no health: what was certified before the candidate fell silent speaks of another time.
  const silentMs = evidence.atMs - (data.servedMs ?? evidence.stepSinceMs);
  if (data.servedMs === null) add('the candidate had no request yet');
  else if (silentMs >= settings.blockMs) add(`the candidate had no request for ${msText(silentMs)}`);
  return reasons;
}

function staleReasons(settings: GateSettings, evidence: Evidence, nowMs: number): Reason[] {
  const oldMs = nowMs - evidence.atMs;
  if (oldMs >= 0 && oldMs <= settings.lagMs + settings.blockMs) return [];
  const why = oldMs < 0 ? 'the last poll is from the future' : `the last poll is ${msText(oldMs)} old`;
  return [{ what: 'data', gate: null, why, untilMs: null }];
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
    if (together > metric.limit) {
      const why = `the stable build fails as well: both together ${fractionText(together)} of the newest requests, beyond the limit ${fractionText(metric.limit)} of ${metric.metric}`;
      return [{ what: 'limit', gate: metric.gate, why, untilMs: null }];
    }
    const where = whereText(metric, found);
    const why = `the stable build fails as well${where}: more than half of the limit ${fractionText(metric.limit)} of ${metric.metric}`;
    return [{ what: 'incident', gate: metric.gate, why, untilMs: null }];
  });
}

/** Which of a metric's streams it is: nothing of the whole, else its slice. */
function whereText({ slices }: JudgedMetric, index: number): string {
  return index > 0 ? ` in ${slices[index - 1]?.name}` : '';
}

/** Half-way to going back is no time to go on: a brake by rule of thumb, outside every bound. */
function evidenceReasons(settings: GateSettings, { logE }: Outlook): Reason[] {
  if (logE < -Math.log(settings.alpha) / 2) return [];
  return [{ what: 'evidence', gate: null, why: 'the evidence of harm is more than half-way to going back', untilMs: null }];
}

/** A certificate speaks for the whole step, and what went well for long outweighs what has just begun to fail. */
function failingReasons(evidence: Evidence, { metric, harm }: Certificate): Reason[] {
  const streams = streamsOf(evidence, metric);
  const found = streams.findIndex((stream) => failsNow(metric, stream, harm));
  const stream = streams[found];
  if (stream === undefined) return [];
  const where = whereText(metric, found);
  const newest = countText(stream.last[1] + stream.open[1], stream.last[0] + stream.open[0]);
  return [
    {
      what: 'evidence',
      gate: metric.gate,
      why: `${metric.metric}${where}: ${newest} of the newest requests failed`,
      untilMs: null,
    },
  ];
}

/** No certificate speaks of latency, so nothing but this keeps a slow build from the next step until the evidence is enough to go back. */
function worseReasons(settings: GateSettings, evidence: Evidence): Reason[] {
  if (evidence.share >= 1) return [];
  return settings.metrics.flatMap((metric): Reason[] => {
    if (metric.certified || metric.kind !== 'failures') return [];
    const streams = streamsOf(evidence, metric);
    const found = streams.findIndex((stream) => exceedsTolerated(metric, stream));
    const step = streams[found]?.step;
    if (step === undefined) return [];
    const where = whereText(metric, found);
    const why = `${metric.metric}${where}: ${countText(step[1], step[0])} against ${countText(step[3], step[2])}, more than is tolerated`;
    return [{ what: 'worse', gate: metric.gate, why, untilMs: null }];
  });
}

function splitReasons(settings: GateSettings, evidence: Evidence): Reason[] {
  if (evidence.share <= 0 || evidence.share >= 1) return [];
  return settings.metrics.flatMap((metric): Reason[] => {
    const step = metric.kind === 'traffic' ? streamsOf(evidence, metric)[0]?.step : undefined;
    if (step === undefined) return [];
    const requests = step[0] + step[2];
    const measured = step[0] / requests;
    const { least, most } = toleratedShare(evidence.share);
    const bound = measured < least ? least : most;
    const noise = 3 * Math.sqrt((bound * (1 - bound)) / requests);
    if (requests > 0 && (shareIsAsPlanned(measured, evidence.share) || Math.abs(measured - bound) <= noise)) return [];
    const why = `the candidate had ${countText(step[0], requests)} of the requests, planned were ${fractionText(evidence.share)}`;
    return [{ what: 'split', gate: metric.gate, why, untilMs: null }];
  });
}

function dwellReasons(settings: GateSettings, evidence: Evidence): Reason[] {
  const least = leastDwellMs(settings);
  const reasons: Reason[] = [];
  const watchedMs = evidence.atMs - evidence.stepSinceMs;
  const untilMs = evidence.stepSinceMs + least;
  if (watchedMs < least)
    reasons.push({ what: 'dwell', gate: null, why: `watched for ${msText(watchedMs)} of ${msText(least)}`, untilMs });
  for (const [gate, { blocks }] of Object.entries(evidence.gates)) {
    if (blocks >= LEAST_BLOCKS) continue;
    const rest = (LEAST_BLOCKS - blocks) * settings.blockMs;
    const why = `${blocks} of ${LEAST_BLOCKS} blocks of ${msText(settings.blockMs)} were counted whole`;
    reasons.push({ what: 'dwell', gate, why, untilMs: evidence.atMs + rest });
  }
  return reasons;
}

function certificateReasons(settings: GateSettings, evidence: Evidence, certified: readonly Certificate[]): Reason[] {
  if (certified.length === 0)
    return [{ what: 'certificate', gate: null, why: 'no gate here can prove health, and silence does not', untilMs: null }];
  return certified.flatMap((one): Reason[] => {
    const { gate, metric } = one.metric;
    const [requests, failures] = one.stream.step;
    const reasons: Reason[] = [];
    if (!one.certified) {
      const needs = Number.isFinite(one.requestsNeeded)
        ? `${requests} of about ${one.requestsNeeded} requests that rule harm out in a good build`
        : 'no number of requests rules harm out at this limit';
      const since = one.dispersion > one.metric.dispersion ? ' while the failures of the stable build come together' : '';
      const why = `${needs}${since}; ${metric}: ${countText(failures, requests)} failed`;
      reasons.push({ what: 'certificate', gate, why, untilMs: untilMs(evidence, requests, one.requestsNeeded) });
    }
    if (one.waiting.length > 0)
      reasons.push({ what: 'slices', gate, why: `${metric}: harm is not ruled out in ${listText(one.waiting)}`, untilMs: null });
    if (one.unverifiedShare > settings.unverifiedShare) {
      const why = `${metric}: ${fractionText(one.unverifiedShare)} of the traffic is in slices too small to be certified (${listText(one.unverified)})`;
      reasons.push({ what: 'slices', gate, why, untilMs: null });
    }
    return reasons;
  });
}

function untilMs(evidence: Evidence, requests: number, needed: number): number | null {
  const watchedMs = evidence.atMs - evidence.stepSinceMs;
  if (requests === 0 || needed <= requests || !Number.isFinite(needed)) return null;
  return evidence.stepSinceMs + (watchedMs * needed) / requests;
}

/** At most five names, and how many more there are. */
export function listText(names: readonly string[]): string {
  const shown = names.slice(0, 5);
  return names.length > shown.length ? `${shown.join(', ')} and ${names.length - shown.length} more` : shown.join(', ');
}
