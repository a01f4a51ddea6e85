/** What every metric source owes, whatever it is: the first line of each source's test calls this. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Measurement } from '../../src/core/gate.ts';
import type { Io } from '../../src/io.ts';
import type { MetricSource, Question } from '../../src/metrics/metric-source.ts';

/** A real source with one build to ask about. */
export interface SourceWorld<Config> {
  readonly source: MetricSource<Config>;
  readonly config: Config;
  readonly io: Io;
  /** About a build that gets traffic and answers well. */
  readonly healthy: Question;
  /** About a build that gets traffic and fails, at least half of the time. */
  readonly failing: Question;
  /** About a build of which the source can know nothing. */
  readonly unknown: Question;
  /** From now on whoever answers this source accepts connections and says nothing. */
  hang(): Promise<void>;
  close(): Promise<void>;
}

const DEADLINE_MS = 2000;
/** What a busy machine may add before a deadline counts as broken. */
const SLACK_MS = 800;

/** Runs the contract against a fresh world for each test. */
export function sourceContract<Config>(name: string, setup: () => Promise<SourceWorld<Config>>): void {
  describe(`${name} keeps the metric source contract`, () => {
    let world: SourceWorld<Config>;
    beforeEach(async () => {
      world = await setup();
    });
    afterEach(() => world.close());
    const ask = (question: Question) => world.source.measure(world.config, question, world.io);

    it('counts the requests of a healthy build, without errors', async () => {
      const counts = counted(await ask(world.healthy));
      expect(counts.requests).toBeGreaterThan(0);
      expect(counts.errors).toBe(0);
    });

    it('counts the errors of a failing build, never more than its requests', async () => {
      const counts = counted(await ask(world.failing));
      expect(counts.errors).toBeGreaterThan(0);
      expect(counts.errors).toBeLessThanOrEqual(counts.requests);
    });

    it('says what is missing, instead of zero, about a build that it knows nothing of', async () => {
      const measurement = await ask(world.unknown);
      expect(measurement).toEqual({ missing: expect.stringMatching(/\S/) });
    });

    it('never passes for health within the deadline when nobody answers', async () => {
      await world.hang();
      const startedAt = performance.now();
      const measurement = await ask(world.healthy);
      expect(performance.now() - startedAt).toBeLessThan(DEADLINE_MS + SLACK_MS);
      if (!('missing' in measurement)) {
        expect(measurement.requests).toBeGreaterThan(0);
        expect(measurement.errors).toBe(measurement.requests);
      }
    });

    it('describes the question with the name that a person would look for', () => {
      expect(world.source.describe(world.config, world.healthy)).toMatch(/\S/);
    });
  });
}

function counted(measurement: Measurement) {
  if ('missing' in measurement) throw new Error(`missing: ${measurement.missing}`);
  expect(Number.isSafeInteger(measurement.requests) && Number.isSafeInteger(measurement.errors)).toBe(true);
  return measurement;
}
