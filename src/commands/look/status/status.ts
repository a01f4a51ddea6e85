/** `status`: show where traffic goes, which build is known-good, and who leads, and whether router and ledger agree. Changes nothing. */
import { type Hold, readHold } from '../../../base/pointer/hold.ts';
import { readPointers } from '../../../base/pointer/pointer.ts';
import { safeLine } from '../../../base/text.ts';
import { currentKnownGood, fold, type History, openRollout, rollbackTargets } from '../../../core/ledger/history.ts';
import type { Traffic } from '../../../core/output.ts';
import { stepSplit } from '../../../core/rollout/plan.ts';
import { isOver, type State } from '../../../core/rollout/rollout.ts';
import { type Split, splitsAgree, splitText } from '../../../core/rollout/split.ts';
import { scopeText, shortGuid } from '../../../core/scope.ts';
import { claimedOf } from '../../../engine/claim.ts';
import { breakGlassCommand } from '../../../lead/outcome.ts';
import { type Deps, done, type Outcome } from '../../../release/deps.ts';
import { type Opened, openScope, targetOf } from '../../../release/open.ts';
import { assertOwnTarget } from '../../../release/other-state.ts';
import { buildsAtPlaces, showTraffic, trafficOf } from '../../../release/traffic.ts';
import type { Reading } from '../../../routers/router.ts';
import { evidenceLines, evidenceOf } from './evidence.ts';
import { watchStatus } from './watch.ts';

export async function status(options: { readonly watch?: boolean }, deps: Deps): Promise<Outcome> {
  const opened = await openScope(deps, { config: 'optional', anyState: true });
  if (options.watch === true) return watchStatus(opened, () => lookAt(opened, deps), deps);
  const { document, text } = await lookAt(opened, deps);
  deps.line({ type: 'document', name: 'status', data: document });
  deps.print(text);
  assertOwnTarget(opened, deps);
  return done(messageOf(document), document.next);
}

/** One look at everything: the ledger as it is now, the router as it answers now. */
async function lookAt(before: Opened, deps: Deps) {
  const { entries } = await before.store.read(before.scope);
  const opened = { ...before, entries, history: fold(entries) };
  const document = documentOf(opened, await readIfAny(opened, deps), deps);
  return { document, text: textOf(document, opened), summary: summaryOf(document) };
}

async function readIfAny(opened: Opened, deps: Deps): Promise<Reading | { readonly why: string }> {
  try {
    const open = openRollout(opened.history);
    const target = targetOf(opened, deps, open === null ? 'config' : 'ledger');
    showTraffic(deps, target, buildsAtPlaces(opened));
    return await target.read();
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  }
}

