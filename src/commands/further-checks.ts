/** What is no lock, but must hold before a first step. Judges what was measured; must not change anything. */
import type { ServiceSettings } from '../config/load.ts';
import type { AdmittedBuild, Checked } from '../core/admission.ts';
import type { Refusal } from '../core/errors.ts';
import { requirementRefusal } from '../core/requirement.ts';
import type { Target } from '../engine/target.ts';
import type { Reading } from '../routers/router.ts';
import type { Deps } from './command.ts';
import { otherHistory } from './elsewhere.ts';
import type { Opened } from './open.ts';

/** The requirement, possible percentages, gates that can see: `silent` says which of them cannot. */
export async function furtherChecks(
  opened: Opened,
  settings: ServiceSettings,
  build: AdmittedBuild,
  silent: string | undefined,
  target: Target,
  reading: Reading,
  deps: Deps,
): Promise<readonly Checked[]> {
  const checks: Checked[] = [];
  if (settings.requires !== null) {
    const there = await otherHistory(opened, settings.requires.environment);
    checks.push({
      name: `${settings.requires.environment} has soaked this source`,
      hazard: 'untried-source',
      refusal: requirementRefusal(build, settings.requires, there, deps.io.now()),
    });
  }
  const impossible = settings.steps.map((step) => target.impossible(reading, step.percent)).find((why) => why !== undefined);
  checks.push({
    name: 'the router can serve every step',
    hazard: 'rounded-split',
    refusal:
      impossible === undefined
        ? undefined
        : { code: 'SPLIT_IMPOSSIBLE', message: `${impossible}.`, hint: 'Change the steps in the config.' },
  });
  checks.push({
    name: 'every gate has data for the build that serves now',
    hazard: 'silent-metrics',
    refusal: silent === undefined ? undefined : silentRefusal(silent),
  });
  return checks;
}

/** Why nothing may begin while a gate sees nothing. */
export function silentRefusal(message: string): Refusal {
  return { code: 'GATE_NOT_READY', message, hint: 'Missing data is not health: mend the source or the query, then try again.' };
}
