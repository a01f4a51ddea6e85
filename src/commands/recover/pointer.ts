/** `pointer`: show, verify, export and import the known-good pointer. */
import { describe } from '../../base/changes/wording.ts';
import { readPointers } from '../../base/pointer/pointer.ts';
import { ADOPTION_CHECKS } from '../../core/admission/admission.ts';
import type { AdmittedBuild } from '../../core/admission/admitted.ts';
import { KvdeployError } from '../../core/errors.ts';
import type { Event } from '../../core/ledger/events.ts';
import { currentKnownGood, openRollout } from '../../core/ledger/history.ts';
import { sameScope, scopeText, shortGuid } from '../../core/scope.ts';
import { fileFacts } from '../../engine/facts.ts';
import type { Target } from '../../engine/target.ts';
import { assertNoHold } from '../../lead/held.ts';
import { mustKnowGood, pointerProblems, publishIdle, renderIdle, renderNow, rescueProblem } from '../../lead/idle-pointer.ts';
import { recordEvent } from '../../lead/lead.ts';
import { breakGlassCommand } from '../../lead/outcome.ts';
import { type PointerExport, readExport } from '../../release/chosen-build.ts';
import { confirm } from '../../release/confirm.ts';
import { type Deps, done, type Outcome } from '../../release/deps.ts';
import { type Judged, judgeBuild, judgeByWriting, judgeFilesAgain, mustBeAdmitted, mustPass } from '../../release/gatekeeper.ts';
import { readOffers } from '../../release/offers.ts';
import { type Opened, openScope, promotable, targetOf } from '../../release/open.ts';
import { assertOwnTarget, isReplaceable } from '../../release/other-state.ts';
import { recordStatePlaces } from '../../release/state-dir.ts';

/** Shows every generation that verifies, and says which do not. */
export async function showPointer(deps: Deps): Promise<Outcome> {
  const opened = await openScope(deps, { config: 'optional', anyState: true });
  const places = opened.pointerDirs.map((dir) => ({ dir, ...readPointers(dir, deps.io.fs, opened.scope) }));
  const documented = places.map(({ dir, all, damaged, readable }) => ({ dir, readable, generations: all, damaged }));
  deps.line({ type: 'document', name: 'pointer', data: { scope: opened.scope, places: documented } });
  for (const { dir, all, damaged } of places) {
    const lines = all.map(({ generation, writtenAt, knownGood: { build, imported }, why }) => {
      return `  ${String(generation).padStart(4)}  ${writtenAt}  ${shortGuid(build.guid)}  ${build.version}  ${why}${imported === undefined ? '' : importedText(imported)}`;
    });
    const bad = damaged.map((entry) => `  DAMAGED  ${entry.file}: ${entry.why}`);
    deps.print(`${dir}\n${[...lines, ...bad, ...(all.length + bad.length === 0 ? ['  none'] : [])].join('\n')}\n`);
  }
  const newest = places[0]?.newest;
  if (newest == null) {
    const message = `There is no pointer of ${scopeText(opened.scope)} here.`;
    throw new KvdeployError('NO_KNOWN_GOOD', { message, hint: `kvdeploy adopt ${opened.flags}` });
  }
  const { build, changes } = newest.knownGood;
  deps.print(`restores ${build.guid} with\n${changes.map((change) => `  ${describe(change)}`).join('\n')}\n`);
  const taken = newest.knownGood.imported;
  const how = taken === undefined ? '' : importedText(taken).trimStart();
  return done(`Known-good is ${shortGuid(build.guid)} (${build.version})${how === '' ? '' : ` ${how}`}.`, [
    breakGlassCommand(opened, deps.io),
  ]);
}

const importedText = ({ at, by }: { readonly at: string; readonly by: string }) => `  (imported ${at} by ${by})`;

/** Renders the rollback path again for the current target and compares; with `renew` writes it again. */
export async function verifyPointer(options: { readonly renew?: boolean }, deps: Deps): Promise<Outcome> {
  const opened = await openScope(deps, { config: 'optional' });
  const drafts = await renderNow(opened, deps);
  const [fresh] = drafts;
  const problems = opened.pointerDirs.flatMap((dir) => pointerProblems(dir, drafts, opened.scope, deps.io));
  for (const { dir, why } of problems) deps.line({ type: 'check', name: `pointer in ${dir}`, ok: false, message: why });
  const outdated = opened.pointerDirs.flatMap((dir) => rescueProblem(dir, deps.io) ?? []);
  for (const message of outdated) deps.line({ type: 'note', level: 'warning', message });
  if (problems.length === 0 && (outdated.length === 0 || options.renew !== true))
    return done(`Every copy verifies and restores ${shortGuid(fresh.knownGood.build.guid)} on the current target.`);
  if (options.renew !== true) {
    const code = problems.some((problem) => problem.damaged) ? 'POINTER_DAMAGED' : 'POINTER_STALE';
    const message = problems.map(({ dir, why }) => `${dir}: ${why}`).join('; ');
    throw new KvdeployError(code, { message, hint: `Rewrite it: kvdeploy pointer verify --renew ${opened.flags}` });
  }
  assertNoHold(opened, deps);
  if (openRollout(opened.history) !== null) {
    const message = 'A rollout is open; the pointer was rendered for it.';
    throw new KvdeployError('BUSY', { message, hint: `kvdeploy status ${opened.flags}` });
  }
  const { generation, warnings } = await publishIdle(opened, fresh, deps);
  for (const message of warnings) deps.line({ type: 'note', level: 'warning', message });
  return done(`Rewritten as generation ${generation}.`, [breakGlassCommand(opened, deps.io)]);
}

