/** The lines of `--json`: what every command tells machines, and what the terminal report turns into words. No I/O. */
import * as z from 'zod';
import { gateResultSchema, verdictSchema } from './gates/verdict/verdict.ts';
import { PHASES } from './rollout/rollout.ts';
import { scopeSchema } from './scope.ts';

const shareSchema = z.strictObject({ build: z.string().nullable(), place: z.string().optional(), percent: z.number() });

export const trafficSchema = z.strictObject({
  split: z.array(shareSchema),
  certainty: z.enum(['served', 'configured', 'unknown']),
});

const buildSummarySchema = z.strictObject({ guid: z.string(), version: z.string(), ref: z.string(), sequence: z.int() });

const versionLineSchema = z.strictObject({
  type: z.literal('version'),
  kvdeploy: z.string(),
  schema: z.literal('kvdeploy.dev/output/v2'),
});

/** One check of admission or of the plan. `ok` null: not verified, which is not the same as passed. */
const checkLineSchema = z.strictObject({
  type: z.literal('check'),
  name: z.string(),
  ok: z.boolean().nullable(),
  message: z.string(),
});

const startedLineSchema = z.strictObject({
  type: z.literal('started'),
  rollout: z.string(),
  kind: z.enum(['promote', 'rollback', 'adopt', 'converge']),
  scope: scopeSchema,
  actor: z.string(),
  candidate: buildSummarySchema,
  stable: buildSummarySchema.nullable(),
  steps: z.array(z.strictObject({ percent: z.number(), bakeMs: z.number() })),
  resumed: z.boolean(),
});

const phaseLineSchema = z.strictObject({
  type: z.literal('phase'),
  at: z.string(),
  phase: z.enum(PHASES),
  /** Step from 1, 0 when the phase belongs to none. */
  step: z.int(),
  steps: z.int(),
  percent: z.number(),
  why: z.string(),
});

const trafficLineSchema = z.strictObject({ type: z.literal('traffic'), at: z.string(), traffic: trafficSchema });

/** One judged poll of a bake. */
const pollLineSchema = z.strictObject({
  type: z.literal('poll'),
  at: z.string(),
  step: z.int(),
  steps: z.int(),
  percent: z.number(),
  bakeMs: z.number(),
  watchedMs: z.number(),
  verdict: verdictSchema,
  gates: z.array(gateResultSchema),
  /** The next thing it waits for: `112 more requests or 41s`. */
  waitingFor: z.string(),
});

const noteLineSchema = z.strictObject({ type: z.literal('note'), level: z.enum(['info', 'warning']), message: z.string() });

/** A command's own document (a plan, a status, a list of builds); `data` is described by that command's docs. */
const documentLineSchema = z.strictObject({ type: z.literal('document'), name: z.string(), data: z.unknown() });

/** One row of a manifest that `builds add`, `remove` or `prune` wrote, moved or took out; `unchanged`: it was there already. */
const rowLineSchema = z.strictObject({
  type: z.literal('row'),
  change: z.enum(['added', 'unchanged', 'moved', 'removed']),
  file: z.string(),
  build: buildSummarySchema.extend({ digest: z.string(), digestOf: z.literal('source').optional() }),
  /** Where it was before, for one that moved. */
  from: z.string().optional(),
});

export const traceDecisionSchema = z.strictObject({
  verdict: verdictSchema,
  t_s: z.number(),
  /** Failures of the candidate up to then. */
  badRequests: z.int(),
  /** The blamed slice; null for all of the traffic. */
  slice: z.string().nullable(),
  /** The evidence of harm in nats. */
  logE: z.number(),
  /** From 1: the last that the gates let go on, or the one at which they decided otherwise. */
  step: z.int(),
  /** True if the last step passed too. */
  released: z.boolean(),
  /** What the trace cannot tell of such a rollout, each a sentence. */
  cannotTell: z.array(z.string()),
});

export const resultLineSchema = z.strictObject({
  type: z.literal('result'),
  command: z.string(),
  ok: z.boolean(),
  code: z.string().nullable(),
  exitCode: z.int(),
  message: z.string(),
  hint: z.string().nullable(),
  scope: scopeSchema.nullable(),
  traffic: trafficSchema.nullable(),
  places: z.array(
    z.strictObject({ file: z.string(), line: z.int().optional(), column: z.int().optional(), note: z.string().optional() }),
  ),
  /** Commands that can be pasted next, the most likely one first. */
  next: z.array(z.string()),
  /** Of `backtest` alone: what the gates would have decided, and when (seconds since the rollout began). */
  ...traceDecisionSchema.partial().shape,
});

export const outputLineSchema = z.discriminatedUnion('type', [
  versionLineSchema,
  checkLineSchema,
  startedLineSchema,
  phaseLineSchema,
  trafficLineSchema,
  pollLineSchema,
  noteLineSchema,
  documentLineSchema,
  rowLineSchema,
  resultLineSchema,
]);

export type OutputLine = z.infer<typeof outputLineSchema>;

export type TraceDecisionLine = z.infer<typeof traceDecisionSchema>;

export type ResultLine = z.infer<typeof resultLineSchema>;

export type Traffic = z.infer<typeof trafficSchema>;
