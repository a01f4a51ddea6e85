/** Every rule of `kvdeploy conformance` against a program that breaks one: it must be found by that rule alone. */
import { expect, test } from 'vitest';
import { trials } from '../../src/commands/setup/conformance/trials.ts';
import { attempt, BAD_PROGRAMS, scriptWith } from './bad-programs.ts';

test.concurrent.each(BAD_PROGRAMS)(
  'a program that breaks the rule "$breaks" keeps every other rule',
  async ({ breaks, faults }) => {
    const { argv } = scriptWith(...faults);
    const broken: string[] = [];
    for (const trial of trials) {
      const why = await attempt(trial, argv, 10_000, 3).then(
        () => undefined,
        (error: Error) => `${trial.name}: ${error.message}`,
      );
      if (why !== undefined) broken.push(why);
    }
    expect(broken).toEqual([expect.stringContaining(breaks)]);
  },
  120_000,
);
