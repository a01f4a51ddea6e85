/** Asks what runs at a place for its GUID and environment. A redirect is never an identity, and no answer is not another build. */
import { saysTheSame } from '../scope.ts';
import { safeLine } from '../text.ts';
import type { HttpAnswer, HttpCheck, Outside } from './change.ts';
import { textAt } from './json-path.ts';

/** One member of a place is asked for its GUID, and for its environment if it reports one. */
export interface IdentityCheck extends HttpCheck {
  readonly environment?: { readonly header?: string; readonly json?: readonly string[]; readonly equals: string };
}

/**
 * `gone`: this is not the build. `silent`: no answer, or one that does not say (a redirect, a sick build's 503); it proves nothing.
 */
export type Identified = { readonly kind: 'right' } | { readonly kind: 'gone' | 'silent'; readonly why: string };

/** Asks one member. Never throws. */
export async function identify(wanted: IdentityCheck, outside: Outside): Promise<Identified> {
  const { url, timeoutMs, equals, environment } = wanted;
  try {
    const answer = await outside.http({ method: 'GET', url, timeoutMs }, () => undefined);
    if (answer.status >= 300 && answer.status < 400)
      return { kind: 'silent', why: `${url} answered ${answer.status}, and a redirect is never an identity` };
    const guid = saidIn(answer, wanted);
    const well = answer.status < 300;
    const name = nameOf(wanted);
    if (guid === undefined) return { kind: well ? 'gone' : 'silent', why: `${url} answered ${answer.status} without ${name}` };
    if (!saysTheSame(guid, equals)) return { kind: 'gone', why: `${url} returned ${shown(guid)} in ${name}, not ${equals}` };
    const stamp = environment === undefined ? undefined : saidIn(answer, environment)?.trim();
    if (environment === undefined || stamp === environment.equals) return { kind: 'right' };
    if (stamp === undefined || stamp === '')
      return { kind: 'silent', why: `${url} does not report its environment in ${nameOf(environment)}` };
    return { kind: 'gone', why: `${url} reports that its build was made for ${shown(stamp)}, not ${environment.equals}` };
  } catch (error) {
    return { kind: 'silent', why: safeLine((error as Error).message) };
  }
}

type Where = Pick<HttpCheck, 'header' | 'json'>;

function saidIn(answer: HttpAnswer, { header, json }: Where): string | undefined {
  if (header !== undefined) return answer.headers[header.toLowerCase()];
  try {
    return textAt(answer.body, json ?? []);
  } catch {
    // Not JSON: it does not say.
    return undefined;
  }
}

function nameOf({ header, json }: Where): string {
  return header ?? json?.join('.') ?? '';
}

function shown(text: string): string {
  return safeLine(text.slice(0, 80));
}
