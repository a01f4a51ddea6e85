/**
 * Events: what happened, as the ledger keeps it. Time enters the core only here, as `atMs` (wall clock). Counts and times are
 * totals, never increments: most polls are not written down, and the one that is must mean the same without them. No I/O.
 */
import { hash } from 'node:crypto';
import * as z from 'zod';
import { counterMemorySchema } from '../gates/counting/counter-memory.ts';
import { storedEvidence, storedEvidenceSchema } from '../gates/evidence/evidence-store.ts';
import { type GateResult, gateResultSchema, type Verdict, verdictSchema } from '../gates/verdict/verdict.ts';
import { buildSchema, guidSchema } from '../manifest/manifest.ts';
import { planSchema } from '../rollout/plan.ts';
import { scopeSchema } from '../scope.ts';

const processSchema = z.strictObject({
  host: z.string(),
  boot: z.string(),
  /** Since format 4. */
  pidNamespace: z.string().optional(),
  uid: z.int().optional(),
  pid: z.int(),
  started: z.string(),
});

/** Who leads a scope, and since when. */
export const claimSchema = z.strictObject({
  by: processSchema,
  /** The account: its name and uid. */
  actor: z.string(),
  /** What the environment claimed of who that is: variables that anyone can set. */
  claims: z.record(z.string(), z.string()).optional(),
  command: z.string(),
  /** The claim that was taken over from, and whether its process is known to be gone. */
  from: z.strictObject({ by: processSchema, actor: z.string(), ended: z.boolean() }).nullable(),
});

const shareSchema = z.strictObject({ place: z.string(), build: guidSchema.nullable(), percent: z.number() });

const certaintySchema = z.enum(['served', 'configured']);

/** What one location of the router counted of one member. */
const partSchema = z.strictObject({
  requests: z.number(),
  errors: z.number(),
  failed: z.record(z.string(), z.number()),
  member: z.string().exactOptional(),
});

export const countsSchema = z.strictObject({
  requests: z.number(),
  errors: z.number(),
  counting: z.enum(['total', 'sample']),
  detail: z.string().optional(),
  parts: z.record(z.string(), partSchema).optional(),
});

/** The verdict as a line has it: before format 3, which a ledger's claims tell, `hold` was called `not-yet`. */
const keptVerdictSchema = z
  .enum([...verdictSchema.options, 'not-yet'])
  .transform((word): Verdict => (word === 'not-yet' ? 'hold' : word));

/** Before format 3 the two ways of the evidence were called `back` and `on`. */
const keptResultSchema = gateResultSchema.extend({
  verdict: keptVerdictSchema,
  evidence: z
    .union([
      gateResultSchema.shape.evidence,
      z
        .strictObject({
          back: z.number(),
          on: z.number(),
          logE: z.number(),
          neededLogE: z.number(),
          slice: z.string().nullable(),
        })
        .transform(({ back, on, ...rest }): GateResult['evidence'] => ({ fail: back, pass: on, ...rest })),
    ])
    .optional(),
});

/** The evidence of the comparing gates, and the counters that it was taken from: whoever resumes goes on with both. */
export const evidenceRecordSchema = z.strictObject({
  evidence: storedEvidenceSchema,
  counters: z.record(z.string(), counterMemorySchema),
});

/** Per gate, what its source counted for the candidate when the bake began; null where nothing was known. */
export const baselineSchema = z.record(z.string(), countsSchema.nullable());

const atMs = z.number();

