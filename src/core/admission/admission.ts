/** Admission: independent checks on one door, and the one function that judges them. No I/O. */
import type { Code } from '../../base/codes.ts';
import type { Refusal } from '../errors.ts';
import { type AdmittedBuild, admittedNow } from './admitted.ts';
import {
  listedOnce,
  newer,
  notBad,
  notForeign,
  onceKnownGood,
  othersSeen,
  ownListing,
  ownPlace,
  ownStamp,
  rightScope,
} from './build-checks.ts';
import { type Check, type Checked, type Facts, judged, offered } from './facts.ts';
import { environmentProven, namedOnce, present } from './identity-checks.ts';
import { clientsCounted, enoughUp, gatesSee, pointerFits, soakedIn, stepsPossible } from './plan-checks.ts';
import { allSeen, diskKeeps, pointerSound, rightTarget, rollbackGoal, rollbackPath, usable } from './target-checks.ts';

/** What a promotion is judged by; `required` is the environment that must have run its source first. */
export function promotionChecks(required: string | null): readonly Check[] {
  return [
    rightScope,
    listedOnce,
    notForeign,
    ownStamp,
    othersSeen,
    namedOnce,
    newer,
    ownPlace,
    rightTarget,
    allSeen,
    usable,
    environmentProven,
    present,
    notBad,
    rollbackGoal,
    pointerSound,
    rollbackPath,
    diskKeeps,
    ...(required === null ? [] : [soakedIn(required)]),
    stepsPossible,
    enoughUp,
    pointerFits,
    clientsCounted,
    gatesSee,
    ownListing,
  ];
}

/** Every check of a promotion that requires no other environment. Each is enough on its own; a test turns all the others off. */
export const CHECKS: readonly Check[] = promotionChecks(null);

/** A manifest that has since been broken or pruned does not block a rollback; one that gives this GUID to another scope does. */
export const ROLLBACK_CHECKS: readonly Check[] = [
  notForeign,
  ownStamp,
  onceKnownGood,
  namedOnce,
  notBad,
  rightTarget,
  environmentProven,
  present,
];

/** The build currently serving, or one that another machine knew as good, becomes known-good: it must be this scope's own, at the right target, and not bad. */
export const ADOPTION_CHECKS: readonly Check[] = [
  rightScope,
  listedOnce,
  notForeign,
  ownStamp,
  othersSeen,
  namedOnce,
  rightTarget,
  allSeen,
  usable,
  environmentProven,
  present,
  notBad,
  diskKeeps,
  ownListing,
];

/** What a rollout under way is judged by again: what its candidate was admitted on, as far as files and ledgers say it. */
export const FILES_AGAIN_CHECKS: readonly Check[] = [rightScope, notForeign, ownStamp, notBad, listedOnce, namedOnce];

/** The same where there is no checkout. */
export const LEDGERS_AGAIN_CHECKS: readonly Check[] = [notForeign, notBad];

/** What the checks said. */
export interface Admission {
  readonly checked: readonly Checked[];
  /** The refusal that heads the error, or undefined. */
  readonly refusal: Refusal | undefined;
  /** Null while anything refuses or the target was not asked. */
  readonly build: AdmittedBuild | null;
}

/** Judges every check whose facts were gathered. All refusals are reported. */
export function admit(facts: Facts, checks: readonly Check[] = CHECKS): Admission {
  const checked = checks.filter(({ needs }) => facts.gathered.includes(needs)).map((check) => judged(check, facts));
  // The other rows of the listing count only where nothing is wrong with the build itself.
  const refusal = headline(checked.filter(({ name }) => name !== ownListing.name)) ?? headline(checked);
  const whole = refusal === undefined && facts.gathered.includes('target');
  const build = offered(facts)?.build;
  return { checked, refusal, build: whole && build !== undefined ? admittedNow(build) : null };
}

/** Codes that head the error before any other: a foreign build first; and a bad one must not be offered as a rollback. */
const FIRST: readonly Code[] = ['FOREIGN_BUILD', 'WRONG_SCOPE', 'BAD_BUILD'];

/** The refusal that heads the error. */
export function headline(checked: readonly Checked[]): Refusal | undefined {
  const refusals = checked.flatMap(({ refusal }) => refusal ?? []);
  const heads = FIRST.flatMap((code) => refusals.filter((refusal) => refusal.code === code));
  return heads[0] ?? refusals[0];
}
