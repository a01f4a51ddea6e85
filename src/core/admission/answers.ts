/** What the builds at one place answered for themselves, and what that means together. Silence is never a yes. No I/O. */
import type { Code } from '../../base/codes.ts';
import type { Scope } from '../../base/scope.ts';
import { type Guid, shortGuid } from '../scope.ts';
import { listText } from '../text.ts';
import {
  type Answer,
  belongsTo,
  type Known,
  type Named,
  type NamedBuild,
  type NamedRow,
  resolved,
  type Which,
  wordFor,
} from './named.ts';

/** The answer of one member. */
export interface MemberAnswer {
  /** Where it was asked: `http://127.0.0.1:9002`, with its name and location where there are several. */
  readonly at: string;
  /** The keys of the members that were asked so: several where one address stands for them. Absent where no one needs to tell. */
  readonly of?: readonly string[];
  /** In short, where the place has several members: its name, with its location where there are several. */
  readonly name?: string;
  /** As what it was asked: URL, names, PROXY protocol, socket. */
  readonly way?: string;
  readonly answer: Answer;
}

/**
 * What all members of a place together prove about the build there. `wrong` outweighs `silent`: it needs only one of them. `right` may
 * leave something out, which is named.
 */
export type Heard =
  | { readonly is: 'right'; readonly notVerified?: string }
  | { readonly is: 'wrong'; readonly code: Code; readonly why: string }
  | { readonly is: 'silent'; readonly why: string; readonly code?: 'ENVIRONMENT_UNPROVEN' };

/** What is to be heard there. `where` is the place in words: `at green`. */
export interface Wanted {
  readonly build: NamedBuild;
  readonly scope: Scope;
  readonly where: string;
  /** In a protected environment a member that says nothing is a refusal. */
  readonly isProtected: boolean;
  /** Whose another build is, where that is known. */
  readonly rows?: readonly NamedRow[];
}

/**
 * Judges the answers of every member of one place. Each that is up must be this very build, made for this environment. Where the environment
 * is not protected, one that says nothing is only named, as long as another one is right.
 */
export function heard(answers: readonly MemberAnswer[], wanted: Wanted): Heard {
  const { where, isProtected } = wanted;
  if (answers.length === 0) return { is: 'silent', why: `the router has no members ${where}` };
  const said = answers.map(({ at, answer }) => heardFrom(answer, wanted, answers.length === 1 ? where : `${where} (${at})`));
  const wrong = said.find((each) => each.is === 'wrong');
  if (wrong !== undefined) return wrong;
  const silent = said.filter((each) => each.is === 'silent');
  const isProven = said.some((each) => each.is === 'right');
  const [first] = silent;
  if (first !== undefined && (isProtected || !isProven)) return first;
  const left = said.flatMap((each) => (each.is === 'right' ? (each.notVerified ?? []) : each.why));
  if (!isProven && said.every((each) => each.is === 'down'))
    return { is: 'silent', why: `the router reports every member ${where} as down` };
  return left.length === 0 ? { is: 'right' } : { is: 'right', notVerified: fewTexts([...new Set(left)]) };
}

const TEXTS_SHOWN = 4;

/** A place may have dozens of members, each with an error of its own. */
function fewTexts(texts: readonly string[]): string {
  const more = texts.length - TEXTS_SHOWN;
  return [...texts.slice(0, TEXTS_SHOWN), ...(more > 0 ? [`and the same of ${more} more`] : [])].join('; ');
}

type HeardOne = Heard | { readonly is: 'down'; readonly why: string };

function heardFrom(answer: Answer, wanted: Wanted, where: string): HeardOne {
  const { build, scope, isProtected } = wanted;
  const silent = (why: string): Heard => ({ is: 'silent', why: `the build ${where} does not ${why}` });
  if ('down' in answer) return { is: 'down', why: `the router reports the member ${where} as down, so it was not asked` };
  if ('unasked' in answer) {
    const why = `which build runs ${where} is not known: ${answer.unasked}`;
    return isProtected ? { is: 'silent', why } : { is: 'right', notVerified: why };
  }
  if ('unreachable' in answer) return silent(`answer: ${answer.unreachable}`);
  const named = answer.named === undefined ? guidHeard(answer.guid, build) : wordHeard(answer.named, build);
  if (named.is === 'other') return { is: 'wrong', code: 'BUILD_GONE', why: otherText(answer, wanted, where) };
  if (answer.environment !== null && answer.environment !== scope.environment) {
    const why = `the build ${where} reports that it was made for ${answer.environment}, not ${scope.environment}`;
    return { is: 'wrong', code: 'WRONG_SCOPE', why };
  }
  if (named.is === 'unclear') return { is: 'silent', why: `the build ${where} ${named.why}` };
  if (named.is === 'unsaid') return silent(`report its ${answer.named?.is ?? 'GUID'}: ${answer.said}`);
  const unproven = answer.named === undefined ? {} : ({ code: 'ENVIRONMENT_UNPROVEN' } as const);
  if (answer.unsaid !== undefined)
    return { ...silent(`report its environment in ${answer.unsaid}: ${answer.said}`), ...unproven };
  if (answer.named === undefined || answer.environment !== null) return { is: 'right' };
  const why = `which environment the build ${where} was made for is not known: a ${answer.named.is} does not say it`;
  return isProtected ? { is: 'silent', why, ...unproven } : { is: 'right', notVerified: why };
}

