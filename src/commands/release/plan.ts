/** `plan`: everything that promote would check and do. Changes nothing. */
import { describe } from '../../base/changes/wording.ts';
import { readHold } from '../../base/pointer/hold.ts';
import { readPointers } from '../../base/pointer/pointer.ts';
import { shellWord } from '../../base/text.ts';
import { KvdeployError, refusalError } from '../../core/errors.ts';
import type { Comparison } from '../../core/gates/comparison.ts';
import { forecast } from '../../core/gates/verdict/forecast.ts';
import { openRollout } from '../../core/ledger/history.ts';
import { membersNeeded, type PlaceNeed } from '../../core/rollout/capacity.ts';
import { type Plan, stepSplit, warmUpMsOf, watchMsOf } from '../../core/rollout/plan.ts';
import { splitText } from '../../core/rollout/split.ts';
import { scopeText, shortGuid } from '../../core/scope.ts';
import { fractionText, msText } from '../../core/text.ts';
import { describeGate } from '../../engine/measure.ts';
import { neededFor } from '../../engine/watching/capacity.ts';
import { assertNoHold } from '../../lead/held.ts';
import { assertNothingBegan } from '../../lead/lead.ts';
import { breakGlassCommand } from '../../lead/outcome.ts';
import type { Wanted } from '../../release/chosen-build.ts';
import { type Deps, done, type Outcome } from '../../release/deps.ts';
import { unjudged } from '../../release/gatekeeper.ts';
import { isForeign, judgeRelease, type Release, showRelease } from '../../release/judge-release.ts';
import { type Opened, openScope } from '../../release/open.ts';
import { writePlanFile } from '../../release/saved-plan.ts';
import { RUN_PROGRAMS, withheldBy } from '../../release/trust/programs.ts';
import type { Reading } from '../../routers/router.ts';
import { hazardTable } from '../../terminal/hazard-table.ts';
import { askedMembers, identityLines, membersTexts, wantedText } from './plan-members.ts';

export interface PlanOptions extends Wanted {
  /** Where to write the plan file. */
  readonly out?: string;
}

export async function plan(options: PlanOptions, deps: Deps): Promise<Outcome> {
  const opened = await openScope(deps, { config: 'needed' });
  const release = await judgeRelease(opened, options, deps, { withheld: withheldBy(deps) });
  showRelease(release, opened, deps);
  for (const { name } of unjudged(release.checked))
    deps.line({ type: 'check', name, ok: null, message: 'checked only by promote, because the check writes a file' });
  const hold = readHold(opened.pointerDirs, deps.io.fs);
  if (hold !== undefined) deps.line({ type: 'check', name: 'no hold is set', ok: false, message: hold.text });
  const document = release.plan === null ? null : await planDocument(release, release.plan, opened, deps);
  deps.line({ type: 'document', name: 'plan', data: document ?? { scope: opened.scope, hazards: release.hazards } });
  const told = document === null || release.plan === null ? [] : planLines(document, release.plan);
  deps.print(`${[...told, ...hazardTable(release.hazards, deps.columns)].join('\n')}\n`);
  const { refusal, plan: planned } = release;
  const open = openRollout(opened.history) !== null;
  if (!isForeign(refusal)) {
    if (open) assertNoHold(opened, deps);
    if (open || refusal !== undefined) await assertNothingBegan(opened, deps);
  }
  if (refusal !== undefined) throw refusalError(refusal);
  if (planned === null) throw new Error('a release without refusal has a plan');
  assertNoHold(opened, deps);
  const promote = `kvdeploy promote ${opened.flags}`;
  if (options.out === undefined)
    return done('The plan can run; nothing was changed.', [`${promote} --build ${planned.candidate.guid}`]);
  const { unasked } = release.facts;
  if (unasked !== undefined)
    throw new KvdeployError('USAGE', { message: `A plan is not written without its gates: ${unasked}.`, hint: RUN_PROGRAMS });
  writePlanFile(options.out, release, planned, opened, deps);
  const message = `The plan can run. It was written to ${options.out}; nothing else was changed.`;
  return done(message, [`${promote} --plan ${shellWord(options.out)}`]);
}

