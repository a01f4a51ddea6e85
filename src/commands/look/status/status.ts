/** `status`: show where traffic goes, which build is known-good, and who leads, and whether router and ledger agree. Changes nothing. */
import { readHold } from '../../../base/pointer/hold.ts';
import { readPointers } from '../../../base/pointer/pointer.ts';
import { safeLine } from '../../../base/text.ts';
import { answersText } from '../../../core/admission/answers.ts';
import { isUnsettled } from '../../../core/ledger/expected.ts';
import { currentKnownGood, openRollout, rollbackTargets } from '../../../core/ledger/history.ts';
import type { Traffic } from '../../../core/output.ts';
import { kindOf } from '../../../core/rollout/plan.ts';
import { isOver, type State } from '../../../core/rollout/rollout.ts';
import { scopeText, shortGuid } from '../../../core/scope.ts';
import { claimedOf } from '../../../engine/claim.ts';
import { lookAround, type Seen, unattended } from '../../../lead/drift.ts';
import { heldBecause } from '../../../lead/held.ts';
import { breakGlassCommand, stuckTarget } from '../../../lead/outcome.ts';
import { type Deps, done, type Outcome } from '../../../release/deps.ts';
import { historyOf, type Opened, openScope, targetOf } from '../../../release/open.ts';
import { assertOwnTarget } from '../../../release/other-state.ts';
import { buildsAtPlaces, lostIn, showTraffic, trafficOf } from '../../../release/traffic.ts';
import type { Reading } from '../../../routers/router.ts';
import { evidenceLines, evidenceOf } from './evidence.ts';
import { readWithEnd } from './ledger-end.ts';
import { watchStatus } from './watch.ts';

export async function status(options: { readonly watch?: boolean }, deps: Deps): Promise<Outcome> {
  const opened = await openScope(deps, { config: 'optional', anyState: true });
  if (options.watch === true) return watchStatus(opened, () => lookAt(opened, deps), deps);
  const { document, text } = await lookAt(opened, deps);
  deps.line({ type: 'document', name: 'status', data: document });
  deps.print(text);
  assertOwnTarget(opened, deps);
  if (document.attention.length === 0) return done(messageOf(document), document.next);
  const { attention, next } = document;
  const hint = next[0] ?? `Look closer: kvdeploy doctor ${opened.flags}`;
  const rest = attention.filter((text) => text !== document.drift);
  // What is unsettled says itself how the last rollout ended.
  const isSaid = rest.some((text) => text.startsWith('the last rollout is'));
  return { code: 'NEEDS_ATTENTION', message: `${isSaid ? '' : messageOf(document)} ${sentences(rest)}`.trim(), hint, next };
}

/** One look at everything: the ledger as it is now, the router as it answers now. */
async function lookAt(before: Opened, deps: Deps) {
  const { ledger, cut } = await readWithEnd(before, deps);
  const opened = { ...before, entries: ledger.entries, history: historyOf(ledger.entries, before.settings) };
  const looked = documentOf(opened, await readIfAny(opened, deps), deps);
  const document = { ...looked, attention: [...cut, ...looked.attention] };
  return { document, text: textOf(document, opened), summary: summaryOf(document) };
}

/** What router and builds answer now, or why the router does not. */
type Looked = (Seen & { readonly reading: Reading }) | { readonly why: string };

async function readIfAny(opened: Opened, deps: Deps): Promise<Looked> {
  try {
    const open = openRollout(opened.history);
    const target = targetOf(opened, deps, open === null ? 'config' : 'ledger');
    showTraffic(deps, target, buildsAtPlaces(opened));
    const reading = await target.read();
    return { reading, ...(await lookAround(opened, target, reading)) };
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  }
}

