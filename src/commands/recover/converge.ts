/** `converge`: what drifted, came back on an old build or was moved by hand goes back to what the ledger says. Marks nothing bad. */
import { answersText } from '../../core/admission/answers.ts';
import { KvdeployError } from '../../core/errors.ts';
import { isUnsettled } from '../../core/ledger/expected.ts';
import { openRollout } from '../../core/ledger/history.ts';
import { convergencePlan } from '../../core/rollout/make-plan.ts';
import { splitText } from '../../core/rollout/split.ts';
import { scopeText, shortGuid } from '../../core/scope.ts';
import { Wishes } from '../../lead/control.ts';
import { lookAround, unattended } from '../../lead/drift.ts';
import { assertNoHold } from '../../lead/held.ts';
import { mustKnowGood } from '../../lead/idle-pointer.ts';
import { judgeRollback, rollbackSettings } from '../../lead/judge-rollback.ts';
import { beginNew, lead, refuseWhileOpen } from '../../lead/lead.ts';
import { breakGlassCommand, stuckTarget } from '../../lead/outcome.ts';
import { confirm } from '../../release/confirm.ts';
import { type Deps, done, type Outcome, reasonOf } from '../../release/deps.ts';
import { type Opened, openScope } from '../../release/open.ts';
import { planning } from '../../release/plan-parts.ts';
import { shownTarget } from '../../release/traffic.ts';

export interface ConvergeOptions {
  readonly confirm?: string;
  readonly reason?: string;
}

export async function converge(options: ConvergeOptions, deps: Deps): Promise<Outcome> {
  const opened = await openScope(deps, { config: 'optional' });
  assertNoHold(opened, deps);
  const open = openRollout(opened.history);
  if (open !== null) return refuseWhileOpen(opened, open, deps);
  const { build } = mustKnowGood(opened);
  if (isUnsettled(opened.history)) throw unsettled(opened);
  const target = shownTarget(opened, deps);
  const reading = await target.read();
  const seen = await lookAround(opened, target, reading);
  const name = `${shortGuid(build.guid)} (${build.version})`;
  if (seen.split === null && seen.wrong.length === 0)
    return done(
      `Nothing has drifted: all traffic of ${scopeText(opened.scope)} is on ${name}, as the ledger says. Nothing was changed.`,
    );
  for (const { place, percent, answers } of seen.places)
    deps.line({ type: 'note', level: 'info', message: `${place} ${percent} %: ${answersText(answers)}` });
  const rescue = breakGlassCommand(opened, deps.io, build.guid);
  const judged = await judgeRollback(opened, build, target, rescue, deps);
  if (seen.split === null) return beyondIt(unattended(opened.history, seen, false), opened);
  await confirm(
    opened,
    `Converge ${scopeText(opened.scope)} from ${splitText(judged.places)} to ${name} at ${build.ref}`,
    options,
    deps,
  );
  const settings = rollbackSettings(opened, rescue);
  const plan = convergencePlan(settings, planning(opened, [], judged, deps, reasonOf(options)), build);
  const wants = { command: 'converge', control: new Wishes(deps), takeOver: false, begin: beginNew(plan, opened.history) };
  return lead(opened, plan, deps, wants);
}

/** Which build should serve is then for a person to say. */
function unsettled(opened: Opened): KvdeployError {
  const { history, scope, flags } = opened;
  const message = `The last rollout of ${scopeText(scope)} ended stuck, so the ledger does not say which build should serve.`;
  const hint = `Roll back: kvdeploy rollback ${flags}${stuckTarget(history)}`;
  return new KvdeployError('UNFINISHED', { message, hint });
}

/** The split is right: no shift can help. */
function beyondIt(wrong: readonly string[], { flags }: Opened): Outcome {
  const message = `The traffic is split as the ledger says, so there is nothing to converge, but: ${wrong.join('; ')}.`;
  return { code: 'NEEDS_ATTENTION', message, hint: `Fix what it names. Look closer: kvdeploy doctor ${flags}` };
}
