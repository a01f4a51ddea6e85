/** Looks for a hold before a command does anything else. */
import { readHold } from '../break-glass/hold.ts';
import { heldError } from '../engine/runner.ts';
import type { Deps } from './command.ts';
import type { Opened } from './open.ts';

/** Throws HELD while a break-glass rescue waits for its review. */
export function assertNoHold(opened: Opened, deps: Deps): void {
  const hold = readHold(opened.pointerDirs, deps.io.fs);
  if (hold !== undefined) throw heldError(opened.scope, hold.text);
}
