/** The checks of the build itself: its rows in the manifests, its ledger, its place. They look at files and ask nothing. */

import { currentKnownGood } from '../ledger/history.ts';
import { type ListedBuild, placeOf } from '../manifest/manifest.ts';
import { sameScope, scopeFlags, scopeText, shortGuid } from '../scope.ts';
import { type Check, type Facts, type NotVerified, offered, ownRows, rowsOf } from './facts.ts';

const buildsHint = ({ scope }: Facts) => `Promote a build made for ${scope.environment}: kvdeploy builds ${scopeFlags(scope)}`;

/** The manifest says the requested scope. Its path proves nothing. */
export const rightScope: Check = {
  name: 'the manifest declares this scope',
  hazard: 'foreign-build',
  needs: 'files',
  judge(facts) {
    const taken = offered(facts);
    const looked = rowsHere(facts);
    const stray = (taken === undefined ? looked : [...looked, taken]).find((row) => !sameScope(row.scope, facts.scope));
    if (stray === undefined) return undefined;
    return {
      code: 'WRONG_SCOPE',
      message: `Build ${shortGuid(facts.guid)} is in a manifest of ${scopeText(stray.scope)}, so it cannot enter ${scopeText(facts.scope)}.`,
      hint: buildsHint(facts),
      places: [placeOf(stray)],
    };
  },
};

/** The build's rows in this scope's manifest, and in the file at its place. */
function rowsHere(facts: Facts): readonly ListedBuild[] {
  return [...facts.atPlace.filter((row) => row.build.guid === facts.guid), ...ownRows(facts)];
}

/** What CI stamped a row for. */
export const ownStamp: Check = {
  name: 'the build is not stamped for another environment',
  hazard: 'foreign-build',
  needs: 'files',
  judge(facts) {
    const { environment } = facts.scope;
    const stray = rowsHere(facts).find(({ build }) => build.environment !== undefined && build.environment !== environment);
    if (stray === undefined) return undefined;
    return {
      code: 'FOREIGN_BUILD',
      message: `Build ${shortGuid(facts.guid)} is stamped for ${stray.build.environment}, so it cannot enter ${environment}.`,
      hint: buildsHint(facts),
      places: [placeOf(stray)],
    };
  },
};

/** This scope's manifest lists the GUID, exactly once. */
export const listedOnce: Check = {
  name: 'the build is listed here exactly once',
  hazard: 'foreign-build',
  needs: 'files',
  judge(facts) {
    const rows = ownRows(facts);
    if (rows.length === 1) return undefined;
    const lists = rows.length === 0 ? 'does not list' : `lists ${rows.length} times`;
    return {
      code: 'UNLISTED_BUILD',
      message: `The manifest of ${scopeText(facts.scope)} ${lists} build ${shortGuid(facts.guid)}.`,
      hint: rows.length === 0 ? buildsHint(facts) : 'Keep one entry per GUID: kvdeploy validate',
      places: rows.map((row) => placeOf(row)),
    };
  },
};

/** No other scope lists the GUID, or has it in its ledger. */
export const notForeign: Check = {
  name: 'no other scope has the build',
  hazard: 'foreign-build',
  needs: 'files',
  judge(facts) {
    const foreign = rowsOf(facts).filter((row) => !sameScope(row.scope, facts.scope));
    const owner = foreign[0]?.scope ?? facts.otherLedgers.find((other) => other.guids.has(facts.guid))?.scope;
    if (owner === undefined) return unseenOf(facts);
    const { tenant, environment } = facts.scope;
    const name = owner.tenant === tenant && owner.environment !== environment ? owner.environment : scopeText(owner);
    return {
      code: 'FOREIGN_BUILD',
      message: `Build ${shortGuid(facts.guid)} belongs to ${name}, so it cannot enter ${environment}.`,
      hint: buildsHint(facts),
      places: [
        ...ownRows(facts).map((row) => placeOf(row)),
        ...foreign.map((row) => placeOf(row, `listed for ${scopeText(row.scope)}`)),
      ],
    };
  },
};

/** What was not looked at could have any build. */
function unseenOf({ unseen }: Facts): NotVerified | undefined {
  return unseen.length === 0 ? undefined : { notVerified: unseen.map(({ why }) => why).join('; ') };
}

/** Every other scope was looked at: its manifest, and its ledger where it has one. In a protected environment, nothing else will do. */
export const othersSeen: Check = {
  name: 'every other scope was looked at',
  hazard: 'foreign-build',
  needs: 'files',
  judge(facts) {
    const missing = facts.protected ? facts.unseen.filter(({ expected }) => expected) : [];
    const [first] = missing;
    if (first === undefined) return unseenOf(facts);
    const more = missing.length === 1 ? '' : `, and ${missing.length - 1} more`;
    return {
      code: 'SCOPE_UNSEEN',
      message: `${first.why}${more}: it could have the build, so nothing enters ${scopeText(facts.scope)}.`,
      hint: first.fix,
      places: missing.flatMap(({ place }) => place ?? []),
    };
  },
};

