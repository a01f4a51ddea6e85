/** Lives through many random worlds and says which of them broke a promise, with the command that shows one again. */
import { expect } from 'vitest';
import { live } from './schedule.ts';

/** A single world to look at again, instead of all. */
const ONLY = process.env.KVDEPLOY_WORLD_SEED;

/** Seeds from `first` on. Every way to end must have been seen, or the worlds are too much alike to prove anything. */
export async function sweep(first: number, count: number): Promise<void> {
  const ends = new Map<string, number>();
  const broken: string[] = [];
  const seeds = ONLY === undefined ? Array.from({ length: count }, (_, index) => first + index) : [Number(ONLY)];
  for (const seed of seeds) {
    const { phase, problems } = await live(seed).catch((error: unknown) => ({ phase: 'thrown', problems: [String(error)] }));
    ends.set(phase, (ends.get(phase) ?? 0) + 1);
    if (problems.length > 0)
      broken.push(
        `KVDEPLOY_WORLD_SEED=${seed} npx vitest run --config .config/vitest.config.ts test/world: ${problems.join('; ')}`,
      );
  }
  expect(broken.slice(0, 10), `${broken.length} of ${seeds.length} worlds from seed ${first} on`).toEqual([]);
  if (ONLY !== undefined) return;
  expect([...ends.keys()]).toEqual(expect.arrayContaining(['done', 'reverted', 'refused', 'stuck', 'rescued']));
  expect(Math.min(...ends.values()), JSON.stringify([...ends])).toBeGreaterThan(count / 200);
}
