/** The lock that has to write: whether the disk keeps its word. Must not be tried before somebody has agreed to a change. */
import { admit, DISK_LOCK, type Facts, type Lock, lookingLocks } from '../core/admission.ts';
import { refusalError } from '../core/errors.ts';
import { lockDisk } from '../core/target-locks.ts';
import { diskFact, volatileDisk } from '../engine/facts.ts';
import type { Deps } from './command.ts';
import type { Opened } from './open.ts';

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
