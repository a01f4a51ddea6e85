/** What is remembered of counters between two readings: of each build's processes, those among them that left a moment ago. No I/O. */
import * as z from 'zod';

/** By which a total that goes back and forth is told from a process that begins again. All of requests. */
const pastSchema = z.strictObject({
  /** Per second: of the last window, and of the busiest of those before it. */
  rate: z.number().optional(),
  pace: z.number().optional(),
  /** Where the greatest climb of one window began, and how great it was. */
  from: z.number().optional(),
  climb: z.number().optional(),
  /** It began again while it was watched. */
  again: z.literal(true).optional(),
  /** The total at which it was given up as lower than before. */
  former: z.number().optional(),
  /** Since which answer, in an unbroken row of answers, it has been lower, though it did not begin again. */
  backMs: z.number().optional(),
  /** How often it went back and forth, and when last. */
  turns: z.number().optional(),
  turnsMs: z.number().optional(),
});

const targetMemorySchema = z.strictObject({
  startedMs: z.number().nullable(),
  freshMs: z.number(),
  /** By `counter|slice`. */
  values: z.record(z.string(), z.number()),
  several: z.literal(true).optional(),
  downs: z.number().nullable().optional(),
  /** How often it saw the build go down since it was first looked at, however often it began anew. */
  crashes: z.number().optional(),
  /** Since which answer, in an unbroken row of answers, a counter of `values` has not been there. */
  goneMs: z.number().optional(),
  /** Counters that were given up as gone: one that comes back begins with that reading, since it is unknown from where it counts. */
  gone: z.array(z.string()).optional(),
  past: pastSchema.optional(),
  /** Since which answer, in an unbroken row of answers, the target itself has not been there; and whether it counts as gone for good. */
  leftMs: z.number().optional(),
  departed: z.literal(true).optional(),
});

const armMemorySchema = z.strictObject({
  freshMs: z.number().nullable(),
  targets: z.record(z.string(), targetMemorySchema),
  /** How many more targets may leave before that counts as restarts; absent where none ever left. */
  spare: z.number().optional(),
  /**
   * Requests that the router served until the last reading, and until the two last at which the metrics had moved; since the beginning, how many
   * the metrics counted and the router served.
   */
  served: z
    .strictObject({
      total: z.number(),
      last: z.number(),
      earlier: z.number(),
      requests: z.number(),
      served: z.number(),
      jumped: z.literal(true).optional(),
    })
    .optional(),
});

/** What was counted last; it lives in the ledger with the evidence, so that whoever resumes counts what happened meanwhile. */
export const counterMemorySchema = z.strictObject({ candidate: armMemorySchema, stable: armMemorySchema });

export type CounterMemory = z.infer<typeof counterMemorySchema>;

export type ArmMemory = CounterMemory['candidate'];

export type TargetMemory = ArmMemory['targets'][string];
