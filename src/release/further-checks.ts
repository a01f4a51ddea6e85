/** What is no lock, but must hold before a first step. Judges what was measured; must not change anything. */
import type { ServiceSettings } from '../config/settings.ts';
import { type AdmittedBuild, admit, DISK_LOCK, lookingLocks } from '../core/admission/admission.ts';
import { lockForeign } from '../core/admission/build-locks.ts';
import type { Checked, Facts, Lock } from '../core/admission/facts.ts';
import { lockDisk } from '../core/admission/target-locks.ts';
import { KvdeployError, type Refusal, refusalError } from '../core/errors.ts';
import { requirementRefusal } from '../core/manifest/requirement.ts';
import type { State } from '../core/rollout/rollout.ts';
import { diskFact, fileFacts, volatileDisk } from '../engine/facts.ts';
import type { Target } from '../engine/target.ts';
import type { Reading } from '../routers/router.ts';
import type { Deps } from './deps.ts';
import { otherHistory } from './elsewhere.ts';
import { readOffers } from './offers.ts';
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

// The lock that has to write: whether the disk keeps its word. Must not be tried before somebody has agreed to a change.

/** Judges by every lock that only looks; by the disk too where looking shows already that it cannot keep anything. */
export function admitByLooking(facts: Facts, locks: readonly Lock[], opened: Opened, deps: Deps): ReturnType<typeof admit> {
  const diskProblem = volatileDisk(opened.stateDir, deps.io);
  return admit({ ...facts, diskProblem }, diskProblem === null ? lookingLocks(locks) : locks);
}

/** Tries whether the disk keeps its word, with a file that is removed again. Throws STATE_UNSAFE when it does not. */
export function assertDiskKeeps(opened: Opened, deps: Deps): void {
  const refusal = lockDisk({ diskProblem: diskFact(opened.stateDir, deps.io) });
  deps.line({ type: 'check', name: DISK_LOCK, ok: refusal === undefined, message: refusal?.message ?? '' });
  if (refusal !== undefined) throw refusalError(refusal);
}

// Looks whether a build that was admitted has become foreign since.

/** Why the candidate may not go on, or undefined. Manifests that are broken or gone by now are a warning: going back needs none. */
export async function foreignNow(opened: Opened, open: State, deps: Deps): Promise<string | undefined> {
  if (opened.config === null) return undefined;
  try {
    const offers = await readOffers(opened, deps);
    const { facts } = await fileFacts(
      {
        ...opened,
        guid: open.plan.candidate.guid,
        listed: offers.listed,
        atPlace: offers.atPlace,
        environments: offers.environments,
        pointerDir: opened.pointerDirs[0] ?? '',
      },
      deps.io,
    );
    return lockForeign(facts)?.message;
  } catch (error) {
    if (!(error instanceof KvdeployError)) throw error;
    deps.line({ type: 'note', level: 'warning', message: error.message });
    return undefined;
  }
}
