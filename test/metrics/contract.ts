/** What every metric source owes, whatever it is: the first line of each source's test calls this. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ArmCounters } from '../../src/core/gates/counting/counters.ts';
import type { Measurement } from '../../src/core/gates/verdict/gate.ts';
import type { Io } from '../../src/io.ts';
import type { MetricSource, Question } from '../../src/metrics/metric-source.ts';

/** A real source with one build to ask about. */
export interface SourceUnderTest<Config> {
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

/** Runs the contract against a fresh one for each test. */
export function sourceContract<Config>(name: string, setup: () => Promise<SourceUnderTest<Config>>): void {
  describe(`${name} keeps the metric source contract`, () => {
    let subject: SourceUnderTest<Config>;
    beforeEach(async () => {
      subject = await setup();
    });
    afterEach(() => subject.close());
    const ask = (question: Question) => subject.source.measure(subject.config, question, subject.io);

    it('a source counts the requests of a healthy build, without errors', async () => {
      const counts = counted(await ask(subject.healthy));
      expect(counts.requests).toBeGreaterThan(0);
      expect(counts.errors).toBe(0);
    });

    it('a source counts the errors of a failing build, never more than its requests', async () => {
      const counts = counted(await ask(subject.failing));
      expect(counts.errors).toBeGreaterThan(0);
      expect(counts.errors).toBeLessThanOrEqual(counts.requests);
    });

    it('a source says what is missing, instead of zero, about a build that it knows nothing of', async () => {
      const measurement = await ask(subject.unknown);
      expect(measurement).toEqual({ missing: expect.stringMatching(/\S/) });
    });

    it('a source never passes for health within the deadline when no one answers', async () => {
      await subject.hang();
      const startedAt = performance.now();
      const measurement = await ask(subject.healthy);
      expect(performance.now() - startedAt).toBeLessThan(DEADLINE_MS + SLACK_MS);
      if (!('missing' in measurement)) {
        expect(measurement.requests).toBeGreaterThan(0);
        expect(measurement.errors).toBe(measurement.requests);
      }
    });

    const count = (candidate: Question, stable: Question | null) =>
      subject.source.count(subject.config, { candidate, stable }, subject.io);

    it('a source counts raw totals of both builds over one window, each failure under its metric', async () => {
      const before = Date.now();
      const reading = await count(subject.failing, subject.healthy);
      const [sick, well] = [totalsOf(reading.candidate), totalsOf(reading.stable)];
      expect(well.get('requests')).toBeGreaterThan(0);
      expect(well.get('errors') ?? 0).toBe(0);
      expect(sick.get('errors')).toBeGreaterThan(0);
      expect(sick.get('errors')).toBeLessThanOrEqual(sick.get('requests') ?? 0);
      const fresh = [...targetsOf(reading.candidate), ...targetsOf(reading.stable)].map(({ freshMs }) => freshMs);
      expect(Math.max(...fresh) - Math.min(...fresh)).toBeLessThanOrEqual(
        Math.max(DEADLINE_MS, subject.source.lagMs(subject.config)),
      );
      expect(Math.abs(Math.max(...fresh) - before)).toBeLessThan(DEADLINE_MS + SLACK_MS);
      const [first, ...rest] = subject.source.metrics(subject.config, reading);
      expect(first).toMatchObject({ metric: 'errors', requests: 'requests', failures: 'errors' });
      expect(rest.map(({ metric }) => metric)).not.toContain('errors');
      expect(subject.source.unproven?.(subject.config, reading.candidate)).toBeUndefined();
    });

    it('a source never counts down, and counts nothing that is no count', async () => {
      const [once, twice] = [await count(subject.failing, subject.healthy), await count(subject.failing, subject.healthy)];
      for (const arm of ['candidate', 'stable'] as const) {
        const later = totalsOf(twice[arm]);
        for (const [name, value] of totalsOf(once[arm])) expect(later.get(name), name).toBeGreaterThanOrEqual(value);
        for (const target of targetsOf(twice[arm]))
          for (const { value } of target.counters ?? []) expect(Number.isSafeInteger(value) && value >= 0).toBe(true);
      }
    });

    it('a source counts one build where no other serves, and says of an unknown one what is missing', async () => {
      expect(await count(subject.healthy, null)).toMatchObject({
        candidate: { targets: expect.anything() },
        stable: { absent: true },
      });
      const { candidate, stable } = await count(subject.unknown, subject.healthy);
      expect(candidate).toMatchObject({ missing: expect.stringMatching(/\S/) });
      expect(stable).toMatchObject({ targets: expect.anything() });
    });

    it('a source takes no build for healthy within the deadline when no one answers', async () => {
      await subject.hang();
      const startedAt = performance.now();
      const { candidate } = await count(subject.healthy, null);
      expect(performance.now() - startedAt).toBeLessThan(DEADLINE_MS + SLACK_MS);
      if ('missing' in candidate) return expect(candidate.missing).toMatch(/\S/);
      const totals = totalsOf(candidate);
      expect(totals.get('requests')).toBeGreaterThan(0);
      expect(totals.get('errors')).toBe(totals.get('requests'));
    });

    it('a source describes the question with the name that a person would look for', () => {
      expect(subject.source.describe(subject.config, subject.healthy)).toMatch(/\S/);
    });
  });
}

function counted(measurement: Measurement) {
  if ('missing' in measurement) throw new Error(`missing: ${measurement.missing}`);
  expect(Number.isSafeInteger(measurement.requests) && Number.isSafeInteger(measurement.errors)).toBe(true);
  return measurement;
}

function targetsOf(arm: ArmCounters) {
  if (!('targets' in arm)) throw new Error(JSON.stringify(arm));
  expect(Object.keys(arm.targets).length).toBeGreaterThan(0);
  return Object.values(arm.targets);
}

/** Totals by counter, over targets and slices. */
function totalsOf(arm: ArmCounters): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const { counters } of targetsOf(arm))
    for (const { counter, value } of counters ?? []) sums.set(counter, (sums.get(counter) ?? 0) + value);
  return sums;
}
