/** `requires` and `--from`: what one environment may ask of another. A GUID is never used in two environments; a source may be. No I/O. */
import type { Scope } from '../../base/scope.ts';
import type { Required } from '../admission/facts.ts';
import type { Refusal } from '../errors.ts';
import { currentKnownGood, type History, type KnownGood } from '../ledger/history.ts';
import { sameScope, scopeFlags, scopeText, shortGuid } from '../scope.ts';
import { msText } from '../text.ts';
import { type Build, type ListedBuild, placeOf } from './manifest.ts';

/** True when both builds were made of the same repository and commit. */
export function sameSource(a: Build, b: Build): boolean {
  if (a.source === undefined || b.source === undefined) return false;
  return a.source.repository === b.source.repository && a.source.commit === b.source.commit;
}

/**
 * The other environment must have had a build of the same source as its known-good build for at least `soakMs`, without a
 * break, and none of that source may be bad there. `nowMs` is the wall clock; a soak that began in the future counts as none.
 */
export function requirementRefusal(candidate: Build, { environment, soakMs, there, nowMs }: Required): Refusal | undefined {
  const refuse = (message: string, hint: string): Refusal => ({ code: 'REQUIREMENT_UNMET', message, hint });
  if (candidate.source === undefined) {
    const message = `${scopeText(there.scope)} must have run this build's source first, but build ${shortGuid(candidate.guid)} does not state its source.`;
    return refuse(message, 'Make CI write source: { repository, commit } to the manifest.');
  }
  const commit = `Commit ${candidate.source.commit.slice(0, 12)}`;
  const ofSource = there.history.knownGood.filter((entry) => sameSource(entry.build, candidate));
  const longest = ofSource.toSorted((a, b) => soakedMs(b, nowMs) - soakedMs(a, nowMs))[0];
  if (longest === undefined) {
    const hint = `Promote it there first: kvdeploy builds ${scopeFlags(there.scope)}`;
    return refuse(`${commit} was never known-good in ${environment}.`, hint);
  }
  const bad = ofSource.map((entry) => there.history.bad.get(entry.build.guid)).find((why) => why !== undefined);
  if (bad !== undefined)
    return refuse(`${commit} is marked bad in ${environment}: ${bad}.`, 'Fix it and promote the new build there first.');
  const soaked = soakedMs(longest, nowMs);
  if (soaked >= soakMs) return undefined;
  const [was, hint] =
    longest.until === undefined
      ? ['has been', `Wait ${msText(soakMs - soaked)}.`]
      : ['was', `Another build replaced it there at ${longest.until}: promote a build of this source there again first.`];
  return refuse(`${commit} ${was} known-good in ${environment} for ${msText(soaked)}; ${msText(soakMs)} are required.`, hint);
}

/** How long it stayed the known-good build; 0 for times that cannot be read. */
function soakedMs(known: KnownGood, nowMs: number): number {
  const ms = (known.until === undefined ? nowMs : Date.parse(known.until)) - Date.parse(known.since);
  return ms > 0 ? ms : 0;
}

/** What `--from` finds: this scope's own build of the same source as the other environment's known-good build. */
export function buildOfSameSource(
  from: { readonly environment: string; readonly knownGood: Build | null },
  scope: Scope,
  listed: readonly ListedBuild[],
): Build | Refusal {
  const there = from.knownGood;
  const none = (message: string, hint: string): Refusal => ({ code: 'NO_SUCH_SOURCE', message, hint });
  if (there === null) {
    const hint = `Promote there first: kvdeploy builds ${scopeFlags({ ...scope, environment: from.environment })}`;
    return none(`Nothing is known-good in ${from.environment}.`, hint);
  }
  if (there.source === undefined) {
    const message = `The known-good build ${shortGuid(there.guid)} of ${from.environment} does not state its source.`;
    return none(message, 'Make CI write source: { repository, commit } to the manifests.');
  }
  const commit = there.source.commit.slice(0, 12);
  const ofSource = listed.filter((entry) => sameScope(entry.scope, scope) && sameSource(entry.build, there));
  // One that is stamped for another environment is chosen only where there is no other, for admission to refuse.
  const own = ofSource.filter(({ build }) => (build.environment ?? scope.environment) === scope.environment);
  const matches = own.length > 0 ? own : ofSource;
  const only = matches[0];
  if (only === undefined) {
    const message = `${scopeText(scope)} lists no build of commit ${commit}, which is known-good in ${from.environment}.`;
    return none(message, `Build that commit for ${scope.environment} and list it.`);
  }
  if (matches.length === 1) return only.build;
  return {
    code: 'SOURCE_UNCLEAR',
    message: `${scopeText(scope)} lists ${matches.length} builds of commit ${commit}: ${matches.map(({ build }) => build.guid).join(', ')}.`,
    hint: `Choose one: --build ${only.build.guid}`,
    places: matches.map((row) => placeOf(row)),
  };
}

/** The known-good build of a history, unless it is marked bad. */
export function soundKnownGood(history: History): Build | null {
  const known = currentKnownGood(history);
  return known === null || history.bad.has(known.build.guid) ? null : known.build;
}
