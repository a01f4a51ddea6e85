/** Asks before anything is changed. Must never take silence, a pipe or CI for a yes. */
import { KvdeployError } from '../core/errors.ts';
import { scopeText } from '../core/scope.ts';
import type { Deps } from './deps.ts';
import type { Opened } from './open.ts';

/**
 * A protected environment wants its name, typed at a terminal or given by `--confirm`; another one a yes, or `--yes`.
 * Throws NO_TERMINAL when nobody can be asked, NOT_CONFIRMED when the answer is anything else.
 */
export async function confirm(opened: Opened, what: string, given: { readonly confirm?: string }, deps: Deps): Promise<void> {
  const { environment } = opened.scope;
  const isProtected = opened.settings?.protected ?? true;
  if (given.confirm !== undefined) {
    if (given.confirm === environment) return;
    throw new KvdeployError('NOT_CONFIRMED', {
      message: `--confirm ${given.confirm} does not name ${environment}; nothing was changed.`,
      hint: `Say the name of the environment itself: --confirm ${environment}`,
    });
  }
  if (!isProtected && deps.globals.yes === true) return;
  const flag = isProtected ? `--confirm ${environment}` : '--yes';
  if (!deps.canAsk) {
    throw new KvdeployError('NO_TERMINAL', {
      message: `${what} in ${scopeText(opened.scope)} needs a confirmation, and there is no terminal to ask on. Nothing was changed.`,
      hint: `Say it with ${flag}; text on standard input is never taken for an answer.`,
    });
  }
  const agreed = isProtected
    ? await deps.askName(`${what}. Type ${environment} to go on:`, environment)
    : await deps.askYes(`${what}?`);
  if (!agreed)
    throw new KvdeployError('NOT_CONFIRMED', {
      message: 'Not confirmed; nothing was changed.',
      hint: `Run it again when you are sure, or say ${flag}.`,
    });
}
