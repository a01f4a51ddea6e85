/** The engine in thousands of random worlds. */
import { describe, expect, it } from 'vitest';
import { live } from './schedule.ts';

const SEED = process.env.KVDEPLOY_WORLD_SEED;
const FIRST = SEED === undefined ? 1 : Number(SEED);
const COUNT = SEED === undefined ? Number(process.env.N ?? 2000) : 1;

describe('random worlds', () => {
  it('keeps its promises', async () => {
    const phases = new Map<string, number>();
    const wrong: string[] = [];
    const began = performance.now();
    for (let seed = FIRST; seed < FIRST + COUNT; seed += 1) {
      let problems: readonly string[];
      try {
        const lived = await live(seed);
        problems = lived.problems;
        phases.set(lived.phase, (phases.get(lived.phase) ?? 0) + 1);
      } catch (error) {
        problems = [String((error as Error).stack)];
      }
      if (problems.length > 0) wrong.push(`${seed}: ${problems[0]}`);
    }
    console.log(performance.now() - began, Object.fromEntries(phases), wrong.length);
    console.log(wrong.slice(0, 25).join('\n'));
    expect(wrong.length).toBe(0);
  }, 600_000);
});
