/** Everything that `explain` knows: each code, and each exit code. Must have every code, which its type sees to. No I/O. */
import { type Code, EXIT, EXIT_OF } from '../base/codes.ts';
import type { FindingCode } from '../core/errors.ts';
import { IDENTITIES } from './of-identity.ts';
import { LISTINGS } from './of-listings.ts';
import { LOOKS } from './of-looks.ts';
import { PLACES } from './of-places.ts';
import { FINDINGS, REQUESTS } from './of-requests.ts';
import { ROLLOUTS } from './of-rollouts.ts';

export interface Explanation {
  /** One or two sentences: what the code means. */
  readonly means: string;
  /** A message as someone would meet it. */
  readonly example: string;
  /** The likeliest first. */
  readonly causes: readonly string[];
  /** What to do, the likeliest first; commands are whole, with E for the environment. */
  readonly todo: readonly string[];
}

/** Every code there is, errors first. */
export const EXPLANATIONS: Readonly<Record<Code | FindingCode, Explanation>> = {
  ...REQUESTS,
  ...ROLLOUTS,
  ...IDENTITIES,
  ...LOOKS,
  ...PLACES,
  ...LISTINGS,
  ...FINDINGS,
};

/** Findings about files that are valid one by one and contradict each other. */
const CONTRADICTIONS: readonly FindingCode[] = [
  'REPEATED_GUID',
  'REPEATED_SCOPE',
  'TWO_DIGESTS',
  'REPEATED_SEQUENCE',
  'WRONG_PLACE',
  'GATE_LABEL_MISSING',
];

/** The exit code of a command that stops with this code; undefined if it is not a code. */
export function exitOf(code: string): number | undefined {
  if (Object.hasOwn(EXIT_OF, code)) return EXIT_OF[code as Code];
  if (!Object.hasOwn(FINDINGS, code)) return undefined;
  return CONTRADICTIONS.includes(code as FindingCode) ? EXIT.refused : EXIT.usage;
}

/** What each exit code means, and where traffic goes then. */
export const EXIT_WORDS: Readonly<Record<keyof typeof EXIT, { readonly means: string; readonly traffic: string }>> = {
  done: { means: 'done', traffic: 'as requested' },
  bug: { means: 'a bug in kvdeploy', traffic: 'stated in the output' },
  usage: { means: 'usage, config or manifest is wrong', traffic: 'unchanged' },
  refused: { means: 'refused by admission or policy', traffic: 'unchanged' },
  reverted: { means: 'reverted: a gate failed or gave up, or someone aborted', traffic: 'on the stable build' },
  stuck: {
    means: 'stuck: traffic or pointer is not where it should be; the output contains the break-glass command',
    traffic: 'stated in the output',
  },
  busy: {
    means: 'busy: another runner leads, or a hold is not reconciled yet',
    traffic: 'unchanged; stated in the output if stopped midway',
  },
  unreachable: { means: 'something required was unreachable; nothing was changed', traffic: 'unchanged' },
  notAllowed: { means: 'not signed in, or not allowed (reserved: this release has no sign-in)', traffic: 'unchanged' },
  attention: {
    means:
      'not as it should be, and nothing is being done about it: drift, a location missing or on another build, a hold that waits',
    traffic: 'stated in the output',
  },
  baking: { means: 'still baking: `--max-wait` ran out; run `resume`', traffic: 'stated in the output' },
  interrupted: { means: 'interrupted; `resume` continues', traffic: 'stated in the output' },
};
