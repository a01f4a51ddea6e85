/** The checks of what running builds say of themselves, and whether that names the build. They judge answers; no answer is never a yes. */
import type { Scope } from '../../base/scope.ts';
import type { Refusal } from '../errors.ts';
import { type Is, isOf, saysEnvironment } from '../identity.ts';
import { placeOf } from '../manifest/manifest.ts';
import { type Guid, sameScope, scopeFlags, shortGuid } from '../scope.ts';
import { capitalized } from '../text.ts';
import { type Heard, heard, type MemberAnswer } from './answers.ts';
import { type Check, type Facts, knownRows, namedIn } from './facts.ts';
import { sameWord, wordFor } from './named.ts';

/**
 * This very build answers at every member of its place, and reports this environment where the config says how. Not verified is a member that
 * is down, or in an unprotected environment one that says nothing.
 */
export const present: Check = {
  name: 'the build itself answers at its place',
  hazard: 'build-absent',
  needs: 'target',
  judge(facts) {
    const { guid, candidateAnswers } = facts;
    const said = presence(facts, guid, candidateAnswers);
    if (said.is === 'right') return said.notVerified === undefined ? undefined : { notVerified: said.notVerified };
    if (candidateAnswers.length > 0) return absence(said, 'Deploy the build to its place first, then try again.');
    const { history, scope } = facts;
    const isKnown = history.knownGood.some(({ build }) => build.guid === guid);
    return absence(said, isKnown ? placeGone(scope) : 'Correct `ref` of the build, or places in the config.');
  },
};

const SAY_ENVIRONMENT =
  'Let every build say its environment (identity: environmentHeader or environmentJson), or its GUID: see docs/identity.md.';

/**
 * A GUID belongs to one environment. A commit, digest, version or label does not: staging's binary of the same commit answers the same, so a
 * protected environment hears from every member which one it was made for.
 */
export const environmentProven: Check = {
  name: 'every member says which environment it was made for',
  hazard: 'foreign-build',
  needs: 'target',
  judge({ identity, scope, candidateAnswers, protected: isProtected }) {
    if (identity === null || identity === 'none' || isOf(identity) === 'guid' || !isProtected) return undefined;
    const silent = candidateAnswers.filter(({ answer }) => 'said' in answer && answer.environment === null);
    const [first] = silent;
    if (saysEnvironment(identity) && first === undefined) return undefined;
    const why = saysEnvironment(identity) ? `${first?.at} does not say it` : 'no member is asked for it';
    return {
      code: 'ENVIRONMENT_UNPROVEN',
      message: `It is not proven that what runs there was made for ${scope.environment}: builds say their ${isOf(identity)}, which other environments may share, and ${why}.`,
      hint: SAY_ENVIRONMENT,
    };
  },
};

function presence(facts: Facts, guid: Guid, answers: readonly MemberAnswer[]): Heard {
  const { scope, protected: isProtected } = facts;
  const where = `at the place of ${shortGuid(guid)}`;
  return heard(answers, { build: namedIn(facts, guid), scope, where, isProtected, rows: knownRows(facts) });
}

function absence(said: Exclude<Heard, { is: 'right' }>, hint: string): Refusal {
  const message = `${capitalized(said.why)}.`;
  return said.is === 'silent' && said.code !== undefined
    ? { code: said.code, message, hint: SAY_ENVIRONMENT }
    : { code: said.code ?? 'BUILD_GONE', message, hint };
}

/** What to do where the place of a known-good build is not behind the router any more. */
export function placeGone(scope: Scope): string {
  return `Correct places in the config, or adopt the build currently serving at its place of today: kvdeploy adopt ${scopeFlags(scope)}`;
}

/** Why a build is not proven to run at its place, or undefined. */
export function presenceProblem(facts: Facts, guid: Guid, answers: readonly MemberAnswer[], hint: string): Refusal | undefined {
  const said = presence(facts, guid, answers);
  return said.is === 'right' ? undefined : absence(said, hint);
}

/** Where a build says its commit, digest, version or label in place of its GUID: that is the word of this build, and of no other one here. */
export const namedOnce: Check = {
  name: 'what the build says of itself names it alone',
  hazard: 'build-absent',
  needs: 'files',
  judge(facts) {
    const { identity, guid } = facts;
    return identity === null || identity === 'none' ? undefined : namelessness(facts, guid, isOf(identity));
  },
};

/** Why what a build says of itself may be said by another one too, or is not in its row; undefined where it names it alone. */
export function namelessness(facts: Facts, guid: Guid, is: Is): Refusal | undefined {
  if (is === 'guid') return undefined;
  const { scope } = facts;
  const build = namedIn(facts, guid);
  const word = wordFor(build, is);
  const places = facts.listed.filter((row) => row.build.guid === guid && sameScope(row.scope, scope)).map((row) => placeOf(row));
  if (word === undefined)
    return {
      code: 'IDENTITY_UNCLEAR',
      message: `Builds say their ${is} (identity: is), but the row of ${shortGuid(guid)} has no ${is}, so it cannot be recognized.`,
      hint: `Give its row the ${is === 'commit' ? 'source' : is}, or let builds say their GUID: see docs/identity.md.`,
      places,
    };
  const others = sameWord(build, is, scope, knownRows(facts));
  if (others.length === 0) return undefined;
  const names = [guid, ...others.map(({ build: other }) => other.guid)].map((each) => shortGuid(each)).join(' and ');
  return {
    code: 'IDENTITY_UNCLEAR',
    message: `Builds ${names} have the same ${is} ${word}, so what runs could be either: builds say their ${is} (identity: is).`,
    hint: 'Let builds say their GUID or digest, or keep one row: see docs/identity.md.',
    places: [
      ...places,
      ...others.flatMap(({ file, line }) => (file === undefined ? [] : [{ file, ...(line === undefined ? {} : { line }) }])),
    ],
  };
}
