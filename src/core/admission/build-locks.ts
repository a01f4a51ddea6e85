/** The locks that look at the build itself: its listing, its ledger, its place. They judge what files say and ask nothing. */
import type { Scope } from '../../base/scope.ts';
import type { Refusal } from '../errors.ts';
import { currentKnownGood } from '../ledger/history.ts';
import type { ListedBuild } from '../manifest/manifest.ts';
import { sameScope, scopeFlags, scopeText, shortGuid } from '../scope.ts';
import type { Facts } from './facts.ts';

const listedAs = (facts: Facts) => facts.listed.filter((entry) => entry.build.guid === facts.guid);

const ours = (facts: Facts) => listedAs(facts).filter((entry) => sameScope(entry.scope, facts.scope));

const placeOf = (entry: ListedBuild, note?: string) => ({
  file: entry.file,
  line: entry.line,
  column: entry.column,
  ...(note === undefined ? {} : { note }),
});

const buildsHint = (facts: Facts) =>
  `Promote a build made for ${facts.scope.environment}: kvdeploy builds ${scopeFlags(facts.scope)}`;

/** The entry that a build is taken from: this scope's own, and only without one another scope's, for the locks to refuse. */
export function offered(facts: Facts): ListedBuild | undefined {
  return ours(facts)[0] ?? listedAs(facts)[0];
}

/** Lock 1: the manifest says the scope that was asked for. Its path proves nothing. */
export function lockScope(facts: Facts): Refusal | undefined {
  const taken = offered(facts);
  const looked = [...facts.atPlace.filter((entry) => entry.build.guid === facts.guid), ...ours(facts)];
  const stray = (taken === undefined ? looked : [...looked, taken]).find((entry) => !saysScope(entry, facts.scope));
  if (stray === undefined) return undefined;
  const stamp = sameScope(stray.scope, facts.scope) ? stray.build.environment : undefined;
  const says = stamp === undefined ? `stands in a manifest of ${scopeText(stray.scope)}` : `is stamped for ${stamp}`;
  return {
    code: 'WRONG_SCOPE',
    message: `Build ${shortGuid(facts.guid)} ${says}, so it cannot enter ${scopeText(facts.scope)}.`,
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

/** Lock 5: newer than anything ever known-good here. Going back is what `rollback` is for. */
export function lockSequence(facts: Facts): Refusal | undefined {
  const highest = facts.history.highestSequence;
  const build = offered(facts)?.build;
  if (highest === null || build === undefined || build.sequence > highest) return undefined;
  const known = facts.history.knownGood.find((entry) => entry.build.guid === facts.guid);
  const current = currentKnownGood(facts.history)?.build.guid === facts.guid;
  return {
    code: 'OLD_SEQUENCE',
    message: current
      ? `Build ${shortGuid(facts.guid)} is the known-good build already.`
      : `Build ${shortGuid(facts.guid)} has sequence ${build.sequence}, but ${highest} was known-good here: promoting an older build is not going back.`,
    hint:
      known === undefined || current || facts.history.bad.has(facts.guid)
        ? buildsHint(facts)
        : `Go back with: kvdeploy rollback ${scopeFlags(facts.scope)} --to ${facts.guid}`,
  };
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

/** The candidate must not overwrite the stable build: they need two places. */
export function lockPlace(facts: Facts): Refusal | undefined {
  const known = currentKnownGood(facts.history)?.build;
  const build = offered(facts)?.build;
  if (known === undefined || build === undefined || build.ref !== known.ref || build.guid === known.guid) return undefined;
  return {
    code: 'SAME_PLACE',
    message: `Build ${shortGuid(build.guid)} has the place ${build.ref}, where the known-good build ${shortGuid(known.guid)} runs.`,
    hint: 'Deploy the new build to another place and say so in its ref: both must run at once.',
  };
}

/** Going back is judged on what this scope's own ledger and pointer kept: once known-good here. */
export function lockOnceKnownGood(facts: Facts): Refusal | undefined {
  if (facts.history.knownGood.some((known) => known.build.guid === facts.guid)) return undefined;
  return {
    code: 'NOT_KNOWN_GOOD',
    message: `Build ${shortGuid(facts.guid)} was never known-good in ${scopeText(facts.scope)}.`,
    hint: `See which were: kvdeploy pointer show ${scopeFlags(facts.scope)}`,
  };
}
