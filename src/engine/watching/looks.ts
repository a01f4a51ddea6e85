/** How long was watched between two judged polls. Must not count a time in which no one looked. */

/** What a look may take beyond its interval: reading the router and asking the builds, each with a deadline of 2 s. Later, no one watched. */
const GAP_MS = 5000;

/** The looks of one bake, or of one watch, on the monotonic clock. A slow metric source is no gap: the router is looked at meanwhile. */
export class Looks {
  #lastMs: number | undefined;
  #isGap = false;
  #spentMs = 0;

  /** Someone looked now; the next look was due after `everyMs`. */
  at(nowMs: number, everyMs: number): void {
    const sinceMs = nowMs - (this.#lastMs ?? nowMs);
    const mostMs = everyMs + GAP_MS;
    this.#lastMs = nowMs;
    this.#spentMs += Math.min(sinceMs, mostMs);
    if (sinceMs > mostMs) this.#isGap = true;
  }

  /** The time since it was last taken, of a gap no more than what a look may take, and whether there was a gap. */
  take(): { readonly spentMs: number; readonly isGap: boolean } {
    const taken = { spentMs: this.#spentMs, isGap: this.#isGap };
    this.#spentMs = 0;
    this.#isGap = false;
    return taken;
  }
}
