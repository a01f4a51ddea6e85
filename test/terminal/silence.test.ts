/** Whole rollouts of the real engine in the simulation, told into a pipe: how long the log is ever silent. */
import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createReport } from '../../src/terminal/report.ts';
import { Process } from '../simulator/process.ts';
import { furnish, planOf, promote } from '../simulator/rollouts.ts';
import { Simulation } from '../simulator/simulation.ts';
import { started } from './rollout-lines.ts';

interface Told {
  /** Milliseconds from the start at which something was written, and the end of the rollout. */
  readonly atMs: readonly number[];
  readonly phase: string;
  readonly text: string;
}

/** What a pipe gets, and when by the simulation's clock. */
async function told(plan: ReturnType<typeof planOf>, mischief: (sim: Simulation) => void = () => undefined): Promise<Told> {
  const sim = furnish(new Simulation({ blue: 100, green: 0, grey: 0 }));
  sim.callsMax = Number.POSITIVE_INFINITY;
  mischief(sim);
  const beganMs = sim.nowMs;
  const atMs = [0];
  let text = '';
  const pipe = () =>
    new Writable({
      write: (chunk, _encoding, done) => {
        atMs.push(sim.nowMs - beganMs);
        text += String(chunk);
        done();
      },
    });
  const report = createReport({
    json: false,
    quiet: false,
    verbose: false,
    stdout: pipe(),
    stderr: pipe(),
    colour: { stdout: false, stderr: false },
    tty: false,
    unicode: true,
    clock: { now: () => sim.nowMs, every: new Process(sim, 3).io.every },
  });
  report.line({ ...started, steps: plan.steps });
  const ended = await promote(sim, new Process(sim, 2), plan, (line) => report.line(line));
  report.close();
  atMs.push(sim.nowMs - beganMs);
  return { atMs, phase: 'state' in ended ? ended.state.phase : ended.how, text };
}

/** The longest silence that lies before, or begins after, this moment. */
function longest(atMs: readonly number[], fromMs: number, untilMs: number): number {
  const gaps = atMs.slice(1).map((at, index) => ({ fromMs: atMs[index] ?? 0, ms: at - (atMs[index] ?? 0) }));
  return Math.max(...gaps.filter((gap) => gap.fromMs >= fromMs && gap.fromMs < untilMs).map(({ ms }) => ms));
}

const MINUTE_MS = 60_000;
const steps = (...bakesMs: readonly number[]) =>
  bakesMs.map((bakeMs, index) => ({ percent: index === bakesMs.length - 1 ? 100 : 10 * (index + 1), bakeMs }));

describe('a rollout in a pipe', () => {
  it.each([1000, 3000, 5000, 7000, 11_000, 15_000, 34_000])(
    'a rollout of 35 s in a pipe, polled every %i ms, is never silent for more than 12 s',
    async (pollMs) => {
      const { atMs, phase } = await told(planOf({ pollMs, steps: steps(20_000, 15_000) }));
      expect(phase).toBe('done');
      expect(atMs.at(-1)).toBeGreaterThan(35_000);
      expect(longest(atMs, 0, MINUTE_MS)).toBeLessThanOrEqual(12_000);
    },
  );

  it('a rollout polled every ten minutes says at least every 32 s what is going on, and how old its last word is', async () => {
    const { atMs, phase, text } = await told(planOf({ pollMs: 10 * MINUTE_MS, steps: steps(10 * MINUTE_MS) }));
    expect(phase).toBe('done');
    expect(longest(atMs, 0, MINUTE_MS - 12_000)).toBeLessThanOrEqual(12_000);
    expect(longest(atMs, 0, 10 * MINUTE_MS)).toBeLessThanOrEqual(32_000);
    expect(text).toMatch(/step 1\/1 100 % still baking; nothing new for \d+s\n/);
  });

  it('a rollout of 20 minutes says something at least every 32 s after the first minute', async () => {
    const { atMs, phase } = await told(planOf({ steps: steps(10 * MINUTE_MS, 10 * MINUTE_MS) }));
    expect(phase).toBe('done');
    expect(longest(atMs, 0, MINUTE_MS - 12_000)).toBeLessThanOrEqual(12_000);
    expect(longest(atMs, 0, 20 * MINUTE_MS)).toBeLessThanOrEqual(32_000);
  });

  it('a rollout that waits for metrics until its patience ends says so all the while', async () => {
    const { atMs, phase, text } = await told(planOf({ patienceMs: 35_000 }), (sim) =>
      sim.after(3000, () => {
        for (const counters of sim.metrics.values()) counters.sight = 'nothing';
      }),
    );
    expect(phase).toBe('reverted');
    expect(text).toMatch(/waiting for /);
    expect(longest(atMs, 0, MINUTE_MS)).toBeLessThanOrEqual(12_000);
  });

  it('a rollout that waits for a member to come up says so all the while', async () => {
    const { atMs, phase, text } = await told(planOf({ patienceMs: 35_000 }), (sim) => {
      sim.onShift = () => {
        sim.trouble = ['green is DOWN'];
      };
    });
    expect(['reverted', 'stuck']).toContain(phase);
    expect(text).toContain('green is DOWN');
    expect(text.match(/green is DOWN; trying again/g)?.length).toBeLessThanOrEqual(4);
    expect(longest(atMs, 0, MINUTE_MS)).toBeLessThanOrEqual(12_000);
  });
});
