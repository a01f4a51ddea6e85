/** What holds a scope: a hold file, or a break-glass rescue that no one has reviewed yet. Looked for before a command does anything else. */
import { readHold } from '../base/pointer/hold.ts';
import { type RecordsRead, type Rescue, readRecords } from '../base/pointer/records.ts';
import { namesOfState } from '../base/pointer/state-id.ts';
import type { Scope } from '../base/scope.ts';
import { KvdeployError } from '../core/errors.ts';
import { scopeFlags, scopeText } from '../core/scope.ts';
import type { Deps } from '../release/deps.ts';
import type { Opened } from '../release/open.ts';
import { recordFallbacks } from '../release/state-dir.ts';

/** Throws HELD while a rescue waits for its review: a hold is in force, or a rescue began and was cut short before it could set one. */
export function assertNoHold(opened: Opened, deps: Deps): void {
  const why = heldBecause(opened, deps);
  if (why !== undefined) throw heldError(opened.scope, why);
}

/** Why nothing may move until `reconcile`, or undefined. */
export function heldBecause(opened: Opened, deps: Deps): string | undefined {
  const hold = readHold(opened.pointerDirs, deps.io.fs);
  if (hold !== undefined) return hold.text;
  const doubtful = unreviewedRescues(opened, deps).rescues[0];
  if (doubtful === undefined) return undefined;
  const began = doubtful.intent === null ? 'at an unknown time' : `at ${doubtful.intent.at} by ${doubtful.intent.actor}`;
  const state =
    doubtful.outcome === null ? 'in doubt: no outcome was recorded' : `${doubtful.outcome.result}, but without a hold`;
  return `a break-glass run begun ${began} is ${state}`;
}

/** The uses of break-glass that no `reconcile` has written into the ledger yet. */
export function unreviewedRescues(opened: Opened, deps: Deps): RecordsRead {
  const { pointerDirs, scope } = opened;
  const { fs } = deps.io;
  const shared = { dirs: recordFallbacks(deps), states: pointerDirs.flatMap((dir) => namesOfState(dir, fs)) };
  const read = readRecords(pointerDirs, scope, fs, shared);
  return { ...read, rescues: read.rescues.filter((rescue) => !opened.history.reviewed.has(idOf(rescue))) };
}

export function idOf(rescue: Rescue): string {
  return rescue.intent?.id ?? rescue.outcome?.id ?? '';
}

/** The error of a scope in which nothing may move. */
export function heldError(scope: Scope, why: string): KvdeployError {
  const message = `Traffic in ${scopeText(scope)} must not be shifted: ${why}.`;
  const hint = `Review the incident, then record it and lift the hold: kvdeploy reconcile ${scopeFlags(scope)} --reason "…"`;
  return new KvdeployError('HELD', { message, hint });
}
