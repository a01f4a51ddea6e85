/** Gates: limits in, measurements in, a verdict out. Missing data is never health. No I/O. */
import * as z from 'zod';
import { countAgainstTexts, msText } from '../../text.ts';
import type { Verdict } from './verdict.ts';

const UNIT_MS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;

const DURATION = /^(?=\d)(?:(?<d>\d{1,9})d)?(?:(?<h>\d{1,9})h)?(?:(?<m>\d{1,9})m(?!s))?(?:(?<s>\d{1,9})s)?(?:(?<ms>\d{1,9})ms)?$/;

const LONGEST_MS = 30 * UNIT_MS.d;

/** Durations are written `90s`, `5m`, `1h30m`, `500ms`; the value is milliseconds. */
export const durationSchema = z
  .string()
  .transform((text, check): number => {
    const ms = parseDuration(text);
    if (ms === undefined) {
      check.issues.push({ code: 'custom', message: 'not a duration like 90s, 5m or 1h30m (at most 30d)', input: text });
      return z.NEVER;
    }
    return ms;
  })
  .meta({ pattern: '^(?=[0-9])([0-9]{1,9}d)?([0-9]{1,9}h)?([0-9]{1,9}m(?!s))?([0-9]{1,9}s)?([0-9]{1,9}ms)?$' });

/** Milliseconds of `1h30m`, or undefined: units go from large to small, each at most once, together at most 30 days. */
export function parseDuration(text: string): number | undefined {
  const amounts = DURATION.exec(text)?.groups;
  if (amounts === undefined) return undefined;
  const units = ['d', 'h', 'm', 's', 'ms'] as const;
  const total = units.reduce((sum, unit) => sum + Number(amounts[unit] ?? 0) * UNIT_MS[unit], 0);
  return total <= LONGEST_MS ? total : undefined;
}

/** `1%` or `0.5 %`; the value is a fraction of 1. */
export const fractionSchema = z
  .string()
  .regex(/^\d{1,3}(?:\.\d{1,4})? ?%$/, 'a share is written like 1% or 0.5%')
  // Whole millionths, so that a share is the nearest number to what was written: 0.7 / 100 is not 0.007.
  .transform((text) => Math.round(Number.parseFloat(text) * 10_000) / 1_000_000)
  .refine((value) => value <= 1, 'a share is at most 100%');

/** The part of a gate's configuration that is the same for every metric source. */
export const gateLimitsSchema = z.strictObject({
  name: nameOfGate().describe('Name of the gate, such as errors'),
  max: fractionSchema.describe('The share of requests that may fail, such as 1% or 0.5%'),
  minRequests: z.int().min(1).max(1_000_000_000).default(100).describe('Minimum number of requests, such as 200; default 100'),
});

function nameOfGate() {
  return z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'a gate is named with a-z, 0-9 and -');
}

/** At most this share of requests may fail; fewer requests prove nothing. */
export interface Limits {
  readonly max: number;
  readonly minRequests: number;
}

/** What was counted of one member at one location of the router. */
export interface Part {
  readonly requests: number;
  readonly errors: number;
  /** The errors by how they ended: `401`, `5xx`, `none`. */
  readonly failed: Readonly<Record<string, number>>;
  /** The member in words, where there are several: `member green-3 at edge1`. */
  readonly member?: string;
}

/** Where the counts of one part begin, and what they were when it last answered. */
interface PartMemory {
  readonly from: Part;
  readonly last: Part;
}

/** Raw counts of one build. `total` grows since the source began to count; `sample` counts this poll only. */
export interface Counts {
  readonly requests: number;
  readonly errors: number;
  readonly counting: 'total' | 'sample';
  /** The same by location of the router and member, where several count: each can begin again, or be silent for a while, on its own. */
  readonly parts?: Readonly<Record<string, Part>> | undefined;
  /** What is behind the counts, for people: `3 of 20 probes answered 401`. */
  readonly detail?: string | undefined;
}

/** Missing data is an answer: never an error to be swallowed, never a zero, never a pass. */
export type Measurement = Counts | { readonly missing: string };

/** What a bake remembers about one gate between polls. Volatile: a resumed bake begins with the baseline alone. */
export interface GateMemory {
  /** Totals at the beginning of what is judged; null until the source first answers. */
  readonly baseline: Counts | null;
  readonly sampled: { readonly requests: number; readonly errors: number };
  /** By location and member; empty until one first answers. */
  readonly parts: Readonly<Record<string, PartMemory>>;
  /** What was counted until now belongs to the warm-up. */
  readonly warm?: true;
}

