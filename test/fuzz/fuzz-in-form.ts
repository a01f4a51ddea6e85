/** The tests of one form of the fuzzing, short or long: each sweep is a test of its own. */
import { afterAll, describe, expect, it } from 'vitest';
import { allSweeps, type Part, recordFuzzing, runSweep } from './all.ts';
import { seedOfRun } from './sweep.ts';

export interface Form {
  /** In the reliability table. */
  readonly name: string;
  readonly kind: 'objects' | 'texts';
  readonly inputs: number;
  readonly timeoutMs: number;
}

export function fuzzInForm({ name, kind, inputs, timeoutMs }: Form): void {
  const seed = seedOfRun();
  const parts: Part[] = [];
  const sweeps = allSweeps().filter((sweep) => sweep.kind === kind);

  describe(`fuzzed by seed ${seed}`, () => {
    it.each(sweeps.map((sweep) => [sweep.what, sweep] as const))(
      '%s do not crash, hang, deceive, or drive a terminal',
      async (_what, sweep) => {
        parts.push(await runSweep(sweep, Math.round(sweep.share * inputs), seed));
      },
      timeoutMs,
    );

    it(`the shares of all ${kind} add up`, () => {
      expect(sweeps.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
    });
  });

  afterAll(() => {
    const what = `${kind} of every kind, mutated slightly or heavily: no crash, no hang, no false accept, no terminal escape`;
    recordFuzzing(name, what, parts, sweeps.length - parts.length, seed);
  });
}
