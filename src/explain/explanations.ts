/** Everything that `explain` knows: each code, and each exit code. Must have every code, which its type sees to. No I/O. */
import { type Code, type EXIT, EXIT_OF } from '../base/codes.ts';
import type { FindingCode } from '../core/errors.ts';
import type { Explanation } from './explanation.ts';
import { FILES, FINDINGS, OUTCOMES } from './explanations-outcomes.ts';
import { ASKING, REFUSALS } from './explanations-refusals.ts';

const OF_ERRORS: Readonly<Record<Code, Explanation>> = { ...ASKING, ...FILES, ...REFUSALS, ...OUTCOMES };

/** Every code there is, errors first. */
export const EXPLANATIONS: Readonly<Record<Code | FindingCode, Explanation>> = { ...OF_ERRORS, ...FINDINGS };

/** What a command ends with that stops for this code, or undefined for a word that is no code. */
export function exitOf(code: string): number | undefined {
  if (Object.hasOwn(EXIT_OF, code)) return EXIT_OF[code as Code];
  return Object.hasOwn(FINDINGS, code) ? FINDINGS[code as FindingCode].exit : undefined;
}

/** In words: what each exit code means, and where traffic is then. */
export const EXIT_WORDS: Readonly<Record<keyof typeof EXIT, { readonly means: string; readonly traffic: string }>> = {
  done: { means: 'done', traffic: 'as asked' },
  bug: { means: 'a bug in kvdeploy', traffic: 'stated' },
  usage: { means: 'usage, config or manifest is wrong', traffic: 'unchanged' },
  refused: { means: 'refused by admission or policy', traffic: 'unchanged' },
  reverted: { means: 'reverted: a gate failed, or aborted', traffic: 'on stable' },
  stuck: {
    means: 'stuck: traffic or pointer not where it should be; prints the break-glass command',
    traffic: 'stated',
  },
  busy: { means: 'busy: another runner, or a hold not yet reconciled', traffic: 'unchanged; stated when stopped midway' },
  unreachable: { means: 'something needed could not be reached, before anything was changed', traffic: 'unchanged' },
  notAllowed: { means: 'not signed in, or not allowed (sign-in is not in this release)', traffic: 'unchanged' },
  baking: { means: 'still baking: `--max-wait` ran out; call `resume`', traffic: 'stated' },
  interrupted: { means: 'interrupted and left; `resume` continues', traffic: 'stated' },
};