/** Everything that a reviewer wants to see, as data. */
async function planDocument(release: Release, planned: Plan, opened: Opened, deps: Deps) {
  const { target, reading } = release;
  const { scope, candidate, stable, sources } = planned;
  const gates = planned.gates.map((gate) => {
    const { name, source, max, minRequests } = gate;
    const asked = release.measured.find((each) => each.gate === name);
    const stableNow = asked?.measurement ?? { missing: 'it was not polled' };
    return { name, source, max, minRequests, ...questions(gate, planned), unseen: asked?.unseen ?? [], stableNow };
  });
  const comparison = await Promise.all((planned.comparison?.gates ?? []).map((gate) => comparedGate(gate, release, planned)));
  const steps = planned.steps.map((step, index) => {
    const split = stepSplit(planned, index);
    const leaving = index + 1 === planned.steps.length ? 'drain' : 'at-once';
    const up = target === null || reading === null ? [] : needsAt(planned, step.percent, target, reading);
    return { percent: step.percent, bakeMs: step.bakeMs, split, up, changes: target?.changes(split, leaving) ?? [] };
  });
  const { newest } = readPointers(opened.pointerDirs[0] ?? '', deps.io.fs, opened.scope);
  return {
    ...{ scope, candidate, stable, gates, comparison, steps },
    watchMs: watchMsOf(planned),
    warmUpMs: warmUpMsOf(planned),
    router: planned.router.kind,
    serving: reading?.places ?? [],
    /** How the members of the candidate's place are asked which build they are. */
    asked: askedMembers(release, planned),
    /** What each of them must say. */
    mustSay: wantedText(release, planned),
    members: membersTexts(release, planned),
    wayBack: {
      build: newest?.knownGood.build ?? null,
      generation: newest?.generation ?? null,
      changes: newest?.knownGood.changes ?? [],
      breakGlass: breakGlassCommand(opened, deps.io),
    },
    hazards: release.hazards,
    sources,
  };
}

/** How many members must be up before the raise to this percentage. */
function needsAt(planned: Plan, percent: number, target: NonNullable<Release['target']>, { locations }: Reading) {
  return membersNeeded(locations, neededFor(planned, percent, target));
}

/** One line for each place of several members; locations that need and have the same share it. */
function capacityLines(up: readonly PlaceNeed[]): readonly string[] {
  const at = new Map<string, string[]>();
  for (const { place, location, needs, up: has, members } of up) {
    if (needs <= 1 && members <= 1) continue;
    const [before, after] = [`${place} needs ${needs} member${needs === 1 ? '' : 's'} up at `, `, and has ${has} of ${members}`];
    const key = JSON.stringify([before, after]);
    at.set(key, [...(at.get(key) ?? []), location]);
  }
  return [...at].map(([key, locations]) => {
    const [before, after] = JSON.parse(key) as [string, string];
    return `               ${before}${locations.join(', ')}${after}`;
  });
}

/** What the rollout will ask of both builds, in the words of the source. */
function questions(gate: Parameters<typeof describeGate>[0], { scope, candidate, stable }: Plan) {
  const question = describeGate(gate, { scope }, candidate);
  return { question, stableQuestion: stable === null ? null : describeGate(gate, { scope }, stable) };
}

