/** Programs that notice a first step next to a stable build that fails, and a wait without an end. */
import { comparing } from '../engine/comparing.ts';
import { begins, scene, when } from '../engine/scene.ts';
import { STABLE } from '../simulator/rollouts.ts';

/** A stable build that fails, and one that is not counted, before the first step. */
export async function stableInTrouble(): Promise<readonly string[]> {
  const complaints: string[] = [];
  for (const trouble of ['fails', 'is not counted'] as const) {
    const here = scene({ leaveAtMs: 200_000 });
    when(here, begins('watching', 0), () => {
      if (trouble === 'fails') Object.assign(here.sim.builds.get('blue') ?? {}, { failing: 0.3 });
      else Object.assign(here.sim.metrics.get(STABLE) ?? {}, { sight: 'nothing' });
    });
    await here.go(comparing({ patienceMs: 600_000 }, { watchMs: 30_000 }));
    if (here.sim.moved.length > 0) complaints.push(`a rollout begins next to a stable build that ${trouble}`);
  }
  return complaints;
}

/** A candidate that is in trouble for a moment every 20 s, for ever. */
export async function beginsAgain(): Promise<readonly string[]> {
  const here = scene({ leaveAtMs: 900_000 });
  const again = () => {
    here.sim.trouble = ['green is in maintenance'];
    here.sim.after(1500, () => (here.sim.trouble = []));
    here.sim.after(20_000, again);
  };
  when(here, begins('baking'), () => here.sim.after(20_000, again));
  const steps = [50, 100].map((percent) => ({ percent, bakeMs: 60_000 }));
  const ended = await here.go(comparing({ patienceMs: 120_000, steps }));
  return ended.how === 'over' ? [] : ['a bake begins again for ever'];
}
