/** Looks whether a build that was admitted has become foreign since. */
import { lockForeign } from '../core/build-locks.ts';
import { KvdeployError } from '../core/errors.ts';
import type { State } from '../core/rollout.ts';
import { fileFacts } from '../engine/facts.ts';
import type { Deps } from './command.ts';
import { readOffers } from './offers.ts';
import type { Opened } from './open.ts';

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
