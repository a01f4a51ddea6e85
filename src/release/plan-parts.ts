/** What a plan is made of: the settings of the service, what its comparing gates see, and who plans. Must not change anything. */
import type { ClientsSeen, Facts } from '../core/admission/facts.ts';
import { keptPlaces } from '../core/ledger/kept-places.ts';
import { outAt, tooFewUp } from '../core/rollout/capacity.ts';
import type { Planning, PlanSettings } from '../core/rollout/make-plan.ts';
import type { Plan } from '../core/rollout/plan.ts';
import { lookAtComparison, type SeenGate } from '../engine/look-at-gates.ts';
import { pointerTooLarge } from '../engine/pointer-writer.ts';
import type { Target } from '../engine/target.ts';
import { neededFor } from '../engine/watching/capacity.ts';
import type { Io } from '../io.ts';
import { openSource } from '../metrics/index.ts';
import { layoutOf } from '../routers/places.ts';
import type { Reading } from '../routers/router.ts';
import type { Deps } from './deps.ts';
import { environmentsOf, type Opened, type Promotable } from './open.ts';

/** The settings of a plan, once every comparing gate was asked about the build currently serving. */
export interface SeenSettings {
  readonly settings: PlanSettings;
  readonly gates: readonly SeenGate[];
  /** Why one of them cannot judge, or undefined. */
  readonly silent: string | undefined;
}

/** Asks the comparing gates. `builds` has no stable one for an adoption. */
export async function seenSettings(
  settings: Promotable,
  builds: Pick<Plan, 'candidate' | 'stable'>,
  { target, reading }: { readonly target: Target; readonly reading: Reading },
  io: Io,
): Promise<SeenSettings> {
  // Null where the router does not answer the second time.
  const again = () => target.read().catch(() => null);
  const { compared, evidence, scope } = settings;
  const { comparison, gates } = await lookAtComparison(compared, evidence, { scope, ...builds }, reading, again, io);
  const silent = gates.find((gate) => gate.silent !== undefined)?.silent;
  return { settings: { ...settings, comparison }, gates, silent };
}

/** What the checks of a plan look at, but for its gates' answers. */
export function planFacts(
  plan: Plan,
  seen: PlanSeen,
): Pick<Facts, 'impossible' | 'tooFewUp' | 'tooFewLater' | 'unfit' | 'clients'> {
  const { settings, opened, target, reading } = seen;
  const { history } = opened;
  const [first, ...later] = plan.steps.map((step) => tooFewUp(reading.locations, neededFor(plan, step.percent, target)));
  const between = { candidate: plan.candidate.ref, stable: plan.stable?.ref ?? null };
  return {
    tooFewUp: first,
    tooFewLater: later.find((why) => why !== undefined),
    impossible: settings.steps
      .map(({ percent }) => target.impossible(reading, percent, between))
      .find((why) => why !== undefined),
    unfit: pointerTooLarge(plan, { history, reading, target, environments: environmentsOf(opened) }),
    clients: clientsSeen(settings),
  };
}

export interface PlanSeen {
  readonly settings: Promotable;
  readonly opened: Opened;
  readonly target: Target;
  readonly reading: Reading;
}

/** Which gates of the service count the requests of clients. */
export function clientsSeen(settings: Pick<Promotable, 'gates' | 'compared' | 'protected' | 'probesOnly'>): ClientsSeen {
  const counting = [...settings.gates, ...settings.compared].filter((gate) => {
    const { source, config } = openSource(gate);
    return source.countsTraffic(config);
  });
  const gates = [...new Set(counting.map(({ name }) => name))];
  return { gates, isProtected: settings.protected, probesOnly: settings.probesOnly };
}

/** What a plan keeps about its making. */
export function planning(
  opened: Opened,
  sources: Plan['sources'],
  reading: Reading,
  deps: Deps,
  reason: string | null = null,
): Planning {
  const places = keptPlaces(reading.places, opened.history, null);
  const out = new Map(reading.locations.map((location) => [location.name, outAt(location)]));
  const layout = layoutOf(reading).map(({ location, members }) => ({
    location,
    members: members.map((member) => (out.get(location)?.has(member.name) ? { ...member, out: true as const } : { ...member })),
  }));
  const plain = layout.every(({ members }) => members.every(({ name, place }) => name === place));
  const known = plain ? {} : { layout };
  return { id: `r-${deps.io.randomId()}`, actor: opened.actor, reason, sources, places, ...known };
}
