/** Admission: independent locks on one door, each refusing on its own from facts that were gathered before. No I/O. */
import type { Code } from '../../base/codes.ts';
import type { Scope } from '../../base/scope.ts';
import type { Refusal } from '../errors.ts';
import type { History } from '../ledger/history.ts';
import type { ListedBuild } from '../manifest/manifest.ts';
import type { Guid } from '../scope.ts';

/** What a build answered when it was asked directly, at the address that the router reports for its place. */
export type Answer =
  | { readonly guid: Guid | null; readonly environment: string | null; readonly said: string }
  | { readonly unreachable: string };

/** Everything the locks look at. Gathered by the edges, judged here. */
export interface Facts {
  readonly scope: Scope;
  readonly guid: Guid;
  /** Every build of every readable manifest under the root. */
  readonly listed: readonly ListedBuild[];
  /** Builds in the file that stands at this scope's place, whatever scope that file declares. */
  readonly atPlace: readonly ListedBuild[];
  /** GUIDs that the ledgers of other scopes name. */
  readonly otherLedgers: readonly { readonly scope: Scope; readonly guids: ReadonlySet<Guid> }[];
  readonly history: History;
  /** All environments of the config: a target that names another one of them is another target. */
  readonly environments: readonly string[];
  /** The words in which the target says which environment it is. */
  readonly targetSays: readonly string[];
  readonly members: readonly { readonly place: string; readonly percent: number; readonly up: boolean }[];
  readonly candidateAnswers: Answer | null;
  readonly knownGoodAnswers: Answer | null;
  readonly pointer: PointerFact;
  /** Why the state directory cannot keep what it acknowledges, or null. */
  readonly diskProblem: string | null;
}

/** What the local pointer says, as far as admission needs it. */
export interface PointerFact {
  readonly knownGood: Guid | null;
  readonly damaged: readonly { readonly file: string; readonly why: string }[];
  /** Why the ledger cannot be the one that this pointer was written from: its end was cut off, or it is another one. Or null. */
  readonly ledgerCut: string | null;
}

export interface Lock {
  /** Its place in the list of locks. */
  readonly number: number;
  readonly name: string;
  /** What it keeps off. */
  readonly hazard: HazardId;
  /** `files`: decided without asking anything outside, so it refuses before the target hears of it. */
  readonly needs: 'files' | 'target';
  /** The refusal, or undefined. */
  readonly check: (facts: Facts) => Refusal | undefined;
}

/** One line of what was looked at, for `plan`. */
export interface Checked {
  readonly name: string;
  readonly hazard: HazardId;
  readonly refusal: Refusal | undefined;
}

/** Codes that head the error before any other: a foreign build first; and who asks for a bad one must not be told to roll back to it. */
const FIRST: readonly Code[] = ['FOREIGN_BUILD', 'WRONG_SCOPE', 'BAD_BUILD'];

/** The refusal that heads the error. */
export function headline(checked: readonly Checked[]): Refusal | undefined {
  const refusals = checked.flatMap((check) => (check.refusal === undefined ? [] : [check.refusal]));
  const heads = FIRST.flatMap((code) => refusals.filter((refusal) => refusal.code === code));
  return heads[0] ?? refusals[0];
}

export type HazardId =
  | 'foreign-build'
  | 'build-absent'
  | 'wrong-target'
  | 'stale-plan'
  | 'older-build'
  | 'bad-again'
  | 'untried-source'
  | 'no-known-good'
  | 'way-back-depends'
  | 'disk'
  | 'black-hole'
  | 'silent-metrics'
  | 'late-gates'
  | 'rounded-split'
  | 'forgetful-router'
  | 'two-runners'
  | 'crash-midway'
  | 'no-answer';
