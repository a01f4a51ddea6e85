/** Admission: independent locks on one door, each refusing on its own from facts that were gathered before. No I/O. */
import type { Refusal } from './errors.ts';
import { currentKnownGood, type History } from './history.ts';
import type { Build, ListedBuild } from './manifest.ts';
import { type Guid, type Scope, sameScope, scopeText, shortGuid } from './scope.ts';
import { splitText } from './split.ts';

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
}

export interface Lock {
  /** Number in DESIGN.md 5. */
  readonly number: number;
  readonly name: string;
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
  readonly refusal: Refusal | undefined;
}

/** Turns every lock on the facts. All refusals are reported. */
export function admit(
  facts: Facts,
  locks: readonly Lock[] = LOCKS,
): { readonly checked: readonly Checked[]; readonly build: AdmittedBuild | null } {
  const checked = locks.map((lock) => ({ name: lock.name, refusal: lock.check(facts) }));
  const listed =
    facts.listed.find((entry) => entry.build.guid === facts.guid && sameScope(entry.scope, facts.scope)) ??
    facts.listed.find((entry) => entry.build.guid === facts.guid);
  const whole = checked.every((check) => check.refusal === undefined) && listed !== undefined;
  return { checked, build: whole ? (listed.build as AdmittedBuild) : null };
}

/** The refusal that heads the error: a foreign build before everything else that is wrong with it. */
export function headline(checked: readonly Checked[]): Refusal | undefined {
  const refusals = checked.flatMap((check) => (check.refusal === undefined ? [] : [check.refusal]));
  return (
    refusals.find((refusal) => refusal.code === 'FOREIGN_BUILD') ??
    refusals.find((refusal) => refusal.code === 'WRONG_SCOPE') ??
    refusals[0]
  );
}

const listedAs = (facts: Facts) => facts.listed.filter((entry) => entry.build.guid === facts.guid);
const ours = (facts: Facts) => listedAs(facts).filter((entry) => sameScope(entry.scope, facts.scope));
const placeOf = (entry: ListedBuild, note?: string) => ({
  file: entry.file,
  line: entry.line,
  column: entry.column,
  ...(note === undefined ? {} : { note }),
});
const buildsHint = (facts: Facts) =>
  `Promote a build made for ${facts.scope.environment}: kvdeploy builds --env ${facts.scope.environment} --service ${facts.scope.service}`;

/** Lock 1: the manifest says the scope that was asked for. Its path proves nothing. */
export function lockScope(facts: Facts): Refusal | undefined {
  const strays = facts.atPlace.filter((entry) => entry.build.guid === facts.guid && !saysScope(entry, facts.scope));
  const stamped = ours(facts).filter((entry) => !saysScope(entry, facts.scope));
  const stray = [...strays, ...stamped][0];
  if (stray === undefined) return undefined;
  return {
    code: 'WRONG_SCOPE',
    message: `Build ${shortGuid(facts.guid)} stands in a manifest of ${scopeText({ ...stray.scope, environment: stray.build.environment ?? stray.scope.environment })}, so it cannot enter ${scopeText(facts.scope)}.`,
    hint: buildsHint(facts),
    places: [placeOf(stray)],
  };
}

function saysScope(entry: ListedBuild, scope: Scope): boolean {
  return sameScope(entry.scope, scope) && (entry.build.environment ?? scope.environment) === scope.environment;
}

/** Lock 2: the GUID stands in this scope's manifest, exactly once. */
export function lockListed(facts: Facts): Refusal | undefined {
  const entries = ours(facts);
  if (entries.length === 1) return undefined;
  const times = entries.length === 0 ? 'is not listed' : `is listed ${entries.length} times`;
  return {
    code: 'UNLISTED_BUILD',
    message: `Build ${shortGuid(facts.guid)} ${times} in the manifest of ${scopeText(facts.scope)}.`,
    hint: entries.length === 0 ? buildsHint(facts) : 'Keep one entry per GUID: kvdeploy validate',
    places: entries.map((entry) => placeOf(entry)),
  };
}

/** Lock 3: no other scope lists the GUID, or has it in its ledger. */
export function lockForeign(facts: Facts): Refusal | undefined {
  const foreign = listedAs(facts).filter((entry) => !sameScope(entry.scope, facts.scope));
  const ledger = facts.otherLedgers.find((other) => other.guids.has(facts.guid));
  const first = foreign[0];
  if (first === undefined && ledger === undefined) return undefined;
  const owner = first?.scope ?? ledger?.scope;
  const ownerText = owner === undefined || owner.tenant === facts.scope.tenant ? (owner?.environment ?? '') : scopeText(owner);
  return {
    code: 'FOREIGN_BUILD',
    message: `Build ${shortGuid(facts.guid)} belongs to ${ownerText === facts.scope.environment && owner !== undefined ? scopeText(owner) : ownerText}, so it cannot enter ${facts.scope.environment}.`,
    hint: buildsHint(facts),
    places: [
      ...ours(facts).map((entry) => placeOf(entry)),
      ...foreign.map((entry) => placeOf(entry, `listed for ${scopeText(entry.scope)}`)),
    ],
  };
}

