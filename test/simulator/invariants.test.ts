/** Each promise that the simulator watches can be seen broken: a simulation made by hand for each, and one in which all are kept. */
import { describe, expect, it } from 'vitest';
import type { Event } from '../../src/core/ledger/events.ts';
import type { NewEntry } from '../../src/core/ledger/ledger.ts';
import { putFile } from './disk.ts';
import { Invariants } from './invariants.ts';
import { beOdd, OLD_PROGRAM } from './members.ts';
import { Process } from './process.ts';
import { buildAt, furnish, planOf, promote, storeOf } from './rollouts.ts';
import type { Schedule } from './schedule.ts';
import { identityOf, POINTER_DIR, SCOPE, Simulation } from './simulation.ts';
import { locationsIn } from './target.ts';
import { withWatch } from './waits.ts';

const QUIET: Schedule = { seed: 0, plan: planOf(), green: 'good', actors: [], mishaps: [], faults: [], end: 'resume' };
const ALL_BLUE = { blue: 100, green: 0, grey: 0 };
const TEN_GREEN = { blue: 90, green: 10, grey: 0 };
const ALL_GREEN = { blue: 0, green: 100, grey: 0 };
const RUNNER = 10;
const RESCUER = 11;

function scene(said: Partial<Schedule> = {}) {
  const sim = furnish(new Simulation(ALL_BLUE));
  const invariants = new Invariants(sim, { ...QUIET, ...said });
  return { sim, invariants };
}

function entry(event: Event): NewEntry {
  return { at: '2026-11-21T10:00:00.000Z', actor: 'alice', host: 'deploy-1', boot: 'boot', event };
}

const CLAIM: Event = {
  type: 'claimed',
  atMs: 1,
  claim: { by: identityOf(RUNNER), actor: 'alice', command: 'promote', from: null },
};
const PLANNED: Event = { type: 'planned', atMs: 2, plan: planOf() };
const SHIFTED: readonly Event[] = [
  { type: 'prepared', atMs: 3, generation: null },
  {
    type: 'shifted',
    atMs: 4,
    split: [
      { place: 'green', build: null, percent: 10 },
      { place: 'blue', build: null, percent: 90 },
    ],
    certainty: 'configured',
  },
  { type: 'converged', atMs: 5, baseline: {}, certainty: 'configured' },
];

/** The ledger says all this, as if a process had written it. */
async function written(sim: Simulation, events: readonly Event[]): Promise<void> {
  const store = storeOf(new Process(sim, RUNNER).io);
  for (const [index, event] of events.entries()) expect(await store.append(SCOPE, index + 1, entry(event))).toBe('ok');
}

async function broken(invariants: Invariants): Promise<string> {
  await invariants.atEnd();
  return invariants.problems.join('\n');
}

