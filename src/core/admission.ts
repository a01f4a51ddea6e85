/** Admission: independent locks on one door, each refusing on its own from facts that were gathered before. No I/O. */
import {
  lockBad,
  lockForeign,
  lockListed,
  lockOnceKnownGood,
  lockPlace,
  lockScope,
  lockSequence,
  offered,
} from './build-locks.ts';
import type { Code, Refusal } from './errors.ts';
import type { HazardId } from './hazards.ts';
import type { History } from './history.ts';
import type { Build, ListedBuild } from './manifest.ts';
import type { Guid, Scope } from './scope.ts';
import { lockDisk, lockKnownGood, lockPointer, lockPresent, lockTarget, lockWayBack } from './target-locks.ts';

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
  /** Why the ledger cannot be the one that this pointer was written from: its end was cut off, or it is another one (R65). Or null. */
  readonly ledgerCut: string | null;
}

export interface Lock {
  /** Number in DESIGN.md 5. */
  readonly number: number;
  readonly name: string;
  /** What it keeps off. */
  readonly hazard: HazardId;
  /** `files`: decided without asking anything outside, so it refuses before the target hears of it. */
  readonly needs: 'files' | 'target';
  /** The refusal, or undefined. */
  readonly check: (facts: Facts) => Refusal | undefined;
}

declare const admitted: unique symbol;

/** A build that every lock let through. Only `admit` makes one, and only one can become a promotion's plan. */
export type AdmittedBuild = Build & { readonly [admitted]: true };

/** One line of what was looked at, for `plan`. */
export interface Checked {
  readonly name: string;
  readonly hazard: HazardId;
  readonly refusal: Refusal | undefined;
}

/** Turns every lock on the facts. All refusals are reported. */
export function admit(
  facts: Facts,
  locks: readonly Lock[] = LOCKS,
): { readonly checked: readonly Checked[]; readonly build: AdmittedBuild | null } {
  const checked = locks.map((lock) => ({ name: lock.name, hazard: lock.hazard, refusal: lock.check(facts) }));
  const build = offered(facts)?.build;
  const whole = checked.every((check) => check.refusal === undefined) && build !== undefined;
  return { checked, build: whole ? (build as AdmittedBuild) : null };
}

/** Codes that head the error before any other: a foreign build first; and who asks for a bad one must not be told to roll back to it. */
const FIRST: readonly Code[] = ['FOREIGN_BUILD', 'WRONG_SCOPE', 'BAD_BUILD'];

/** The refusal that heads the error. */
export function headline(checked: readonly Checked[]): Refusal | undefined {
  const refusals = checked.flatMap((check) => (check.refusal === undefined ? [] : [check.refusal]));
  const heads = FIRST.flatMap((code) => refusals.filter((refusal) => refusal.code === code));
  return heads[0] ?? refusals[0];
}

/** The one lock that has to write something to see. */
export const DISK_LOCK = 'the state directory keeps its word';

/** Every lock of this release. Each is enough on its own; a test turns all the others off. */
export const LOCKS: readonly Lock[] = [
  { number: 1, name: 'the manifest says this scope', hazard: 'foreign-build', needs: 'files', check: lockScope },
  { number: 2, name: 'the build is listed here, once', hazard: 'foreign-build', needs: 'files', check: lockListed },
  { number: 3, name: 'no other scope has the build', hazard: 'foreign-build', needs: 'files', check: lockForeign },
  { number: 5, name: 'newer than anything known-good here', hazard: 'older-build', needs: 'files', check: lockSequence },
  { number: 8, name: 'both builds have a place of their own', hazard: 'way-back-depends', needs: 'files', check: lockPlace },
  { number: 6, name: 'the target says this environment', hazard: 'wrong-target', needs: 'target', check: lockTarget },
  { number: 6, name: 'the build itself answers at its place', hazard: 'build-absent', needs: 'target', check: lockPresent },
  { number: 7, name: 'the build is not marked bad', hazard: 'bad-again', needs: 'files', check: lockBad },
  { number: 8, name: 'there is a known-good build', hazard: 'no-known-good', needs: 'target', check: lockKnownGood },
  { number: 8, name: 'the pointer on local disk verifies', hazard: 'no-known-good', needs: 'target', check: lockPointer },
  { number: 8, name: 'the known-good build still serves', hazard: 'no-known-good', needs: 'target', check: lockWayBack },
  { number: 8, name: DISK_LOCK, hazard: 'disk', needs: 'target', check: lockDisk },
];

/** Those that only look: whether the disk keeps its word shows only when something is written. */
export function lookingLocks(locks: readonly Lock[]): readonly Lock[] {
  return locks.filter((lock) => lock.name !== DISK_LOCK);
}

/** A manifest that has since been broken or pruned does not block a way back; one that gives this GUID to another scope does. */
export const ROLLBACK_LOCKS: readonly Lock[] = [
  { number: 3, name: 'no other scope has the build', hazard: 'foreign-build', needs: 'files', check: lockForeign },
  { number: 8, name: 'the build was known-good here', hazard: 'no-known-good', needs: 'files', check: lockOnceKnownGood },
  { number: 7, name: 'the build is not marked bad', hazard: 'bad-again', needs: 'files', check: lockBad },
  { number: 6, name: 'the target says this environment', hazard: 'wrong-target', needs: 'target', check: lockTarget },
  { number: 6, name: 'the build itself answers at its place', hazard: 'build-absent', needs: 'target', check: lockPresent },
];

/** Taking over what serves now: it must be this scope's own, at the right target, and not bad. */
export const ADOPT_LOCKS: readonly Lock[] = LOCKS.filter(
  (lock) => [1, 2, 3, 6, 7].includes(lock.number) || lock.check === lockDisk,
);
