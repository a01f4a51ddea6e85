/** What is asked before the first change: which environment the target is, and what runs at the build's place. Must change nothing. */
import { identifyAll } from '../base/changes/ask-all.ts';
import type { Outside } from '../base/changes/change.ts';
import type { Identified } from '../base/changes/identity.ts';
import { askTarget, type Environment } from '../base/changes/target-question.ts';
import type { Scope } from '../base/scope.ts';
import { firstOf } from '../base/text.ts';
import { type Choice, NOWHERE_ELSE } from './choose.ts';
import { Refused } from './refusal.ts';

/** What is asked about a build that was chosen. */
export interface Asked {
  readonly scope: Scope;
  readonly choice: Choice;
  /** The environments of other scopes on this machine. */
  readonly environments: readonly string[];
  /** Commands that roll back to other builds. */
  readonly otherCommands: readonly string[];
}

/** The environments that the target must not be. */
export function othersOf({ scope, choice, environments }: Asked): readonly string[] {
  return [...choice.pointer.target.others, ...environments].filter((name) => name !== scope.environment);
}

/**
 * Asks all at once and returns what is not verified. Throws Refused if the target is another environment, or if another build, or
 * one of another environment, answers at the place. No answer refuses nothing: it may be what the emergency is about.
 */
export async function askBefore(asked: Asked, outside: Outside): Promise<string[]> {
  const { scope, choice } = asked;
  const { identity, build } = choice.restore;
  const [targets, members] = await Promise.all([
    Promise.all(choice.pointer.target.questions.map((one) => askTarget(one, scope.environment, othersOf(asked), outside))),
    identifyAll(identity, outside),
  ]);
  for (const answer of targets) if (answer.kind === 'other') throw wrongTarget(answer.why);
  for (const answer of members) if (answer.kind === 'gone') throw buildGone(asked, answer.why);
  const unasked = `the builds here do not report their GUID, so it is unknown whether ${build.guid} is still at ${build.ref}`;
  const silent = firstOf(members.flatMap(silenceOf));
  return [...targets.flatMap(doubtOf), ...silent, ...(members.length === 0 ? [unasked] : [])];
}

function doubtOf(answer: Environment): string[] {
  return answer.kind === 'unsaid' ? [answer.why] : [];
}

function silenceOf(answer: Identified): string[] {
  return answer.kind === 'silent' ? [`the build does not report its GUID (${answer.why})`] : [];
}

function wrongTarget(why: string): Refused {
  const hint =
    'Find out where this address leads, and correct that: then run the same command again. Or make the changes above by hand, at the right router.';
  return new Refused('WRONG_TARGET', `The target belongs to another environment: ${why}.`, hint);
}

function buildGone({ choice, otherCommands }: Asked, why: string): Refused {
  const hint =
    otherCommands.length === 0 ? NOWHERE_ELSE : 'Another build runs at its place. Roll back to another known-good build:';
  return new Refused('BUILD_GONE', `Build ${choice.restore.build.guid} is gone: ${why}.`, hint, otherCommands);
}
