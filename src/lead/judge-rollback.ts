/** What a rollback is judged by, and the settings that it runs on: what ledger and pointer kept, never files that can be broken. */
import { ROLLBACK_CHECKS } from '../core/admission/admission.ts';
import { KvdeployError } from '../core/errors.ts';
import type { Build } from '../core/manifest/manifest.ts';
import type { PlanSettings } from '../core/rollout/make-plan.ts';
import { scopeText } from '../core/scope.ts';
import { fileFacts } from '../engine/facts.ts';
import type { Target } from '../engine/target.ts';
import type { Deps } from '../release/deps.ts';
import { judgeBuild, mustPass } from '../release/gatekeeper.ts';
import { offersIfReadable } from '../release/offers.ts';
import { environmentsOf, type Opened } from '../release/open.ts';
import type { Reading } from '../routers/router.ts';

const MANIFESTS_UNREAD = { why: 'the manifests were not read', fix: 'kvdeploy validate', expected: true };

/** Judged on what ledger and pointer kept; broken manifests are a warning, a foreign row refuses. `otherwise` is the command for a target that is not as this says. */
export async function judgeRollback(
  opened: Opened,
  build: Build,
  target: Target,
  otherwise: string,
  deps: Deps,
): Promise<Reading> {
  const unread = {
    listed: [],
    atPlace: [],
    listing: undefined,
    environments: environmentsOf(opened),
    unseen: [MANIFESTS_UNREAD],
  };
  const offers = (await offersIfReadable(opened, deps)) ?? unread;
  const facts = await fileFacts({ ...opened, ...offers, guid: build.guid }, deps.io);
  const judged = await judgeBuild(ROLLBACK_CHECKS, facts, build.ref, () => target);
  return mustPass(judged, deps, `   If the target is not as this says: ${otherwise}`);
}

/** Today's settings, else those of the ledger's last plan. */
export function rollbackSettings(opened: Opened, otherwise: string): PlanSettings {
  const plan = opened.history.rollout?.plan;
  const { settings } = opened;
  if (settings !== null && settings.router !== null) return { ...settings, router: settings.router };
  if (plan === undefined)
    throw new KvdeployError('NO_ROUTER', {
      message: `Neither the config nor the ledger knows the router of ${scopeText(opened.scope)}.`,
      hint: otherwise,
    });
  return plan;
}
