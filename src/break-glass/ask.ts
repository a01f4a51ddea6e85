/** What is asked before the first change: which environment the target is, and what runs at the build's place. Must change nothing. */
import { identifyAll } from '../base/changes/ask-all.ts';
import type { Check, Checked, Environment, Outside } from '../base/changes/change.ts';
import type { Identified, IdentityCheck } from '../base/changes/identity.ts';
import { askTarget } from '../base/changes/target-question.ts';
import type { Scope } from '../base/scope.ts';
import { firstOf } from '../base/text.ts';
import { type Choice, NOWHERE_ELSE } from './choose.ts';
import { lackingAt } from './read-back.ts';
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
 * one of another environment, answers at the place. No answer refuses nothing: it may be what the emergency is about. Who `isOut`
 * of service need not answer.
 */
export async function askBefore(
  asked: Asked,
  outside: Outside,
  isOut: (one: IdentityCheck) => boolean = () => false,
): Promise<string[]> {
  const { scope, choice } = asked;
  const { identity, build } = choice.restore;
  const [targets, members] = await Promise.all([
    Promise.all(choice.pointer.target.questions.map((one) => askTarget(one, scope.environment, othersOf(asked), outside))),
    identifyAll(identity, outside),
  ]);
  for (const answer of targets) if (answer.kind === 'other') throw wrongTarget(answer.why);
  const foreign = members.flatMap((answer) => (answer.kind === 'gone' ? [answer.why] : []));
  if (foreign.length > 0) throw buildGone(asked, foreign, members);
  const unasked = `the builds here do not report their GUID, so it is unknown whether ${build.guid} is still at ${build.ref}`;
  const silent = firstOf(members.flatMap((answer, index) => (isOut(identity[index] as IdentityCheck) ? [] : silenceOf(answer))));
  return [...targets.flatMap(doubtOf), ...silent, ...(members.length === 0 ? [unasked] : [])];
}

/**
 * The locations that are left as they are: without any member of the build's place, taking the others out would leave no server there. Throws
 * Refused if no other location is known to have one.
 */
export function leftAlone(
  { choice, otherCommands }: Asked,
  checks: readonly Check[],
  answers: readonly Checked[],
): readonly string[] {
  const { build } = choice.restore;
  const { lacking, isElsewhere } = lackingAt(checks, answers);
  if (lacking.length === 0 || isElsewhere) return lacking;
  const message = `Build ${build.guid} is gone: no server of its place ${build.ref} is at ${lacking.join(' or ')} any more, by the names in the pointer. The changes would leave no server there.`;
  const hint = 'Bring its servers back under their names, or move traffic by hand at the router.';
  throw new Refused(
    'BUILD_GONE',
    message,
    otherCommands.length === 0 ? hint : `${hint} Or roll back to another known-good build:`,
    otherCommands,
  );
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

/** The changes would send traffic to every member, so one foreign member is one too many. Stopped, it is only out of service. */
function buildGone({ choice, otherCommands }: Asked, foreign: readonly string[], members: readonly Identified[]): Refused {
  const right = members.filter(({ kind }) => kind === 'right').length;
  const { guid } = choice.restore.build;
  const partly = `${right} of ${members.length} members run it. Stop what runs at the others, or put the build back there, and run the same command again${otherCommands.length === 0 ? '.' : '. Or roll back to another known-good build:'}`;
  const hint =
    otherCommands.length === 0 ? NOWHERE_ELSE : 'Another build runs at its place. Roll back to another known-good build:';
  return new Refused(
    'BUILD_GONE',
    `Build ${guid} is gone: ${firstOf(foreign).join('; ')}.`,
    right > 0 ? partly : hint,
    otherCommands,
  );
}