export function emptyMemory(baseline: Counts | null): GateMemory {
  const kept = baseline?.counting === 'total' && countsMakeSense(baseline) ? baseline : null;
  const parts = Object.entries(kept?.parts ?? {}).map(([location, part]) => [location, { from: part, last: part }] as const);
  return { baseline: kept, sampled: { requests: 0, errors: 0 }, parts: Object.fromEntries(parts) };
}

/** What one gate says now. */
export interface Judged {
  readonly verdict: Verdict;
  readonly why: string;
  readonly requests: number;
  readonly errors: number;
}

/** While a build warms up only one that fails nearly everything fails: none of a cold start does that. */
const WARM_UP: Limits = { max: 0.9, minRequests: 5 };

/**
 * Judges a gate with `leftMs` of its warm-up left: counts until then are recorded and fail only by a coarse limit, more than 90 % of at least
 * five requests. Once it is over, counting starts again, and judgeGate judges what comes.
 */
export function judgeWarming(
  limits: Limits,
  memory: GateMemory,
  measurement: Measurement,
  leftMs: number,
): { readonly judged: Judged; readonly memory: GateMemory } {
  if (leftMs <= 0) {
    if (memory.warm !== true || 'missing' in measurement) return judgeGate(limits, memory, measurement);
    const sampled = { judged: holds('the warm-up is over', 0, 0), memory: emptyMemory(measurement) };
    return measurement.counting === 'sample' ? sampled : judgeGate(limits, emptyMemory(measurement), measurement);
  }
  const { judged, memory: after } = judgeGate(WARM_UP, memory, measurement);
  const why = `${judged.why}, warms up for another ${msText(leftMs)}`;
  return { judged: judged.verdict === 'fail' ? judged : { ...judged, verdict: 'hold', why }, memory: { ...after, warm: true } };
}

/**
 * Judges the candidate's counts since the bake began against the limit. *Fail* as soon as the limit cannot be kept any
 * more: more errors than `max` allows over the requests seen, or over `minRequests` while fewer were seen. *Pass* needs
 * `minRequests`. Missing data and counters that went back are *hold*.
 */
export function judgeGate(
  limits: Limits,
  memory: GateMemory,
  measurement: Measurement,
): { readonly judged: Judged; readonly memory: GateMemory } {
  if ('missing' in measurement) return { judged: holds(`no data: ${measurement.missing}`, 0, 0), memory };
  if (!countsMakeSense(measurement)) {
    return {
      judged: holds(`the counts are impossible: ${measurement.errors} errors of ${measurement.requests} requests`, 0, 0),
      memory,
    };
  }
  if (measurement.counting === 'sample') {
    const sampled = {
      requests: memory.sampled.requests + measurement.requests,
      errors: memory.sampled.errors + measurement.errors,
    };
    const parts = sampledParts(memory.parts, measurement.parts ?? {});
    return {
      judged: orBadMember(judgeCounts(limits, sampled, measurement.detail), limits, parts),
      memory: { ...memory, sampled, parts },
    };
  }
  const began = memory.baseline;
  if (measurement.parts !== undefined) return judgeParts(limits, memory, measurement.parts);
  if (began === null) return { judged: holds('this is the first reading', 0, 0), memory: { ...memory, baseline: measurement } };
  if (measurement.requests < began.requests || measurement.errors < began.errors) {
    return {
      judged: holds('the counters decreased (a restart?); counting starts again', 0, 0),
      memory: { ...memory, baseline: measurement },
    };
  }
  const since = { requests: measurement.requests - began.requests, errors: measurement.errors - began.errors };
  return { judged: judgeCounts(limits, since, measurement.detail), memory };
}

/**
 * Each part by itself. One that is silent keeps what it showed last; one that began again, or was never seen before, goes on from what it
 * shows now: what it counted before this bake is nothing of this build's.
 */
function judgeParts(limits: Limits, memory: GateMemory, now: Readonly<Record<string, Part>>): ReturnType<typeof judgeGate> {
  const isFirst = Object.keys(memory.parts).length === 0;
  const seen = Object.entries(now).map(([location, last]) => {
    const was = Object.hasOwn(memory.parts, location) ? memory.parts[location] : undefined;
    if (was === undefined) return [location, { from: last, last }] as const;
    const isBack = last.requests < was.last.requests || last.errors < was.last.errors;
    return [location, { from: isBack ? minus(last, minus(was.last, was.from)) : was.from, last }] as const;
  });
  const parts = { ...memory.parts, ...Object.fromEntries(seen) };
  if (isFirst) return { judged: holds('this is the first reading', 0, 0), memory: { ...memory, parts } };
  const since = Object.values(parts).reduce((sum, { from, last }) => plus(sum, minus(last, from)), NOTHING);
  return { judged: orBadMember(judgeCounts(limits, since, failedText(since)), limits, parts), memory: { ...memory, parts } };
}

