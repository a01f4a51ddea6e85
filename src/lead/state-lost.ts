/** What is left to do and to say where the state was lost in mid-rollout: written wherever it can be, and never taken for a success. */
import { join } from 'node:path';
import { asCommand } from '../base/changes/wording.ts';
import { EXIT } from '../base/codes.ts';
import { appendLine, makeFolders } from '../base/durable/durable-file.ts';
import { canonical } from '../base/shape.ts';
import { stableSplit, stepSplit } from '../core/rollout/plan.ts';
import type { State } from '../core/rollout/rollout.ts';
import { shortGuid } from '../core/scope.ts';
import { pointerDirsOf } from '../engine/pointer-writer.ts';
import type { Runner } from '../engine/runner.ts';
import type { Deps, Outcome } from '../release/deps.ts';
import type { Opened } from '../release/open.ts';
import { recordFallbacks } from '../release/state-dir.ts';

/** What a leader did after its state was lost, one line of JSON each, for people. */
const LOST_FILE = 'state-lost.jsonl';

const MAX_BYTES = 4 * 1024 * 1024;

/** Records what happened in every folder that takes it, prints the changes, and says what is true of the traffic. */
export function lostOutcome(state: State, why: string, runner: Runner, opened: Opened, deps: Deps): Outcome {
  const { plan, phase } = state;
  const before = `The state in ${opened.stateDir} was lost (${why})`;
  const isCandidate = phase === 'done' || plan.kind === 'rollback';
  const build = isCandidate ? plan.candidate : plan.stable;
  const next = [`kvdeploy abort ${opened.flags}`, `kvdeploy adopt ${opened.flags} --to ${build?.guid ?? plan.candidate.guid}`];
  const gone = `If the state comes back: ${next[0]}   if it is gone for good: ${next[1]}`;
  if (phase === 'refused') {
    const message = `${before} before anything was changed.`;
    return { code: 'STATE_LOST', exitCode: EXIT.unreachable, message, hint: 'Find out what happened to it, then begin again.' };
  }
  const note = (level: 'info' | 'warning', message: string) => deps.line({ type: 'note', level, message });
  const changes = runner.target.changes(isCandidate ? stepSplit(plan, state.step) : stableSplit(plan), 'at-once').map(asCommand);
  const said = record({ ...state, why }, changes, runner, opened, deps);
  if (said.length > 0) note('warning', `recorded in ${said.join(', ')}`);
  else note('warning', 'NOT RECORDED anywhere: keep this output.');
  for (const change of changes) note('info', `by hand: ${change}`);
  const name = build === null ? 'the stable build' : `${shortGuid(build.guid)} (${build.version})`;
  const arrived =
    phase === 'reverted' || phase === 'done' || (plan.kind === 'rollback' && state.code === 'STUCK' && phase === 'stuck');
  const now = arrived
    ? `All traffic was sent to ${name}, and read back.`
    : `It could not be confirmed that all traffic goes to ${name}: ${state.why}.`;
  const hint = arrived ? gone : `Make the changes above by hand. ${gone}`;
  return {
    code: 'STATE_LOST',
    exitCode: EXIT.stuck,
    message: `${before} while it was ${plan.kind} ${plan.id}. ${now}`,
    hint,
    next,
  };
}

/** The files that took it. */
function record(state: State, changes: readonly string[], runner: Runner, opened: Opened, deps: Deps): string[] {
  const { io } = deps;
  const { plan, phase, why } = state;
  const { host, pid } = io.self();
  const at = new Date(io.now()).toISOString();
  const builds = { candidate: plan.candidate.guid, stable: plan.stable?.guid ?? null };
  const line = canonical({
    at,
    actor: opened.actor,
    host,
    pid,
    scope: plan.scope,
    rollout: plan.id,
    phase,
    why,
    ...builds,
    changes,
  });
  const [, ...copies] = pointerDirsOf(runner.places);
  return [...copies, ...recordFallbacks(deps)].flatMap((dir) => {
    try {
      const file = join(dir, LOST_FILE);
      makeFolders(dir, io.fs);
      appendLine(file, () => line, io.fs, { maxBytes: MAX_BYTES, readers: 'owners' });
      return [file];
    } catch {
      return [];
    }
  });
}
