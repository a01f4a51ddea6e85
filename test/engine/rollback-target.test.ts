/** Where a rescue in the middle of a rollback leads, and what stands in no rollback's way. */
import { describe, expect, it } from 'vitest';
import { rescueGoal } from '../../src/core/ledger/history.ts';
import { rescue } from '../simulator/rescues.ts';
import { CANDIDATE, historyIn, planOf, promote, rollbackOf, STABLE } from '../simulator/rollouts.ts';
import { ALL_BLUE, ALL_GREEN, begins, pointersIn, type Scene, scene, when } from './scene.ts';

const back = rollbackOf({ id: 'r-2' });

/** CANDIDATE was promoted after STABLE. */
async function promoted(): Promise<Scene> {
  const here = scene();
  const steps = [{ percent: 100, bakeMs: 1000 }];
  await promote(here.sim, here.process(12), planOf({ id: 'r-0', kind: 'adopt', candidate: back.candidate, stable: null, steps }));
  await here.go();
  return here;
}

/** Begins the rollback and kills its runner when this phase begins. */
async function killedAt(here: Scene, phase: string): Promise<void> {
  const runner = here.process(13);
  when(here, begins(phase), () => runner.kill());
  await promote(here.sim, runner, back, (line) => here.lines.push(line));
}

describe('the target of a rollback', () => {
  it('a rollback names its target in the pointer before its first shift, and no longer offers what it leaves', async () => {
    const here = await promoted();
    await killedAt(here, 'shifting');
    expect(here.sim.split).toEqual(ALL_GREEN);
    expect(pointersIn(here).newest).toMatchObject({
      why: 'before-rollback',
      rollout: 'r-2',
      knownGood: { build: { guid: STABLE }, changes: [{ body: JSON.stringify(ALL_BLUE) }] },
      earlier: [],
      bad: [],
    });
  });

  it.each(['shifting', 'converging', 'pointing'])(
    'a rescue leads to the target of a rollback that died while %s',
    async (phase) => {
      const here = await promoted();
      await killedAt(here, phase);
      await rescue(here.process(60));
      expect(here.sim.split).toEqual(ALL_BLUE);
      expect(rescueGoal(await historyIn(here.sim))?.build.guid).toBe(STABLE);
    },
  );

  it('a rollback that cannot read its router names its target by the changes rendered before', async () => {
    const here = await promoted();
    here.sim.fate = () => 'refused';
    const runner = here.process(13);
    const http = runner.io.http.bind(runner.io);
    runner.io.http = (request, allowed) =>
      request.method === 'GET' && request.url === 'http://router/split'
        ? Promise.reject(new Error('no answer'))
        : http(request, allowed);
    expect(await promote(here.sim, runner, back)).toMatchObject({ state: { phase: 'stuck' } });
    expect(pointersIn(here).newest).toMatchObject({
      why: 'before-rollback',
      knownGood: { build: { guid: STABLE } },
      earlier: [],
    });
  });

  it('a rollback whose pointer cannot be written warns with the option that names its target, and goes on', async () => {
    const here = await promoted();
    const runner = here.process(13);
    const { fs } = runner.io;
    const link = fs.linkSync.bind(fs);
    let left = 1;
    fs.linkSync = (from, to) => {
      if (String(to).includes('/ptr.') && left-- > 0) throw new Error('the disk is on fire');
      link(from, to);
    };
    expect(await promote(here.sim, runner, back, (line) => here.lines.push(line))).toMatchObject({ state: { phase: 'done' } });
    const message = expect.stringMatching(`THE POINTER still names another build .*on fire.* --to ${STABLE}`);
    expect(here.lines).toContainEqual(expect.objectContaining({ level: 'warning', message }));
    expect(here.sim.split).toEqual(ALL_BLUE);
  });

  it('a finished rollback is not unfinished any more: the next promotion finds ledger and pointer agreed', async () => {
    const here = await promoted();
    await promote(here.sim, here.process(13), back);
    const history = await historyIn(here.sim);
    expect([history.rollingBackTo, rescueGoal(history)?.build.guid]).toEqual([null, STABLE]);
    expect(pointersIn(here).newest).toMatchObject({ why: 'rolled-back', bad: [CANDIDATE] });
  });
});
