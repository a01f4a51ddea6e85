/** Signals and flags as the loop reads them. */
import { KvdeployError } from '../core/errors.ts';
import { parseDuration } from '../core/gates/verdict/gate.ts';
import { scopeFlags } from '../core/scope.ts';
import type { Control, Runner } from '../engine/runner.ts';
import type { Deps } from '../release/deps.ts';

/** The control of a run, from `--until` and `--max-wait`. */
export function controlOf(deps: Deps, options: { readonly until?: string; readonly maxWait?: string }): Control {
  return { hold: false, leave: false, untilPercent: untilOf(options.until), leaveAtMs: leaveAtOf(deps, options.maxWait) };
}

function untilOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const percent = Number(text.replace(/ ?%$/, ''));
  if (percent > 0 && percent <= 100) return percent;
  throw new KvdeployError('USAGE', {
    message: `--until ${text} is not a percentage above 0 and at most 100.`,
    hint: 'For example: --until 25',
  });
}

function leaveAtOf(deps: Deps, text: string | undefined): number | null {
  if (text === undefined) return null;
  const ms = parseDuration(text);
  if (ms !== undefined && ms > 0) return deps.io.monotonic() + ms;
  throw new KvdeployError('USAGE', { message: `--max-wait ${text} is not a duration.`, hint: 'For example: --max-wait 10m' });
}

/**
 * At a terminal the first Ctrl-C holds at the present step (gates are still watched) and says what is true now; the second
 * leaves. SIGTERM, SIGHUP, and SIGINT without a terminal leave at once, written down. Returns how to stop listening.
 */
export function listenForSignals(deps: Deps, control: Control, runner: Runner): () => void {
  return deps.onSignal((signal, times) => {
    const first = signal === 'SIGINT' && deps.atTerminal && times === 1;
    if (!first) {
      control.leave = true;
      deps.line({ type: 'note', level: 'warning', message: `${signal}: writing down where this stands, then leaving` });
      return;
    }
    control.hold = true;
    const state = runner.history.rollout;
    const percent = state === null ? 0 : (state.plan.steps[state.step]?.percent ?? 0);
    const where = state === null ? 'nothing was changed' : `${state.phase} at ${percent} %`;
    deps.line({
      type: 'note',
      level: 'warning',
      message: `held: ${where}. No further step begins; the gates are still watched and a failing one still reverts. Ctrl-C again leaves; to go back: kvdeploy abort ${scopeFlags(runner.parts.scope)}`,
    });
  });
}
