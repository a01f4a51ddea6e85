/** What the builds at one place answered for themselves, and what that means together. Silence is never a yes. No I/O. */
import type { Code } from '../../base/codes.ts';
import type { Scope } from '../../base/scope.ts';
import type { Guid } from '../scope.ts';

/** What a build answered when it was asked directly. */
export type Answer =
  | {
      readonly guid: Guid | null;
      readonly environment: string | null;
      /** Where the config says that a build reports its environment, and this one did not. */
      readonly unsaid?: string;
      readonly said: string;
    }
  | { readonly unreachable: string };

/** The answer of one member. */
export interface MemberAnswer {
  /** Where it was asked: `http://127.0.0.1:9002`, with its location where there are several. */
  readonly at: string;
  readonly answer: Answer;
}

/** What all members of a place together prove about the build there. `wrong` outweighs `silent`: it needs only one of them. */
export type Heard =
  | { readonly is: 'right' }
  | { readonly is: 'wrong'; readonly code: Code; readonly why: string }
  | { readonly is: 'silent'; readonly why: string };

/** What is to be heard there. `where` is the place in words: `at green`. */
export interface Wanted {
  readonly guid: Guid;
  readonly scope: Scope;
  readonly where: string;
}

/** Judges the answers of every member of one place. All must be this very build, made for this environment. */
export function heard(answers: readonly MemberAnswer[], wanted: Wanted): Heard {
  const said = answers.map(({ at, answer }) => {
    return heardFrom(answer, wanted, answers.length === 1 ? wanted.where : `${wanted.where} (${at})`);
  });
  const silent: Heard = { is: 'silent', why: `the target has no place for the build ${wanted.where}` };
  return said.find(({ is }) => is === 'wrong') ?? said.find(({ is }) => is === 'silent') ?? said[0] ?? silent;
}

function heardFrom(answer: Answer, { guid, scope }: Wanted, where: string): Heard {
  const silent = (why: string): Heard => ({ is: 'silent', why: `the build ${where} does not ${why}` });
  if ('unreachable' in answer) return silent(`answer: ${answer.unreachable}`);
  if (answer.guid !== null && answer.guid !== guid)
    return { is: 'wrong', code: 'BUILD_GONE', why: `another build answers ${where}: ${answer.guid}` };
  if (answer.environment !== null && answer.environment !== scope.environment) {
    const why = `the build ${where} reports that it was made for ${answer.environment}, not ${scope.environment}`;
    return { is: 'wrong', code: 'WRONG_SCOPE', why };
  }
  if (answer.guid === null) return silent(`report its GUID: ${answer.said}`);
  return answer.unsaid === undefined ? { is: 'right' } : silent(`report its environment in ${answer.unsaid}: ${answer.said}`);
}

/** The GUID that all of these members report; null where one is silent or they differ. */
export function guidOfAll(answers: readonly MemberAnswer[]): Guid | null {
  const guids = new Set(answers.map(({ answer }) => ('guid' in answer ? answer.guid : null)));
  const [only] = guids;
  return guids.size === 1 ? (only ?? null) : null;
}

/** What each member said, for people: at each place a build's GUID, or why there is none. */
export function answersText(answers: readonly MemberAnswer[]): string {
  if (answers.length === 0) return 'the target has no such place';
  const word = (answer: Answer) => ('unreachable' in answer ? answer.unreachable : (answer.guid ?? answer.said));
  const [only] = answers;
  if (only !== undefined && answers.length === 1) return word(only.answer);
  return answers.map(({ at, answer }) => `${at}: ${word(answer)}`).join('; ');
}
