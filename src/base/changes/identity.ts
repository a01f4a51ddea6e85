/** Asks what runs at a place which build and environment it is. A redirect is never an identity, and no answer is not another build. */
import { saysTheSame } from '../scope.ts';
import { firstOf, safeLine } from '../text.ts';
import type { Asked, Outside, Told } from './change.ts';
import { hearHttp, hearProgram, type Where, whereText } from './hear.ts';

/** What one member of a place must say. */
interface Expected {
  /** A GUID, in any spelling; with `exact` a commit, digest, version or label, to the letter. */
  readonly equals: string;
  readonly exact?: true;
  /** Its environment, if it reports one. */
  readonly environment?: Where & { readonly equals: string };
  /** What the router calls whoever answers here; with `at`, at that location only. */
  readonly members?: readonly string[];
}

/** One member of a place, asked directly or by a program. */
export type IdentityCheck = (Asked | Told) & Expected;

/**
 * `gone`: this is not the build. `silent`: no answer, or one that does not say (a redirect, a sick build's 503, a program that fails); it
 * proves nothing.
 */
export type Identified = { readonly kind: 'right' } | { readonly kind: 'gone' | 'silent'; readonly why: string };

/** Asks one member, and names it as the router does. Never throws. */
export async function identify(wanted: IdentityCheck, outside: Outside): Promise<Identified> {
  const answer = await identified(wanted, outside);
  if (answer.kind === 'right' || wanted.members === undefined) return answer;
  return { ...answer, why: `${safeLine(firstOf(wanted.members, 3).join(', '))}: ${answer.why}` };
}

async function identified(wanted: IdentityCheck, outside: Outside): Promise<Identified> {
  const { equals, exact, environment } = wanted;
  try {
    const heard = wanted.kind === 'http' ? await hearHttp(wanted, outside) : await hearProgram(wanted, outside);
    const { from, answered, well } = heard;
    if (heard.redirect) return { kind: 'silent', why: `${from} ${answered}, and a redirect is never an identity` };
    const said = heard.said(wanted)?.trim() ?? '';
    const name = whereText(wanted);
    const same = said !== '' && (exact === true ? said === equals : saysTheSame(said, equals));
    if (said !== '' && !same) return { kind: 'gone', why: `${from} returned ${heard.show(said)} in ${name}, not ${equals}` };
    const stamp = environment === undefined ? '' : (heard.said(environment)?.trim() ?? '');
    // Whatever it is: a build of another environment.
    if (environment !== undefined && stamp !== '' && stamp !== environment.equals)
      return { kind: 'gone', why: `${from} reports that its build was made for ${heard.show(stamp)}, not ${environment.equals}` };
    // What a program does not say is its own fault, and not the build's.
    if (said === '')
      return { kind: well && wanted.kind === 'http' ? 'gone' : 'silent', why: `${from} ${answered} without ${name}` };
    if (environment === undefined || stamp !== '') return { kind: 'right' };
    return { kind: 'silent', why: `${from} does not report its environment in ${whereText(environment)}` };
  } catch (error) {
    return { kind: 'silent', why: safeLine((error as Error).message) };
  }
}
