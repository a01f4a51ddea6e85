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

describe('slow members of a place', () => {
  const names = Array.from({ length: 10 }, (_, index) => `member green-${index + 1} at edge1`);
  const stable = { 'member blue-1 at edge1': { answers: 100_000, averageMs: 20, location: 'edge1' } };
  const read = (routers: readonly Router[], answers: number, ms: (name: string) => number) =>
    Object.fromEntries(
      names.map((name, index) => {
        const average = routers[index]?.answer(ms(name), answers) ?? { answers: 0, averageMs: 0 };
        return [name, { ...average, location: 'edge1' }];
      }),
    );

  it('one slow member of ten holds and is named, though all of them together are not three times slower', () => {
    const routers = names.map(() => new Router());
    const ms = (name: string) => (name.startsWith('member green-3 ') ? 400 : 20);
    let watch = slowAnswers(undefined, read(routers, 0, ms), stable);
    watch = slowAnswers(watch, read(routers, 60, ms), stable);
    expect(watch.slow).toBeUndefined();
    watch = slowAnswers(watch, read(routers, 60, ms), stable);
    expect(watch.slow).toBe("member green-3 at edge1: its newest 120 answers took 400ms on average, the stable build's 20ms");
    watch = slowAnswers(
      watch,
      read(routers, 1000, () => 20),
      stable,
    );
    expect(watch.slow).toBeUndefined();
  });

  it('a member far away is compared with the stable build at its own location', () => {
    const far = { answers: 100_000, averageMs: 300, location: 'edge2' };
    const near = { answers: 100_000, averageMs: 5, location: 'edge1' };
    const member = (averageMs: number) => ({
      'member green-1 at edge1': { answers: 500, averageMs: 5, location: 'edge1' },
      'member green-1 at edge2': { answers: 500, averageMs, location: 'edge2' },
    });
    const none = { answers: 0, averageMs: 0 };
    const began = slowAnswers(
      undefined,
      {
        'member green-1 at edge1': { ...none, location: 'edge1' },
        'member green-1 at edge2': { ...none, location: 'edge2' },
      },
      {},
    );
    const both = { 'member blue-1 at edge1': near, 'member blue-1 at edge2': far };
    expect(slowAnswers(began, member(310), both).slow).toBeUndefined();
    expect(slowAnswers(began, member(2000), both).slow).toMatch(/^member green-1 at edge2: /);
  });
});
