/** `reconcile`: after break-glass, look, write it into the ledger, lift the hold. */

import { liftHold, readHold } from '../../base/pointer/hold.ts';
import type { Rescue } from '../../base/pointer/records.ts';
import { guidOfAll } from '../../core/admission/answers.ts';
import { KvdeployError } from '../../core/errors.ts';
import type { Event } from '../../core/ledger/events.ts';
import { openRollout } from '../../core/ledger/history.ts';
import { splitText } from '../../core/rollout/split.ts';
import { type Guid, scopeText, shortGuid } from '../../core/scope.ts';
import type { Target } from '../../engine/target.ts';
import { idOf, unreviewedRescues } from '../../lead/held.ts';
import { publishIdle, renderIdle } from '../../lead/idle-pointer.ts';
import { recordEvent } from '../../lead/lead.ts';
import { confirm } from '../../release/confirm.ts';
import { type Deps, done, type Outcome } from '../../release/deps.ts';
import { type Opened, openScope } from '../../release/open.ts';
import { servingAlone, shownTarget } from '../../release/traffic.ts';
import type { Reading } from '../../routers/router.ts';

export interface ReconcileOptions {
  readonly confirm?: string;
  readonly reason?: string;
}

export async function reconcile(options: ReconcileOptions, deps: Deps): Promise<Outcome> {
  const opened = await openScope(deps, { config: 'optional' });
  const hold = readHold(opened.pointerDirs, deps.io.fs);
  const { rescues, damaged } = unreviewedRescues(opened, deps);
  if (hold === undefined && rescues.length === 0) {
    const message = `No hold is set in ${scopeText(opened.scope)}, and every break-glass run has been reconciled.`;
    throw new KvdeployError('NOTHING_TO_DO', { message, hint: `kvdeploy status ${opened.flags}` });
  }
  const target = shownTarget(opened, deps, openRollout(opened.history) === null ? 'config' : 'ledger');
  const reading = await target.read();
  const serving = await servingNow(target, reading);
  const bad = builtBad(opened, serving, rescues);
  const records = rescues.map((rescue) => ({ id: idOf(rescue), text: recordText(rescue) }));
  const note = (level: 'info' | 'warning', message: string) => deps.line({ type: 'note', level, message });
  for (const message of [...(hold === undefined ? [] : [hold.text]), ...records.map((record) => record.text)])
    note('info', message);
  for (const { file, line, why } of damaged) note('warning', `${file}:${line} of the break-glass record: ${why}`);
  const which = serving === null ? ', which is not a single known build' : ` = ${serving}`;
  note(serving === null ? 'warning' : 'info', `serving now: ${splitText(reading.members)}${which}`);
  if (bad.length > 0) note('info', `will be marked bad: ${bad.map(shortGuid).join(', ')}`);
  await confirm(opened, `Record the break-glass run and lift the hold of ${scopeText(opened.scope)}`, options, deps);
  const reason = options.reason ?? 'reviewed';
  const event: Event = { type: 'reconciled', atMs: deps.io.now(), reason, serving, bad: [...bad], records };
  // Ledger first, then the pointer, then the hold: a crash in between leaves the hold, and reconcile can be run again.
  const what = { command: 'reconcile', event, takeOver: true };
  const warnings = await recordEvent(opened, what, deps, async (history, ledgerHead) => {
    const knownGood = history.knownGood.find((known) => known.build.guid === serving);
    // A pointer that names what serves, so that ledger and pointer agree again.
    const seen = knownGood && { target, reading, history, knownGood, ledgerHead, why: 'rolled-back' as const };
    const published = seen && (await publishIdle(opened, renderIdle(opened, seen, deps), deps));
    liftHold(opened.pointerDirs, deps.io.fs);
    return published?.warnings ?? [];
  });
  for (const message of warnings) note('warning', message);
  const unclear = serving === null ? ' Traffic is not on one known build: use kvdeploy rollback.' : '';
  return done(`The rescue is in the ledger and the hold is lifted.${unclear}`, [`kvdeploy status ${opened.flags}`]);
}

/** The one build that serves everything, by its own word; null when it is not one alone. */
async function servingNow(target: Target, reading: Reading): Promise<Guid | null> {
  const serving = await servingAlone(target, reading);
  return serving === null ? null : guidOfAll(serving.answers);
}

/** What the rescue left: the candidate of an unfinished rollout, and a known-good build that an earlier one replaced. */
function builtBad(opened: Opened, serving: Guid | null, rescues: readonly Rescue[]): readonly Guid[] {
  if (serving === null || rescues.length === 0) return [];
  const { history } = opened;
  const open = openRollout(history);
  const left = [
    open?.plan.kind === 'promote' ? open.plan.candidate.guid : null,
    history.knownGood.some((known) => known.build.guid === serving) ? (history.knownGood[0]?.build.guid ?? null) : null,
  ];
  return [...new Set(left.filter((guid): guid is Guid => guid !== null && guid !== serving))];
}

function recordText(rescue: Rescue): string {
  const { intent, outcome } = rescue;
  const began = intent === null ? 'a lost intent record' : `${intent.at} ${intent.actor} on ${intent.host}: ${intent.reason}`;
  return `${began} → ${outcome === null ? 'IN DOUBT: no outcome was written' : outcome.result}`;
}
