/** Asks before anything is changed. Must never take silence, a pipe or CI for a yes. */
import type { Code } from '../base/codes.ts';
import { KvdeployError } from '../core/errors.ts';
import { scopeText } from '../core/scope.ts';
import { type Deps, reasonOf } from './deps.ts';
import type { Opened } from './open.ts';

/** What a command wants as confirmation here, and from whom it would come. */
export function confirmation(
  { scope, settings }: Opened,
  given: { readonly confirm?: string | undefined },
  { globals, canAsk }: Deps,
): { readonly isProtected: boolean; readonly wants: string; readonly given: 'flag' | 'terminal' | 'no one' } {
  const isProtected = settings?.protected ?? true;
  const flag = given.confirm !== undefined || (!isProtected && globals.yes === true);
  const wants = isProtected ? `--confirm ${scope.environment}` : '--yes';
  return { isProtected, wants, given: flag ? 'flag' : canAsk ? 'terminal' : 'no one' };
}

/**
 * A protected environment wants its name, typed at a terminal or given by `--confirm`; another one a yes, or `--yes`.
 * Throws NO_TERMINAL when no one can be asked, NOT_CONFIRMED when the answer is anything else.
 */
export async function confirm(opened: Opened, what: string, options: { readonly confirm?: string }, deps: Deps): Promise<void> {
  const { environment } = opened.scope;
  const { isProtected, wants, given } = confirmation(opened, options, deps);
  const refuse = (code: Code, message: string, hint: string) => new KvdeployError(code, { message, hint });
  if (options.confirm !== undefined && options.confirm !== environment) {
    const message = `--confirm ${options.confirm} does not name ${environment}; nothing was changed.`;
    throw refuse('NOT_CONFIRMED', message, `Give the name of the environment itself: --confirm ${environment}`);
  }
  if (given === 'flag') return;
  if (given === 'no one') {
    const message = `${what} in ${scopeText(opened.scope)} needs a confirmation, but there is no terminal to ask on. Nothing was changed.`;
    throw refuse('NO_TERMINAL', message, `Give it with ${wants}; kvdeploy never reads a confirmation from standard input.`);
  }
  const agreed = isProtected
    ? await deps.askName(`${what}. Type ${environment} to continue:`, environment)
    : await deps.askYes(`${what}?`);
  if (!agreed)
    throw refuse('NOT_CONFIRMED', 'Not confirmed; nothing was changed.', `Run it again when you are sure, or give ${wants}.`);
}

/** The reason that a command cannot do without: `--reason`, or what a person types. Throws USAGE. */
export async function mustHaveReason(
  options: { readonly reason?: string },
  { what, question }: { readonly what: string; readonly question: string },
  { canAsk, askText }: Deps,
): Promise<string> {
  const reason = reasonOf(options) ?? (canAsk ? reasonOf({ reason: (await askText(question)) ?? '' }) : null);
  if (reason !== null) return reason;
  throw new KvdeployError('USAGE', {
    message: `${what} needs a reason; nothing was changed.`,
    hint: 'Give it with --reason "…"',
  });
}
