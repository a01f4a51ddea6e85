/** Worlds of processes that come, go, restart and miss scrapes, by chance: nothing is counted that did not happen, and churn alone blames no build. */
import { expect, it } from 'vitest';
import { seeded } from '../../../../src/backtest/calibration.ts';
import { comparisonOf } from '../../../../src/core/gates/comparison.ts';
import { gatePollOf } from '../../../../src/core/gates/counting/blocks.ts';
import { type ArmCounters, countersSince, NO_COUNTERS } from '../../../../src/core/gates/counting/counters.ts';
import type { MetricCounters } from '../../../../src/core/gates/counting/metric-counters.ts';
import { beginStep, feed, openEvidence } from '../../../../src/core/gates/evidence/evidence.ts';
import { WHOLE } from '../../../../src/core/gates/gate-settings.ts';

const SEED = Number(process.env.KVDEPLOY_SEED ?? Date.now() % 1_000_000);
const POLL_S = 15;
const METRICS: readonly MetricCounters[] = [
  { metric: 'errors', requests: 'requests', failures: 'errors', counts: 'failures' },
  { metric: 'traffic', requests: 'requests', failures: 'none of them', counts: 'failures' },
];
const SEEN = { metrics: ['errors'], slices: {}, countsTraffic: true, countsProcesses: true, lagMs: POLL_S * 1000 };
const { settings } = comparisonOf(
  [{ name: 'errors', source: 'prometheus', settings: {}, compare: {} }],
  {},
  new Map([['errors', SEEN]]),
);

interface Pod {
  readonly name: string;
  requests: number;
  errors: number;
}

/** One build; `happened` is all that its processes ever counted. */
class Build {
  readonly happened = { requests: 0, failures: 0 };
  readonly #random: () => number;
  #pods: Pod[];
  #next = 0;

  constructor(pods: number, random: () => number) {
    this.#random = random;
    this.#pods = Array.from({ length: pods }, () => this.#pod(5000));
  }

  #pod(most: number): Pod {
    const requests = Math.floor(most * this.#random());
    this.#next += 1;
    return { name: `p${this.#next}`, requests, errors: Math.floor(requests * 0.001) };
  }

  serve(each: number): void {
    for (const pod of this.#pods)
      for (let request = Math.floor(each * (0.8 + 0.4 * this.#random())); request > 0; request -= 1) {
        const failed = this.#random() < 0.001 ? 1 : 0;
        pod.requests += 1;
        pod.errors += failed;
        this.happened.requests += 1;
        this.happened.failures += failed;
      }
  }

  replace(): void {
    this.#pods.splice(Math.floor(this.#random() * this.#pods.length), 1);
    this.#pods.push(this.#pod(3));
  }

  restart(): void {
    Object.assign(this.#pods[Math.floor(this.#random() * this.#pods.length)] ?? {}, { requests: 0, errors: 0 });
  }

  /** What a poll sees, without some that missed their scrape. */
  seen(atS: number, missing: number): ArmCounters {
    const seen = this.#pods.filter((_, index) => index >= missing);
    const targets = seen.map(({ name, requests, errors }) => {
      const counters = [
        { counter: 'requests', slice: '', value: requests },
        ...(errors > 0 ? [{ counter: 'errors', slice: '', value: errors }] : []),
      ];
      return [name, { startedMs: null, freshMs: atS * 1000, counters }] as const;
    });
    return { targets: Object.fromEntries(targets) };
  }
}

function world(random: () => number, restarts: boolean) {
  const pods = 4 + Math.floor(random() * 8);
  const builds = { candidate: new Build(pods, random), stable: new Build(pods, random) };
  let memory = NO_COUNTERS;
  let evidence = beginStep(settings, openEvidence(settings, { atMs: 0, share: 0.5 }), { atMs: 0, share: 0.5 });
  const counted = { candidate: { requests: 0, failures: 0 }, stable: { requests: 0, failures: 0 } };
  for (let atS = POLL_S; atS < 80 * POLL_S; atS += POLL_S) {
    for (const build of Object.values(builds)) {
      build.serve(30);
      if (restarts && random() < 0.3) build.restart();
    }
    // Only the candidate's processes come and go.
    if (random() < (pods * POLL_S) / 120 / 2) builds.candidate.replace();
    builds.candidate.serve(5);
    builds.stable.serve(5);
    const missing = random() < 0.1 ? 1 : 0;
    const reading = { candidate: builds.candidate.seen(atS, missing), stable: builds.stable.seen(atS, 0) };
    const delta = countersSince(memory, reading, POLL_S * 1000);
    memory = delta.memory;
    const poll = gatePollOf(delta, METRICS);
    evidence = feed(settings, evidence, { atMs: atS * 1000, gates: { errors: poll } });
    for (const arm of ['candidate', 'stable'] as const) {
      counted[arm].requests += poll.blocks['errors']?.[WHOLE]?.[arm].requests ?? 0;
      counted[arm].failures += poll.blocks['errors']?.[WHOLE]?.[arm].failures ?? 0;
      expect(counted[arm].requests, `${arm} at ${atS} s`).toBeLessThanOrEqual(builds[arm].happened.requests);
      expect(counted[arm].failures, `${arm} at ${atS} s`).toBeLessThanOrEqual(builds[arm].happened.failures);
    }
  }
  return { evidence, counted, happened: builds.candidate.happened };
}

it(`counts of processes that come, go and restart by chance are never more than what happened (seed ${SEED})`, () => {
  const random = seeded(SEED);
  for (let run = 0; run < 30; run += 1) world(random, true);
});

it(`processes that only come and go blame no build, and hide little of what happened (seed ${SEED})`, () => {
  const random = seeded(SEED);
  for (let run = 0; run < 30; run += 1) {
    const { evidence, counted, happened } = world(random, false);
    expect(evidence.crossed, `run ${run}`).toBeNull();
    expect(counted.candidate.requests, `run ${run}`).toBeGreaterThan(0.8 * happened.requests);
  }
});
