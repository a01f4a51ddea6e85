/** Break-glass in the simulated world, and the review afterwards. */
import { make } from '../../src/break-glass/changes.ts';
import { liftHold, writeHold } from '../../src/break-glass/hold.ts';
import { copyDir, readPointers } from '../../src/break-glass/pointer.ts';
import { entryOf, releaseClaim, takeClaim } from '../../src/engine/claim.ts';
import type { Process } from './process.ts';
import { storeOf } from './rollouts.ts';
import { COPY_DIR, POINTER_DIR, SCOPE } from './world.ts';

/** Break-glass: hold first, then the pointer's changes, made twice where a late one of the runner could still arrive. */
export async function rescue(process: Process): Promise<boolean> {
  const { io } = process;
  const { newest } = readPointers(POINTER_DIR, io.fs, SCOPE);
  if (newest === null) return false;
  const note = {
    formatVersion: 1,
    scope: SCOPE,
    at: new Date(io.now()).toISOString(),
    actor: 'carol',
    host: 'deploy-1',
    pid: process.pid,
    reason: 'sso is down',
    toGuid: newest.knownGood.build.guid,
    recordId: 'bg-1',
  } as const;
  writeHold([POINTER_DIR, copyDir(COPY_DIR, SCOPE)], note, io.fs);
  for (const change of newest.knownGood.changes) await make(change, io, () => undefined);
  await io.sleep(newest.idleTimeoutMs);
  for (const change of newest.knownGood.changes) await make(change, io, () => undefined);
  return true;
}

/** `reconcile`: the rescue is written down and the hold lifted. */
export async function reconcile(process: Process): Promise<void> {
  const { io } = process;
  const store = storeOf(io);
  const { seq } = await takeClaim(store, SCOPE, { actor: 'carol', command: 'reconcile' }, io, { takeOver: true });
  const event = { type: 'reconciled', atMs: io.now(), reason: 'reviewed', serving: null, bad: [], records: [] } as const;
  await store.append(SCOPE, seq + 1, entryOf(io, 'carol', { ...event, bad: [], records: [] }));
  liftHold([POINTER_DIR, copyDir(COPY_DIR, SCOPE)], io.fs);
  await releaseClaim(store, SCOPE, 'carol', seq + 1, io);
}
