/** What stands in the comparison of gates: every judge sees the same counts, one interval at a time, and says one word. Must not decide anything. */
import type { Counters } from '../../../src/core/gates/counting/counters.ts';

/** Counts of one build in one interval. */
export interface Arm {
  readonly requests: number;
  readonly failures: number;
}

export interface SliceArms {
  readonly name: string;
  readonly candidate: Arm;
  readonly stable: Arm;
}

/** Requests by how long they took, each bucket by itself; the last one has no upper bound, so it has no `le`. */
export interface Histogram {
  /** Upper bounds in seconds. */
  readonly le: readonly number[];
  readonly candidate: readonly number[];
  readonly stable: readonly number[];
}

/** What a judge may see beyond the two totals. */
export interface Parts {
  readonly slices?: readonly SliceArms[];
  readonly histogram?: Histogram;
  /** The counters of each process as a source reads them, for whoever counts by itself. */
  readonly reading?: Counters;
}

/** What a judge is told before the rollout. Only the oracle may look at `p1`, and only it and the SPRT at `p0`. */
export interface Setting {
  readonly rps: number;
  readonly pollS: number;
  /** The candidate's share of the traffic in each step, in percent. */
  readonly percents: readonly number[];
  readonly p0: number;
  readonly p1: number;
  readonly slices: readonly string[];
  readonly seed: number;
}

export type Verdict = 'hold' | 'rollback' | 'advance';

/** One rollout under one judge: made afresh for every run. */
export interface Judge {
  readonly name: string;
  start(setting: Setting): void;
  /** Before the candidate has its first request: what the stable build did in the interval that ends at `tS`, which is at most 0. */
  watch?(tS: number, stable: Arm, parts?: Parts): void;
  /** `tS`: seconds from the rollout's start to the end of the interval that the counts are of. */
  poll(tS: number, candidate: Arm, stable: Arm, parts?: Parts): Verdict;
  /** After a rollback: the slices that are to blame. */
  blamedSlices?(): readonly string[];
}

export type NewJudge = () => Judge;

export function together(a: Arm, b: Arm): Arm {
  return { requests: a.requests + b.requests, failures: a.failures + b.failures };
}

/** The counts of a rollout so far, so that a rule may look back over a window. */
export class Past {
  readonly #candidate: Arm[] = [{ requests: 0, failures: 0 }];
  readonly #stable: Arm[] = [{ requests: 0, failures: 0 }];
  readonly #pollS: number;

  constructor(pollS: number) {
    this.#pollS = pollS;
  }

  add(candidate: Arm, stable: Arm): void {
    this.#candidate.push(together(this.#candidate.at(-1) ?? NOTHING, candidate));
    this.#stable.push(together(this.#stable.at(-1) ?? NOTHING, stable));
  }

  candidate(windowS: number): Arm {
    return this.#over(this.#candidate, windowS);
  }

  stable(windowS: number): Arm {
    return this.#over(this.#stable, windowS);
  }

  #over(sums: readonly Arm[], windowS: number): Arm {
    const now = sums.at(-1) ?? NOTHING;
    const then = sums[Math.max(0, sums.length - 1 - Math.max(1, Math.round(windowS / this.#pollS)))] ?? NOTHING;
    return { requests: now.requests - then.requests, failures: now.failures - then.failures };
  }
}

export const NOTHING: Arm = { requests: 0, failures: 0 };

/** A judge that only knows when to roll back, given steps of a fixed length. */
export class Dwelling implements Judge {
  readonly name: string;
  readonly #judge: Judge;
  readonly #dwellS: number;
  #sinceS = 0;

  constructor(judge: Judge, dwellS: number) {
    this.name = judge.name;
    this.#judge = judge;
    this.#dwellS = dwellS;
  }

  start(setting: Setting): void {
    this.#sinceS = 0;
    this.#judge.start(setting);
  }

  poll(tS: number, candidate: Arm, stable: Arm, parts?: Parts): Verdict {
    const verdict = this.#judge.poll(tS, candidate, stable, parts);
    if (verdict !== 'hold' || tS - this.#sinceS < this.#dwellS) return verdict;
    this.#sinceS = tS;
    return 'advance';
  }
}

/** A judge that looks at even times only, in workloads that are drawn more often: it sees what was counted meanwhile. */
export class AtIntervals implements Judge {
  readonly name: string;
  readonly #judge: Judge;
  readonly #everyS: number;
  #candidate = NOTHING;
  #stable = NOTHING;

  constructor(judge: Judge, everyS: number) {
    this.name = judge.name;
    [this.#judge, this.#everyS] = [judge, everyS];
  }

  start(setting: Setting): void {
    [this.#candidate, this.#stable] = [NOTHING, NOTHING];
    this.#judge.start({ ...setting, pollS: this.#everyS });
  }

  watch(tS: number, stable: Arm, parts?: Parts): void {
    if (this.#judge.watch === undefined) return;
    this.#stable = together(this.#stable, stable);
    if (tS % this.#everyS !== 0) return;
    this.#judge.watch(tS, this.#stable, parts);
    this.#stable = NOTHING;
  }

  poll(tS: number, candidate: Arm, stable: Arm, parts?: Parts): Verdict {
    [this.#candidate, this.#stable] = [together(this.#candidate, candidate), together(this.#stable, stable)];
    if (tS % this.#everyS !== 0) return 'hold';
    const verdict = this.#judge.poll(tS, this.#candidate, this.#stable, parts);
    [this.#candidate, this.#stable] = [NOTHING, NOTHING];
    return verdict;
  }
}