function documentOf(opened: Opened, seen: Looked, deps: Deps) {
  const { history, scope } = opened;
  const open = openRollout(history);
  const hold = readHold(opened.pointerDirs, deps.io.fs);
  const pointers = opened.pointerDirs.map((dir) => {
    const { newest, damaged } = readPointers(dir, deps.io.fs, scope);
    return { dir, generation: newest?.generation ?? null, knownGood: newest?.knownGood.build.guid ?? null, damaged };
  });
  const build = ({ guid, version }: { guid: string; version: string }, since: string) => ({ guid, version, since });
  const known = currentKnownGood(history);
  const leader = leaderOf(opened, deps);
  const unread: Traffic = { split: [], certainty: 'unknown' };
  const held = heldBecause(opened, deps);
  const isLed = leader !== null && leader.running !== false;
  const fix = 'why' in seen || seen.split === null ? undefined : seen.placeGone ? 'adopt' : 'converge';
  return {
    scope,
    traffic: 'why' in seen ? unread : trafficOf(seen.reading, buildsAtPlaces(opened)),
    trouble: 'why' in seen ? [seen.why] : [...seen.reading.trouble, ...lostIn(seen.reading)],
    drift: 'why' in seen ? null : seen.split,
    /** What each place that serves, or should, really answers. */
    places: 'why' in seen ? [] : seen.places,
    /** Why this exits 9; empty where nothing is to be done. */
    attention: attentionOf(opened, seen, held, isLed),
    knownGood: known && {
      ...build(known.build, known.since),
      bad: history.bad.has(known.build.guid),
      ...(known.imported === undefined ? {} : { imported: known.imported }),
    },
    waysBack: rollbackTargets(history).map((each) => build(each.build, each.since)),
    bad: [...history.bad].map(([guid, why]) => ({ guid, why })),
    pardons: [...history.pardons].map(([guid, pardon]) => ({ guid, ...pardon })),
    rollout: rolloutOf(history.rollout, history.changedAt),
    leader,
    hold: hold === undefined ? null : { file: hold.file, text: hold.text },
    pointers,
    next: nextOf(opened, open, held, { isLed: leader?.running === true, fix, rescuedTo: hold?.note?.toGuid }, deps),
  };
}

type StatusDocument = ReturnType<typeof documentOf>;

/** `running` is null for a leader that cannot be seen from here, in another container for example. */
function leaderOf(opened: Opened, { io }: Deps) {
  const { leader } = opened.history;
  if (leader === null) return null;
  const { by, actor, command } = leader.claim;
  const seen = io.lookFor(claimedOf(leader.claim, opened));
  return { ...by, actor, command, since: leader.since, running: seen.is === 'unsure' ? null : seen.is === 'running' };
}

function rolloutOf(state: State | null, changedAt: string | null) {
  if (state === null) return null;
  const { plan } = state;
  return {
    id: plan.id,
    kind: kindOf(plan),
    candidate: plan.candidate.guid,
    stable: plan.stable?.guid ?? null,
    phase: state.phase,
    over: isOver(state),
    step: state.step + 1,
    steps: plan.steps.length,
    percent: plan.steps[state.step]?.percent ?? 0,
    why: state.why,
    changedAt,
    evidence: evidenceOf(state),
  };
}

function attentionOf(opened: Opened, seen: Looked, held: string | undefined, isLed: boolean): readonly string[] {
  if (held !== undefined) return [`a break-glass run waits for its review: ${held}`];
  if (!('why' in seen)) return unattended(opened.history, seen, isLed);
  const unread = `the router does not say where traffic goes: ${seen.why}`;
  return unattended(opened.history, { split: null, wrong: [unread] }, isLed);
}

function nextOf(
  opened: Opened,
  open: State | null,
  held: string | undefined,
  now: { isLed: boolean; fix: 'adopt' | 'converge' | undefined; rescuedTo: string | undefined },
  { io }: Deps,
): string[] {
  const { flags, history } = opened;
  if (held !== undefined) return [`kvdeploy reconcile ${flags} --reason "…"`, breakGlassCommand(opened, io, now.rescuedTo)];
  if (open !== null) return [`kvdeploy ${now.isLed ? 'status --watch' : 'resume'} ${flags}`, `kvdeploy abort ${flags}`];
  if (isUnsettled(history)) return [`kvdeploy rollback ${flags}${stuckTarget(history)}`, breakGlassCommand(opened, io)];
  return now.fix !== undefined ? [`kvdeploy ${now.fix} ${flags}`, breakGlassCommand(opened, io)] : [];
}

function messageOf(document: StatusDocument): string {
  if (document.hold !== null) return 'A break-glass hold is set.';
  if (document.drift !== null) return `Drift: ${document.drift}.`;
  const { rollout, leader } = document;
  if (rollout === null) return 'No rollout yet.';
  const alone = !rollout.over && (leader === null || leader.running === false);
  return `The last rollout is ${rollout.phase}${alone ? ', and no one leads it or watches its gates' : ''}.`;
}

