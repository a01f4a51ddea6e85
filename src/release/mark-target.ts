/** Marks a target as driven by this state, before anything is moved. Must let exactly one of two states win. */

import { type Mark, type MarkSeen, placeMarks, readMark } from '../base/durable/marker.ts';
import { quietly } from '../base/durable/open-file.ts';
import { accountName } from '../base/owners/accounts.ts';
import { stateOwners } from '../base/owners/owner-rule.ts';
import { placeStateId } from '../base/pointer/state-id.ts';
import { scopeText } from '../core/scope.ts';
import type { Io } from '../io.ts';
import { stateError } from '../stores/state-error.ts';
import type { Deps } from './deps.ts';
import type { Opened } from './open.ts';
import { obstacleIn, otherState, presenceOf } from './other-state.ts';
import { groupOf, modesOf } from './state-dir.ts';

/** How a running rollout sees that another state has come to drive its target. */
export interface OwnMark {
  readonly files: readonly string[];
  readonly stateId: string;
  readonly owners: readonly number[];
}

/**
 * Gives the state its id, and puts the marker at each of `files`. With `replace` a marker whose state is gone, or that cannot be read, is
 * replaced. Throws OTHER_STATE, and what the disk says of the state. A marker that cannot be written is said, and stops nothing.
 */
export function markTarget(opened: Opened, files: readonly string[], deps: Deps, replace = false): OwnMark {
  const { scope, flags } = opened;
  const copies = opened.settings?.copies ?? opened.history.rollout?.plan.copies ?? [];
  const { io } = deps;
  const owners = stateOwners(io.fs);
  const stateId = ownStateId(opened, deps);
  const stateDir = io.fs.realpathSync(opened.stateDir);
  const uid = process.geteuid?.() ?? 0;
  const mark: Mark = { formatVersion: 1, stateId, stateDir, scope, account: accountName(uid, io.fs), uid };
  // A copy knows whose it is, so that a rescue from it does too. One that cannot be written is named when the pointer is.
  for (const copy of copies) quietly(() => placeStateId(copy, scope, stateId, modesOf(groupOf(opened.config, io)), io.fs));
  const gives = (seen: MarkSeen) => replace && (seen.kind === 'damaged' || isGone(seen, io));
  const { other, unmarked } = placeMarks(files, mark, { owners, gives }, io.fs);
  const obstacle = other === null ? undefined : obstacleIn(other, stateId, io);
  if (obstacle !== undefined) throw otherState(obstacle, flags, io);
  for (const why of unmarked)
    deps.line({
      type: 'note',
      level: 'warning',
      message: `NOT VERIFIED that no other state drives this target: no marker: ${why}`,
    });
  return { files, stateId, owners };
}

function isGone(seen: MarkSeen, io: Io): boolean {
  return seen.kind === 'mark' && presenceOf(seen.mark, io) === 'gone';
}

function ownStateId({ scope, stateDir, config }: Opened, { io }: Deps): string {
  try {
    const wanted = `${io.randomId()}${io.randomId()}`;
    return placeStateId(stateDir, scope, wanted, modesOf(groupOf(config, io)), io.fs);
  } catch (cause) {
    throw stateError('STATE_UNWRITABLE', `cannot give the state of ${scopeText(scope)} its id`, cause);
  }
}

/** Whose state drives the target now, where that is another one than the runner's. */
export function othersMark({ files, stateId, owners }: OwnMark, io: Io): string | undefined {
  const other = files.flatMap((file) => obstacleIn(readMark(file, owners, io.fs), stateId, io) ?? [])[0];
  return other === undefined ? undefined : `the state ${other.mark?.stateDir ?? 'of another'} drives this target now`;
}
