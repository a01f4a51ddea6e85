/** Writes one event into a ledger that no rollout is walking, under a claim of its own. */
import { KvdeployError } from '../core/errors.ts';
import type { Event } from '../core/ledger/events.ts';
import { fold, foldEntry, type History } from '../core/ledger/history.ts';
import { entryOf, keepBeating, releaseClaim, takeClaim } from '../engine/claim.ts';
import type { Deps } from '../release/deps.ts';
import type { Opened } from '../release/open.ts';

/**
 * Takes the claim, appends `event`, does `then` with the history that it leads to and the hash of the new last line, gives the claim back. When `then` throws the
 * event stays written. Throws BUSY when somebody else leads.
 */
export async function recordEvent<T>(
  opened: Opened,
  what: { readonly command: string; readonly event: Event; readonly takeOver: boolean },
  deps: Deps,
  then: (history: History, ledgerHead: string) => T,
): Promise<T> {
  const { store, scope, actor } = opened;
  const claim = await takeClaim(store, scope, { actor, command: what.command }, deps.io, { takeOver: what.takeOver });
  const stopBeating = keepBeating(store, scope, deps.io);
  const seq = claim.seq + 1;
  try {
    const entry = entryOf(deps.io, actor, what.event);
    if ((await store.append(scope, seq, entry)) === 'conflict') {
      throw new KvdeployError('BUSY', { message: 'Somebody else took the claim.', hint: `Run ${what.command} again.` });
    }
    const { head } = await store.read(scope);
    return then(foldEntry(fold(claim.entries), { ...entry, seq, prev: '' }), head);
  } finally {
    stopBeating();
    await releaseClaim(store, scope, actor, seq, deps.io).catch(() => undefined);
  }
}