function sentences(texts: readonly string[]): string {
  return texts.map((text) => `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, '')}.`).join(' ');
}

function textOf(document: StatusDocument, opened: Opened): string {
  const { knownGood, rollout, leader, hold } = document;
  const running = leader?.running === true ? ', running' : leader?.running === false ? ', but that process is gone' : '';
  const field = (name: string, text: string) => `  ${name.padEnd(10)}  ${safeLine(text)}`;
  const rolloutText = ({ id, kind, candidate, phase, step, steps, percent, why }: NonNullable<typeof rollout>) =>
    `${id}  ${kind} of ${shortGuid(candidate)}  ${phase} at step ${step}/${steps} (${percent} %): ${safeLine(why)}`;
  const known = ({ guid, version, since, bad, imported }: NonNullable<typeof knownGood>) =>
    `${shortGuid(guid)}  ${version}  since ${since}${bad ? '  MARKED BAD' : ''}${imported === undefined ? '' : `  imported ${imported.at} by ${safeLine(imported.by)}`}`;
  const leads = ({ actor, pid, host, command, since }: NonNullable<typeof leader>) =>
    `${actor}, pid ${pid} on ${host}, ${command} since ${since}${running}`;
  return [
    scopeText(opened.scope),
    field('traffic', splitOf(document.traffic)),
    ...document.trouble.map((trouble) => field('trouble', trouble)),
    ...(document.drift === null ? [] : [field('drift', document.drift)]),
    ...document.places.map(({ place, answers }) => field('answers', `${place}  ${answersText(answers)}`)),
    field('known-good', knownGood === null ? 'none' : known(knownGood)),
    ...document.bad.map(({ guid, why }) => field('bad', `${shortGuid(guid)}  ${why}`)),
    ...document.pardons.map((pardon) => field('pardoned', pardonText(pardon))),
    field('rollout', rollout === null ? 'none' : rolloutText(rollout)),
    ...evidenceLines(rollout?.evidence ?? null),
    field('leader', leader === null ? 'none' : leads(leader)),
    field('hold', hold === null ? 'none' : hold.text),
    ...document.pointers.map(({ generation, knownGood: guid, dir, damaged }) => {
      const what = generation === null ? 'none' : `generation ${generation}, ${shortGuid(guid ?? '')}`;
      return field('pointer', `${what}  in ${dir}${damaged.length === 0 ? '' : `  (${damaged.length} damaged)`}`);
    }),
  ].join('\n');
}

function pardonText({ guid, at, actor, reason, was }: StatusDocument['pardons'][number]): string {
  return `${shortGuid(guid)}  by ${actor} at ${at}: ${reason}${was === null ? '' : ` (it was marked: ${was})`}`;
}

/** The same in one line, without anything that changes by itself. */
function summaryOf({ traffic, trouble, drift, attention, knownGood, rollout, leader, hold }: StatusDocument): string {
  const parts = [
    `traffic ${splitOf(traffic)}`,
    `known-good ${knownGood === null ? 'none' : shortGuid(knownGood.guid)}`,
    rollout === null
      ? 'no rollout yet'
      : `${rollout.kind} of ${shortGuid(rollout.candidate)} ${rollout.phase} at step ${rollout.step}/${rollout.steps}`,
    ...(leader === null ? [] : [`led by ${leader.actor}${leader.running === false ? ', whose process is gone' : ''}`]),
    ...(hold === null ? [] : ['HOLD']),
    ...(drift === null ? [] : ['DRIFT']),
    ...attention.filter((text) => text !== drift && !trouble.includes(text)),
    ...trouble,
  ];
  return parts.join('; ');
}

function splitOf(traffic: Traffic): string {
  if (traffic.certainty === 'unknown') return 'unknown';
  const shares = traffic.split.map(
    (share) => `${share.build === null ? `unknown build at ${share.place ?? '?'}` : shortGuid(share.build)} ${share.percent} %`,
  );
  return `${shares.length === 0 ? 'nothing' : shares.join(', ')} (${traffic.certainty})`;
}
