/** Plans: the ordered steps of one rollout with everything needed to resume, abort or revert it. Kept in the ledger. No I/O. */
import * as z from 'zod';
import { comparisonSchema } from '../gates/comparison.ts';
import { statedIdentitySchema } from '../identity.ts';
import { type Build, buildSchema, guidSchema } from '../manifest/manifest.ts';
import { scopeSchema } from '../scope.ts';
import { SPLIT_TOLERANCE_PERCENT, type Split, splitBetween } from './split.ts';

/** A gate in a plan: its limits, and the settings of its source as the config gave them (parsed again by that source). */
export const plannedGateSchema = z.strictObject({
  name: z.string(),
  source: z.string(),
  max: z.number(),
  minRequests: z.number(),
  /** For so long after each raise only a build that fails nearly everything fails. */
  warmUpMs: z.number().min(0).optional(),
  settings: z.record(z.string(), z.unknown()),
});

const layoutSchema = z.array(
  z.strictObject({
    location: z.string(),
    members: z.array(
      z.strictObject({
        name: z.string(),
        place: z.string().nullable(),
        /** It carried nothing of its place then: down, draining or in maintenance. */
        out: z.literal(true).optional(),
      }),
    ),
  }),
);

export const planSchema = z
  .strictObject({
    id: z.string(),
    kind: z.enum(['promote', 'rollback', 'adopt']),
    /** An adoption that first moves all traffic to its build: after a lost state. */
    moves: z.literal(true).optional(),
    scope: scopeSchema,
    /** The build coming in; for a rollback the build to restore. */
    candidate: buildSchema,
    /** The build to restore when a gate fails; for a rollback the build being left. Null for adopt. */
    stable: buildSchema.nullable(),
    router: z.looseObject({ kind: z.string() }),
    identity: statedIdentitySchema.nullable(),
    /** Where a member that says nothing is named, and does not stop what at least one other member proves. */
    unprotected: z.literal(true).optional(),
    /** Every member of the target when the plan was made, with the build known to be there. */
    members: z.array(z.strictObject({ place: z.string(), build: guidSchema.nullable() })),
    /** Which members each location had then; absent where every place has one member of its name. */
    layout: layoutSchema.optional(),
    steps: z.array(z.strictObject({ percent: z.number(), bakeMs: z.number() })),
    /** Gates with a fixed limit. */
    gates: z.array(plannedGateSchema),
    /** Gates that compare the candidate with the stable build. */
    comparison: comparisonSchema.optional(),
    /** How long health may be missing at one step before the rollout reverts. */
    patienceMs: z.number(),
    /** Of a rollback since format 4: only an event marks a build bad. Without it, the rollback itself marks what it left. */
    marksNothing: z.literal(true).optional(),
    /** Of a rollback that only restores what the ledger says: the known-good build stays what it was. */
    converges: z.literal(true).optional(),
    pollMs: z.number(),
    copies: z.array(z.string()),
    actor: z.string(),
    reason: z.string().nullable(),
    /** Hashes of the files that the plan was made from. */
    sources: z.array(z.strictObject({ file: z.string(), sha256: z.string() })),
  })
  .superRefine((plan, check) => {
    const problem = planProblem(plan);
    if (problem !== undefined) check.addIssue({ code: 'custom', message: problem });
  });

export type Plan = z.infer<typeof planSchema>;

export type PlannedGate = z.infer<typeof plannedGateSchema>;

/** Why the state machine could not walk this plan to a right end, or undefined. No such plan gets into a ledger. */
function planProblem({
  kind,
  candidate,
  stable,
  steps,
  moves,
}: Pick<Plan, 'kind' | 'candidate' | 'stable' | 'steps' | 'moves'>): string | undefined {
  const percents = steps.map((step) => step.percent);
  if (percents.at(-1) !== 100) return 'the last step is not 100 %';
  if (percents.some((percent, index) => !(percent > (percents[index - 1] ?? 0)))) return 'the percentages do not increase';
  if (kind !== 'promote' && steps.length > 1) return `a plan of the kind ${kind} has one step`;
  if ((kind === 'promote' && stable === null) || (kind === 'adopt' && stable !== null)) {
    return `a plan of the kind ${kind} has ${stable === null ? 'no' : 'a'} stable build`;
  }
  if (moves && kind !== 'adopt') return `a plan of the kind ${kind} moves by its steps`;
  if (stable?.ref === candidate.ref || stable?.guid === candidate.guid) return 'candidate and stable build are the same';
  return undefined;
}

/** The split of a step: the candidate's percent, the rest on stable, nothing anywhere else. */
export function stepSplit(plan: Plan, step: number): Split {
  const percent = plan.steps[step]?.percent;
  if (percent === undefined) throw new Error(`plan ${plan.id} has no step ${step}`);
  return splitOf(plan, plan.candidate, plan.stable, percent);
}

/** Everything on stable: where a revert goes. */
export function stableSplit(plan: Plan): Split {
  if (plan.stable === null) throw new Error(`plan ${plan.id} has no stable build to revert to`);
  return splitOf(plan, plan.stable, null, 100);
}

/** How long the stable build is counted before the candidate gets its first request; 0 where nothing compares with it. Milliseconds. */
export function watchMsOf({ kind, stable, comparison }: Pick<Plan, 'kind' | 'stable' | 'comparison'>): number {
  return kind === 'promote' && stable !== null ? (comparison?.settings.watchMs ?? 0) : 0;
}

/** The longest warm-up of its gates: what is watched before it is over bakes nothing. Milliseconds. */
export function warmUpMsOf({ gates, comparison }: Pick<Plan, 'gates' | 'comparison'>): number {
  const compared = comparison?.settings.metrics.map(({ warmUpMs }) => warmUpMs) ?? [];
  return Math.max(0, ...gates.map(({ warmUpMs = 0 }) => warmUpMs), ...compared);
}

/** How the step's shift leaves places at 0 %: a good rollout lets the old build finish its clients, a rollback takes them away from the bad one. */
export function leavingAt(plan: Plan, step: number): 'drain' | 'at-once' {
  return plan.kind === 'promote' && step + 1 === plan.steps.length ? 'drain' : 'at-once';
}

/** True for every split that a shift to this step can have left, made in part or whole or not at all. */
export function isOnTheWayTo(plan: Plan, step: number, split: readonly { place: string; percent: number }[]): boolean {
  const { candidate, stable, steps } = plan;
  const own = [candidate.ref, stable?.ref];
  const percent = split.find((share) => share.place === candidate.ref)?.percent ?? 0;
  const least = steps[step - 1]?.percent ?? 0;
  const most = steps[step]?.percent ?? 100;
  const between = percent >= least - SPLIT_TOLERANCE_PERCENT && percent <= most + SPLIT_TOLERANCE_PERCENT;
  return (percent > 0 || least === 0) && between && split.every((share) => share.percent === 0 || own.includes(share.place));
}

function splitOf(plan: Plan, candidate: Build, stable: Build | null, percent: number): Split {
  const members = new Map(plan.members.map((member) => [member.place, member.build]));
  const placeOf = ({ ref, guid }: Build) => ({ place: ref, guid });
  return splitBetween(members, placeOf(candidate), stable === null ? null : placeOf(stable), percent);
}

/** What a plan does, in one word. */
export function kindOf({ kind, converges }: Pick<Plan, 'kind' | 'converges'>): Plan['kind'] | 'converge' {
  return converges === true ? 'converge' : kind;
}