type Match = { readonly is: 'same' | 'other' | 'unsaid' } | { readonly is: 'unclear'; readonly why: string };

function guidHeard(guid: Guid | null, build: NamedBuild): Match {
  return { is: guid === null ? 'unsaid' : guid === build.guid ? 'same' : 'other' };
}

function wordHeard({ is, word }: Named, build: NamedBuild): Match {
  const own = wordFor(build, is);
  if (word === null) return { is: 'unsaid' };
  if (own === word) return { is: 'same' };
  if (own === undefined)
    return { is: 'unclear', why: `reports the ${is} ${word}, but the row of ${shortGuid(build.guid)} has none` };
  const isShort = is === 'commit' && /^[0-9a-f]+$/.test(word) && (own.startsWith(word) || word.startsWith(own));
  if (!isShort) return { is: 'other' };
  return { is: 'unclear', why: `reports the commit ${word}, the row says ${own}: both must be the whole commit` };
}

function otherText(answer: Answer, { scope, rows = [] }: Wanted, where: string): string {
  const owner = belongsTo(answer, rows, scope);
  return `another build answers ${where}: ${wordOfAnswer(answer)}${owner === undefined ? '' : `, which is ${owner}`}`;
}

/** The build that every member which is up says that it is. The one way from an answer to a build. */
export function whichBuild(answers: readonly MemberAnswer[], known: Known): Which {
  const up = answers.filter(({ answer }) => !('down' in answer));
  if (up.length === 0) return { is: 'none', why: answersText(answers) };
  const said = up.map(({ answer }) => resolved(answer, known));
  const refused = said.find((each) => each.is === 'none' && each.code !== undefined);
  const guids = [...new Set(said.flatMap((each) => (each.is === 'one' ? [each.guid] : [])))];
  const isSilent = ({ answer }: MemberAnswer) => 'unreachable' in answer || ('guid' in answer && wordIn(answer) === null);
  const isWhole = said.every((each, index) => {
    const member = up[index];
    return each.is === 'one' || (!known.isProtected && member !== undefined && isSilent(member));
  });
  const [guid] = guids;
  if (guid !== undefined && guids.length === 1 && isWhole) return { is: 'one', guid };
  if (refused !== undefined) return refused;
  const whys = new Set(said.map((each) => (each.is === 'none' ? each.why : '')));
  const [why] = whys;
  // All of them say the same word, and it names nothing.
  const isUnlisted = whys.size === 1 && guids.length === 0 && !up.some(isSilent);
  return { is: 'none', why: isUnlisted && why !== undefined ? why : answersText(answers) };
}

const wordIn = (answer: Extract<Answer, { said: string }>) => (answer.named === undefined ? answer.guid : answer.named.word);

function wordOfAnswer(answer: Answer): string {
  if ('unreachable' in answer) return answer.unreachable;
  if ('down' in answer) return answer.down;
  if ('unasked' in answer) return answer.unasked;
  const word = wordIn(answer);
  if (word === null) return answer.said;
  return answer.named === undefined ? word : `${answer.named.is} ${word}`;
}

/** What each member said, for people: what it says of itself, or why there is nothing; those that say the same are named together. */
export function answersText(answers: readonly MemberAnswer[]): string {
  if (answers.length === 0) return 'the target has no such place';
  const words = answers.map(({ answer }) => wordOfAnswer(answer));
  const [first = ''] = words;
  if (answers.length === 1) return first;
  if (words.every((word) => word === first)) return `all ${answers.length} members: ${first}`;
  const groups = [...new Set(words)].map((word) => {
    const names = answers.flatMap(({ at, name }, index) => (words[index] === word ? [name ?? at] : []));
    return `${listText(names)}: ${word}`;
  });
  return fewTexts(groups);
}