export const eventSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('claimed'), atMs, claim: claimSchema }),
  z.strictObject({ type: z.literal('released'), atMs }),
  z.strictObject({
    type: z.literal('planned'),
    atMs,
    plan: planSchema,
    /** Other scopes whose ledgers were read for it: from then on they must not go out of sight. */
    seen: z.array(scopeSchema).optional(),
    /** Of the plan as it stands on the line: SHA-256, hex. */
    digest: z.string().length(64).optional(),
  }),
  /** Every check passed and the rollback path is durable as this pointer generation. */
  z.strictObject({ type: z.literal('prepared'), atMs, generation: z.int().nullable() }),
  z.strictObject({ type: z.literal('refused'), atMs, code: z.string(), message: z.string(), hint: z.string() }),
  z.strictObject({
    type: z.literal('shifted'),
    atMs,
    split: z.array(shareSchema),
    certainty: certaintySchema,
    /** On the way to a known-good build: which locations could not be reached, and why. All others were seen to have the split. */
    unreached: z.string().exactOptional(),
  }),
  /** `final`: trying again cannot help. */
  z.strictObject({ type: z.literal('shift-failed'), atMs, why: z.string(), attempt: z.int(), final: z.boolean() }),
  z.strictObject({
    type: z.literal('converged'),
    atMs,
    baseline: baselineSchema,
    certainty: certaintySchema,
    /** As in `shifted`. */
    unreached: z.string().exactOptional(),
  }),
  z.strictObject({ type: z.literal('not-converged'), atMs, why: z.string(), waitedMs: z.number(), final: z.boolean() }),
  z.strictObject({
    type: z.literal('polled'),
    atMs,
    verdict: keptVerdictSchema,
    /** Milliseconds watched in this bake (it begins again after a gap), and without health in a row, up to and with this poll. */
    watchedMs: z.number(),
    missingMs: z.number(),
    /** False while a person has paused the rollout: gates are watched, but no further step begins. */
    advance: z.boolean(),
    gates: z.array(keptResultSchema),
    evidence: evidenceRecordSchema.optional(),
    /** True when the evidence must be kept although nothing else changed. */
    checkpoint: z.boolean().optional(),
  }),
  /** What the candidate was admitted on is so no more: another build answers at its place, or the files or the ledger say that it may not be here. */
  z.strictObject({ type: z.literal('unfit'), atMs, code: z.string(), why: z.string() }),
  /** It could not be seen again: nothing is raised, and nothing becomes known-good. `tried`: a shift may have been begun. */
  z.strictObject({ type: z.literal('unseen'), atMs, why: z.string(), missingMs: z.number(), tried: z.boolean() }),
  /** Members of its places came or left: the same split is set again, over those that there are. */
  z.strictObject({ type: z.literal('regrouped'), atMs, why: z.string() }),
  /** Someone else moved the traffic. */
  z.strictObject({ type: z.literal('drifted'), atMs, why: z.string(), split: z.array(shareSchema) }),
  z.strictObject({ type: z.literal('pointed'), atMs, generation: z.int(), warnings: z.array(z.string()) }),
  z.strictObject({ type: z.literal('point-failed'), atMs, why: z.string(), attempt: z.int() }),
  z.strictObject({ type: z.literal('abort-requested'), atMs, actor: z.string(), reason: z.string() }),
  /** The runner left while traffic may be split; no one watches until `resume`. */
  z.strictObject({ type: z.literal('left'), atMs, why: z.enum(['interrupted', 'max-wait', 'until']) }),
  /** A known-good build brought over from another machine's pointer. */
  z.strictObject({
    type: z.literal('imported'),
    atMs,
    build: buildSchema,
    since: z.string(),
    bad: z.array(guidSchema),
    file: z.string(),
  }),
  /** A person who rolled back says whether the build that was left is bad. */
  z.strictObject({ type: z.literal('marked'), atMs, guid: guidSchema, bad: z.boolean(), why: z.string() }),
  /** A person took the bad mark of a build away. */
  z.strictObject({ type: z.literal('pardoned'), atMs, guid: guidSchema, reason: z.string() }),
  /** A break-glass rescue was reviewed and written down, and its hold lifted. */
  z.strictObject({
    type: z.literal('reconciled'),
    atMs,
    reason: z.string(),
    serving: guidSchema.nullable(),
    /** Builds that the rescue left and that a person calls bad: bad from now on. */
    bad: z.array(guidSchema),
    /** Those that a person calls not bad. */
    notBad: z.array(guidSchema).optional(),
    /** The rescues that were reviewed, as break-glass had recorded them. */
    records: z.array(z.strictObject({ id: z.string(), text: z.string() })),
  }),
]);

export type Event = z.infer<typeof eventSchema>;

export type Claim = z.infer<typeof claimSchema>;

export type EvidenceRecord = z.infer<typeof evidenceRecordSchema>;

export type Baseline = z.infer<typeof baselineSchema>;

/** The event as a line of the ledger has it: eventSchema reads it. */
export function storedEvent(event: Event): z.input<typeof eventSchema> {
  if (event.type === 'planned') return { ...event, digest: planDigest(event.plan) };
  if (event.type !== 'polled') return event;
  const { evidence: record, ...rest } = event;
  return record === undefined ? rest : { ...rest, evidence: storedRecord(record) };
}

/** Of a plan, in the order of keys in which it is written. */
export function planDigest(plan: unknown): string {
  return hash('sha256', JSON.stringify(plan));
}

export function storedRecord({ evidence, counters }: EvidenceRecord): z.input<typeof evidenceRecordSchema> {
  return { evidence: storedEvidence(evidence), counters };
}
