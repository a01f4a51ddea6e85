/** Signals and flags as the loop reads them. */
import { KvdeployError } from '../core/errors.ts';
import { parseDuration } from '../core/gates/verdict/gate.ts';
import { isUntouched } from '../core/rollout/rollout.ts';
import { scopeFlags } from '../core/scope.ts';
import type { Control, Runner } from '../engine/runner.ts';
import type { Deps } from '../release/deps.ts';

/** What the flags ask of a run, and from `listen` on its signals too. */
export class Wishes implements Control {
  readonly untilPercent: number | null;
  readonly leaveAtMs: number | null;
  readonly #deps: Deps;
  #paused = false;
  #leave = false;

  /** Throws USAGE. */
  constructor(deps: Deps, { until, maxWait }: { readonly until?: string; readonly maxWait?: string } = {}) {
    this.#deps = deps;
    this.untilPercent = untilOf(until);
    this.leaveAtMs = leaveAtOf(deps, maxWait);
  }

  get paused(): boolean {
    return this.#paused;
  }

  get leave(): boolean {
    return this.#leave;
  }

  /**
   * At a terminal the first Ctrl-C pauses at the current step (gates are still watched) and says what is true now; the second
   * leaves, and the first before anything was shifted. SIGTERM, SIGHUP, and SIGINT without a terminal leave at once, written down. Returns how to stop listening.
   */
  listen({ ledger, places }: Pick<Runner, 'ledger' | 'places'>): () => void {
    const { onSignal, atTerminal, line } = this.#deps;
    return onSignal((signal, times) => {
      if (signal !== 'SIGINT' || !atTerminal || times > 1) {
        this.#leave = true;
        line({ type: 'note', level: 'warning', message: `${signal}: recording the state of the rollout, then exiting` });
        return;
      }
      this.#paused = true;
      const state = ledger.history.rollout;
      if (state !== null && isUntouched(state)) {
        line({ type: 'note', level: 'warning', message: 'Ctrl-C: nothing has been shifted; recording that, then exiting' });
        return;
      }
      const percent = state?.plan.steps[state.step]?.percent ?? 0;
      const where = state === null ? 'nothing was changed' : `${state.phase} at ${percent} %`;
      const message = `paused: ${where}. No further step begins; the gates are still watched and a failing one still reverts. Ctrl-C again leaves; to roll back: kvdeploy abort ${scopeFlags(places.scope)}`;
      line({ type: 'note', level: 'warning', message });
    });
  }
}

function untilOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const percent = Number(text.replace(/ ?%$/, ''));
  if (percent > 0 && percent <= 100) return percent;
  const message = `--until ${text} is not a percentage above 0 and at most 100.`;
  throw new KvdeployError('USAGE', { message, hint: 'For example: --until 25' });
}

function leaveAtOf({ io }: Deps, text: string | undefined): number | null {
  if (text === undefined) return null;
  const ms = parseDuration(text);
  if (ms !== undefined && ms > 0) return io.monotonic() + ms;
  throw new KvdeployError('USAGE', { message: `--max-wait ${text} is not a duration.`, hint: 'For example: --max-wait 10m' });
}