/** What each part showed at any poll, together. */
function sampledParts(before: GateMemory['parts'], now: Readonly<Record<string, Part>>): GateMemory['parts'] {
  const added = Object.entries(now).map(([key, part]) => {
    const last = plus(part, Object.hasOwn(before, key) ? (before[key]?.last ?? NOTHING) : NOTHING);
    return [key, { from: NOTHING, last: part.member === undefined ? last : { ...last, member: part.member } }] as const;
  });
  return { ...before, ...Object.fromEntries(added) };
}

function orBadMember(judged: Judged, limits: Limits, parts: GateMemory['parts']): Judged {
  const bad = badMember(limits, Object.values(parts));
  return bad === undefined ? judged : { ...judged, verdict: 'fail', why: `${bad}; all members: ${judged.why}` };
}

/** Beyond what chance makes of a member at the limit: so many standard deviations, and so many failures more. */
const NO_CHANCE = 4;

const SOME_FAILURES = 3;

/**
 * One member of several that is above the limit by more than chance explains, in words; of many the worst. Few requests allow for more chance, so
 * it needs no least number of them. A plain comparison with the limit would fail a healthy build for one unlucky member.
 */
function badMember({ max }: Limits, parts: readonly PartMemory[]): string | undefined {
  let worst: { readonly beyond: number; readonly why: string } | undefined;
  for (const { from, last } of parts) {
    const own = minus(last, from);
    const most = max * own.requests + SOME_FAILURES + NO_CHANCE * Math.sqrt(max * (1 - max) * own.requests);
    const beyond = own.errors - most;
    if (last.member === undefined || own.errors > own.requests || beyond < 0 || beyond <= (worst?.beyond ?? -1)) continue;
    const [failed, limit] = countAgainstTexts(own.errors, own.requests, max);
    const how = failedText(own);
    worst = { beyond, why: `${last.member}: ${failed} failed${how === undefined ? '' : ` (${how})`}, limit ${limit}` };
  }
  return worst?.why;
}

const NOTHING: Part = { requests: 0, errors: 0, failed: {} };

const minus = (a: Part, b: Part): Part => combined(a, b, -1);

const plus = (a: Part, b: Part): Part => combined(a, b, 1);

function combined(a: Part, b: Part, sign: 1 | -1): Part {
  const hows = [...new Set([...Object.keys(a.failed), ...Object.keys(b.failed)])];
  return {
    requests: a.requests + sign * b.requests,
    errors: a.errors + sign * b.errors,
    failed: Object.fromEntries(hows.map((how) => [how, (a.failed[how] ?? 0) + sign * (b.failed[how] ?? 0)])),
  };
}

/** `27 x 401, 3 x no answer`, the commonest first; undefined where nothing failed. */
function failedText({ failed }: Part): string | undefined {
  const some = Object.entries(failed)
    .filter(([, count]) => count > 0)
    .toSorted(([a, one], [b, other]) => other - one || (a < b ? -1 : 1));
  return some.length === 0
    ? undefined
    : some.map(([how, count]) => `${count} x ${how === 'none' ? 'no answer' : how}`).join(', ');
}

function countsMakeSense(counts: Counts): boolean {
  const { requests, errors } = counts;
  return Number.isFinite(requests) && Number.isFinite(errors) && requests >= 0 && errors >= 0 && errors <= requests;
}

function judgeCounts(
  limits: Limits,
  counts: { readonly requests: number; readonly errors: number },
  detail: string | undefined,
): Judged {
  const { requests, errors } = counts;
  // Both totals make sense, yet since the bake began errors can be counted a moment before the requests they belong to.
  if (errors > requests) return holds(`${errors} errors but only ${requests} requests so far`, requests, errors);
  const [failed, limit] = countAgainstTexts(errors, requests, limits.max);
  const text = `${failed} failed${detail === undefined ? '' : ` (${detail})`}, limit ${limit}`;
  // A quotient is rounded once: 29 errors of 100 are exactly at a limit of 29 %, while 0.29 * 100 is below 29.
  const least = errors / Math.max(requests, limits.minRequests);
  if (least > limits.max) return { verdict: 'fail', why: text, requests, errors };
  if (least <= limits.max && requests >= limits.minRequests) return { verdict: 'pass', why: text, requests, errors };
  const more = limits.minRequests - requests;
  return holds(`${more} more ${more === 1 ? 'request' : 'requests'} needed; ${text}`, requests, errors);
}

function holds(why: string, requests: number, errors: number): Judged {
  return { verdict: 'hold', why, requests, errors };
}