describe('it is seen when', () => {
  it('invariant I1 is broken when traffic goes to a place that the plan does not name', async () => {
    const { sim, invariants } = scene();
    sim.onShift(RUNNER, { blue: 50, green: 0, grey: 50 }, '');
    expect(await broken(invariants)).toContain('I1 process 10 gave traffic to grey');
  });

  it('invariant I1 is broken when more traffic goes to a build of another environment', async () => {
    const { sim, invariants } = scene({ green: 'staging' });
    sim.onShift(RUNNER, TEN_GREEN, '');
    expect(await broken(invariants)).toContain('I1 process 10 sent more traffic to a build of somewhere else');
  });

  it('invariant I2 is broken when a process changes traffic that does not lead', async () => {
    const { sim, invariants } = scene();
    await written(sim, [CLAIM, PLANNED, ...SHIFTED.slice(0, 1)]);
    sim.onShift(RUNNER + 5, TEN_GREEN, '');
    expect(await broken(invariants)).toContain('I2 process 15 changed traffic while 10 led');
  });

  it('invariant I2 is broken when the leader sets what the ledger does not want', async () => {
    const { sim, invariants } = scene();
    await written(sim, [CLAIM, PLANNED, ...SHIFTED.slice(0, 1)]);
    sim.onShift(RUNNER, ALL_GREEN, '');
    expect(await broken(invariants)).toContain('I2 process 10 set green 100 %, the ledger wants blue 90 %, green 10 %');
  });

  it('invariant I3 is broken when an acknowledged entry is gone', async () => {
    const { sim, invariants } = scene();
    sim.onAppended(RUNNER, 1, entry(CLAIM));
    expect(await broken(invariants)).toContain('I3 entry 1 (claimed) that process 10 was promised is gone');
  });

  it('invariant I3 is broken when an acknowledged generation of the pointer is gone', async () => {
    const { sim, invariants } = scene();
    sim.onPointed(3);
    expect(await broken(invariants)).toContain('I3 generation 3 of the pointer was promised and is gone');
  });

  it('invariant I4 is broken when two processes are told that one entry is theirs', () => {
    const { sim, invariants } = scene();
    sim.onAppended(RUNNER, 1, entry(CLAIM));
    sim.onAppended(RUNNER + 1, 1, entry(CLAIM));
    expect(invariants.problems.join()).toContain('I4 processes 10 and 11 were both told that entry 1 is theirs');
  });

  it('invariant I5 is broken when traffic is changed under a hold', async () => {
    const { sim, invariants } = scene();
    putFile(sim.disk, `${POINTER_DIR}/hold`, 'hold');
    sim.onShift(RUNNER, TEN_GREEN, '');
    expect(await broken(invariants)).toContain('I5 process 10 changed traffic under a hold');
  });

  it('invariant I5 is broken when a change of a rollout arrives after the rescue is over, and its hold is lost', async () => {
    const { sim, invariants } = scene();
    const sentMs = sim.monotonicMs;
    invariants.breaksGlass(RESCUER);
    await sim.pass(100);
    invariants.rescued(RESCUER, null, 'made and verified');
    await sim.pass(100);
    sim.move(TEN_GREEN, RUNNER, sentMs);
    invariants.holdStands();
    expect(invariants.problems.join()).toContain('I5 what process 10 sent 200 ms ago arrived after the rescue was over');
    expect(invariants.problems.join()).toContain('I5 a hold was set and is gone');
  });

  it('invariant I6 is broken when a generation of the pointer is damaged', async () => {
    const { sim, invariants } = scene();
    putFile(sim.disk, `${POINTER_DIR}/ptr.000000000001`, 'half a poin');
    sim.onPointed(1);
    expect(await broken(invariants)).toContain('I6 damaged generations');
  });

  it('invariant I7 is broken when the percentage rises without a gate that passed', async () => {
    const { sim, invariants } = scene();
    const polled: Event = { type: 'polled', atMs: 6, verdict: 'pass', watchedMs: 5000, missingMs: 0, advance: true, gates: [] };
    await written(sim, [CLAIM, PLANNED, ...SHIFTED, polled]);
    sim.onShift(RUNNER, ALL_GREEN, '');
    expect(await broken(invariants)).toContain('I7 process 10 raised the percentage without a gate that passed');
  });

  it('invariant I7 is broken when a build that fails gets beyond the first step', async () => {
    const { sim, invariants } = scene({ green: 'broken' });
    sim.move(ALL_GREEN, RUNNER);
    expect(await broken(invariants)).toContain('I7 a build that fails got 100 %');
  });

  it('invariant I7 is broken when a build is known-good before its last bake is over', async () => {
    const { sim, invariants } = scene({ plan: planOf({ steps: [{ percent: 100, bakeMs: 60_000 }] }) });
    await written(sim, [CLAIM, { ...PLANNED, plan: planOf({ steps: [{ percent: 100, bakeMs: 60_000 }] }) }]);
    sim.onAppended(RUNNER, 3, entry({ type: 'shifted', atMs: 3, split: [], certainty: 'configured' }));
    sim.onAppended(RUNNER, 4, entry({ type: 'pointed', atMs: 4, generation: 1, warnings: [] }));
    expect(await broken(invariants)).toContain('I7 process 10 named a build known-good after 0 ms');
  });

  it('invariant I8 is broken when a rollout ends in no named state', async () => {
    const { sim, invariants } = scene();
    await written(sim, [CLAIM, PLANNED]);
    expect(await broken(invariants)).toContain('I8 it ended while still checking');
  });

  it('invariant I8 is broken when traffic is not where the end says', async () => {
    const { sim, invariants } = scene();
    expect((await promote(sim, new Process(sim, RUNNER))).how).toBe('over');
    sim.move(TEN_GREEN, RUNNER);
    expect(await broken(invariants)).toContain('I8 done, but traffic is blue 90 %, green 10 %');
  });

  const SHAPE = [{ location: 'east', members: { blue: ['blue-1', 'blue-2'], green: ['green-1', 'green-2'] } }];
  const NAMES = 'east: blue-1 blue-2 green-1 green-2 grey';

  /** Two members a place, as the leader saw them, and whom it asked since. */
  function severalMembers(asked: readonly string[]) {
    const { sim, invariants } = scene();
    sim.shape = SHAPE;
    sim.looked.set(RUNNER, { atMs: sim.monotonicMs, locations: locationsIn(sim, sim.split) });
    for (const host of asked) sim.heard.set(`${RUNNER} ${host}`, { atMs: sim.monotonicMs, build: sim.runs(host) });
    return { sim, invariants };
  }

  async function raised({ sim, invariants }: ReturnType<typeof severalMembers>, names = NAMES): Promise<string> {
    await written(sim, [CLAIM, PLANNED, ...SHIFTED.slice(0, 1)]);
    sim.onShift(RUNNER, TEN_GREEN, names);
    return broken(invariants);
  }

  it('invariant I10 is broken when the percentage rises and a member was not asked', async () => {
    const seen = await raised(severalMembers(['green-1']));
    expect(seen).toContain('I10 process 10 raised the percentage of a member that is not asked (green-2)');
    expect(seen).not.toContain('(green-1)');
  });

  it('invariant I10 is broken when the percentage rises and a member is another build, or silent', async () => {
    const here = severalMembers(['green-1', 'green-2']);
    beOdd(here.sim, 'green-1', 'staging');
    here.sim.heard.set(`${RUNNER} green-1`, { atMs: here.sim.monotonicMs, build: here.sim.runs('green-1') });
    here.sim.heard.set(`${RUNNER} green-2`, { atMs: here.sim.monotonicMs, build: undefined });
    const seen = await raised(here);
    expect(seen).toContain('a member that is another build (green-1)');
    expect(seen).toContain('a member that is silent (green-2)');
  });

  it('invariant I10 is broken when the percentage rises and too few members are up', async () => {
    const here = severalMembers(['green-1']);
    here.sim.minUp.set('green', 2);
    here.sim.down.add('east green-2');
    here.sim.looked.set(RUNNER, { atMs: here.sim.monotonicMs, locations: locationsIn(here.sim, here.sim.split) });
    expect(await raised(here)).toContain('I10 process 10 raised the percentage with too few members up at east');
  });

  it('invariant I10 is broken when a change, or the pointer, leaves a member out', async () => {
    const seen = await raised(severalMembers(['green-1', 'green-2']), NAMES.replace(' green-2', ''));
    expect(seen).toContain('I10 process 10 changed the traffic without naming green-2 at east');
    expect(seen).toContain('the pointer does not restore blue-2 at east');
  });

  it('invariant I11 is broken when a rollout is not refused that its members refuse', async () => {
    const replicas = { shapes: SHAPE, minUp: {}, odd: { 'green-2': 'foreign' }, isCalm: true } as const;
    const first = { command: 'promote', startMs: 0, host: 'deploy-1', sees: 'all', dieAt: null, lastWord: 'now' } as const;
    const actors = [{ ...first, leaveAfterMs: null, holdAfterMs: null, freeze: null }];
    const { invariants } = scene({ replicas, actors });
    expect(await broken(invariants)).toContain('I11 it ended none, not refused');
  });

  it('invariant I11 is broken when an old rescue program lies next to a generation', () => {
    const { sim, invariants } = scene({ isOld: true });
    putFile(sim.disk, `${POINTER_DIR}/break-glass.mjs`, OLD_PROGRAM);
    putFile(sim.disk, `${POINTER_DIR}/ptr.000000000001`, 'a generation');
    new Process(sim, RUNNER).kill();
    expect(invariants.problems.join()).toContain('I11 a rescue program of an earlier version lies next to a generation');
  });

  const WATCHED = withWatch(planOf(), 3000, 0, false);

  it('invariant I9 is broken when the candidate gets traffic before the stable build was watched', async () => {
    const { sim, invariants } = scene({ plan: WATCHED });
    await written(sim, [CLAIM, { ...PLANNED, plan: WATCHED }, ...SHIFTED.slice(0, 1)]);
    sim.onShift(RUNNER, TEN_GREEN, '');
    expect(await broken(invariants)).toContain('I9 process 10 gave the candidate traffic 0 ms into a watch of 3000 ms');
  });

  it('invariant I9 is broken when a rollout goes on that was rescued in its watch', async () => {
    const { sim, invariants } = scene({ plan: WATCHED });
    await written(sim, [CLAIM, { ...PLANNED, plan: WATCHED }, ...SHIFTED.slice(0, 1)]);
    invariants.breaksGlass(RESCUER);
    invariants.meetsWatch(RESCUER, WATCHED.id);
    invariants.rescued(RESCUER, null, 'made and verified');
    await sim.pass(100);
    invariants.reviewed();
    sim.onShift(RUNNER, TEN_GREEN, '');
    expect(await broken(invariants)).toContain('I9 process 10 goes on with r-1, which was ended in its watch');
  });

  it('invariant I9 is broken when a step is left before its warm-up and its bake are over', async () => {
    const { sim, invariants } = scene();
    const plan = withWatch(planOf(), 0, 4000, false);
    const polled: Event = { type: 'polled', atMs: 6, verdict: 'pass', watchedMs: 5000, missingMs: 0, advance: true, gates: [] };
    await written(sim, [CLAIM, { ...PLANNED, plan }, ...SHIFTED, polled]);
    sim.move(TEN_GREEN, RUNNER);
    await sim.pass(6000);
    sim.onShift(RUNNER, ALL_GREEN, '');
    expect(await broken(invariants)).toContain('I9 process 10 raised the percentage 6000 ms into a step of 9000 ms');
    await sim.pass(4000);
    sim.move({ ...TEN_GREEN, green: 20, blue: 80 }, RUNNER);
    sim.move(TEN_GREEN, RUNNER);
    await sim.pass(4000);
    sim.onShift(RUNNER, ALL_GREEN, '');
    expect(await broken(invariants)).toContain('I9 process 10 raised the percentage 4000 ms after the last time, not 5000');
  });
});

it('no invariant is broken where every promise is kept', async () => {
  const { sim, invariants } = scene();
  expect(
    (await promote(sim, new Process(sim, RUNNER), planOf({ candidate: buildAt(QUIET.plan.candidate.guid, 'green', 3) }))).how,
  ).toBe('over');
  expect(await broken(invariants)).toBe('');
});
