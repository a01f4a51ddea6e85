/** The four words of a verdict, what one gate says at one poll, and what all of them say together. No I/O. */
import * as z from 'zod';

/** `give-up`: no verdict on the build, and no reason to wait any longer. */
export const verdictSchema = z.enum(['pass', 'fail', 'hold', 'give-up']);

export type Verdict = z.infer<typeof verdictSchema>;

/** What one gate said at one poll. */
export const gateResultSchema = z.strictObject({
  gate: z.string(),
  verdict: verdictSchema,
  /** One sentence with the counts: `3 of 40 failed (7.5 %), limit 1 %`. */
  why: z.string(),
  requests: z.number(),
  errors: z.number(),
  /** How far a comparing gate is on its way to `fail` and to `pass`, 0..1, and the slice that weighs most. */
  evidence: z
    .strictObject({ fail: z.number(), pass: z.number(), logE: z.number(), neededLogE: z.number(), slice: z.string().nullable() })
    .optional(),
});

export type GateResult = z.infer<typeof gateResultSchema>;

/** The one verdict of all gates: any failure fails, then any that gives up; all must pass to pass. Without gates nothing passes. */
export function judgeAll(gates: readonly { readonly verdict: Verdict }[]): Verdict {
  const worst = (['fail', 'give-up', 'hold'] as const).find((word) => gates.some(({ verdict }) => verdict === word));
  return worst ?? (gates.length > 0 ? 'pass' : 'hold');
}
