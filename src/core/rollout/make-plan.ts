/** Makes plans out of settings and builds. No I/O. */
import type { AdmittedBuild } from '../admission/admitted.ts';
import type { Build } from '../manifest/manifest.ts';
import type { Guid } from '../scope.ts';
import type { Plan, PlannedGate } from './plan.ts';

/** What a plan takes from the config (or, for a rollback, from the plan before). */
export interface PlanSettings extends Pick<Plan, 'scope' | 'router' | 'identity' | 'comparison' | 'pollMs' | 'patienceMs'> {
  readonly steps: readonly Plan['steps'][number][];
  readonly gates: readonly PlannedGate[];
  readonly copies: readonly string[];
  /** As the config says it, or as the plan before did. */
  readonly protected?: boolean;
  readonly unprotected?: true | undefined;
}

/** Who plans, when, from which files. */
export interface Planning extends Pick<Plan, 'id' | 'actor' | 'reason' | 'sources' | 'layout'> {
  /** Every place of the target as it is now. */
  readonly places: readonly string[];
}

/** A promotion. Only an admitted build can become one. */
export function promotionPlan(settings: PlanSettings, planning: Planning, candidate: AdmittedBuild, stable: Build): Plan {
  return {
    ...common(settings, planning, [candidate, stable]),
    kind: 'promote',
    candidate,
    stable,
    steps: settings.steps.map((step) => ({ ...step })),
    ...gatesOf(settings),
  };
}

/** A rollback: one step, no gate, since metrics may be down too; it marks nothing bad by itself. `left` is the build currently serving, where it is known. */
export function rollbackPlan(settings: PlanSettings, planning: Planning, to: AdmittedBuild, left: Build | null): Plan {
  return {
    ...common(settings, planning, left === null ? [to] : [to, left]),
    kind: 'rollback',
    marksNothing: true,
    candidate: to,
    stable: left,
    steps: [{ percent: 100, bakeMs: 0 }],
    gates: [],
  };
}

/** Puts everything back to the known-good build, where something else than a rollout moved traffic away from it. It marks nothing. */
export function convergencePlan(settings: PlanSettings, planning: Planning, to: AdmittedBuild): Plan {
  return { ...rollbackPlan(settings, planning, to, null), converges: true };
}

/** Adopting a build: one bake with passing gates makes it known-good. Nothing is shifted, unless it `moves` all traffic there first. */
export function adoptionPlan(settings: PlanSettings, planning: Planning, serving: AdmittedBuild, moves = false): Plan {
  const bakeMs = settings.steps.at(-1)?.bakeMs ?? 0;
  return {
    ...common(settings, planning, [serving]),
    kind: 'adopt',
    ...(moves ? { moves } : {}),
    candidate: serving,
    stable: null,
    steps: [{ percent: 100, bakeMs }],
    ...gatesOf(settings),
  };
}

function gatesOf({ gates, comparison }: PlanSettings): Pick<Plan, 'gates' | 'comparison'> {
  return { gates: [...gates], ...(comparison === undefined ? {} : { comparison }) };
}

function common(settings: PlanSettings, planning: Planning, builds: readonly Build[]) {
  const { scope, router, identity, patienceMs, pollMs, copies } = settings;
  const { id, actor, reason, sources, layout } = planning;
  const guids = new Map<string, Guid>(builds.map((build) => [build.ref, build.guid]));
  const places = [...new Set([...planning.places, ...guids.keys()])];
  const members = places.map((place) => ({ place, build: guids.get(place) ?? null }));
  // Members of a place that the plan does not name get nothing, and no command.
  const isNamed = ({ place }: { readonly place: string | null }) => place !== null && places.includes(place);
  const known = layout === undefined ? {} : { layout: layout.map((one) => ({ ...one, members: one.members.filter(isNamed) })) };
  const isOpen = settings.protected === false || settings.unprotected === true;
  return {
    id,
    scope,
    router: { ...router },
    identity,
    ...(isOpen ? ({ unprotected: true } as const) : {}),
    members,
    ...known,
    patienceMs,
    pollMs,
    copies: [...copies],
    actor,
    reason,
    sources,
  };
}
