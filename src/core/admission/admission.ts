/** Admission: independent locks on one door, each refusing on its own from facts that were gathered before. No I/O. */
import type { Build } from '../manifest/manifest.ts';
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
import type { Checked, Facts, Lock } from './facts.ts';
import { lockDisk, lockKnownGood, lockPointer, lockPresent, lockTarget, lockWayBack } from './target-locks.ts';

declare const admitted: unique symbol;

/** A build that every lock let through. Only `admit` makes one, and only one can become a promotion's plan. */
export type AdmittedBuild = Build & { readonly [admitted]: true };

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
