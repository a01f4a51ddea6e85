/** The verdict of the gates at one moment: back, on, or hold with what is missing. Whatever is not known to be fine holds. No I/O, no clock. */
import { countText, fractionText, msText } from '../../text.ts';
import { type Certificate, certificates } from '../evidence/certificate.ts';
import type { Evidence } from '../evidence/evidence.ts';
import { type GateSettings, rollbackLogE } from '../gate-settings.ts';
import { type Culprits, culprits, standingText } from './culprits.ts';
import { listText, partOf, type Reason, readiness, reasonsToHold, reasonText } from './verdict-holds.ts';

/** `evidence` is under the bound alpha; `missing` (the candidate alone is silent) and `blind` (nothing is counted) are policy. */
export interface Rollback extends Culprits {
  readonly verdict: 'rollback';
  readonly grounds: 'evidence' | 'missing' | 'blind';
  readonly why: string;
  readonly logE: number;
  readonly neededLogE: number;
  /** The chance of such evidence against a build within its margins; null where it is not evidence that decided. */
  readonly falseAlarm: number | null;
  readonly sinceMs: number;
}

/** What one certificate bounds. `extraPerSecond`: failures that it still allows at the next step; null after the last. */
export interface Bound {
  readonly gate: string;
  readonly metric: string;
  readonly why: string;
  readonly requests: number;
  readonly failures: number;
  readonly extraPerSecond: number | null;
}

export interface Advance {
  readonly verdict: 'advance';
  readonly why: string;
  readonly logE: number;
  readonly neededLogE: number;
  readonly confidence: number;
  readonly bounds: readonly Bound[];
  /** Slices too small to be certified, as `metric in slice`; never called healthy. */
  readonly unverified: readonly string[];
}

export interface Hold {
  readonly verdict: 'hold';
  readonly why: string;
  readonly logE: number;
  readonly neededLogE: number;
  /** Never empty. */
  readonly reasons: readonly Reason[];
  /** When all of it may be over, on the clock of the polls; null where nobody can say. */
  readonly untilMs: number | null;
}

export type Verdict = Rollback | Advance | Hold;

/** `nowMs` on the clock of the polls; `nextShare` of the next step, 0..1, or null at the last. */
export interface Moment {
  readonly nowMs: number;
  readonly nextShare: number | null;
}

/**
 * Judges. Nothing but certificates of data that are whole, fresh and sufficient leads to an advance. `certified` must be of the same evidence:
 * whoever judges it again and again works that out once.
 */
export function judge(
  settings: GateSettings,
  evidence: Evidence,
  moment: Moment,
  certified: readonly Certificate[] = certificates(settings, evidence),
): Verdict {
  const base = { logE: evidence.logE, neededLogE: rollbackLogE(settings, evidence.lost) };
  const back = onEvidence(settings, evidence, base.neededLogE) ?? onSilence(settings, evidence, base);
  if (back !== undefined) return back;
  const reasons = reasonsToHold(settings, evidence, { nowMs: moment.nowMs, logE: base.logE, certified });
  const [first] = reasons;
  if (first === undefined) return advance(settings, evidence, moment, certified, base);
  const ends = reasons.map(({ untilMs }) => untilMs);
  const untilMs = ends.reduce((latest, end) => (latest === null || end === null ? null : Math.max(latest, end)), moment.nowMs);
  return { verdict: 'hold', why: reasonText(first), ...base, reasons, untilMs };
}

function onEvidence(settings: GateSettings, evidence: Evidence, neededLogE: number): Rollback | undefined {
  if (evidence.crossed === null) return undefined;
  const blame = culprits(settings, evidence);
  const named = blame.confirmed[0] ?? blame.heaviest;
  const { nearlyAllIn } = blame;
  const where = nearlyAllIn === null ? '' : `; ${standingText(nearlyAllIn)}`;
  // The longest odds that are still true: the bound, not the evidence, is what was promised beforehand.
  const falseAlarm = settings.alpha / 2 ** evidence.lost;
  return {
    verdict: 'rollback',
    grounds: 'evidence',
    why: `${standingText(named)}${where}; by chance at most once in ${Math.round(1 / falseAlarm)} rollouts`,
    logE: evidence.crossed.logE,
    neededLogE,
    falseAlarm,
    sinceMs: evidence.crossed.atMs,
    ...blame,
  };
}

