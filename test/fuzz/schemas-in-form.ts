/** zod and the JSON Schemas on generated documents, in the short form or the long one. */
import { expect, it } from 'vitest';
import { recordFuzzing, runSweep } from './all.ts';
import { seedOfRun } from './sweep.ts';
import { schemas } from './sweeps/schemas.ts';

export function schemasInForm(name: string, documents: number, timeoutMs: number): void {
  const seed = seedOfRun();
  it(
    `zod and the JSON Schemas agree on ${documents} documents by seed ${seed}, apart from the rules that only zod knows`,
    async () => {
      const part = await runSweep(schemas, documents, seed);
      recordFuzzing(name, 'documents on which zod and the JSON Schema must agree', [part], 0, seed);
      expect(part.inputs).toBe(documents);
    },
    timeoutMs,
  );
}
