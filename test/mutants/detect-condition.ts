/** The detector for admission as a condition: what changes while a rollout walks must be noticed. */
import { Condition } from '../../src/engine/condition.ts';
import { begins, greenIn, pointersIn, type Scene, scene, when } from '../engine/scene.ts';
import { planOf, resume } from '../simulator/rollouts.ts';

/** The candidate changes, falls silent, or loses its manifest while it bakes. */
export async function condition(): Promise<readonly string[]> {
  const bakes =
    (act: (here: Scene) => void, more: Parameters<typeof planOf>[0] = {}) =>
    async () => {
      const here = scene({ leaveAtMs: 300_000 });
      let changedMs = 0;
      when(here, begins('baking'), () => {
        changedMs = here.sim.monotonicMs;
        act(here);
      });
      const ended = await here.go(planOf({ steps: [10, 100].map((percent) => ({ percent, bakeMs: 20_000 })), ...more }));
      const back = ended.how === 'over' && ended.state.phase === 'reverted' && greenIn(here).join() === '10,0';
      return { back, tookMs: here.sim.monotonicMs - changedMs };
    };
  const exchanged = await bakes(({ sim }) => sim.place('green', 'dead0000-0000-4000-8000-000000000009'))();
  const silent = await bakes(({ sim }) => Object.assign(sim.builds.get('green') ?? {}, { up: false }))();
  const unreadable = await bakes(({ sim }) => {
    sim.files = { is: 'silent', what: 'manifests', why: 'it cannot be read' };
  })();
  const fewer = await bakes(({ sim }) => {
    sim.shape = [{ location: 'east', members: { green: ['green', 'green-2'], blue: ['blue', 'blue-2'] } }];
    sim.down.add('east green-2');
  })();
  const three = ['blue', 'green'].map((place) => [place, [place, `${place}-2`, `${place}-3`]] as const);
  const members = three.flatMap(([place, names]) => names.map((name) => ({ name, place })));
  const both = await bakes(
    ({ sim }) => {
      sim.shape = [{ location: 'east', members: Object.fromEntries(three) }];
      for (const name of ['blue-2', 'blue-3', 'green-2', 'green-3']) sim.down.add(`east ${name}`);
    },
    { layout: [{ location: 'east', members }] },
  )();
  // It dies right after the pointer was written, and another build has come by the time that someone resumes.
  const late = scene();
  late.sim.onPointed = () => {
    if (pointersIn(late).newest?.why === 'promoted') late.runner.kill();
  };
  await late.go();
  late.sim.place('green', 'dead0000-0000-4000-8000-000000000009');
  await resume(late.sim, late.process(12));
  const named = pointersIn(late).newest?.knownGood.build.guid;
  return [
    ...(named === planOf().stable?.guid ? [] : [`after a revert the pointer names ${named}`]),
    ...((await slowlyHeard()) === 'wrong' ? [] : ['what members say slowly is never heard']),
    ...(exchanged.back && exchanged.tookMs < 10_000 ? [] : ['a build that was exchanged bakes on']),
    ...(silent.back ? [] : ['a build that fell silent goes on']),
    ...(fewer.back ? [] : ['a place with too few members up gets more traffic, or waits for ever']),
    ...(both.back ? [] : ['a fault that takes members of both places asks less of the candidate']),
    ...(unreadable.back ? [] : ['a build whose manifest cannot be read goes on']),
  ];
}

/** What a foreign build is taken for when every round of questions takes longer than the time between two. */
async function slowlyHeard(): Promise<string> {
  let nowMs = 0;
  const rounds: Array<(answers: unknown) => void> = [];
  const target = { ask: () => new Promise((resolve) => rounds.push(resolve)) };
  const files = { judge: async () => ({ is: 'right' }) };
  const slow = new Condition({ io: { monotonic: () => nowMs }, target, files } as never);
  const foreign = { at: 'http://green', answer: { guid: 'dead0000-0000-4000-8000-000000000009', environment: null, said: '' } };
  for (nowMs = 0; nowMs < 15_000; nowMs += 1000) slow.look({ plan: planOf() } as never, {} as never, { locations: [] } as never);
  rounds[0]?.([foreign]);
  await new Promise((resolve) => setImmediate(resolve));
  return slow.seen.is;
}
