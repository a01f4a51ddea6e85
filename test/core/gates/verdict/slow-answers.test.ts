/** The coarse look at response times: what the newest answers took, out of a moving average that has older ones in it. */
import { describe, expect, it } from 'vitest';
import { type Average, slowAnswers } from '../../../../src/core/gates/verdict/slow-answers.ts';

/** A moving average as HAProxy keeps it, in whole milliseconds. */
class Router {
  #sum = 0;
  #answers = 0;

  answer(ms: number, times: number): Average {
    for (let count = 0; count < times; count += 1) {
      this.#answers += 1;
      const window = Math.min(512, this.#answers);
      this.#sum += (ms - this.#sum) / window;
    }
    return { answers: this.#answers, averageMs: Math.round(this.#sum) };
  }
}

const STABLE = { a: { answers: 100_000, averageMs: 20 } };

const slowAfter = (readings: readonly Average[]) => {
  let watch = slowAnswers(undefined, { a: readings[0] ?? { answers: 0, averageMs: 0 } }, STABLE);
  for (const reading of readings.slice(1)) watch = slowAnswers(watch, { a: reading }, STABLE);
  return watch.slow;
};

describe('answers that take far longer than those of the stable build', () => {
  it('a hundred slow answers are named, also at a place that served another build before', () => {
    const fresh = new Router();
    expect(slowAfter([fresh.answer(0, 0), fresh.answer(700, 100)])).toBe(
      "its newest 100 answers took 700ms on average, the stable build's 20ms",
    );
    const reused = new Router();
    expect(slowAfter([reused.answer(10, 50_000), reused.answer(700, 120)])).toMatch(/newest 120 answers took \d{3}ms/);
  });

  it('a fast build at the place of a slow one is not slow, and one that warmed up is no longer', () => {
    const reused = new Router();
    expect(slowAfter([reused.answer(700, 5000), reused.answer(20, 150)])).toBeUndefined();
    const warming = new Router();
    const [cold, warm] = [warming.answer(900, 120), warming.answer(20, 120)];
    expect(slowAfter([{ answers: 0, averageMs: 0 }, cold])).toMatch(/on average/);
    expect(slowAfter([{ answers: 0, averageMs: 0 }, cold, warm])).toBeUndefined();
  });

  it('a few answers, or a build that is slower by what people tolerate, hold nothing', () => {
    const few = new Router();
    expect(slowAfter([few.answer(0, 0), few.answer(5000, 99)])).toBeUndefined();
    const slower = new Router();
    expect(slowAfter([slower.answer(0, 0), slower.answer(150, 1000)])).toBeUndefined();
  });

  it('a router that began anew is counted from its beginning', () => {
    const old = new Router();
    const again = new Router();
    expect(slowAfter([old.answer(10, 5000), again.answer(600, 200)])).toMatch(/newest 200 answers took 600ms/);
  });
});
