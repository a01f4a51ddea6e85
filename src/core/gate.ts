/** Gates: limits in, measurements in, a verdict out. Missing data is never health. No I/O. */
import * as z from 'zod';

/** Durations are written `90s`, `5m`, `1h30m`, `500ms`; the value is milliseconds. */
export const durationSchema = z.string().transform((text, check): number => {
  const ms = parseDuration(text);
  if (ms === undefined) {
    check.issues.push({ code: 'custom', message: 'not a duration like 90s, 5m or 1h30m', input: text });
    return z.NEVER;
  }
  return ms;
});

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of `1h30m`, or undefined. */
export function parseDuration(text: string): number | undefined {
  if (!/^(?:\d{1,9}(?:ms|s|m|h|d))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, digits, unit] of text.matchAll(/(\d+)(ms|s|m|h|d)/g)) total += Number(digits) * (UNIT_MS[unit ?? ''] ?? 0);
  return total <= 30 * 86_400_000 ? total : undefined;
}

/** `1h30m` of milliseconds, for people. */
export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`;
  const seconds = Math.round(ms / 1000);
  const parts = [
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor((seconds % 3600) / 60), 'm'],
    [seconds % 60, 's'],
  ] as const;
  return parts.map(([amount, unit]) => (amount > 0 ? `${amount}${unit}` : '')).join('');
}

/** `1%` or `0.5 %`; the value is a fraction of 1. */
export const fractionSchema = z
  .string()
  .regex(/^\d{1,3}(?:\.\d{1,4})? ?%$/, 'a share is written like 1% or 0.5%')
  .transform((text) => Number.parseFloat(text) / 100)
  .refine((value) => value <= 1, 'a share is at most 100%');

/** The part of a gate's configuration that is the same for every metric source. */
export const gateLimitsSchema = z.strictObject({
  name: nameOfGate(),
  max: fractionSchema,
  minRequests: z.int().min(1).max(1_000_000_000).default(100),
});

function nameOfGate() {
  return z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'a gate is named with a-z, 0-9 and -');
}

export type GateLimits = z.infer<typeof gateLimitsSchema>;

/** Raw counts of one build. `total` grows since the source began to count; `sample` counts this poll only. */
export interface Counts {
  readonly requests: number;
  readonly errors: number;
  readonly counting: 'total' | 'sample';
  /** What is behind the counts, for people: `3 of 20 probes answered 401`. */
  readonly detail?: string;
}

/** Missing data is an answer: never an error to be swallowed, never a zero, never a pass. */
export type Measurement = Counts | { readonly missing: string };
