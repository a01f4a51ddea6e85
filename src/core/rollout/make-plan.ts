/** Makes plans out of settings and builds. No I/O. */
import type { Scope } from '../../base/scope.ts';
import type { AdmittedBuild } from '../admission/admission.ts';
import type { Comparison } from '../gates/comparison.ts';
import type { IdentityConfig } from '../identity.ts';
import type { Build } from '../manifest/manifest.ts';
import type { Guid } from '../scope.ts';
import type { Plan, PlannedGate } from './plan.ts';

/** What a plan takes from the config (or, for a rollback, from the plan before). */
export interface PlanSettings {
  readonly scope: Scope;
  readonly router: { readonly kind: string } & Readonly<Record<string, unknown>>;
  readonly identity: IdentityConfig | null;
  readonly steps: readonly { readonly percent: number; readonly bakeMs: number }[];
  readonly gates: readonly PlannedGate[];
  /** The comparing gates, with what they will be judged by; absent where there are none. */
  readonly comparison?: Comparison | undefined;
  readonly pollMs: number;
  readonly patienceMs: number;
  readonly copies: readonly string[];
}

/** Who plans, when, from which files. */
export interface Planning {
  readonly id: string;
  readonly actor: string;
  readonly reason: string | null;
  readonly sources: Plan['sources'];
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

/** A rollback: one step, no gate, since metrics may be down too. `left` is the build currently serving, where it is known. */
export function rollbackPlan(settings: PlanSettings, planning: Planning, to: Build, left: Build | null): Plan {
  return {
    ...common(settings, planning, left === null ? [to] : [to, left]),
    kind: 'rollback',
    candidate: to,
    stable: left,
    steps: [{ percent: 100, bakeMs: 0 }],
    gates: [],
  };
}

/** Adopting the build currently serving: nothing is shifted; one bake with passing gates makes it known-good. */
export function adoptionPlan(settings: PlanSettings, planning: Planning, serving: Build): Plan {
  const bakeMs = settings.steps.at(-1)?.bakeMs ?? 0;
  return {
    ...common(settings, planning, [serving]),
    kind: 'adopt',
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
  const guids = new Map<string, Guid>(builds.map((build) => [build.ref, build.guid]));
  const places = [...new Set([...planning.places, ...guids.keys()])];
  return {
    id: planning.id,
    scope: settings.scope,
    router: { ...settings.router },
    identity: settings.identity,
    members: places.map((place) => ({ place, build: guids.get(place) ?? null })),
    patienceMs: settings.patienceMs,
    pollMs: settings.pollMs,
    copies: [...settings.copies],
    actor: planning.actor,
    reason: planning.reason,
    sources: planning.sources,
  };
}
