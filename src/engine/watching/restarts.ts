/** How often a bake began again at one step, and what that cost. No bake may begin again for ever. */
import type { GateResult } from '../../core/gates/verdict/verdict.ts';

/** A restart costs the time since the last one, and of patience no more than this part: at the eighth of one step it ends at the latest. */
const PART_MAX = 1 / 8;

/** The restarts of one bake, in this process. */
export class Restarts {
  #times = 0;
  #sinceMs = 0;
  #lostMs = 0;

  /** Patience that they cost at this step. Nothing makes it good: what was watched before a restart counts for nothing. Milliseconds. */
  get lostMs(): number {
    return this.#lostMs;
  }

  /** One poll, `spentMs` after the one before. `why` it begins again; undefined where it does not. */
  add(
    why: string | undefined,
    spentMs: number,
    patienceMs: number,
  ): { readonly costMs: number; readonly results: readonly GateResult[] } {
    const sinceMs = this.#sinceMs;
    this.#sinceMs = why === undefined ? sinceMs + spentMs : 0;
    // Trouble that goes on is one restart.
    if (why === undefined || sinceMs === 0) return { costMs: 0, results: [] };
    const costMs = Math.min(sinceMs, patienceMs * PART_MAX);
    this.#times += 1;
    this.#lostMs += costMs;
    if (this.#times === 1) return { costMs, results: [] };
    const text = `it began again ${this.#times} times at this step, now because ${why}`;
    return { costMs, results: [{ gate: 'bake', verdict: 'hold', why: text, requests: 0, errors: 0 }] };
  }
}