/** Prints write the known-good build to stdout, for another machine. */
export async function exportPointer(deps: Deps): Promise<Outcome> {
  const opened = await openScope(deps, { config: 'optional' });
  const known = mustKnowGood(opened);
  const exported: PointerExport = {
    kind: 'PointerExport',
    formatVersion: 1,
    scope: opened.scope,
    exportedAt: new Date(deps.io.now()).toISOString(),
    build: known.build,
    since: known.since,
    bad: [...opened.history.bad.keys()],
  };
  deps.line({ type: 'document', name: 'pointer-export', data: exported });
  deps.print(`${JSON.stringify(exported, null, 2)}\n`);
  // Standard output is the file, and nothing else.
  deps.line({ type: 'note', level: 'info', message: `exported ${shortGuid(known.build.guid)} (${known.build.version})` });
  return done('');
}

/** Begins a ledger on this machine with the known-good build of another one. Only into an empty ledger, and only what the target confirms. */
export async function importPointer(file: string, options: { readonly confirm?: string }, deps: Deps): Promise<Outcome> {
  const opened = await openScope(deps, { config: 'needed', anyState: true });
  if (!isReplaceable(opened.marking)) assertOwnTarget(opened, deps);
  assertNoHold(opened, deps);
  const settings = promotable(opened);
  const imported = readExport(file, deps);
  if (!sameScope(imported.scope, opened.scope)) {
    const message = `${file} belongs to ${scopeText(imported.scope)}, not ${scopeText(opened.scope)}.`;
    throw new KvdeployError('WRONG_SCOPE', { message, hint: 'Export the pointer of this scope.' });
  }
  if (currentKnownGood(opened.history) !== null) {
    const message = `${scopeText(opened.scope)} already has a ledger with a known-good build here.`;
    throw new KvdeployError('NOTHING_TO_DO', { message, hint: `kvdeploy status ${opened.flags}` });
  }
  const target = targetOf(opened, deps);
  const judged = await judgeImport(opened, imported, target, deps);
  const reading = mustPass(judged, deps);
  const build = mustBeAdmitted(judged, imported.build.ref);
  if (build.digest !== imported.build.digest) {
    const message = `${file} has ${shortGuid(build.guid)} with the digest ${imported.build.digest}, but its manifest lists ${build.digest}.`;
    throw new KvdeployError('MANIFESTS_DISAGREE', {
      message,
      hint: 'One of them is not this build: export it again, or fix the manifest.',
    });
  }
  const question = `Import ${shortGuid(build.guid)} (${build.version}) as the known-good build of ${scopeText(opened.scope)}`;
  await confirm(opened, question, options, deps);
  await judgeFilesAgain(ADOPTION_CHECKS, build.guid, opened, deps);
  judgeByWriting(judged.facts, opened, deps);
  recordStatePlaces([opened.stateDir, ...settings.copies], deps);
  const event = importedEvent(build, imported, { atMs: deps.io.now(), file });
  const what = { command: 'pointer import', event, takeOver: false, replacesMark: true };
  const { generation, warnings } = await recordEvent(opened, what, deps, (history, ledgerHead) => {
    const [knownGood] = history.knownGood;
    if (knownGood === undefined) throw new Error('an imported build is known-good');
    const draft = renderIdle(opened, { target, reading, history, knownGood, ledgerHead, why: 'imported' }, deps);
    return publishIdle(opened, draft, deps);
  });
  for (const message of warnings) deps.line({ type: 'note', level: 'warning', message });
  return done(`${shortGuid(build.guid)} is now the known-good build here, pointer generation ${generation}.`);
}

/** By the checks of an adoption, and by what either machine calls bad: what someone exported is only their word. */
async function judgeImport(opened: Opened, { build, bad }: PointerExport, target: Target, deps: Deps): Promise<Judged> {
  const there = bad.map((guid) => [guid, 'marked bad on the machine that exported it'] as const);
  const history = { ...opened.history, bad: new Map([...opened.history.bad, ...there]) };
  const facts = await fileFacts({ ...opened, history, ...(await readOffers(opened, deps)), guid: build.guid }, deps.io);
  return judgeBuild(ADOPTION_CHECKS, facts, build.ref, () => target);
}

/** Only an admitted build can be imported. */
function importedEvent(
  build: AdmittedBuild,
  { since, bad }: PointerExport,
  { atMs, file }: { readonly atMs: number; readonly file: string },
): Event {
  return { type: 'imported', atMs, build, since, bad, file };
}
