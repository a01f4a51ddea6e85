/** `reconcile`: after break-glass, look, write it into the ledger, lift the hold. */

import { claimsText } from '../../base/owners/actor.ts';
import { liftHold, readHold } from '../../base/pointer/hold.ts';
import type { Rescue } from '../../base/pointer/records.ts';
import { whichBuild } from '../../core/admission/answers.ts';
import { KvdeployError } from '../../core/errors.ts';
import { isOf } from '../../core/identity.ts';
import type { Event } from '../../core/ledger/events.ts';
import { openRollout, servedBefore } from '../../core/ledger/history.ts';
import { splitText } from '../../core/rollout/split.ts';
import { type Guid, scopeText, shortGuid } from '../../core/scope.ts';
import type { Target } from '../../engine/target.ts';
import { idOf, unreviewedRescues } from '../../lead/held.ts';
import { publishIdle, renderIdle } from '../../lead/idle-pointer.ts';
import { recordEvent } from '../../lead/lead.ts';
import { confirm, mustHaveReason } from '../../release/confirm.ts';
import { type Deps, done, type Outcome } from '../../release/deps.ts';
import { knownBuilds, offersIfReadable } from '../../release/offers.ts';
import { type Opened, openScope } from '../../release/open.ts';
import { servingAlone, shownTarget } from '../../release/traffic.ts';
import type { Reading } from '../../routers/router.ts';
import { assertOneWord, type BlameOptions, saysBad } from './blame.ts';

export type ReconcileOptions = BlameOptions;

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
  const serving = await servingNow(opened, target, reading, deps);
  const records = rescues.map((rescue) => ({ id: idOf(rescue), text: recordText(rescue) }));
  const note = (level: 'info' | 'warning', message: string) => deps.line({ type: 'note', level, message });
  for (const message of [...(hold === undefined ? [] : [hold.text]), ...records.map((record) => record.text)])
    note('info', message);
  for (const { file, line, why } of damaged) note('warning', `${file}:${line} of the break-glass record: ${why}`);
  const which = serving === null ? ', which is not a single known build' : ` = ${serving}`;
  note(serving === null ? 'warning' : 'info', `serving now: ${splitText(reading.places)}${which}`);
  const { bad, notBad, unsaid } = await badByWord(opened, { serving, rescues }, options, deps);
  if (bad.length > 0) note('info', `will be marked bad: ${bad.map(shortGuid).join(', ')}`);
  if (unsaid.length > 0) note('info', `not marked bad, since no one said --bad: ${unsaid.map(shortGuid).join(', ')}`);
  const reason = await mustHaveReason(options, { what: 'The review', question: 'What was found?' }, deps);
  await confirm(opened, `Record the break-glass run and lift the hold of ${scopeText(opened.scope)}`, options, deps);
  const event: Event = { type: 'reconciled', atMs: deps.io.now(), reason, serving, bad: [...bad], notBad: [...notBad], records };
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
async function servingNow(opened: Opened, target: Target, reading: Reading, deps: Deps): Promise<Guid | null> {
  const serving = await servingAlone(target, reading);
  if (serving === null) return null;
  const identity = target.identityOf(serving.place);
  const isGuid = identity === null || identity === 'none' || isOf(identity) === 'guid';
  const known = knownBuilds(opened, isGuid ? null : await offersIfReadable(opened, deps));
  const which = whichBuild(serving.answers, { ...known, isProtected: true });
  return which.is === 'one' ? which.guid : null;
}

interface Reviewed {
  readonly serving: Guid | null;
  readonly rescues: readonly Rescue[];
}

/** What a person says of the builds that the rescues left: by the flags now, else by those of each rescue, else asked. */
async function badByWord(opened: Opened, { serving, rescues }: Reviewed, options: BlameOptions, deps: Deps) {
  assertOneWord(options);
  const words = new Map<Guid, 'bad' | 'not-bad' | undefined>();
  for (const [index, rescue] of rescues.entries())
    for (const guid of leftBy(rescue, index === 0, opened)) {
      if (guid !== serving) words.set(guid, rescue.intent?.mark ?? words.get(guid));
    }
  const now = options.bad === true ? 'bad' : options.notBad === true ? 'not-bad' : undefined;
  const called = (word: 'bad' | 'not-bad' | undefined) =>
    [...words].flatMap(([guid, said]) => ((now ?? said) === word ? [guid] : []));
  const said = { bad: called('bad'), notBad: called('not-bad'), unsaid: called(undefined) };
  const isBad = await saysBad(said.unsaid, opened, options, deps);
  return isBad ? { ...said, bad: [...said.bad, ...said.unsaid], unsaid: [] } : said;
}

/** What served until this rescue, by ledger and pointer: the candidate of a promotion that did not end well, and the known-good build. */
function leftBy({ intent }: Rescue, isFirst: boolean, { history }: Opened): readonly Guid[] {
  if (intent === null) return [];
  if (isFirst) {
    const { rollout, changedAt } = history;
    // A leader that was still at work may have gone back by itself, after the rescue began: it was left by the rescue all the same.
    const wentBack = rollout?.plan.kind === 'promote' && rollout.phase === 'reverted' && (changedAt ?? '') >= intent.at;
    return [
      ...(wentBack ? [rollout.plan.candidate.guid] : []),
      ...servedBefore(history, intent.toGuid as Guid).map(({ guid }) => guid),
    ];
  }
  return intent.knownGood === intent.toGuid ? [] : [intent.knownGood as Guid];
}

function recordText(rescue: Rescue): string {
  const { intent, outcome } = rescue;
  const began =
    intent === null
      ? 'a lost intent record'
      : `${intent.at} ${intent.actor} on ${intent.host}${claimsText(intent.claims)}: ${intent.reason}`;
  return `${began} → ${outcome === null ? 'IN DOUBT: no outcome was written' : outcome.result}`;
}
