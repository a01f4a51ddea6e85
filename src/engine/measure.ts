/** Asks the metric sources of a plan's gates. Must hand on every missing answer as missing. */
import type { Measurement } from '../core/gates/verdict/gate.ts';
import type { Baseline } from '../core/ledger/events.ts';
import type { Build } from '../core/manifest/manifest.ts';
import type { Plan, PlannedGate } from '../core/rollout/plan.ts';
import { shortGuid } from '../core/scope.ts';
import type { Io } from '../io.ts';
import { openSource } from '../metrics/index.ts';
import type { Question } from '../metrics/metric-source.ts';
import type { Reading } from '../routers/router.ts';

/** What one gate's source counts for one build now. Never rejects. */
export async function measureGate(
  gate: Pick<PlannedGate, 'source' | 'settings'>,
  plan: Pick<Plan, 'scope'>,
  build: Pick<Build, 'guid' | 'ref'>,
  reading: Reading | null,
  io: Io,
): Promise<Measurement> {
  try {
    const { source, config } = openSource(gate);
    return await source.measure(config, questionOf(plan, build, reading), io);
  } catch (error) {
    return { missing: `${gate.source} failed: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** What the candidate's counters say when its bake begins; null where they say nothing. Samples have no baseline. */
export async function measureBaseline(plan: Plan, reading: Reading, io: Io): Promise<Baseline> {
  const entries = await Promise.all(
    plan.gates.map(async (gate) => {
      const measurement = await measureGate(gate, plan, plan.candidate, reading, io);
      return [gate.name, 'missing' in measurement || measurement.counting === 'sample' ? null : measurement] as const;
    }),
  );
  return Object.fromEntries(entries);
}

/** What one gate's source says of one build, and what it does not see. */
export interface Measured {
  readonly gate: string;
  readonly measurement: Measurement;
  readonly unseen: readonly string[];
}

/** What every gate says of the build currently serving. */
export async function measureStable(plan: Plan, reading: Reading, io: Io): Promise<readonly Measured[]> {
  const build = plan.stable ?? plan.candidate;
  const measure = async (gate: PlannedGate) => ({
    gate: gate.name,
    measurement: await measureGate(gate, plan, build, reading, io),
    unseen: unseenBy(gate),
  });
  return Promise.all(plan.gates.map(measure));
}

/** What a gate with a fixed limit does not see of how requests end. */
function unseenBy(gate: PlannedGate): readonly string[] {
  const { source, config } = openSource(gate);
  return source.unseen(config, { limited: true });
}

/** Why a gate could not judge even the build currently serving, or undefined when each has data for it. */
export function silentGate(plan: Plan, measured: readonly Measured[]): string | undefined {
  const build = plan.stable ?? plan.candidate;
  for (const { gate, measurement } of measured) {
    if ('missing' in measurement)
      return `Gate ${gate} has no data for ${shortGuid(build.guid)}, the build currently serving: ${measurement.missing}.`;
  }
  return undefined;
}

/** The question in the words of its source, for `plan`. */
export function describeGate(gate: Pick<PlannedGate, 'source' | 'settings'>, plan: Plan, build: Build): string {
  const { source, config } = openSource(gate);
  return source.describe(config, questionOf(plan, build, null));
}

/** The question about one build, with the place and address that the router reports. */
export function questionOf(plan: Pick<Plan, 'scope'>, build: Pick<Build, 'guid' | 'ref'>, reading: Reading | null): Question {
  const address = reading?.members.find((member) => member.place === build.ref)?.address ?? null;
  return { scope: plan.scope, build: build.guid, place: build.ref, address, router: reading };
}