/** Lock 5: newer than anything ever known-good here. Going back is what `rollback` is for (R9). */
export function lockSequence(facts: Facts): Refusal | undefined {
  const highest = facts.history.highestSequence;
  const build = ours(facts)[0]?.build ?? listedAs(facts)[0]?.build;
  if (highest === null || build === undefined || build.sequence > highest) return undefined;
  const known = facts.history.knownGood.find((entry) => entry.build.guid === facts.guid);
  const current = currentKnownGood(facts.history)?.build.guid === facts.guid;
  return {
    code: 'OLD_SEQUENCE',
    message: current
      ? `Build ${shortGuid(facts.guid)} is the known-good build already.`
      : `Build ${shortGuid(facts.guid)} has sequence ${build.sequence}, but ${highest} was known-good here: promoting an older build is not going back.`,
    hint:
      known === undefined || current
        ? buildsHint(facts)
        : `Go back with: kvdeploy rollback --env ${facts.scope.environment} --service ${facts.scope.service} --to ${facts.guid}`,
  };
}

/** Lock 6, first half: the target itself says that it is this environment, and names no other. */
export function lockTarget(facts: Facts): Refusal | undefined {
  const words = new Set(facts.targetSays);
  const others = facts.environments.filter((name) => name !== facts.scope.environment && words.has(name));
  if (words.has(facts.scope.environment) && others.length === 0) return undefined;
  const says = others.length > 0 ? `says that it is ${others.join(' and ')}` : 'does not say which environment it is';
  return {
    code: 'WRONG_TARGET',
    message: `The router's target ${says}; ${scopeText(facts.scope)} was asked for.`,
    hint: `Let the target name its environment, or point the router settings of ${scopeText(facts.scope)} at the right one.`,
  };
}

/** Lock 6, second half: this very build answers at its place, and says this environment where it says one. */
export function lockPresent(facts: Facts): Refusal | undefined {
  return presenceProblem(facts.scope, facts.guid, facts.candidateAnswers, 'Deploy the build to its place first, then try again.');
}

/** Why a build is not proven to run at its place, or undefined. */
export function presenceProblem(scope: Scope, guid: Guid, answer: Answer | null, hint: string): Refusal | undefined {
  const code = 'BUILD_GONE';
  if (answer === null) return { code, message: `The router's target has no place for build ${shortGuid(guid)}.`, hint };
  if ('unreachable' in answer)
    return { code, message: `Build ${shortGuid(guid)} does not answer at its place: ${answer.unreachable}.`, hint };
  if (answer.guid !== guid) {
    return { code, message: `Another build answers at the place of ${shortGuid(guid)}: ${answer.guid ?? answer.said}.`, hint };
  }
  if (answer.environment !== null && answer.environment !== scope.environment) {
    return {
      code: 'WRONG_SCOPE',
      message: `The build at the place of ${shortGuid(guid)} says that it was made for ${answer.environment}, not ${scope.environment}.`,
      hint,
    };
  }
  return undefined;
}

/** Lock 7: not marked bad here. */
export function lockBad(facts: Facts): Refusal | undefined {
  const why = facts.history.bad.get(facts.guid);
  if (why === undefined) return undefined;
  return {
    code: 'BAD_BUILD',
    message: `Build ${shortGuid(facts.guid)} is marked bad: ${why}.`,
    hint: 'Build the mended source again; a new build has a new GUID.',
  };
}

/** Lock 8, first part: there is a build to go back to. */
export function lockKnownGood(facts: Facts): Refusal | undefined {
  if (currentKnownGood(facts.history) !== null) return undefined;
  const serving = facts.members.filter((member) => member.percent > 0);
  const names = `--env ${facts.scope.environment} --service ${facts.scope.service}`;
  const empty = facts.history.nextSeq === 1;
  if (empty && serving.length > 0) {
    return {
      code: 'NO_STATE',
      message: `There is no state for ${scopeText(facts.scope)} here, yet the target serves ${splitText(serving)}. Starting a history of its own could lose the way back.`,
      hint: `Run kvdeploy where the state lies, bring it with kvdeploy pointer import ${names}, or take over what serves now: kvdeploy adopt ${names}`,
    };
  }
  return {
    code: 'NO_KNOWN_GOOD',
    message: `No build was ever known-good in ${scopeText(facts.scope)}, so there would be no way back.`,
    hint: `Take over what serves now: kvdeploy adopt ${names}`,
  };
}

/** Lock 8: the pointer on local disk verifies, agrees with the ledger, and its changes still lead to the right place. */
export function lockPointer(facts: Facts): Refusal | undefined {
  const known = currentKnownGood(facts.history);
  if (known === null) return undefined;
  const hint = `Look at it, then write it again: kvdeploy pointer verify --env ${facts.scope.environment} --service ${facts.scope.service}`;
  if (facts.pointer.knownGood === null) {
    const damage = facts.pointer.damaged.map((entry) => `${entry.file}: ${entry.why}`).join('; ');
    return {
      code: 'POINTER_DAMAGED',
      message: `The known-good pointer cannot be read${damage === '' ? ': there is none' : `: ${damage}`}.`,
      hint,
    };
  }
  if (facts.pointer.knownGood !== known.build.guid) {
    return {
      code: 'POINTER_STALE',
      message: `The pointer names ${shortGuid(facts.pointer.knownGood)}, but the ledger says that ${shortGuid(known.build.guid)} is known-good.`,
      hint,
    };
  }
  return undefined;
}

