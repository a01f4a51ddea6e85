/** The stable build is watched before the candidate gets its first request, in the simulation. */
import { describe, expect, it } from 'vitest';
import type { Plan } from '../../src/core/rollout/plan.ts';
import type { Sight } from '../simulator/counters.ts';
import { abort, CANDIDATE, historyIn, resume, STABLE } from '../simulator/rollouts.ts';
import { comparing } from './comparing.ts';
import { ALL_BLUE, begins, greenIn, phaseIn, type Scene, scene, when } from './scene.ts';

const WATCH_MS = 90_000;

const watching = (said: Partial<Plan> = {}) => comparing(said, { watchMs: WATCH_MS });

const stable = (here: Scene, failing: number) => void Object.assign(here.sim.builds.get('blue') ?? {}, { failing });

const sight = (here: Scene, of: Sight) => Object.assign(here.sim.metrics.get(STABLE) ?? {}, { sight: of });

const startMs = ({ sim }: Scene) => sim.monotonicMs;

describe('the watch of the stable build', () => {
  it('the first shift comes only after the stable build was watched for as long as asked', async () => {
    const here = scene();
    const beganMs = startMs(here);
    expect(await here.go(watching())).toMatchObject({ state: { phase: 'done' } });
    expect(greenIn(here)).toEqual([50, 100]);
    expect((here.sim.moved[0]?.atMs ?? 0) - beganMs).toBeGreaterThanOrEqual(WATCH_MS);
  });

  it('the screen shows the watch as a phase of no step, with what is counted and what is left', async () => {
    const here = scene();
    await here.go(watching());
    expect(here.lines).toContainEqual(
      expect.objectContaining({
        type: 'phase',
        phase: 'watching',
        step: 0,
        percent: 0,
        why: expect.stringContaining('watching the stable build before the first step'),
      }),
    );
    const polls = here.lines.filter((line) => line.type === 'poll' && line.step === 0);
    expect(polls.length).toBeGreaterThan(80);
    expect(polls.at(40)).toMatchObject({
      bakeMs: WATCH_MS,
      verdict: 'pass',
      gates: [{ gate: 'errors', why: expect.stringMatching(/^the stable build: 0 of \d+ \(0 %\) failed$/) }],
    });
  });

  it('what was learned of the stable build is in the evidence of the first step, and in the ledger before any shift', async () => {
    const here = scene();
    when(here, begins('shifting'), () => here.runner.kill());
    expect(await here.go(watching())).toMatchObject({ how: 'died' });
    expect(greenIn(here)).toEqual([]);
    const { rollout } = await historyIn(here.sim);
    expect(rollout).toMatchObject({ phase: 'shifting', step: 0, evidence: { evidence: { share: 0 } } });
    expect(await resume(here.sim, here.process(12))).toMatchObject({
      state: { phase: 'done', evidence: { evidence: { lost: 0 } } },
    });
  });

  it.each(['kill', 'leave'] as const)('a watch that is broken off (%s) begins anew when it is resumed', async (how) => {
    const here = scene();
    when(here, begins('watching', 0), () =>
      here.sim.after(60_000, () => (how === 'kill' ? here.runner.kill() : Object.assign(here.runner.control, { leave: true }))),
    );
    expect(await here.go(watching())).toMatchObject({ how: how === 'kill' ? 'died' : 'left' });
    expect(await phaseIn(here)).toBe('watching');
    expect(greenIn(here)).toEqual([]);
    const resumedMs = startMs(here);
    expect(await resume(here.sim, here.process(12))).toMatchObject({ state: { phase: 'done' } });
    expect((here.sim.moved[0]?.atMs ?? 0) - resumedMs).toBeGreaterThanOrEqual(WATCH_MS);
  });

  it.each([
    ['another host', { host: 'deploy-2' }],
    ['another container', { sees: 'container' }],
  ] as const)('%s that takes a watch over watches it whole, and whoever slept shifts nothing', async (_who, options) => {
    const here = scene();
    const other = here.process(12, options);
    let took: ReturnType<typeof resume> | undefined;
    let tookMs = 0;
    const take = () => {
      tookMs = startMs(here);
      took = resume(here.sim, other);
    };
    const sleep = () => {
      // It hangs in the kernel, and wakes up in the middle of the watch of whoever took over.
      here.sim.kill.delete(here.runner.pid);
      here.sim.after(60_000, take);
      here.runner.freeze = () => {
        here.runner.freeze = () => undefined;
        return here.sim.pass(90_000);
      };
    };
    when(here, begins('watching', 0), () => here.sim.after(60_000, sleep));
    expect(await here.go(watching())).toMatchObject({ how: 'superseded' });
    expect(greenIn(here)).toEqual([]);
    expect(await took).toMatchObject({ state: { phase: 'done', evidence: { evidence: { lost: 0 } } } });
    expect((here.sim.moved[0]?.atMs ?? 0) - tookMs).toBeGreaterThanOrEqual(WATCH_MS);
    expect(new Set(here.sim.moved.map(({ by }) => by))).toEqual(new Set([12]));
  });

  it('an incident of the stable build in the last seconds of its watch is counted, and holds the first shift', async () => {
    const here = scene();
    when(here, begins('watching', 0), () => here.sim.after(3100, () => stable(here, 0.5)));
    // Polls at 0, 3 and 5 s.
    const short = comparing({ pollMs: 3000, patienceMs: 60_000 }, { watchMs: 5000 });
    expect(await here.go(short)).toMatchObject({
      state: { phase: 'refused', code: 'GATE_NOT_READY', why: expect.stringMatching(/gate errors: the stable build fails: /) },
    });
    expect(greenIn(here)).toEqual([]);
  });

  it('an abort and a pause in the middle of the watch end it at once, and shift nothing', async () => {
    const aborted = scene();
    when(aborted, begins('watching', 0), () => aborted.sim.after(30_000, () => void abort(aborted.sim, aborted.process(12))));
    await aborted.go(watching());
    await aborted.sim.pass(30_000);
    expect(await historyIn(aborted.sim)).toMatchObject({ rollout: { phase: 'refused', code: 'ABORTED' } });
    const paused = scene();
    when(paused, begins('watching', 0), () => paused.sim.after(30_000, () => (paused.runner.control.paused = true)));
    expect(await paused.go(watching())).toMatchObject({ how: 'left', why: 'interrupted' });
    for (const here of [aborted, paused]) expect(greenIn(here)).toEqual([]);
  });

  it('a stable build in an incident holds the first shift until it is over', async () => {
    const here = scene();
    stable(here, 0.2);
    when(here, begins('watching', 0), () => here.sim.after(150_000, () => stable(here, 0)));
    const beganMs = startMs(here);
    expect(await here.go(watching({ patienceMs: 300_000 }))).toMatchObject({ state: { phase: 'done' } });
    expect((here.sim.moved[0]?.atMs ?? 0) - beganMs).toBeGreaterThan(150_000 + WATCH_MS);
  });

  it.each<readonly [string, (here: Scene) => unknown, RegExp]>([
    [
      'fails for longer than patience',
      (here) => stable(here, 0.2),
      /^the first step did not begin: gate errors: the stable build fails: \d+ of \d+/,
    ],
    ['is not counted for longer than patience', (here) => sight(here, 'nothing'), /gate errors: stable missing: /],
  ])('the rollout ends unchanged, with the reason, when the stable build %s', async (_what, spoil, why) => {
    const here = scene();
    when(here, begins('watching', 0), () => spoil(here));
    const ended = await here.go(watching({ patienceMs: 60_000 }));
    expect(ended).toMatchObject({ state: { phase: 'refused', code: 'GATE_NOT_READY', why: expect.stringMatching(why) } });
    expect(here.sim.split).toEqual(ALL_BLUE);
    expect(greenIn(here)).toEqual([]);
    expect((await historyIn(here.sim)).bad.size).toBe(0);
  });

  it('a candidate whose totals go back and forth before its first request holds the rollout, and is not marked bad', async () => {
    const here = scene();
    const counters = here.sim.metrics.get(CANDIDATE);
    const flip = () => {
      Object.assign(counters ?? {}, { requests: counters?.requests === 5000 ? 5700 : 5000 });
      here.sim.after(1000, flip);
    };
    when(here, begins('watching', 0), flip);
    expect(await here.go(watching({ patienceMs: 60_000 }))).toMatchObject({
      state: { phase: 'refused', code: 'GATE_NOT_READY', why: expect.stringMatching(/its totals go back and forth/) },
    });
    expect(greenIn(here)).toEqual([]);
    expect((await historyIn(here.sim)).bad.size).toBe(0);
  });

  it('another build at the place, and traffic that someone else moves, end the watch', async () => {
    const other = scene();
    when(other, begins('watching', 0), () =>
      other.sim.after(20_000, () => other.sim.place('green', STABLE.replace('b0b', 'bad'))),
    );
    expect(await other.go(watching())).toMatchObject({ state: { phase: 'refused', code: expect.stringMatching(/BUILD/) } });
    const drifted = scene();
    when(drifted, begins('watching', 0), () =>
      drifted.sim.after(20_000, () => drifted.sim.move({ blue: 40, green: 0, grey: 60 }, 0)),
    );
    expect(await drifted.go(watching())).toMatchObject({ state: { phase: 'refused', code: 'UNEXPECTED_SPLIT' } });
  });

  it('a rollout that watches for no time begins with the first step', async () => {
    const here = scene();
    await here.go(comparing());
    expect(here.lines.filter((line) => line.type === 'phase' && line.phase === 'watching')).toEqual([]);
  });
});
