/** Whether the end of the ledger was cut off, which no ledger says of itself. Must not take an append in progress for a cut. */
import { readPointers } from '../../../base/pointer/pointer.ts';
import { ledgerCut } from '../../../engine/facts.ts';
import type { Deps } from '../../../release/deps.ts';
import type { Opened } from '../../../release/open.ts';
import type { StoredLedger } from '../../../stores/store.ts';

/** An append is one write: what is still torn after this was not being written. */
const SETTLES_MS = 500;

/** The ledger as it is now, with a sentence for each way in which its end is missing. */
export async function readWithEnd({ store, scope, pointerDirs }: Opened, { io }: Deps) {
  const first = await store.read(scope);
  if (doubtsOf(first).length === 0) return { ledger: first, cut: [] };
  await io.sleep(SETTLES_MS);
  const ledger = await store.read(scope);
  return { ledger, cut: ledger.head === first.head ? doubtsOf(ledger) : [] };

  function doubtsOf({ entries, head, tornBytes }: StoredLedger): readonly string[] {
    const torn = `the last line of the ledger is cut off after ${tornBytes} bytes: a crash in the middle of a write leaves this, and so does a damaged disk`;
    const { newest } = readPointers(pointerDirs[0] ?? '', io.fs, scope);
    const lost = ledgerCut({ entries, ledgerHead: head }, newest);
    return [...(tornBytes === 0 ? [] : [torn]), ...(lost === null ? [] : [`the end of the ledger is cut off: ${lost}`])];
  }
}
