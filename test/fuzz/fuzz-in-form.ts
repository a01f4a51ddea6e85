/** The tests of one form of the fuzzing, the short or the long one: each sweep is a test of its own. */
import { afterAll, describe, expect, it } from 'vitest';
import { allSweeps, type Part, recordFuzzing, runShare } from './all.ts';
import { seedOfRun } from './sweep.ts';

export interface Form {
  readonly name: string;
  readonly objects: number;
  readonly texts: number;
  readonly timeoutMs: number;
}

export function fuzzInForm({ name, objects, texts, timeoutMs }: Form): void {
  const seed = seedOfRun();
  const parts: Part[] = [];
  const sweeps = allSweeps();

  describe(`fuzzed by seed ${seed}`, () => {
    it.each(sweeps.map((sweep) => [sweep.what, sweep] as const))(
      '%s do not crash, hang, deceive, or drive a terminal',
      async (_what, sweep) => {
        parts.push(await runShare(sweep, objects, texts, seed));
      },
      timeoutMs,
    );

    it('the shares of all sweeps add up', () => {
      for (const kind of ['objects', 'texts'] as const) {
        const shares = sweeps.filter((sweep) => sweep.kind === kind).map(({ share }) => share);
        expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1);
      }
    });
  });

  afterAll(() => {
    const what = 'inputs of every kind, changed a little or much: no crash, no hang, no false accept, no escape';
    recordFuzzing(name, what, parts, sweeps.length - parts.length, seed);
  });
}