function documentOf(opened: Opened, reading: Reading | { readonly why: string }, deps: Deps) {
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
  const traffic: Traffic = 'why' in reading ? { split: [], certainty: 'unknown' } : trafficOf(reading, buildsAtPlaces(opened));
  return {
    scope,
    traffic,
    trouble: 'why' in reading ? [reading.why] : reading.trouble,
    drift: 'why' in reading ? null : driftOf(history, open, reading),
    knownGood: known && {
      ...build(known.build, known.since),
      bad: history.bad.has(known.build.guid),
      imported: known.imported ?? null,
    },
    waysBack: rollbackTargets(history).map((each) => build(each.build, each.since)),
    bad: [...history.bad].map(([guid, why]) => ({ guid, why })),
    pardons: [...history.pardons].map(([guid, pardon]) => ({ guid, ...pardon })),
    rollout: rolloutOf(history.rollout, history.changedAt),
    leader,
    hold: hold === undefined ? null : { file: hold.file, text: hold.text },
    pointers,
    next: nextOf(opened, open, hold, leader?.running === true, deps),
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
    kind: plan.kind,
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

/** What differs from what the ledger expects of the router, where it expects anything definite. */
function driftOf(history: History, open: State | null, reading: Reading): string | null {
  const expected = expectedSplit(history, open);
  if (expected === null || splitsAgree(reading.members, expected)) return null;
  return `the ledger expects ${splitText(expected)}, the router reports ${splitText(reading.members)}`;
}

/** Once a rollout is over, that is the known-good build alone: a rescue that was reconciled since has changed which one that is. */
function expectedSplit(history: History, open: State | null): Split | null {
  if (open !== null) return open.phase === 'baking' || open.phase === 'pointing' ? stepSplit(open.plan, open.step) : null;
  const known = currentKnownGood(history);
  const isSettled = ['done', 'reverted'].includes(history.rollout?.phase ?? '');
  return known !== null && isSettled ? [{ place: known.build.ref, build: known.build.guid, percent: 100 }] : null;
}

function nextOf(opened: Opened, open: State | null, hold: Hold | undefined, isLed: boolean, { io }: Deps): string[] {
  const { flags, history } = opened;
  if (hold !== undefined) return [`kvdeploy reconcile ${flags}`, breakGlassCommand(opened, io, hold.note?.toGuid)];
  if (open !== null) return [`kvdeploy ${isLed ? 'status --watch' : 'resume'} ${flags}`, `kvdeploy abort ${flags}`];
  return history.rollout?.phase === 'stuck' ? [`kvdeploy rollback ${flags}`, breakGlassCommand(opened, io)] : [];
}

function messageOf(document: StatusDocument): string {
  if (document.hold !== null) return 'A break-glass hold is set.';
  if (document.drift !== null) return `Drift: ${document.drift}.`;
  const { rollout, leader } = document;
  if (rollout === null) return 'No rollout yet.';
  const alone = !rollout.over && (leader === null || leader.running === false);
  return `The last rollout is ${rollout.phase}${alone ? ', and no one leads it or watches its gates' : ''}.`;
}

function textOf(document: StatusDocument, opened: Opened): string {
  const { knownGood, rollout, leader, hold } = document;
  const running = leader?.running === true ? ', running' : leader?.running === false ? ', but that process is gone' : '';
  const field = (name: string, text: string) => `  ${name.padEnd(10)}  ${safeLine(text)}`;
  const rolloutText = ({ id, kind, candidate, phase, step, steps, percent, why }: NonNullable<typeof rollout>) =>
    `${id}  ${kind} of ${shortGuid(candidate)}  ${phase} at step ${step}/${steps} (${percent} %): ${safeLine(why)}`;
  const known = ({ guid, version, since, bad, imported }: NonNullable<typeof knownGood>) =>
    `${shortGuid(guid)}  ${version}  since ${since}${bad ? '  MARKED BAD' : ''}${imported === null ? '' : `  imported ${imported.at} by ${safeLine(imported.by)}`}`;
  const leads = ({ actor, pid, host, command, since }: NonNullable<typeof leader>) =>
    `${actor}, pid ${pid} on ${host}, ${command} since ${since}${running}`;
  return [
    scopeText(opened.scope),
    field('traffic', splitOf(document.traffic)),
    ...document.trouble.map((trouble) => field('trouble', trouble)),
    ...(document.drift === null ? [] : [field('drift', document.drift)]),
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
function summaryOf({ traffic, trouble, drift, knownGood, rollout, leader, hold }: StatusDocument): string {
  const parts = [
    `traffic ${splitOf(traffic)}`,
    `known-good ${knownGood === null ? 'none' : shortGuid(knownGood.guid)}`,
    rollout === null
      ? 'no rollout yet'
      : `${rollout.kind} of ${shortGuid(rollout.candidate)} ${rollout.phase} at step ${rollout.step}/${rollout.steps}`,
    ...(leader === null ? [] : [`led by ${leader.actor}${leader.running === false ? ', whose process is gone' : ''}`]),
    ...(hold === null ? [] : ['HOLD']),
    ...(drift === null ? [] : ['DRIFT']),
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