/**
 * Newer than anything ever known-good here. An older build is reached by `rollback`, which has its own checks. A build that a person rolled
 * back from and then cleared may come back where it is newer than every other good one: that is no step back.
 */
export const newer: Check = {
  name: 'the build is newer than every known-good build here',
  hazard: 'older-build',
  needs: 'files',
  judge(facts) {
    const build = offered(facts)?.build;
    const known = facts.history.knownGood.some((entry) => entry.build.guid === facts.guid);
    const highest = facts.history.cleared.has(facts.guid) ? highestOther(facts) : facts.history.highestSequence;
    if (highest === null || build === undefined || build.sequence > highest) return undefined;
    const current = currentKnownGood(facts.history)?.build.guid === facts.guid;
    return {
      code: 'OLD_SEQUENCE',
      message: current
        ? `Build ${shortGuid(facts.guid)} is already the known-good build.`
        : `Build ${shortGuid(facts.guid)} has sequence ${build.sequence}, but ${highest} was known-good here. Use rollback, not promote, to return to an older build.`,
      hint: !known || current || facts.history.bad.has(facts.guid) ? buildsHint(facts) : returnHint(facts, build.sequence),
    };
  },
};

/** How a build comes back that was known-good and is not bad: a step back by a rollback, a step forward behind its gates. */
function returnHint({ history, guid, scope }: Facts, sequence: number): string {
  const flags = scopeFlags(scope);
  const isForward = sequence > (currentKnownGood(history)?.build.sequence ?? 0);
  if (!isForward) return `Roll back with: kvdeploy rollback ${flags} --to ${guid}`;
  return `It was left without a word on it. If it is not bad: kvdeploy builds pardon ${guid} ${flags} --reason "…"`;
}

/** Without bad builds and, unless it is the known-good build, without the candidate. */
function highestOther({ history, guid }: Facts): number | null {
  if (currentKnownGood(history)?.build.guid === guid) return history.highestSequence;
  const others = history.knownGood.filter(({ build }) => build.guid !== guid && !history.bad.has(build.guid));
  return others.length === 0 ? null : Math.max(...others.map(({ build }) => build.sequence));
}

/** Not marked bad here. */
export const notBad: Check = {
  name: 'the build is not marked bad',
  hazard: 'bad-again',
  needs: 'files',
  judge(facts) {
    const why = facts.history.bad.get(facts.guid);
    if (why === undefined) return undefined;
    return {
      code: 'BAD_BUILD',
      message: `Build ${shortGuid(facts.guid)} is marked bad: ${why}.`,
      hint: `Fix the source and build it again; a new build has a new GUID. If the mark is wrong: kvdeploy builds pardon ${facts.guid} ${scopeFlags(facts.scope)} --reason "…"`,
    };
  },
};

/** The candidate must not overwrite the stable build: they need two places. */
export const ownPlace: Check = {
  name: 'each build has its own place',
  hazard: 'way-back-depends',
  needs: 'files',
  judge(facts) {
    const known = currentKnownGood(facts.history)?.build;
    const build = offered(facts)?.build;
    if (known === undefined || build === undefined || build.ref !== known.ref || build.guid === known.guid) return undefined;
    return {
      code: 'SAME_PLACE',
      message: `Build ${shortGuid(build.guid)} has the place ${build.ref}, but the known-good build ${shortGuid(known.guid)} runs there.`,
      hint: 'Deploy the new build to another place and set its ref: both must run at once.',
    };
  },
};

/** The other rows of the listing are this scope's own too; else nothing of it is promoted. */
export const ownListing: Check = {
  name: 'the listing contains only its own builds',
  hazard: 'foreign-build',
  needs: 'files',
  judge: (facts) => facts.listing,
};

/** A rollback is judged on what this scope's own ledger and pointer kept. */
export const onceKnownGood: Check = {
  name: 'the build was known-good here',
  hazard: 'no-known-good',
  needs: 'files',
  judge(facts) {
    if (facts.history.knownGood.some((known) => known.build.guid === facts.guid)) return undefined;
    return {
      code: 'NOT_KNOWN_GOOD',
      message: `Build ${shortGuid(facts.guid)} was never known-good in ${scopeText(facts.scope)}.`,
      hint: `See the known-good builds: kvdeploy pointer show ${scopeFlags(facts.scope)}`,
    };
  },
};
