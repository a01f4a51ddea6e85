/** Chance from a seed: the same seed, sweep and number give the same input again, on any machine. */
export class Luck {
  #state: number;

  constructor(seed: string) {
    let state = 0x811c9dc5;
    for (let at = 0; at < seed.length; at += 1) state = Math.imul(state ^ seed.charCodeAt(at), 0x01000193);
    this.#state = state;
  }

  /** mulberry32: from 0 up to, but not including, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  /** A whole number from 0 up to, but not including, `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(from: readonly T[]): T {
    const found = from[this.below(from.length)];
    if (from.length === 0) throw new Error('nothing to pick from');
    return found as T;
  }

  /** From none to `most` things. */
  some<T>(most: number, one: (index: number) => T): T[] {
    return Array.from({ length: this.below(most + 1) }, (_, index) => one(index));
  }
}
