/** The decision: which build to roll back to. Pure; must offer no build that is bad, foreign, never known-good, or whose place is taken. */
import type { Pointer, Restore } from '../base/pointer/pointer-format.ts';
import { plainGuid } from '../base/scope.ts';
import { Refused } from './refusal.ts';

/** A build that was known-good in this scope. */
export interface Known {
  readonly restore: Restore;
  /** The generation that its changes come from. */
  readonly pointer: Pointer;
}

export interface Choice extends Known {
  /** Other builds to roll back to, newest first. */
  readonly others: readonly Known[];
}

/** What to do if no command is left. */
export const NOWHERE_ELSE = 'There is no other known-good build to roll back to. Change the router by hand.';

/** The GUIDs in the pointers of other scopes, each with its environment. */
export type Foreign = ReadonlyMap<string, string>;

/**
 * Chooses from the pointer's generations, newest first: the known-good build, or the build that `to` names (a GUID or at least 8 of
 * its first characters). Throws Refused; `commandFor` returns the command that rolls back to a build.
 */
export function chooseBuild(
  pointers: readonly [Pointer, ...Pointer[]],
  to: string | undefined,
  foreign: Foreign,
  commandFor: (guid: string) => string,
): Choice {
  const known = knownBuilds(pointers);
  const newest = pointers[0];
  const open = known.filter((one) => whyNot(one, known, pointers) === undefined);
  const next = (except?: Known) => open.filter((one) => one !== except).map((one) => commandFor(one.restore.build.guid));
  const target =
    to === undefined
      ? known.find((one) => one.restore.build.guid === newest.knownGood.build.guid)
      : named(to, known, foreign, next());
  if (target === undefined)
    throw refused('NO_KNOWN_GOOD', 'The pointer names no known-good build.', 'Roll back to an earlier build:', next());
  const refusal = whyNot(target, known, pointers);
  if (refusal !== undefined) throw refused(refusal.code, refusal.message, 'Roll back to another build:', next());
  return { ...target, others: open.filter((one) => one !== target) };
}

/** A refusal with the commands for other builds, if there are any. */
function refused(code: Refused['code'], message: string, hint: string, next: readonly string[]): Refused {
  return new Refused(code, message, next.length === 0 ? NOWHERE_ELSE : hint, next);
}

/** Each build once, from the newest generation that contains it. */
function knownBuilds(pointers: readonly Pointer[]): Known[] {
  const known = new Map<string, Known>();
  for (const pointer of pointers) {
    for (const restore of [pointer.knownGood, ...pointer.earlier]) {
      if (!known.has(restore.build.guid)) known.set(restore.build.guid, { restore, pointer });
    }
  }
  return [...known.values()];
}

function named(to: string, known: readonly Known[], foreign: Foreign, next: readonly string[]): Known {
  const asked = plainGuid(to);
  if (!/^[0-9a-f-]{8,36}$/.test(asked)) {
    const message = `${JSON.stringify(to)} is not a GUID or a GUID prefix of at least 8 characters.`;
    throw refused('USAGE', message, 'Copy it from the list below.', next);
  }
  const found = known.filter(({ restore }) => restore.build.guid.startsWith(asked));
  const [one] = found;
  if (one !== undefined && found.length === 1) return one;
  if (one !== undefined)
    throw refused('GUID_UNCLEAR', `${found.length} known-good builds begin with ${asked}.`, 'Give more characters.', next);
  const elsewhere = [...foreign].find(([guid]) => guid.startsWith(asked));
  if (elsewhere !== undefined) {
    const message = `Build ${elsewhere[0]} belongs to ${elsewhere[1]}, so it cannot be used here.`;
    throw refused('FOREIGN_BUILD', message, 'Roll back to a build that was known-good here:', next);
  }
  const message = `According to the pointer, build ${asked} was never known-good here.`;
  throw refused('NOT_KNOWN_GOOD', message, 'Roll back to one of these:', next);
}

function whyNot(
  one: Known,
  known: readonly Known[],
  pointers: readonly [Pointer, ...Pointer[]],
): { code: 'BAD_BUILD' | 'BUILD_GONE'; message: string } | undefined {
  const { guid, ref } = one.restore.build;
  if (pointers[0].bad.includes(guid)) return { code: 'BAD_BUILD', message: `Build ${guid} is marked bad.` };
  const heir = known.find((other) => other !== one && other.restore.build.ref === ref && isLater(other, one, pointers));
  if (heir === undefined) return undefined;
  return { code: 'BUILD_GONE', message: `Build ${guid} is gone: build ${heir.restore.build.guid} now has its place ${ref}.` };
}

/** True if `a` was known-good later than `b`: by the highest generation that names it, then by the time it became known-good. */
function isLater(a: Known, b: Known, pointers: readonly Pointer[]): boolean {
  const generation = ({ restore }: Known) =>
    pointers.find((pointer) => pointer.knownGood.build.guid === restore.build.guid)?.generation ?? 0;
  const since = ({ restore }: Known) => Date.parse(restore.knownGoodSince);
  return generation(a) === generation(b) ? since(a) > since(b) : generation(a) > generation(b);
}