/** Lock 8: the known-good build is still at the target, and serves everything. */
export function lockWayBack(facts: Facts): Refusal | undefined {
  const known = currentKnownGood(facts.history)?.build;
  if (known === undefined) return undefined;
  const gone = presenceProblem(
    facts.scope,
    known.guid,
    facts.knownGoodAnswers,
    'Without the known-good build at the target there is no way back: restore it first.',
  );
  if (gone !== undefined) return gone;
  const serving = facts.members.filter((member) => member.percent > 0);
  if (serving.length === 1 && serving[0]?.place === known.ref) return undefined;
  return {
    code: 'UNEXPECTED_SPLIT',
    message: `The target serves ${splitText(facts.members)}, not the known-good build ${shortGuid(known.guid)} at ${known.ref} alone.`,
    hint: `Put the known-good build back: kvdeploy rollback --env ${facts.scope.environment} --service ${facts.scope.service}`,
  };
}

/** Lock 8: the state directory keeps what it acknowledges. */
export function lockDisk(facts: Facts): Refusal | undefined {
  if (facts.diskProblem === null) return undefined;
  return {
    code: 'STATE_UNSAFE',
    message: `The state directory cannot promise to keep the way back: ${facts.diskProblem}.`,
    hint: 'Put it on a local disk with room: --state-dir, KVDEPLOY_STATE_DIR or stateDir in the config.',
  };
}

/** The candidate must not overwrite the stable build: they need two places. */
export function lockPlace(facts: Facts): Refusal | undefined {
  const known = currentKnownGood(facts.history)?.build;
  const build = ours(facts)[0]?.build;
  if (known === undefined || build === undefined || build.ref !== known.ref || build.guid === known.guid) return undefined;
  return {
    code: 'SAME_PLACE',
    message: `Build ${shortGuid(build.guid)} has the place ${build.ref}, where the known-good build ${shortGuid(known.guid)} runs.`,
    hint: 'Deploy the new build to another place and say so in its ref: both must run at once.',
  };
}

/** Every lock of this release. Each is enough on its own; a test turns all the others off. */
export const LOCKS: readonly Lock[] = [
  { number: 1, name: 'the manifest says this scope', needs: 'files', check: lockScope },
  { number: 2, name: 'the build is listed here, once', needs: 'files', check: lockListed },
  { number: 3, name: 'no other scope has the build', needs: 'files', check: lockForeign },
  { number: 5, name: 'newer than anything known-good here', needs: 'files', check: lockSequence },
  { number: 6, name: 'the target says this environment', needs: 'target', check: lockTarget },
  { number: 6, name: 'the build itself answers at its place', needs: 'target', check: lockPresent },
  { number: 7, name: 'the build is not marked bad', needs: 'files', check: lockBad },
  { number: 8, name: 'there is a known-good build', needs: 'target', check: lockKnownGood },
  { number: 8, name: 'the pointer on local disk verifies', needs: 'target', check: lockPointer },
  { number: 8, name: 'the known-good build still serves', needs: 'target', check: lockWayBack },
  { number: 8, name: 'the state directory keeps its word', needs: 'target', check: lockDisk },
  { number: 8, name: 'both builds have a place of their own', needs: 'target', check: lockPlace },
];

/** Going back is judged on what this scope's own ledger and pointer kept: once known-good here. */
export function lockOnceKnownGood(facts: Facts): Refusal | undefined {
  if (facts.history.knownGood.some((known) => known.build.guid === facts.guid)) return undefined;
  return {
    code: 'NOT_KNOWN_GOOD',
    message: `Build ${shortGuid(facts.guid)} was never known-good in ${scopeText(facts.scope)}.`,
    hint: `See which were: kvdeploy pointer show --env ${facts.scope.environment} --service ${facts.scope.service}`,
  };
}

/** A manifest that has since been broken or pruned does not block a way back; one that gives this GUID to another scope does. */
export const ROLLBACK_LOCKS: readonly Lock[] = [
  { number: 3, name: 'no other scope has the build', needs: 'files', check: lockForeign },
  { number: 8, name: 'the build was known-good here', needs: 'files', check: lockOnceKnownGood },
  { number: 7, name: 'the build is not marked bad', needs: 'files', check: lockBad },
  { number: 6, name: 'the target says this environment', needs: 'target', check: lockTarget },
  { number: 6, name: 'the build itself answers at its place', needs: 'target', check: lockPresent },
];

/** Taking over what serves now: it must be this scope's own, at the right target, and not bad. */
export const ADOPT_LOCKS: readonly Lock[] = LOCKS.filter(
  (lock) => [1, 2, 3, 6, 7].includes(lock.number) || lock.check === lockDisk,
);