/** What one comparing gate asks and will catch, at the current traffic. */
async function comparedGate(gate: Comparison['gates'][number], { compared }: Release, planned: Plan) {
  const seen = compared.find((each) => each.gate === gate.name);
  const { now: traffic, notes = [] } = (await seen?.traffic()) ?? {};
  const floorMs = Math.max(planned.pollMs, ...compared.map(({ countable }) => countable?.lagMs ?? 0));
  const share = (planned.steps[0]?.percent ?? 0) / 100;
  const outlook = { traffic, share, floorMs };
  return {
    name: gate.name,
    source: gate.source,
    ...questions(gate, planned),
    trafficNow: traffic ?? null,
    notes: [...(seen?.countable?.notes ?? []), ...notes],
    slices: Object.keys(seen?.countable?.slices ?? {}).length,
    unseen: seen?.countable?.unseen ?? [],
    expects: planned.comparison === undefined ? [] : forecast(gate.name, { comparison: planned.comparison, ...outlook }),
  };
}

type PlanDocument = Awaited<ReturnType<typeof planDocument>>;

function planLines(document: PlanDocument, planned: Plan): readonly string[] {
  const build = (of: Plan['candidate'] | null) =>
    of === null ? 'nothing' : `${shortGuid(of.guid)}  ${of.version}  sequence ${of.sequence}  at ${of.ref}`;
  return [
    `plan for ${scopeText(planned.scope)}`,
    `  from       ${build(planned.stable)}`,
    `  to         ${build(planned.candidate)}`,
    `  serving    ${splitText(document.serving)}`,
    ...document.members.flatMap((text, index) => `  ${(index === 0 ? 'members' : '').padEnd(9)}  ${text}`),
    ...identityLines(document.asked, document.mustSay, planned),
    ...(document.steps.some(({ up }) => capacityLines(up).length > 0)
      ? ['  capacity   the members that are up are counted again before each raise']
      : []),
    ...(document.watchMs === 0
      ? []
      : [`  watch      the stable build for ${msText(document.watchMs)}, before the first step; nothing is shifted`]),
    ...document.steps.flatMap((step, index) => [
      `  step ${index + 1}/${document.steps.length}   ${splitText(step.split)} for ${msText(step.bakeMs)}`,
      ...capacityLines(step.up),
      ...step.changes.map((change) => `               ${describe(change)}`),
    ]),
    ...document.gates.flatMap((gate) => [
      `  gate       ${gate.name}: at most ${fractionText(gate.max)} of at least ${gate.minRequests} requests (${gate.source})`,
      ...askedLines(gate),
      `               now, for the build currently serving: ${measurementText(gate.stableNow)}`,
      ...gate.unseen.map((unseen) => `               not judged: ${unseen}`),
    ]),
    ...document.comparison.flatMap((gate) => [
      `  gate       ${gate.name}: compares with the stable build (${gate.source}${gate.slices === 0 ? '' : `, ${gate.slices} slices`})`,
      ...askedLines(gate),
      ...[...gate.expects, ...gate.notes].map((sentence) => `               ${sentence}`),
      ...gate.unseen.map((unseen) => `               not judged: ${unseen}`),
    ]),
    ...(document.warmUpMs === 0
      ? []
      : [
          `  warm-up    ${msText(document.warmUpMs)} after each raise: only a build that fails nearly everything fails; then it bakes`,
        ]),
    `  rollback   ${document.wayBack.build === null ? 'none' : `${shortGuid(document.wayBack.build.guid)}, pointer generation ${String(document.wayBack.generation)}`}`,
    ...document.wayBack.changes.map((change) => `               ${describe(change)}`),
    `               ${document.wayBack.breakGlass}`,
  ];
}

function askedLines({ question, stableQuestion }: ReturnType<typeof questions>): readonly string[] {
  const stable = stableQuestion === null ? [] : [`               and, for the build currently serving, ${stableQuestion}`];
  return [`               asks ${question}`, ...stable];
}

function measurementText(now: PlanDocument['gates'][number]['stableNow']): string {
  if ('missing' in now) return `no data: ${now.missing}`;
  return `${now.errors} errors of ${now.requests} requests${now.counting === 'total' ? ' counted so far' : ' sent just now'}${now.detail === undefined ? '' : ` (${now.detail})`}`;
}
