/** One poll of the comparing gates: count both builds, feed the evidence, judge. Must hand on every missing answer as missing. */
import type { Certificate } from '../core/gates/evidence/certificate.ts';
import type { Evidence } from '../core/gates/evidence/evidence.ts';
import type { Standing } from '../core/gates/verdict/culprits.ts';
import type { EvidenceRecord } from '../core/ledger/events.ts';

/** What a process remembers between two polls; what must survive it is in the ledger. */
export interface ComparisonMemory {
  readonly record: EvidenceRecord;
  /** What follows from the record's evidence. */
  readonly weighed: Weighed;
  /** The evidence's clock: this much ahead of the monotonic one. A wall clock that jumps must not end a bake. */
  readonly aheadMs: number;
  /** Monotonic time of the next poll, and of the next checkpoint. */
  readonly dueMs: number;
  readonly keepMs: number;
  /** Since when, on the evidence's clock, this process knows that traffic is split as this step says; null before its first poll. */
  readonly settledMs: number | null;
  /** When each gate's counters were last read whole: what is counted next began there. */
  readonly movedMs: Readonly<Record<string, number>>;
}

/** Evidence and what follows from it alone: with many slices that is worked out once a poll, not at every look. */
export interface Weighed {
  readonly evidence: Evidence;
  readonly certified: readonly Certificate[];
  readonly standings: readonly Standing[];
}
