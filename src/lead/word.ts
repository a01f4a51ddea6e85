/** A person's word on a build, written down while no rollout walks: ledger first, then the pointer, which break-glass believes. */
import { readPointers } from '../base/pointer/pointer.ts';
import type { Event } from '../core/ledger/events.ts';
import { currentKnownGood, type History } from '../core/ledger/history.ts';
import type { PointerDraft } from '../engine/pointer-writer.ts';
import type { Target } from '../engine/target.ts';
import type { Deps } from '../release/deps.ts';
import { type Opened, targetOf } from '../release/open.ts';
import type { Reading } from '../routers/router.ts';
import { publishIdle, renderIdle } from './idle-pointer.ts';
import { recordEvent } from './lead.ts';

type Seen = { readonly target: Target; readonly reading: Reading } | null;

/** Throws BUSY, and what the store throws. A pointer that could not be written again is a warning. */
export async function recordWord(
  opened: Opened,
  what: { readonly command: string; readonly event: Extract<Event, { type: 'marked' | 'pardoned' }> },
  deps: Deps,
): Promise<void> {
  const seen = await seenNow(opened, deps);
  const warnings = await recordEvent(opened, { ...what, takeOver: false }, deps, async (history, ledgerHead) => {
    try {
      const draft = draftOf(opened, seen, { history, ledgerHead }, deps);
      return draft === null ? [] : (await publishIdle(opened, draft, deps)).warnings;
    } catch (error) {
      const renew = `kvdeploy pointer verify --renew ${opened.flags}`;
      return [`break-glass does not know of it yet (${error instanceof Error ? error.message : String(error)}); later: ${renew}`];
    }
  });
  for (const message of warnings) deps.line({ type: 'note', level: 'warning', message });
}

/** Null where the router does not answer: a person's word must not wait for it. */
async function seenNow(opened: Opened, deps: Deps): Promise<Seen> {
  try {
    const target = targetOf(opened, deps);
    return { target, reading: await target.read() };
  } catch {
    return null;
  }
}

/** Without a reading the pointer stays as it is, except for what is bad. */
function draftOf(
  opened: Opened,
  seen: Seen,
  { history, ledgerHead }: { readonly history: History; readonly ledgerHead: string },
  deps: Deps,
): PointerDraft | null {
  const knownGood = currentKnownGood(history);
  if (knownGood === null) return null;
  if (seen !== null) return renderIdle(opened, { ...seen, history, knownGood, ledgerHead, why: 'rendered-again' }, deps);
  const { newest } = readPointers(opened.pointerDirs[0] ?? '', deps.io.fs, opened.scope);
  if (newest === null) return null;
  const { generation: _, ...kept } = newest;
  return {
    ...kept,
    why: 'rendered-again',
    bad: [...history.bad.keys()],
    writtenAt: new Date(deps.io.now()).toISOString(),
    ledgerHead,
  };
}
