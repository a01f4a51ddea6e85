/** `plan`: everything that promote would check and do. Changes nothing. */

import { readHold } from '../break-glass/hold.ts';
import { readPointers } from '../break-glass/pointer.ts';
import { describe } from '../break-glass/wording.ts';
import { refusalError } from '../core/errors.ts';
import { durationText, percentText } from '../core/gate.ts';
import type { Plan } from '../core/plan.ts';
import { stepSplit } from '../core/plan-splits.ts';
import { scopeText, shortGuid } from '../core/scope.ts';
import { splitText } from '../core/split.ts';
import { describeGate, measureGate } from '../engine/measure.ts';
import { breakGlassCommand } from './advice.ts';
import { type Deps, done, type Outcome } from './command.ts';
import { type Opened, openScope } from './open.ts';
import { judgeRelease, otherScopesText, type Release, type Wanted } from './release.ts';

export async function plan(options: Wanted, deps: Deps): Promise<Outcome> {
  const opened = await openScope(deps, { config: 'needed' });
  const release = await judgeRelease(opened, options, deps, 'looking');
  showChecks(release, opened, deps);
  deps.line({
    type: 'check',
    name: 'the state directory keeps its word',
    ok: null,
    message: 'only promote tries it, since that writes a file',
  });
  const hold = readHold(opened.pointerDirs, deps.io.fs);
  if (hold !== undefined) deps.line({ type: 'check', name: 'no hold is in force', ok: false, message: hold.text });
  if (release.refusal !== undefined || release.plan === null) {
    throw refusalError(
      release.refusal ?? { code: 'BUG', message: 'The release has neither plan nor refusal.', hint: 'Report this, please.' },
    );
  }
  const document = await planDocument(release, release.plan, opened, deps);
  deps.line({ type: 'document', name: 'plan', data: document });
  deps.print(planText(document, release.plan));
  const { flags } = opened;
  return done('The plan can begin; nothing was changed.', [`kvdeploy promote ${flags} --build ${release.plan.candidate.guid}`]);
}

/** One line per check. What could not be looked at is not verified, which is not the same as passed. */
export function showChecks(release: Release, opened: Opened, deps: Deps): void {
  for (const { name, refusal } of release.checked) {
    deps.line({ type: 'check', name, ok: refusal === undefined, message: refusal === undefined ? '' : refusal.message });
  }
  const message = otherScopesText(release.otherScopes, opened.scope);
  deps.line({ type: 'check', name: 'other scopes', ok: release.otherScopes === 0 ? null : true, message });
}

/** Everything that a reviewer wants to see, as data. */
async function planDocument(release: Release, planned: Plan, opened: Opened, deps: Deps) {
  const { target, reading } = release;
  const gates = await Promise.all(
    planned.gates.map(async (gate) => {
      const now =
        planned.stable === null
          ? { missing: 'nothing serves' }
          : await measureGate(gate, planned, planned.stable, reading, deps.io);
      return {
        name: gate.name,
        source: gate.source,
        max: gate.max,
        minRequests: gate.minRequests,
        question: describeGate(gate, planned, planned.candidate),
        stableNow: now,
      };
    }),
  );
  const steps = planned.steps.map((step, index) => {
    const split = stepSplit(planned, index);
    const leaving = index + 1 === planned.steps.length ? 'drain' : 'at-once';
    return { percent: step.percent, bakeMs: step.bakeMs, split, changes: target?.changes(split, leaving) ?? [] };
  });
  const { newest } = readPointers(opened.pointerDirs[0] ?? '', deps.io.fs, opened.scope);
  return {
    scope: planned.scope,
    candidate: planned.candidate,
    stable: planned.stable,
    gates,
    steps,
    router: planned.router.kind,
    serving: reading?.members ?? [],
    wayBack: {
      build: newest?.knownGood.build ?? null,
      generation: newest?.generation ?? null,
      changes: newest?.knownGood.changes ?? [],
      breakGlass: breakGlassCommand(opened),
    },
    sources: planned.sources,
  };
}

type PlanDocument = Awaited<ReturnType<typeof planDocument>>;

function planText(document: PlanDocument, planned: Plan): string {
  const build = (of: Plan['candidate'] | null) =>
    of === null ? 'nothing' : `${shortGuid(of.guid)}  ${of.version}  sequence ${of.sequence}  at ${of.ref}`;
  const lines = [
    `plan for ${scopeText(planned.scope)}`,
    `  from       ${build(planned.stable)}`,
    `  to         ${build(planned.candidate)}`,
    `  serving    ${splitText(document.serving)}`,
    ...document.steps.flatMap((step, index) => [
      `  step ${index + 1}/${document.steps.length}   ${splitText(step.split)} for ${durationText(step.bakeMs)}`,
      ...step.changes.map((change) => `               ${describe(change)}`),
    ]),
    ...document.gates.flatMap((gate) => [
      `  gate       ${gate.name}: at most ${percentText(gate.max)} of at least ${gate.minRequests} requests (${gate.source})`,
      `               asks ${gate.question}`,
      `               now, for the build that serves: ${measurementText(gate.stableNow)}`,
    ]),
    `  way back   ${document.wayBack.build === null ? 'none' : `${shortGuid(document.wayBack.build.guid)}, pointer generation ${String(document.wayBack.generation)}`}`,
    ...document.wayBack.changes.map((change) => `               ${describe(change)}`),
    `               ${document.wayBack.breakGlass}`,
  ];
  return `${lines.join('\n')}\n`;
}

function measurementText(now: PlanDocument['gates'][number]['stableNow']): string {
  if ('missing' in now) return `no data: ${now.missing}`;
  return `${now.errors} errors of ${now.requests} requests${now.counting === 'total' ? ' counted so far' : ' just sent'}${now.detail === undefined ? '' : ` (${now.detail})`}`;
}
