/** What the disk says, as errors for people. Must never make "in doubt" or "unsafe" look like a plain failure. */
import type { Code } from '../base/codes.ts';
import { InDoubt } from '../base/durable/durable-file.ts';
import { Unsafe } from '../base/durable/state-dir.ts';
import { KvdeployError } from '../core/errors.ts';

/** STATE_UNSAFE, IN_DOUBT, or else `code` for `what` could not be done; errors that have a hint already pass through. */
export function stateError(code: Code, what: string, cause: unknown): KvdeployError {
  if (cause instanceof KvdeployError) return cause;
  if (cause instanceof Unsafe) {
    const plain = 'Find out who put it there. State belongs to one user (or to stateGroup), and no one else may write in it.';
    const hint = cause.hint ?? plain;
    return new KvdeployError('STATE_UNSAFE', { message: cause.message, hint, places: [{ file: cause.file }], cause });
  }
  const why = cause instanceof Error ? cause.message : String(cause);
  if (cause instanceof InDoubt) {
    const message = `${what}: ${why}. It is unknown whether that write is durable, so this process writes nothing more there`;
    const hint = 'Check the disk (dmesg, df), then run kvdeploy status. kvdeploy resume continues from what is actually on disk.';
    return new KvdeployError('IN_DOUBT', { message, hint, cause });
  }
  const hint = 'Check the disk and the permissions of the state directory, then run the same command again.';
  return new KvdeployError(code, { message: `${what}: ${why}`, hint, cause });
}
