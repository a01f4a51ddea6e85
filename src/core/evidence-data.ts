/** Whether each build was counted, and for how long it was not. Must not call a time silent in which nobody asked. No I/O, no clock. */
import * as z from 'zod';
import type { GateSettings } from './gate-settings.ts';
import type { ArmState } from './poll.ts';

const armSchema = z.strictObject({
  state: z.enum(['counted', 'absent', 'reset', 'late', 'missing', 'invalid']),
  why: z.string(),
  /** Since when, and for how many polls in a row, it was not counted; 0 polls while it is. */
  sinceMs: z.number(),
  polls: z.int().min(0),
});

export const gateDataSchema = z.strictObject({
  candidate: armSchema,
  stable: armSchema,
  /** Closed blocks of this step in which both were counted, and when the candidate last had a request. */
  blocks: z.int().min(0),
  servedMs: z.number().nullable(),
});

export type GateData = z.infer<typeof gateDataSchema>;

/**
 * Trouble begins with the poll before the first that saw it where that was recent, otherwise with that first one. Of a long time without
 * any poll (a machine that slept) no more counts than what silence may last: nobody looked, and that is no fault of the build.
 */
export function armData(
  { lagMs, blockMs, missingMs }: GateSettings,
  before: GateData['candidate'],
  now: ArmState,
  { lastMs, atMs }: { readonly lastMs: number; readonly atMs: number },
): GateData['candidate'] {
  if (now.state === 'counted' || now.state === 'absent') return { state: now.state, why: '', sinceMs: atMs, polls: 0 };
  const began = atMs - before.sinceMs <= lagMs + blockMs ? before.sinceMs : atMs;
  const unseenMs = Math.max(0, atMs - lastMs - Math.max(lagMs + blockMs, missingMs));
  const sinceMs = before.polls === 0 ? began : before.sinceMs + unseenMs;
  return { state: now.state, why: 'why' in now ? now.why : '', sinceMs, polls: before.polls + 1 };
}

/** The build as a new process finds it: what it was, with nothing seen since. */
export function unwatched(arm: GateData['candidate'], atMs: number): GateData['candidate'] {
  return { ...arm, sinceMs: atMs, polls: 0 };
}
