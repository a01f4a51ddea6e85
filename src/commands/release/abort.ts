/** `abort`: revert to the stable build, from any process that shares the state. Asks nothing: the safe direction is never made harder. */
import { assertNoHold } from '../../lead/held.ts';
import { abortRollout } from '../../lead/open-rollout.ts';
import { type Deps, type Outcome, reasonOf } from '../../release/deps.ts';
import { openScope } from '../../release/open.ts';

export interface AbortOptions {
  readonly reason?: string;
}

export async function abort(options: AbortOptions, deps: Deps): Promise<Outcome> {
  const opened = await openScope(deps, { config: 'optional' });
  assertNoHold(opened, deps);
  return abortRollout(opened, reasonOf(options) ?? 'abort', deps);
}