/** At so many polls in a row, at least, silence is more than a hiccup. */
const SILENT_POLLS = 3;

/** Up to this share blindness costs so little that holding is better than going back. */
const SMALL_SHARE = 0.01;

function onSilence(settings: GateSettings, evidence: Evidence, base: { logE: number; neededLogE: number }): Rollback | undefined {
  for (const [gate, { candidate, stable }] of Object.entries(evidence.gates)) {
    if (candidate.polls < SILENT_POLLS || candidate.state === 'reset') continue;
    const alone = stable.polls === 0 && evidence.share < 1;
    const silentMs = evidence.atMs - candidate.sinceMs;
    if (silentMs < (alone ? settings.missingMs : settings.blindMs)) continue;
    if (!alone && evidence.share <= SMALL_SHARE) continue;
    const who = alone ? 'the candidate, and only it, was not counted' : 'nothing was counted';
    return {
      verdict: 'rollback',
      grounds: alone ? 'missing' : 'blind',
      why: `${who} for ${msText(silentMs)} (gate ${gate}): ${candidate.why}`,
      ...base,
      falseAlarm: null,
      sinceMs: candidate.sinceMs,
      ...culprits(settings, evidence),
    };
  }
  return undefined;
}

function advance(
  settings: GateSettings,
  evidence: Evidence,
  { nextShare }: Moment,
  certified: readonly Certificate[],
  base: { logE: number; neededLogE: number },
): Advance {
  const bounds = certified.map((one) => boundOf(one, evidence, nextShare));
  const sure = `${fractionText(settings.confidence)} sure: ${bounds.map(({ why }) => why).join('; ')}`;
  const unverified = certified.flatMap(({ metric, unverified }) => unverified.map((slice) => `${metric.metric} in ${slice}`));
  const left = unverified.length === 0 ? [] : [`too small to be certified: ${listText(unverified)}`];
  return {
    verdict: 'advance',
    why: [sure, ...worstText(bounds), ...left].join('; '),
    ...base,
    confidence: settings.confidence,
    bounds,
    unverified,
  };
}

/** The most that the bounds leave open at the next step; of many metrics the largest. Empty after the last step. */
function worstText(bounds: readonly Bound[]): string[] {
  const open = bounds.flatMap(({ extraPerSecond }) => (extraPerSecond === null ? [] : [extraPerSecond]));
  return open.length === 0 ? [] : [`at most ${roundedUp(Math.max(...open))} extra failures a second at the next step`];
}

/** Two digits that promise no less than there may be; nothing below a hundredth. */
function roundedUp(amount: number): number {
  if (amount <= 0.01) return 0.01;
  const digits = Math.max(0, 1 - Math.floor(Math.log10(amount)));
  return Math.ceil(Number((amount * 10 ** digits).toFixed(6))) / 10 ** digits;
}

function boundOf({ metric, harm, stream, dispersion }: Certificate, evidence: Evidence, nextShare: number | null): Bound {
  const [requests, failures, stableRequests, stableFailures] = stream.step;
  const seconds = (evidence.atMs - evidence.stepSinceMs) / 1000;
  const stableRate = stableRequests === 0 ? 0 : stableFailures / stableRequests;
  const extra = harm === null ? (metric.limit ?? 1) : (harm.times - 1) * stableRate + harm.plus;
  const claim =
    harm === null
      ? `less than ${fractionText(metric.limit ?? 1)}, with nothing to compare it with`
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
 * How far the evidence is on its way to each verdict, 0..1, for a bar: to going back, and to going on, by whatever is furthest behind (0 while
 * something holds that waiting alone does not end). `nowMs` on the clock of the polls; the last poll's own moment where it is left out.
 * `certified` as for the verdict.
 */
export function progress(
  settings: GateSettings,
  evidence: Evidence,
  nowMs: number = evidence.atMs,
  certified: readonly Certificate[] = certificates(settings, evidence),
): { readonly back: number; readonly on: number } {
  return {
    back: evidence.crossed === null ? partOf(evidence.logE, rollbackLogE(settings, evidence.lost)) : 1,
    on: readiness(settings, evidence, { nowMs, logE: evidence.logE, certified }),
  };
}
